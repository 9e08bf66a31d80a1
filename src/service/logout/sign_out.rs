//! Signing out: a browser, or one login that an app names.

use chrono::{DateTime, Utc};

use crate::domain::ids::FamilyId;
use crate::domain::refusal::EndReason;
use crate::domain::sign_in::SignInSession;
use crate::service::logout::ending;
use crate::service::logout::front_channel::{self, FrontChannel};
use crate::service::tokens::id_token::Hint;
use crate::service::{Core, Failure, audit};
use crate::store::{families, transaction, users};

/// Ends a browser's session. Gives what this browser has to tell apps of.
///
/// # Errors
/// [`Failure::Store`].
pub async fn sign_out(
    core: &Core,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<Vec<FrontChannel>, Failure> {
    let done = transaction::retrying(|| async {
        let mut tx = core.db.begin().await?;
        users::touch(&mut tx, session.user, now).await?;
        let done = ending::end_sign_in(&mut tx, session.user, session.id, now).await?;
        tx.commit().await?;
        Ok(done)
    })
    .await?;
    core.logouts.notify_one();
    audit::signed_out(session.id, session.user);
    audit::families_ended(&done.ended, EndReason::Logout);
    front_channel::of(core, done.followed.into_iter(), now).await
}

/// Ends the login that an app names by an ID token of its own, from whichever sign-in it came: the token shows that the
/// app was given this login, as its refresh token would. Nothing beside it ends.
///
/// # Errors
/// [`Failure::Store`].
pub async fn end_named(core: &Core, hint: &Hint, now: DateTime<Utc>) -> Result<(), Failure> {
    let Some(id) = hint.sid else { return Ok(()) };
    let family = families::find(&core.db, id).await?;
    let family = family.filter(|it| it.client_id.as_str() == hint.aud && it.subject == hint.sub);
    let Some(family) = family else { return Ok(()) };
    let ended = transaction::retrying(|| async {
        let mut tx = core.db.begin().await?;
        users::touch(&mut tx, family.user_id, now).await?;
        let ended = families::end_within(&mut tx, family.id, EndReason::Logout, now).await?;
        tx.commit().await?;
        Ok(ended)
    })
    .await?;
    let ended: Vec<FamilyId> = ended.into_iter().map(|family| family.id).collect();
    audit::families_ended(&ended, EndReason::Logout);
    Ok(())
}
