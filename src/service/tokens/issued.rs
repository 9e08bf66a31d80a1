//! What every grant gives: an access token, and what goes with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::audience::Audience;
use crate::domain::claims::{AccessClaims, Actor, Confirmation};
use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::FamilySecret;
use crate::domain::status_list::StatusPlace;
use crate::service::tokens::id_token::{self, SignedInHow};
use crate::service::{Core, Failure};

/// A successful answer (RFC 6749 §5.1).
#[derive(Debug)]
pub struct Issued {
    pub access_token: String,
    pub token_type: TokenType,
    /// Seconds that the access token lives from now on.
    pub expires_in: i64,
    /// The refresh token, if the client gets one.
    pub refresh: Option<IssuedRefresh>,
    /// What the access token is good for: what was granted, as far as its audiences know it.
    pub scope: ScopeSet,
    /// The ID token, where the client may know the user.
    pub id_token: Option<String>,
}

/// What whoever shows an access token has to show beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// Nothing (RFC 6750).
    Bearer,
    /// A proof of the key that it is bound to (RFC 9449).
    Dpop,
}

impl TokenType {
    /// The type of a token that is bound so. To a certificate it is bound as a bearer token (RFC 8705 §3).
    #[must_use]
    pub fn of(binding: Option<&Confirmation>) -> Self {
        if binding.is_some_and(|binding| binding.jkt.is_some()) { Self::Dpop } else { Self::Bearer }
    }

    /// The type's name in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// A refresh token, with what is left from now on, in seconds.
#[derive(Debug)]
pub struct IssuedRefresh {
    pub token: String,
    /// How long it may lie unused.
    pub expires_in: i64,
    /// How long its login lasts at most, however often it is refreshed.
    pub login_expires_in: i64,
}

/// What an access token is to say, in times of seconds since 1970.
#[derive(Debug)]
pub(super) struct Access<'a> {
    pub subject: &'a str,
    pub client: &'a ClientId,
    /// The issuer if there are none.
    pub audiences: Vec<Audience>,
    /// What is granted: the audiences may know less.
    pub scope: ScopeSet,
    pub issued_at: i64,
    /// The latest end: the audiences may want an earlier one.
    pub expires_at: i64,
    pub login: Option<LoginClaims<'a>>,
    /// Where it is told that what it comes from was ended.
    pub status: Option<StatusPlace>,
    /// Who acts for the subject (RFC 8693 §4.1).
    pub act: Option<&'a Actor>,
    /// What it is bound to, if it is.
    pub binding: Option<&'a Confirmation>,
}

/// What a token says of the login that it comes from.
#[derive(Debug)]
pub(super) struct LoginClaims<'a> {
    pub family: FamilyId,
    pub auth_time: Option<i64>,
    /// The class of how the user signed in, if it reached one.
    pub acr: Option<&'a str>,
    /// Told only with the scope `roles`, unless the audiences want it otherwise.
    pub roles: Option<&'a [String]>,
    /// The family's secret, where the same grant has to have the same id again; otherwise each token has one of its
    /// own.
    pub secret: Option<&'a FamilySecret>,
}

/// Signs the access token, and an ID token beside it if it is told how the user signed in.
pub(super) fn issue(
    core: &Core,
    mut access: Access<'_>,
    how: Option<&SignedInHow<'_>>,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    if access.audiences.is_empty() {
        access.audiences.push(core.issuer.clone());
    }
    let terms = core.resource_servers.terms(&access.audiences);
    let tells_roles = terms.roles().are_told_with(&access.scope);
    // Whether a client may know its user is no matter of the service that it calls.
    let tells_user = access.scope.contains("openid");
    let scope = terms.narrowed(access.scope);
    let latest = terms.access_ttl().map(|ttl| access.issued_at.saturating_add_unsigned(ttl.as_secs()));
    let login = access.login.as_ref();
    let claims = AccessClaims {
        iss: core.issuer.as_str(),
        sub: access.subject,
        aud: &access.audiences,
        client_id: access.client.as_str(),
        exp: latest.map_or(access.expires_at, |latest| latest.min(access.expires_at)),
        iat: access.issued_at,
        scope: &scope,
        sid: login.map(|login| login.family),
        auth_time: login.and_then(|login| login.auth_time),
        acr: login.and_then(|login| login.acr),
        roles: login.and_then(|login| login.roles).filter(|_| tells_roles),
        act: access.act,
        cnf: access.binding,
        status: access.status.map(|place| place.claim(core.issuer.as_str())),
    };
    let text = match login.and_then(|login| login.secret) {
        Some(secret) => claims.of_family(secret),
        None => claims.with_jti(&URL_SAFE_NO_PAD.encode(random::bytes::<16>())),
    };
    let access_token = core.keys.sign(&access.audiences, &text, now)?;
    let id_token = match how.filter(|_| tells_user) {
        Some(how) => Some(id_token::beside(core, &claims, &access_token, how, now)?),
        None => None,
    };
    let expires_in = (claims.exp - now.timestamp()).max(0);
    let token_type = TokenType::of(access.binding);
    Ok(Issued { access_token, token_type, expires_in, refresh: None, scope, id_token })
}
