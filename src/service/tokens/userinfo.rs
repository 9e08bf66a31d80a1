//! What an app may know of its user (OpenID Connect Core §5.3).

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::claims_request::ClaimRequests;
use crate::domain::ids::ClientId;
use crate::domain::scope::OFFLINE_ACCESS;
use crate::service::tokens::access_token::{self, ShownToken, Standing};
use crate::service::tokens::user_claims;
use crate::service::{Core, Failure};
use crate::store::users;

/// The scopes that open claims here; a client gets only those that it is registered for.
pub const SCOPES: [&str; 7] = ["openid", "profile", "email", "phone", "address", "roles", OFFLINE_ACCESS];

/// A user, as far as a token goes.
#[derive(Debug)]
pub struct UserInfo {
    /// `sub` as it was issued.
    pub subject: String,
    /// To whom.
    pub client: ClientId,
    /// What is told of the user.
    pub claims: Map<String, Value>,
    pub format: UserInfoFormat,
}

/// The form that a client registered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserInfoFormat {
    /// One JSON object.
    Json,
    /// The same, signed.
    Jwt,
}

/// Looks a token's user up.
///
/// # Errors
/// [`Failure::InvalidToken`] when it is not good, is meant for another service than this one, or its family has ended;
/// [`Failure::KeyProof`]; [`Failure::InsufficientScope`] when it lacks `openid`; [`Failure::Store`].
pub async fn userinfo(core: &Core, shown: ShownToken<'_>, now: DateTime<Utc>) -> Result<UserInfo, Failure> {
    let access = access_token::verify_shown(core, shown, now)?;
    if !access.aud.contains(&core.issuer) {
        return Err(Failure::InvalidToken);
    }
    let Standing::Family(family) = access_token::standing(core, &access, now).await? else {
        return Err(Failure::InvalidToken);
    };
    let client = access.client_id.parse().map_err(|_| Failure::InvalidToken)?;
    let user = users::find(&core.db, family.user()).await?.ok_or(Failure::InvalidToken)?;
    if access.scope.split(' ').all(|scope| scope != "openid") {
        return Err(Failure::InsufficientScope);
    }
    let known = core.client(&client, now).await?.ok_or(Failure::InvalidToken)?;
    let requests = if client == family.client_id {
        family.claims.userinfo.within(&known.client.scopes)
    } else {
        ClaimRequests::default()
    };
    let claims = user_claims::told(&user, &access.scope, &requests);
    let format = match known.client.metadata.userinfo_signed_response_alg {
        None => UserInfoFormat::Json,
        Some(_) => UserInfoFormat::Jwt,
    };
    Ok(UserInfo { subject: access.sub, client, claims, format })
}
