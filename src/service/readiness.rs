//! Whether this process can serve.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::error_causes::with_causes;
use crate::domain::ids::uuid_v7;
use crate::domain::reading::Reading;
use crate::service::Core;
use crate::store::migrate::{self, Schema};
use crate::store::{StoreError, Tx, recovery};

const NO_WRITES: &str = "the database takes no writes";

/// What is not as it must be: of database, writes, schema, clock and signing key.
pub async fn missing(core: &Core, reading: Reading) -> Option<&'static str> {
    let now = reading.now;
    match core.db.time().await {
        Ok(_) => {}
        Err(StoreError::ReadOnly) => return Some(NO_WRITES),
        Err(_) => return Some("the database does not answer"),
    }
    if core.clock_watch.check(reading).is_err() {
        return Some("this machine's clock and the database's differ");
    }
    match migrate::schema(&core.db).await {
        Ok(Schema::Current | Schema::Newer { .. }) => {}
        Ok(Schema::TooOld { .. } | Schema::TooNew { .. } | Schema::Damaged { .. }) => {
            return Some("the database's schema is not the one that this version knows");
        }
        Err(_) => return Some("the database does not answer"),
    }
    if !writes_work(core, now).await {
        return Some(NO_WRITES);
    }
    let signs = core.keys.with_signing_keys(|keys| keys.signer(now).is_some());
    if signs { None } else { Some("there is no signing key") }
}

/// Whether writes work. After one that failed the server tries one itself now and then, until one has worked.
async fn writes_work(core: &Core, now: DateTime<Utc>) -> bool {
    let writes = core.writer.writes();
    if writes.are_to_be_tried(now) {
        let id = uuid_v7(now, random::bytes());
        let trial = async |tx: &mut Tx| recovery::write_and_undo(tx, id, now).await.map(Some);
        if let Err(error) = core.write(now, trial).await {
            tracing::warn!(error = with_causes(&error), "a write was tried, and failed");
        }
    }
    !writes.fail()
}
