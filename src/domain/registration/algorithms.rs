//! Algorithms that a client wants this server to use: it has them, or the client is told that it has not.

use serde_json::{Map, Value};

use crate::domain::client::JwtAlgorithm;
use crate::domain::registration::InvalidRegistration;
use crate::domain::registration::members::Members;

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

/// Whether this server, which signs with `ours`, uses the algorithms that a client wants. That it does not is said:
/// a client that was given another one would refuse what it gets (RFC 7591 §3.2.2).
///
/// # Errors
/// [`InvalidRegistration::Metadata`].
pub fn check_algorithms(
    members: &Map<String, Value>,
    ours: Option<JwtAlgorithm>,
) -> Result<(), InvalidRegistration> {
    let members = Members(members);
    if NEVER.iter().any(|name| members.get(name).is_some()) {
        return Err(InvalidRegistration::Metadata(
            "This server does not encrypt or decrypt anything, and does not sign authorization responses.",
        ));
    }
    for wanted in SIGNED.iter().filter_map(|name| members.get(name)) {
        let wanted = wanted.as_str().and_then(JwtAlgorithm::named);
        if wanted.is_none() || wanted != ours {
            return Err(InvalidRegistration::Metadata(
                "This server signs with another algorithm than the id_token_signed_response_alg, \
                 userinfo_signed_response_alg or introspection_signed_response_alg that the client wants.",
            ));
        }
    }
    Ok(())
}
