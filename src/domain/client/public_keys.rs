//! The keys that clients sign with, as they publish them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::certificate::ClientCertificate;
use crate::domain::client::authentication::JwtAlgorithm;

/// Keys that a client may register: who has more has a place for them.
const MOST_KEYS: usize = 20;

/// Keys that are tried on one signature, where its header leaves more than one: each costs some tenths of a
/// millisecond, and anybody can bring a signature that none of them made.
const MOST_CANDIDATES: usize = 4;

/// The moduli, in bits: RFC 7518 §3.3 wants 2,048 at least, and the library takes no more.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// RSA's exponents, in bits: the work grows with them, and 65537, which is usual, has 17.
const EXPONENT_BITS: std::ops::RangeInclusive<usize> = 2..=32;

/// A client's public keys: a JSON Web Key Set (RFC 7517 §5). Keys of kinds that are not known here are kept and passed
/// over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct PublicJwks(Vec<Value>);

/// The JSON is no set of public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be a JSON Web Key Set with public keys only")]
pub struct InvalidJwks;

/// Why a client may not register its keys: a signature of one of them would never be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnfitKeys(pub &'static str);

impl PublicJwks {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that are tried on a signature under this header.
    pub fn candidates<'a>(
        &'a self,
        algorithm: JwtAlgorithm,
        kid: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Value> {
        let is_named = move |key: &&Value| kid.is_none_or(|kid| key.get("kid").is_some_and(|it| it == kid));
        let fit = self.0.iter().filter(move |key| algorithm.fits(key) && is_sound(key));
        fit.filter(is_named).take(MOST_CANDIDATES)
    }

    /// Whether a certificate is that of one of these keys (RFC 8705 §2.2.2).
    #[must_use]
    pub fn has_certificate(&self, certificate: &ClientCertificate) -> bool {
        self.0.iter().any(|key| certificate.is_of(key))
    }

    /// Whether a client may register these keys, which signs with the algorithms that it `registered`, if it did: each
    /// that is meant for signatures can be accepted.
    ///
    /// # Errors
    /// [`UnfitKeys`], which says why not.
    pub fn check(&self, registered: &[JwtAlgorithm]) -> Result<(), UnfitKeys> {
        if self.0.len() > MOST_KEYS {
            return Err(UnfitKeys("There are more than 20 keys in jwks. A jwks_uri may have more."));
        }
        let of_kind = |algorithm: JwtAlgorithm| self.0.iter().filter(move |key| algorithm.fits(key));
        if JwtAlgorithm::ALL.into_iter().flat_map(of_kind).any(|key| !is_sound(key)) {
            return Err(UnfitKeys(
                "A key in jwks is broken or has a size that is never accepted. RSA keys have 2048 to 8192 bits and an \
                 exponent of 4 bytes at most, EC keys both coordinates on P-256, OKP keys the 32 bytes of Ed25519.",
            ));
        }
        if JwtAlgorithm::ALL.into_iter().all(|algorithm| of_kind(algorithm).next().is_none()) {
            return Err(UnfitKeys(
                "None of the keys in jwks is for signatures that are accepted here: with RSA, with EC on P-256, or \
                 with OKP on Ed25519.",
            ));
        }
        if registered.iter().any(|algorithm| of_kind(*algorithm).next().is_none()) {
            return Err(UnfitKeys(
                "None of the keys in jwks is for the algorithm that the client signs with.",
            ));
        }
        // RFC 7517 §4.5: nothing else tells keys of a kind apart.
        let alike = |one: &Value, other: &Value| one.get("kid") == other.get("kid");
        let is_one_of_many =
            |algorithm, key| of_kind(algorithm).filter(|other| alike(key, other)).count() > MOST_CANDIDATES;
        let too_many = |algorithm| of_kind(algorithm).any(|key| is_one_of_many(algorithm, key));
        if JwtAlgorithm::ALL.into_iter().any(too_many) {
            return Err(UnfitKeys(
                "More than four keys in jwks are of one kind and have the same kid, or none.",
            ));
        }
        Ok(())
    }
}

/// Whether a key of a kind that is known here is one, and of a size that is accepted.
fn is_sound(key: &Value) -> bool {
    let number = |member: &str| {
        let text = key.get(member).and_then(Value::as_str);
        text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default()
    };
    match key.get("kty").and_then(Value::as_str) {
        Some("RSA") => {
            // RFC 7518 §6.3.1.1: without leading zeros; some write one all the same.
            let bits = |number: &[u8]| {
                let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
                let (_, number) = number.split_at(first);
                number.first().map_or(0, |byte| number.len() * 8 - byte.leading_zeros() as usize)
            };
            let exponent = number("e");
            let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
            RSA_BITS.contains(&bits(&number("n"))) && is_odd && EXPONENT_BITS.contains(&bits(&exponent))
        }
        Some("EC") => ["x", "y"].iter().all(|coordinate| number(coordinate).len() == 32),
        Some("OKP") => number("x").len() == 32,
        Some(_) | None => false,
    }
}

