//! Signing out: a browser, or one login that an app names.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::family::Family;
use crate::domain::refusal::EndReason;
use crate::domain::sign_in::SignInSession;
use crate::service::clients::known_clients::KnownClient;
use crate::service::logout::ending;
use crate::service::logout::front_channel::{self, FrontChannel};
use crate::service::tokens::id_token::Hint;
use crate::service::{Core, Failure};
use crate::store::{families, users};

/// Ends a browser's session. Gives what this browser has to tell apps of.
pub async fn sign_out(
    core: &Core,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<Vec<FrontChannel>, Failure> {
    let followed = core.write(now, async |tx| {
        users::touch(tx, session.user(), now).await?;
        ending::end_sign_in(tx, session.user(), session.id, now).await.map(Some)
    });
    front_channel::of(core, followed.await?.unwrap_or_default().into_iter(), now).await
}

/// The client of the login that an app names by an ID token, if that login lives and came from this very session.
pub async fn client_of_own(
    core: &Core,
    hint: &Hint,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<Option<Arc<KnownClient>>, Failure> {
    let named = named(core, hint).await?;
    let Some(family) = named.filter(|it| it.authentication.sign_in_session == Some(session.id)) else {
        return Ok(None);
    };
    let known = core.client(&family.client_id, now).await?;
    Ok(known.filter(|known| family.is_live(now, &known.lifetimes)))
}

/// Ends the login that an app names by an ID token of its own, from whichever sign-in it came: the token shows that the
/// app was given this login, as its refresh token would. Nothing beside it ends.
pub async fn end_named(core: &Core, hint: &Hint, now: DateTime<Utc>) -> Result<(), Failure> {
    let Some(family) = named(core, hint).await? else { return Ok(()) };
    core.write(now, async |tx| {
        users::touch(tx, family.user(), now).await?;
        families::end(tx, family.id, EndReason::Logout, now).await
    })
    .await?;
    Ok(())
}

async fn named(core: &Core, hint: &Hint) -> Result<Option<Family>, Failure> {
    let Some(id) = hint.sid else { return Ok(None) };
    let family = families::find(&core.db, id).await?;
    Ok(family.filter(|it| it.client_id.as_str() == hint.aud && it.subject == hint.sub))
}
