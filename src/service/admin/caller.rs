//! Who administers this server by its API.

use chrono::{DateTime, Utc};

use crate::domain::right::Right;
use crate::service::tokens::access_token::{self, ShownToken, Standing};
use crate::service::{Core, Failure};

/// Why somebody does not.
#[derive(Debug, thiserror::Error)]
pub enum Unentitled {
    #[error("the access token lacks the scope {0}")]
    LacksRight(Right),
    #[error("the user does not have the role of administrators")]
    NoAdministrator,
    #[error(transparent)]
    Token(#[from] Failure),
}

/// The same core for whoever shows a token that has this right and is meant for this server: what is done with it is
/// told by that name. A client acts for itself as far as it still has the scope, a user as long as the login lives and
/// the role is the user's.
pub async fn entitled(
    core: &Core,
    shown: ShownToken<'_>,
    right: Right,
    now: DateTime<Utc>,
) -> Result<Core, Unentitled> {
    let token = access_token::verify_shown(core, shown, now)?;
    if !token.aud.contains(&core.issuer) {
        return Err(Failure::InvalidToken.into());
    }
    let client = token.client_id.parse().map_err(|_| Failure::InvalidToken)?;
    let known = core.client(&client, now).await?.ok_or(Failure::InvalidToken)?;
    let by = match access_token::standing(core, &token, now).await? {
        Standing::Nothing => return Err(Failure::InvalidToken.into()),
        Standing::Client(_) => format!("client {}", known.client.id),
        Standing::Family(family) => {
            if !family.roles.contains(&core.admin_role) {
                return Err(Unentitled::NoAdministrator);
            }
            format!("user {}", family.user())
        }
    };
    let scope = right.to_string();
    let is_granted = token.scope.split(' ').any(|granted| granted == scope);
    if is_granted && known.client.scopes.contains(&scope) {
        Ok(core.acting_for(&by))
    } else {
        Err(Unentitled::LacksRight(right))
    }
}