impl TryFrom<Value> for PublicJwks {
    type Error = InvalidJwks;

    fn try_from(value: Value) -> Result<Self, InvalidJwks> {
        // RFC 7518 §6: the private members of every kind of key; `k` is a secret key whole.
        const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        let keys = value.get("keys").and_then(Value::as_array).ok_or(InvalidJwks)?;
        let is_public = |key: &Value| {
            key.get("kty").is_some_and(Value::is_string) && PRIVATE.iter().all(|name| key.get(name).is_none())
        };
        if keys.iter().all(is_public) { Ok(Self(keys.clone())) } else { Err(InvalidJwks) }
    }
}

impl From<PublicJwks> for Value {
    fn from(keys: PublicJwks) -> Self {
        json!({ "keys": keys.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(bits: usize, changes: &Value) -> Value {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        if let Some(first) = modulus.first_mut() {
            *first >>= bits.div_ceil(8) * 8 - bits;
        }
        with(json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" }), changes)
    }

    fn ec(changes: &Value) -> Value {
        let number = URL_SAFE_NO_PAD.encode([1; 32]);
        with(json!({ "kty": "EC", "crv": "P-256", "x": number, "y": number }), changes)
    }

    fn with(mut key: Value, changes: &Value) -> Value {
        key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        key
    }

    fn keys(keys: impl IntoIterator<Item = Value>) -> PublicJwks {
        json!({ "keys": keys.into_iter().collect::<Vec<_>>() }).try_into().unwrap()
    }

    #[test]
    fn a_signature_costs_the_same_however_many_keys_there_are() {
        let many = keys((0..420).map(|_| ec(&json!({}))));
        assert_eq!(many.candidates(JwtAlgorithm::Es256, None).count(), MOST_CANDIDATES);
        let named = keys((0..420).map(|number| ec(&json!({ "kid": (number % 21).to_string() }))));
        assert_eq!(named.candidates(JwtAlgorithm::Es256, Some("20")).count(), MOST_CANDIDATES);
        let huge = keys((0..4).map(|_| rsa(16384, &json!({}))).chain([rsa(3072, &json!({ "kid": "k" }))]));
        let tried: Vec<_> = huge.candidates(JwtAlgorithm::Ps256, None).collect();
        assert_eq!(tried, [&rsa(3072, &json!({ "kid": "k" }))], "what is never accepted is in nobody's way");
    }

    #[test]
    fn a_client_registers_keys_that_are_accepted() {
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 32]) });
        for bits in [2048, 3072, 4096, 8192] {
            assert_eq!(keys([rsa(bits, &json!({}))]).check(&[JwtAlgorithm::Ps256]), Ok(()), "{bits}");
        }
        // RFC 7517 §5: what is not known, or for another use, is passed over.
        let others = [json!({ "kty": "EC", "crv": "P-521" }), rsa(1024, &json!({ "use": "enc" }))];
        let set = keys(others.into_iter().chain([ed, ec(&json!({}))]));
        assert_eq!(set.check(&[JwtAlgorithm::EdDsa, JwtAlgorithm::Es256]), Ok(()));
        let numbered = keys((0..20).map(|number| ec(&json!({ "kid": number.to_string() }))));
        assert_eq!(numbered.check(&[]), Ok(()));
    }

    #[test]
    fn a_client_does_not_register_keys_that_are_never_accepted() {
        for (what, set, registered) in [
            ("RFC 7518 §3.3: 2048 bits", keys([rsa(2047, &json!({}))]), None),
            ("too large", keys([rsa(8193, &json!({}))]), None),
            ("no exponent", keys([rsa(2048, &json!({ "e": null }))]), None),
            ("an even exponent", keys([rsa(2048, &json!({ "e": "AQAC" }))]), None),
            ("the exponent 1", keys([rsa(2048, &json!({ "e": "AQ" }))]), None),
            ("a long exponent", keys([rsa(2048, &json!({ "e": "AQAAAAE" }))]), None),
            ("RFC 7518 §6.2.1.2: x", keys([ec(&json!({ "x": "AQ" }))]), None),
            ("RFC 7518 §6.2.1.3: y", keys([ec(&json!({ "y": null }))]), None),
            ("RFC 8037 §2: x", keys([json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQ" })]), None),
            ("one of them", keys([ec(&json!({})), rsa(1024, &json!({}))]), None),
            ("another curve", keys([json!({ "kty": "EC", "crv": "P-384" })]), None),
            ("another use", keys([ec(&json!({ "use": "enc" }))]), None),
            ("none", keys([]), None),
            ("another algorithm", keys([ec(&json!({}))]), Some(JwtAlgorithm::Ps256)),
            ("more than are tried", keys((0..5).map(|_| ec(&json!({})))), None),
            ("the same kid", keys((0..5).map(|_| ec(&json!({ "kid": "k" })))), None),
            ("many", keys((0..21).map(|number| ec(&json!({ "kid": number.to_string() })))), None),
        ] {
            assert!(set.check(registered.as_slice()).is_err(), "{what}");
        }
    }
}
