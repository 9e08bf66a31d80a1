//! A signed token in its compact form (RFC 7515 §7.1), taken apart before anybody believes it. Its header is read here,
//! as the library does not know every name that others write (RFC 9864); whether a signature is good, the library says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::verify;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// What matters of a header (RFC 7515 §4.1).
#[derive(Deserialize)]
struct JwsHeader {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// A token of which nothing is checked yet but its form.
#[derive(Debug)]
pub struct Jws<'t> {
    /// The name of the algorithm, as it stands there.
    pub alg: String,
    /// What kind of token it says it is, in lower case, without `application/` (RFC 7515 §4.1.9).
    pub typ: Option<String>,
    /// The key that it names.
    pub kid: Option<String>,
    message: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Jws<'t> {
    /// Takes a token apart: `None` when it does not have the form, or names extensions that must be understood
    /// (RFC 7515 §4.1.11): this server does not know any.
    #[must_use]
    pub fn parse(token: &'t str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: JwsHeader = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let typ = header.typ.map(|typ| typ.to_ascii_lowercase());
        let typ = typ.map(|typ| typ.strip_prefix("application/").map(ToOwned::to_owned).unwrap_or(typ));
        let parts = Self { alg: header.alg, typ, kid: header.kid, message, payload, signature };
        header.crit.is_none().then_some(parts)
    }

    /// What it says, if this key signed it with this algorithm.
    #[must_use]
    pub fn claims_signed_by<T: DeserializeOwned>(
        &self,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Option<T> {
        if self.is_signed_by(key, algorithm) { self.unproven_claims() } else { None }
    }

    /// Whether this key signed it with this algorithm.
    #[must_use]
    pub fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        verify(self.signature, self.message.as_bytes(), key, algorithm).is_ok_and(|good| good)
    }

    /// What it says, whoever signed it.
    #[must_use]
    pub fn unproven_claims<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.payload).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::EncodingKey;
    use jsonwebtoken::crypto::sign;
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::signing_key::{SigningKey, generate};
    use crate::domain::signing_algorithm::SigningAlgorithm;

    #[test]
    fn a_header_is_read_as_the_specifications_have_it_whoever_signed() {
        let pkcs8 = generate(SigningAlgorithm::EdDsa).unwrap();
        let key = SigningKey::from_pkcs8(SigningAlgorithm::EdDsa, &pkcs8).unwrap();
        let private = EncodingKey::from_ed_der(&pkcs8);
        let read = |changes: Value| {
            let mut header = json!({ "alg": "EdDSA", "typ": "Application/AT+JWT", "kid": "k" });
            header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
            let message = format!("{}.{}", encoded(&header), encoded(&json!({ "sub": "ana" })));
            let signature = sign(message.as_bytes(), &private, Algorithm::EdDSA).unwrap();
            let token = format!("{message}.{signature}");
            let jws = Jws::parse(&token)?;
            assert_eq!((jws.typ.as_deref(), jws.kid.as_deref()), (Some("at+jwt"), Some("k")));
            let (verifying, algorithm) = key.verifying();
            jws.claims_signed_by::<Value>(verifying, algorithm)
        };
        let ana = Some(json!({ "sub": "ana" }));
        assert_eq!(read(json!({})), ana);
        assert_eq!(read(json!({ "alg": "Ed25519" })), ana, "RFC 9864 §2.2");
        assert_eq!(read(json!({ "jku": "https://evil.example/" })), ana, "RFC 7515 §4: passed over");
        for (section, changes) in [
            ("RFC 7515 §4.1.11: crit", json!({ "crit": ["exp"] })),
            ("RFC 7797 §6: crit", json!({ "crit": ["b64"], "b64": true })),
            ("RFC 7515 §4.1.11: crit", json!({ "crit": [] })),
            ("RFC 7515 §4.1.1: alg", json!({ "alg": null })),
            ("RFC 7515 §4.1.9: typ", json!({ "typ": 1 })),
        ] {
            assert_eq!(read(changes.clone()), None, "{section}: {changes}");
        }
    }
}
