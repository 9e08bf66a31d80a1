//! Whether this process can serve.

use chrono::{DateTime, TimeDelta, Utc};

use crate::service::Core;
use crate::store::migrate::{self, Schema};

/// Replicas whose clocks are further apart than this would disagree about the leeway.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// What is not as it must be: of database, schema, clock and signing key.
pub async fn missing(core: &Core, now: DateTime<Utc>) -> Option<&'static str> {
    let Ok(database_time) = core.db.time().await else { return Some("the database does not answer") };
    if database_time.is_some_and(|time| (time - now).abs() > CLOCK_TOLERANCE) {
        return Some("this machine's clock and the database's differ by more than 5 seconds");
    }
    match migrate::schema(&core.db).await {
        Ok(Schema::Current) => {}
        Ok(Schema::TooOld { .. } | Schema::TooNew { .. } | Schema::Damaged { .. }) => {
            return Some("the database's schema is not the one that this version knows");
        }
        Err(_) => return Some("the database does not answer"),
    }
    let signs = core.keys.with_signing_keys(|keys| keys.signer(now).is_some());
    if signs { None } else { Some("there is no signing key") }
}
