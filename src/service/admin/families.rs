//! What an operator does to families.

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, UserChange};
use crate::domain::family::EndedFamily;
use crate::domain::ids::{FamilyId, UserId};
use crate::domain::refusal::EndReason;
use crate::service::logout::ending;
use crate::service::{Core, Failure};
use crate::store::families::Spared;
use crate::store::{families, sign_in_sessions, users};

/// Ends one family, with the sign-in that it came from.
///
/// # Errors
/// [`Failure::NotFound`] when it is gone or ended already.
pub async fn end(core: &Core, id: FamilyId, now: DateTime<Utc>) -> Result<(), Failure> {
    let family = families::find(&core.db, id).await?.ok_or(Failure::NotFound)?;
    let ended = core.write(now, async |tx| {
        users::touch(tx, family.user(), now).await?;
        ending::end_with_way_back(tx, &family, None, EndReason::Operator, now).await.map(Some)
    });
    if ended.await? == Some(true) { Ok(()) } else { Err(Failure::NotFound) }
}

/// Ends every live family and every sign-in session of a user.
pub async fn end_of_user(core: &Core, user: UserId, now: DateTime<Utc>) -> Result<Vec<EndedFamily>, Failure> {
    let ended = core.write(now, async |tx| {
        users::touch(tx, user, now).await?;
        sign_in_sessions::end_of_user(tx, user, None).await?;
        tx.record(Event::UserChanged { user, change: UserChange::LoginsEnded });
        families::end_of_user(tx, user, Spared::Nothing, EndReason::Operator, now).await.map(Some)
    });
    Ok(ended.await?.unwrap_or_default())
}
