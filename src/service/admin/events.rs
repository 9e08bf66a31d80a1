//! What happened, as far as it is kept.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::event::{EVENT_FORM, EventChoice};
use crate::domain::ids::{FamilyId, UserId, first_id_of};
use crate::service::admin::views::{EventView, time};
use crate::service::{Core, Failure};
use crate::store::StoreError;
use crate::store::events::{self, StoredEvent, WantedEvents};

/// What an operator looks for.
#[derive(Debug, Clone)]
pub struct EventFilter {
    pub user: Option<UserId>,
    pub family: Option<FamilyId>,
    pub name: EventChoice,
    /// From this time on.
    pub since: DateTime<Utc>,
}

/// Up to `limit` of what happened, the newest first: what was before another one, or the newest.
pub async fn list(
    core: &Core,
    filter: &EventFilter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<EventView>, Failure> {
    let wanted = WantedEvents {
        user: filter.user,
        family: filter.family,
        name: filter.name.clone(),
        since: first_id_of(filter.since),
        before: before.unwrap_or(Uuid::max()),
    };
    let listed = events::list(&core.db, &wanted, limit).await?;
    Ok(listed.into_iter().map(view).collect::<Result<_, StoreError>>()?)
}

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub struct EventSpan {
    /// From this time on.
    pub since: DateTime<Utc>,
    /// Before this one, if there is an end to it.
    pub until: Option<DateTime<Utc>>,
}

/// Up to `limit` of what happened, the oldest first: what was after another one, or the oldest.
pub async fn export(
    core: &Core,
    span: EventSpan,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<EventView>, Failure> {
    let next = |id: Uuid| Uuid::from_u128(id.as_u128().saturating_add(1));
    let from = after.map_or(first_id_of(span.since), next);
    let before = span.until.map_or(Uuid::max(), first_id_of);
    let read = events::oldest(&core.db, (from, before), limit).await?;
    Ok(read.into_iter().map(view).collect::<Result<_, StoreError>>()?)
}

/// Deletes up to `limit` of what is kept for longer than `retention`; gives how many.
pub(super) async fn forget_some(
    core: &Core,
    retention: Duration,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    events::delete_some(&core.db, first_id_of(now - retention), limit).await
}

fn view(row: StoredEvent) -> Result<EventView, StoreError> {
    let fields: Map<String, Value> =
        serde_json::from_str(&row.fields).map_err(|_| StoreError::corrupt("events", row.id, "fields"))?;
    Ok(EventView { v: EVENT_FORM, id: row.id, at: time(row.at), event: row.name, times: row.times, fields })
}
