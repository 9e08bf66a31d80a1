//! The key that a proof carries, and what it signed.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaVerificationAlgorithm, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::dpop::invalid::InvalidProof;
use crate::dpop::object::Presence;

/// What proofs may be signed with, by the names that stand in `alg`: for `algs` in a challenge (RFC 9449 §7.1) and
/// `dpop_signing_alg_values_supported` in metadata (§5.1). `Ed25519` is the newer name of `EdDSA` (RFC 9864 §2.2).
///
/// ```
/// use heirloom_verifier::dpop::ALGORITHMS;
///
/// assert_eq!(ALGORITHMS.join(" "), "ES256 EdDSA Ed25519 ES384 PS256 RS256");
/// ```
pub const ALGORITHMS: &[&str] = &["ES256", "EdDSA", "Ed25519", "ES384", "PS256", "RS256"];

/// What an algorithm asks of a key.
enum Scheme {
    Ec { curve: &'static str, coordinate: usize, verifying: &'static EcdsaVerificationAlgorithm },
    Ed25519,
    Rsa(&'static RsaParameters),
}

fn scheme(alg: &str) -> Option<Scheme> {
    Some(match alg {
        "ES256" => Scheme::Ec { curve: "P-256", coordinate: 32, verifying: &ECDSA_P256_SHA256_FIXED },
        "ES384" => Scheme::Ec { curve: "P-384", coordinate: 48, verifying: &ECDSA_P384_SHA384_FIXED },
        "EdDSA" | "Ed25519" => Scheme::Ed25519,
        "PS256" => Scheme::Rsa(&RSA_PSS_2048_8192_SHA256),
        "RS256" => Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        _ => return None,
    })
}

/// A public key as it stands in a proof (RFC 7518 §6, RFC 8037 §2).
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    n: String,
    e: String,
    // Private members (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 9964 §3).
    d: Presence,
    p: Presence,
    q: Presence,
    dp: Presence,
    dq: Presence,
    qi: Presence,
    oth: Presence,
    k: Presence,
    r#priv: Presence,
}

pub(super) struct ProofKey {
    verifying: ParsedPublicKey,
    /// RFC 7638.
    pub(super) thumbprint: String,
}

impl ProofKey {
    pub(super) fn new(alg: &str, jwk: &Jwk) -> Result<Self, InvalidProof> {
        let scheme = scheme(alg).ok_or(InvalidProof::WrongAlgorithm)?;
        if jwk.is_private() {
            return Err(InvalidProof::PrivateKey);
        }
        // What stands here has been decoded, so the members need no escaping, and are in the only form that they have:
        // a key has one thumbprint.
        let (verifying, canonical) = match scheme {
            Scheme::Ec { curve, coordinate, verifying } if jwk.kty == "EC" && jwk.crv == curve => {
                let point = [vec![0x04], octets(&jwk.x, coordinate)?, octets(&jwk.y, coordinate)?].concat();
                let (x, y) = (&jwk.x, &jwk.y);
                let canonical = format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#);
                (ParsedPublicKey::new(verifying, point).ok(), canonical)
            }
            Scheme::Ed25519 if jwk.kty == "OKP" && jwk.crv == "Ed25519" => {
                let x = &jwk.x;
                let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
                (ParsedPublicKey::new(&ED25519, octets(x, 32)?).ok(), canonical)
            }
            Scheme::Rsa(verifying) if jwk.kty == "RSA" => {
                let (n, e) = (&jwk.n, &jwk.e);
                let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
                let key = RsaPublicKeyComponents { n: modulus(n)?, e: integer(e)? };
                (key.to_parsed_public_key(verifying).ok(), canonical)
            }
            Scheme::Ec { .. } | Scheme::Ed25519 | Scheme::Rsa(_) => return Err(InvalidProof::UnfitKey),
        };
        let verifying = verifying.ok_or(InvalidProof::InvalidKey)?;
        Ok(Self { verifying, thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes())) })
    }

    /// Whether the signature of the message is this key's.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifying.verify_sig(message, signature).is_ok()
    }
}

impl Jwk {
    fn is_private(&self) -> bool {
        let members =
            [&self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth, &self.k, &self.r#priv];
        members.into_iter().any(|member| member.0)
    }
}

/// RFC 7518 §6.2.1.2: the full size, leading zeros and all.
fn octets(member: &str, size: usize) -> Result<Vec<u8>, InvalidProof> {
    decode(member).filter(|octets| octets.len() == size).ok_or(InvalidProof::InvalidKey)
}

/// RFC 7518 §2, `Base64urlUInt`: no leading zeros.
fn integer(member: &str) -> Result<Vec<u8>, InvalidProof> {
    decode(member)
        .filter(|octets| octets.first().is_some_and(|first| *first != 0))
        .ok_or(InvalidProof::InvalidKey)
}

/// RFC 7518 §3.3: 2048 bits or more. Where the most lies, the algorithms' names say.
fn modulus(member: &str) -> Result<Vec<u8>, InvalidProof> {
    integer(member).and_then(|octets| match octets.len() {
        256..=1024 => Ok(octets),
        _ => Err(InvalidProof::InvalidKey),
    })
}

fn decode(member: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_known() {
        for alg in ALGORITHMS {
            assert!(scheme(alg).is_some(), "{alg}");
        }
        for alg in ["none", "HS256", "es256", "ES256K", "RS1", ""] {
            assert!(scheme(alg).is_none(), "{alg}");
        }
    }
}

#[cfg(test)]
mod vectors;
