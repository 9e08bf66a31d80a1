//! What an app may know of its user (OpenID Connect Core §5.3).

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::claims_request::ClaimRequests;
use crate::domain::ids::ClientId;
use crate::domain::signing_algorithm::SigningWish;
use crate::service::clients::signing;
use crate::service::tokens::access_token::{self, ShownToken, Standing};
use crate::service::tokens::user_claims;
use crate::service::{Core, Failure};
use crate::store::users;

/// A user, as far as a token goes.
#[derive(Debug)]
pub struct UserInfo {
    /// `sub` as it was issued.
    pub subject: String,
    /// To whom.
    pub client: ClientId,
    /// What is told of the user.
    pub claims: Map<String, Value>,
    /// What it is signed with for a client that registered for a JWT; others get JSON.
    pub signing: Option<SigningWish>,
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
    let signing = known.client.userinfo_signing();
    if let Some(wish) = signing {
        signing::ready(core, wish, now).await?;
    }
    Ok(UserInfo { subject: access.sub, client, claims, signing })
}
