//! Introspection (RFC 7662): what a token is worth now. Looking changes nothing.

use chrono::{DateTime, Utc};

use crate::domain::client::Client;
use crate::domain::family::{Family, Outcome, decide};
use crate::service::tokens::access_token::{self, AccessToken, Standing};
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::presented::{self, Presented};
use crate::service::tokens::refresh;
use crate::service::{Core, Failure};

/// What the caller may know of a token.
#[derive(Debug)]
pub enum Introspection {
    /// Nothing: not genuine, expired, spent, ended, or none of the caller's business. Which one is not told.
    Inactive,
    /// A good access token.
    Access(Box<AccessToken>),
    /// A refresh token that would be honoured now.
    Refresh {
        family: Box<Family>,
        /// When it expires.
        ends_at: DateTime<Utc>,
    },
}

/// Looks at a token for an authenticated confidential client.
pub async fn introspect(
    core: &Core,
    token: &str,
    caller: &Client,
    now: DateTime<Utc>,
) -> Result<Introspection, Failure> {
    if let Some(access) = access_token::verify(core, token, now) {
        if !access.concerns(caller) {
            return Ok(Introspection::Inactive);
        }
        return Ok(match access_token::standing(core, &access, now).await? {
            Standing::Family(_) | Standing::Client(_) => Introspection::Access(Box::new(access)),
            Standing::Nothing => Introspection::Inactive,
        });
    }
    let Ok(token) = presented::open_token(core, token, &caller.id) else {
        return Ok(Introspection::Inactive);
    };
    let Some(Presented::Genuine(family)) = presented::family_of(core, &token).await? else {
        return Ok(Introspection::Inactive);
    };
    let Some(known) = core.client(&family.client_id, now).await? else { return Ok(Introspection::Inactive) };
    let policy = refresh::policy(core, &token, (&family, &family.audiences), &known, now).await?;
    Ok(match decide(&family, token.generation, now, &policy) {
        Outcome::Rotate(_)
        | Outcome::Replay
        | Outcome::Keep
        | Outcome::Touch(_)
        | Outcome::Recover { .. }
        | Outcome::CatchUp(_) => {
            // What a refresh would give now, if it would give anything.
            let audiences = &family.audiences;
            if Wanted::default().audiences_within(audiences, &known.client, &core.issuer).is_err() {
                return Ok(Introspection::Inactive);
            }
            let ends_at = family.ends_at(&known.lifetimes);
            let scope = grant::scope_left(&family.scope, &known.client).into_owned();
            Introspection::Refresh { family: Box::new(Family { scope, ..*family }), ends_at }
        }
        Outcome::Reuse | Outcome::Overtaken | Outcome::Undecided | Outcome::Refuse(_) => {
            Introspection::Inactive
        }
    })
}
