//! A logout at a provider, of which it tells this server (OpenID Connect Back-Channel Logout §2.5 to 2.7).

use chrono::{DateTime, Utc};

use crate::crypto::client_jwt::{Signed, read_jwt};
use crate::domain::client::{JwtAlgorithm, PublicJwks};
use crate::domain::event::{Event, UpstreamEvent};
use crate::domain::upstream::{LogoutToken, Provider, UpstreamProblem};
use crate::service::logout::ending;
use crate::service::upstream::openid;
use crate::service::{Core, Failure};
use crate::store::{client_assertions, upstream_sessions, users};

/// Sign-ins that end at once: as many as a user may have.
const MOST: i64 = 1000;

/// What became of a logout token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedOutThere {
    /// All that came from there has ended.
    Ended,
    /// The token does not count.
    Refused,
    /// Nobody can tell now.
    Unknown,
}

/// Ends the sign-ins that came from the session, or the user, that a token tells of, with what they gave.
///
/// # Errors
/// [`Failure::Store`].
pub async fn log_out(
    core: &Core,
    provider: &Provider,
    token: &str,
    now: DateTime<Utc>,
) -> Result<LoggedOutThere, Failure> {
    let signed = match read(core, provider, token, now).await {
        Ok(Some(signed)) => signed,
        Ok(None) => return Ok(refused(provider, "it is not signed with one of the provider's keys")),
        Err(_) => return Ok(LoggedOutThere::Unknown),
    };
    // §2.4: explicit typing, where there is any.
    if signed.typ.as_deref().is_some_and(|typ| !matches!(typ, "logout+jwt" | "jwt")) {
        return Ok(refused(provider, "it is a token of another type"));
    }
    let told = signed.claims;
    let once = match told.judge(provider, now) {
        Ok(once) => once,
        Err(why) => return Ok(refused(provider, &why.to_string())),
    };
    let who = (told.sub.as_deref(), told.sid.as_deref());
    let mut sessions = upstream_sessions::of(&core.db, &provider.issuer, who, MOST).await?;
    // Users' rows are locked in one order everywhere.
    sessions.sort_unstable_by_key(|(user, session)| (user.0, session.0));
    let ended = core.write(now, async |tx| {
        if !client_assertions::spend_within(tx, &once).await? {
            return Ok(None);
        }
        for (user, session) in sessions.iter().copied() {
            if users::touch(tx, user, now).await? {
                ending::end_sign_in_whole(tx, user, session, now).await?;
                let what = UpstreamEvent::Logout { session, user };
                tx.record(Event::Upstream { provider: provider.id.clone(), what });
            }
            upstream_sessions::forget(tx, session).await?;
        }
        Ok(Some(()))
    });
    match ended.await? {
        Some(()) => Ok(LoggedOutThere::Ended),
        None => Ok(refused(provider, "it came before")),
    }
}

/// `None` when none of the provider's keys made the signature, those of just now either.
async fn read(
    core: &Core,
    provider: &Provider,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Option<Signed<LogoutToken>>, UpstreamProblem> {
    let found = openid::discover(core, provider, now).await?;
    let keys: PublicJwks = openid::keys(core, provider, &found, now).await?;
    if let Some(signed) = read_jwt(token, &keys, &JwtAlgorithm::ALL) {
        return Ok(Some(signed));
    }
    let keys: PublicJwks = openid::newer_keys(core, provider, &found, now).await?;
    Ok(read_jwt(token, &keys, &JwtAlgorithm::ALL))
}

fn refused(provider: &Provider, why: &str) -> LoggedOutThere {
    tracing::warn!(provider = provider.id, why, "a logout token was refused");
    LoggedOutThere::Refused
}
