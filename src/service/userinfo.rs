//! What an app may know of its user (OpenID Connect Core §5.3).

use chrono::{DateTime, Utc};

use crate::domain::ids::ClientId;
use crate::service::access_token::{self, Standing};
use crate::service::{Core, Failure};
use crate::store::users::{self, User};

/// The scopes that open claims here; a client gets only those that it is registered for.
pub const SCOPES: [&str; 5] = ["openid", "profile", "email", "roles", "offline_access"];

/// A user, as far as the scopes of a token go.
#[derive(Debug)]
pub struct UserInfo {
    /// The user.
    pub user: User,
    /// `sub` as it was issued.
    pub subject: String,
    /// To whom.
    pub client: ClientId,
    /// The token's scopes.
    pub scope: String,
}

impl UserInfo {
    /// Whether the token has a scope.
    #[must_use]
    pub fn may_know(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|it| it == scope)
    }
}

/// Looks a token's user up.
///
/// # Errors
/// [`Failure::InvalidToken`] when it is not good, is meant for another service than this one, or its family has ended;
/// [`Failure::InsufficientScope`] when it lacks `openid`; [`Failure::Store`].
pub async fn userinfo(core: &Core, token: &str, now: DateTime<Utc>) -> Result<UserInfo, Failure> {
    let access = access_token::verify(core, token, now).ok_or(Failure::InvalidToken)?;
    if !access.aud.contains(&core.issuer) {
        return Err(Failure::InvalidToken);
    }
    let Standing::Family(family) = access_token::standing(core, &access, now).await? else {
        return Err(Failure::InvalidToken);
    };
    let client = access.client_id.parse().map_err(|_| Failure::InvalidToken)?;
    let user = users::find(&core.db, family.user_id).await?.ok_or(Failure::InvalidToken)?;
    let info = UserInfo { user, subject: access.sub, client, scope: access.scope };
    if info.may_know("openid") { Ok(info) } else { Err(Failure::InsufficientScope) }
}
