//! The end of a user's logins, of which there may be many: a part of them in the transaction that ends them, and the
//! rest part by part.
//!
//! What is left is noted in that first transaction, so that it ends whatever becomes of us: the janitor goes on. The
//! first part is as large as all that a user may have ([`PART`] is the default of the limit), so whoever keeps within
//! the limit loses all of them at once, with the change that ends them.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::family::{EndedFamily, Place};
use crate::domain::ids::{UserId, uuid_v7};
use crate::domain::refusal::EndReason;
use crate::service::Core;
use crate::store::ending_logins::{self, EndingLogins, Which};
use crate::store::{StoreError, Tx, families, sign_in_attempts, sign_in_sessions, users};

/// How many families, and how many sign-ins, end in one transaction.
pub(crate) const PART: u32 = 1000;

/// What has begun to end.
#[derive(Debug)]
pub(crate) struct BegunEnding {
    /// The newest of the families that ended at once.
    pub(crate) ended: Vec<EndedFamily>,
    rest: Option<EndingLogins>,
}

/// Ends a user's logins, and all sign-ins but the spared one, in the transaction that touched the user's row. What is
/// more than a part ends in [`finish`].
pub(crate) async fn begin(
    tx: &mut Tx,
    user: UserId,
    which: Which,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<BegunEnding, StoreError> {
    let id = uuid_v7(now, random::bytes());
    let ending = EndingLogins { id, user, which, reason, noted_at: now, after: Place::NEWEST };
    begin_with(tx, ending, None, now).await
}

/// The same of all that began before a time.
pub(crate) async fn begin_before(
    tx: &mut Tx,
    user: UserId,
    before: DateTime<Utc>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<BegunEnding, StoreError> {
    let id = uuid_v7(now, random::bytes());
    let after = Place { created_at: before, id: Place::OLDEST.id };
    let ending = EndingLogins { id, user, which: Which::All, reason, noted_at: before, after };
    begin_with(tx, ending, Some(before), now).await
}

async fn begin_with(
    tx: &mut Tx,
    ending: EndingLogins,
    until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<BegunEnding, StoreError> {
    let user = ending.user;
    let mut sign_ins = 0;
    if let Some(spared) = ending.which.sign_ins_but() {
        sign_ins = sign_in_sessions::end_some_of_user(tx, user, spared, until, PART).await?;
        sign_in_sessions::forget_codes_of_user(tx, user, spared).await?;
        sign_in_attempts::end_of_user(tx, user).await?;
    }
    let (ended, after) = families::end_part(tx, &ending, PART, now).await?;
    let rest = rest(ending, sign_ins, after);
    if let Some(rest) = &rest {
        ending_logins::insert(tx, rest).await?;
    }
    Ok(BegunEnding { ended, rest })
}

/// What is left after a part: families after a place, or sign-ins alone.
fn rest(ending: EndingLogins, sign_ins: u32, after: Option<Place>) -> Option<EndingLogins> {
    let is_over = after.is_none() && sign_ins < PART;
    (!is_over).then(|| EndingLogins { after: after.unwrap_or(Place::OLDEST), ..ending })
}

/// Ends what is left; gives how many families have ended by now, the first ones too. What comes between is no failure
/// of what was asked for, which is done: the janitor goes on.
pub(crate) async fn finish(core: &Core, ending: BegunEnding, now: DateTime<Utc>) -> usize {
    let mut count = ending.ended.len();
    let mut left = ending.rest;
    while let Some(ending) = left {
        let part = core.writer.write_sending(now, move |tx| {
            let ending = ending.clone();
            Box::pin(async move { end_part(tx, ending, now).await.map(Some) })
        });
        left = match part.await {
            Ok(Some((ended, rest))) => {
                count += ended;
                rest
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "not all logins of a user have ended yet; the janitor goes on");
                None
            }
        };
    }
    count
}

/// Goes on with what others have noted and not finished, up to `limit` of it; gives how many families have ended.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn finish_noted(core: &Core, limit: i64, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let mut count = 0;
    for rest in ending_logins::first(&core.db, limit).await? {
        count += finish(core, BegunEnding { ended: Vec::new(), rest: Some(rest) }, now).await;
    }
    Ok(count)
}

async fn end_part(
    tx: &mut Tx,
    ending: EndingLogins,
    now: DateTime<Utc>,
) -> Result<(usize, Option<EndingLogins>), StoreError> {
    let (id, user) = (ending.id, ending.user);
    users::touch(tx, user, now).await?;
    let mut sign_ins = 0;
    if let Some(spared) = ending.which.sign_ins_but() {
        let until = Some(ending.noted_at);
        sign_ins = sign_in_sessions::end_some_of_user(tx, user, spared, until, PART).await?;
    }
    let (ended, after) = families::end_part(tx, &ending, PART, now).await?;
    let rest = rest(ending, sign_ins, after);
    match &rest {
        Some(rest) => ending_logins::go_on_after(tx, id, rest.after).await?,
        None => ending_logins::delete(tx, id).await?,
    }
    Ok((ended.len(), rest))
}
