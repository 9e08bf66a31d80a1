//! Algorithms that a client wants this server to use: it has them, or the client is told that it has not.

use serde_json::{Map, Value};

use crate::domain::client::{AuthMethod, ClientMetadata};
use crate::domain::registration::InvalidRegistration;
use crate::domain::registration::members::Members;
use crate::domain::signing_algorithm::SigningAlgorithm;

/// What the server signs for the client (OpenID Connect Dynamic Client Registration §2, RFC 9701 §6).
const SIGNED: [&str; 3] =
    ["id_token_signed_response_alg", "userinfo_signed_response_alg", "introspection_signed_response_alg"];

/// What it never does (the same, and JARM §3).
const NEVER: [&str; 11] = [
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "introspection_encrypted_response_alg",
    "introspection_encrypted_response_enc",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "authorization_signed_response_alg",
    "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc",
];

/// Whether this server uses the algorithms that a client wants. That it does not is said: a client that was given
/// another one would refuse what it gets (RFC 7591 §3.2.2).
///
/// # Errors
/// [`InvalidRegistration::Metadata`].
pub fn check_algorithms(members: &Map<String, Value>) -> Result<(), InvalidRegistration> {
    let members = Members(members);
    if NEVER.iter().any(|name| members.get(name).is_some()) {
        return Err(InvalidRegistration::Metadata(
            "This server does not encrypt or decrypt anything, and does not sign authorization responses.",
        ));
    }
    let is_ours = |wanted: &Value| serde_json::from_value::<SigningAlgorithm>(wanted.clone()).is_ok();
    if SIGNED.iter().filter_map(|name| members.get(name)).all(is_ours) {
        return Ok(());
    }
    Err(InvalidRegistration::Metadata(
        "This server signs with ES256, EdDSA or RS256: the id_token_signed_response_alg, \
         userinfo_signed_response_alg or introspection_signed_response_alg is another one.",
    ))
}

/// What a client gets that registers itself without saying: RS256 (OpenID Connect Dynamic Client Registration §2,
/// RFC 9701 §6). One that was there `before` it was asked keeps what the server signs with where nobody says anything.
pub(super) fn fill_in(said: &mut ClientMetadata, auth: AuthMethod, before: Option<&ClientMetadata>) {
    const USUAL: SigningAlgorithm = SigningAlgorithm::Rs256;
    if before.is_some_and(|before| before.id_token_signed_response_alg.is_none()) {
        return;
    }
    said.id_token_signed_response_alg.get_or_insert(USUAL);
    if auth != AuthMethod::None {
        // Whoever can introspect.
        said.introspection_signed_response_alg.get_or_insert(USUAL);
    }
}
