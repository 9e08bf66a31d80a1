//! How a client registers to authenticate (RFC 7591 §2), and the algorithms that it signs with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::secrets::SecretHash;

/// What a confidential client has beside the public kind: its secrets' hashes.
#[derive(Debug, Clone)]
pub enum ClientKind {
    /// Cannot keep a secret: a browser or mobile app.
    Public,
    /// Authenticates with a secret; several may be valid at once, so that they can be changed without a gap.
    Confidential(Vec<SecretHash>),
}

/// `token_endpoint_auth_method` (RFC 7591 §2, OpenID Connect Core §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Not at all: it is public.
    None,
    /// With a secret in the header.
    ClientSecretBasic,
    /// With a secret in the body.
    ClientSecretPost,
    /// With an assertion that its private key signed (RFC 7523 §2.2).
    PrivateKeyJwt,
    /// With a certificate of a key that it registered (RFC 8705 §2.2).
    SelfSignedTlsClientAuth,
    /// With a certificate that an authority vouches for (RFC 8705 §2.1).
    TlsClientAuth,
}

impl AuthMethod {
    /// Every method.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::SelfSignedTlsClientAuth,
        Self::TlsClientAuth,
    ];

    /// The method's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::TlsClientAuth => "tls_client_auth",
        }
    }

    /// Whether it needs a secret.
    #[must_use]
    pub fn has_secret(self) -> bool {
        match self {
            Self::None | Self::PrivateKeyJwt | Self::SelfSignedTlsClientAuth | Self::TlsClientAuth => false,
            Self::ClientSecretBasic | Self::ClientSecretPost => true,
        }
    }
}

/// The algorithms that clients may sign with (RFC 7518 §3.1, RFC 8037 §3.1). `none` and those with a shared key are
/// not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519. RFC 9864 §2.2 gives it a second name, which others may write.
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

/// The name that RFC 9864 §2.2 gives to `EdDSA` with Ed25519.
const ED25519: &str = "Ed25519";

impl JwtAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Ps256, Self::Rs256];

    /// The name in headers and metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    /// Every name that is understood in headers, keys and metadata.
    pub const NAMES: [&str; 5] = ["ES256", "EdDSA", ED25519, "PS256", "RS256"];

    /// The algorithm that others call so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let own = if name == ED25519 { Self::EdDsa.as_str() } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == own)
    }

    /// Whether a JSON Web Key is of the kind that it needs, and not meant for anything else (RFC 7517 §4).
    #[must_use]
    pub fn fits(self, key: &Value) -> bool {
        let is = |member: &str, value: &str| key.get(member).is_some_and(|found| found == value);
        let may_be = |member: &str, value: &str| key.get(member).is_none_or(|found| found == value);
        let kind = match self {
            Self::Es256 => is("kty", "EC") && is("crv", "P-256"),
            Self::EdDsa => is("kty", "OKP") && is("crv", "Ed25519"),
            Self::Ps256 | Self::Rs256 => is("kty", "RSA"),
        };
        let verifies = key.get("key_ops").is_none_or(|operations| {
            operations.as_array().is_some_and(|operations| operations.iter().any(|it| it == "verify"))
        });
        let algorithm = key.get("alg").is_none_or(|alg| alg.as_str().and_then(Self::named) == Some(self));
        kind && verifies && algorithm && may_be("use", "sig")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_used_for_what_it_is_meant_for() {
        let key = |changes: &Value| {
            let mut key = json!({ "kty": "EC", "crv": "P-256", "x": "x", "y": "y" });
            key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            key
        };
        for changes in [
            json!({}),
            json!({ "use": "sig", "alg": "ES256", "key_ops": ["verify"] }),
            json!({ "key_ops": ["sign", "verify"] }),
        ] {
            assert!(JwtAlgorithm::Es256.fits(&key(&changes)), "{changes}");
        }
        for (section, changes) in [
            ("RFC 7517 §4.1", json!({ "kty": "OKP" })),
            ("RFC 7518 §6.2.1.1", json!({ "crv": "P-384" })),
            ("RFC 7517 §4.2", json!({ "use": "enc" })),
            ("RFC 7517 §4.3", json!({ "key_ops": ["encrypt"] })),
            ("RFC 7517 §4.3", json!({ "key_ops": [] })),
            ("RFC 7517 §4.3", json!({ "key_ops": "verify" })),
            ("RFC 7517 §4.4", json!({ "alg": "ES384" })),
            ("RFC 7517 §4.4", json!({ "alg": "ECDH-ES" })),
        ] {
            assert!(!JwtAlgorithm::Es256.fits(&key(&changes)), "{section}: {changes}");
        }
        let rsa = json!({ "kty": "RSA", "n": "n", "e": "AQAB", "alg": "PS256" });
        for name in ["EdDSA", "Ed25519"] {
            let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "x", "alg": name });
            assert!(JwtAlgorithm::EdDsa.fits(&key), "RFC 9864 §2.2: {name}");
        }
        assert!(JwtAlgorithm::Ps256.fits(&rsa) && !JwtAlgorithm::Rs256.fits(&rsa), "RFC 8725 §3.1");
    }
}
