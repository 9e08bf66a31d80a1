//! ID tokens (OpenID Connect Core §2): what a client may know of the sign-in, beside an access token.
//!
//! An ID token says of the user what the access token beside it says, so it is made of the same claims.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::authentication::AuthenticationMethod;
use crate::domain::claims::AccessClaims;
use crate::domain::ids::FamilyId;
use crate::domain::signing_algorithm::{SigningAlgorithm, SigningWish};
use crate::service::tokens::own_jwt;
use crate::service::{Core, Failure};

/// What an ID token tells that no access token does. It is the same after a refresh as after the sign-in, but for the
/// `nonce` (OpenID Connect Core §12.2).
#[derive(Debug)]
pub(super) struct SignedInHow<'a> {
    /// What the client wants it signed with.
    pub wish: SigningWish,
    /// The authorization request's `nonce`.
    pub nonce: Option<&'a str>,
    /// How the user signed in.
    pub methods: &'a [AuthenticationMethod],
    pub acr: Option<&'a str>,
    /// What is told of the user.
    pub user: &'a Map<String, Value>,
}

/// What an ID token tells beside what its family's row says.
#[derive(Debug)]
pub(crate) struct IdTokenContent {
    /// The authorization request's `nonce`.
    pub(crate) nonce: Option<String>,
    /// What is told of the user.
    pub(crate) user: Map<String, Value>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<FamilyId>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [AuthenticationMethod],
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(flatten)]
    user: &'a Map<String, Value>,
}

/// The ID token beside the access token that was just made of `access`, for a client that was granted the scope
/// `openid`.
pub(super) fn beside(
    core: &Core,
    access: &AccessClaims<'_>,
    access_token: &str,
    how: &SignedInHow<'_>,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let claims = |algorithm| {
        let claims = Claims {
            iss: access.iss,
            sub: access.sub,
            aud: access.client_id,
            exp: access.exp,
            iat: access.iat,
            auth_time: access.auth_time,
            nonce: how.nonce,
            at_hash: half_hash(algorithm, access_token),
            sid: access.sid,
            amr: how.methods,
            acr: how.acr,
            user: how.user,
        };
        serde_json::to_string(&claims).unwrap_or_else(|error| unreachable!("plain data is JSON: {error}"))
    };
    core.keys.sign_id_token(how.wish, claims, now)
}

/// OpenID Connect Core §3.1.3.6: the left half of the hash that goes with the signature's algorithm.
fn half_hash(algorithm: SigningAlgorithm, text: &str) -> String {
    let hash = match algorithm {
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 => &digest::SHA256,
        // RFC 8032 §5.1: Ed25519 is made with SHA-512.
        SigningAlgorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(hash, text.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

/// What a client shows to say whom it believes to be there (`id_token_hint`).
#[derive(Debug, Clone, Deserialize)]
pub struct Hint {
    pub sub: String,
    pub aud: String,
    pub sid: Option<FamilyId>,
    iss: String,
}

/// Reads an ID token of ours. It may have expired, and its key too: it is a hint. It shows what its client was told
/// once, and nothing about whoever sends it.
#[must_use]
pub fn read_hint(core: &Core, token: &str) -> Option<Hint> {
    let hint: Hint = own_jwt::read_old(core, token, "jwt")?;
    (hint.iss == core.issuer.as_str()).then_some(hint)
}
