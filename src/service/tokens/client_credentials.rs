//! The client-credentials grant (RFC 6749 §4.4): a client acts for itself. No user, no family, no refresh token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::claims::AccessClaims;
use crate::domain::client::GrantType;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{TokenSet, Wanted};
use crate::service::{Core, Failure};

/// An access token for an authenticated confidential client.
///
/// # Errors
/// [`Failure::UnauthorizedClient`], [`Failure::InvalidScope`], [`Failure::InvalidTarget`].
pub fn client_credentials(
    core: &Core,
    known: &KnownClient,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<TokenSet, Failure> {
    known.may(GrantType::ClientCredentials)?;
    let client = &known.client;
    let scope = wanted.scope_within(&client.scopes)?;
    let mut audiences = wanted.audiences_of(client, &core.issuer)?;
    if audiences.is_empty() {
        audiences.push(core.issuer.clone());
    }
    let expires_at = now + known.lifetimes.access_ttl();
    let claims = AccessClaims {
        iss: core.issuer.as_str(),
        sub: client.id.as_str(),
        aud: &audiences,
        client_id: client.id.as_str(),
        exp: expires_at.timestamp(),
        iat: now.timestamp(),
        scope: &scope.to_string(),
        sid: None,
        auth_time: None,
        roles: None,
        act: None,
    };
    let jti = URL_SAFE_NO_PAD.encode(random::bytes::<16>());
    let access_token = core.keys.sign(&claims.with_jti(&jti), now)?;
    Ok(TokenSet { access_token, expires_in: expires_at.timestamp() - now.timestamp(), refresh: None, scope })
}
