//! How much there is, and what happened of late.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::uuid_v7;
use crate::service::{Core, Failure};
use crate::store::statistics;

/// How much there is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statistics {
    pub users: i64,
    /// Those that were not removed.
    pub clients: i64,
    /// Those that have neither ended nor passed their absolute expiry.
    pub live_families: i64,
    /// How often what happened in the last 24 hours, as far as the database keeps it.
    pub events_of_a_day: BTreeMap<String, i64>,
}

pub async fn read(core: &Core, now: DateTime<Utc>) -> Result<Statistics, Failure> {
    let since = uuid_v7(now - TimeDelta::days(1), [0; 10]);
    Ok(Statistics {
        users: statistics::users(&core.db).await?,
        clients: statistics::clients(&core.db).await?,
        live_families: statistics::live_families(&core.db, now).await?,
        events_of_a_day: statistics::events_since(&core.db, since).await?.into_iter().collect(),
    })
}
