//! What was used already comes back: somebody else has it too.

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, Whence};
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::FamilyId;
use crate::domain::refusal::EndReason;
use crate::service::{Core, Failure};
use crate::store::families;

/// Ends the family whatever its row has become since, in a task of its own: a thief who hangs up changes nothing.
///
/// # Errors
/// [`Failure::Store`]; [`Failure::Busy`] when the task could not end.
pub(super) async fn end(
    core: &Core,
    agent: &UserAgentInfo,
    (family, reason): (FamilyId, EndReason),
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let (writer, from) = (core.writer.clone(), Whence::from(agent));
    let ending = async move {
        let end = writer.write_sending(now, move |tx| {
            let from = from.clone();
            Box::pin(async move {
                let Some(ended) = families::end(tx, family, reason, now).await? else { return Ok(None) };
                tx.record(Event::FamilyReused { family, client: ended.client, from });
                Ok(Some(()))
            })
        });
        end.await
    };
    tokio::spawn(ending).await.map_err(|_| Failure::Busy)??;
    Ok(())
}
