//! A client that proves its key (RFC 9449), and can prove it badly.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses what it needs of this")]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

pub struct Prover {
    pub alg: &'static str,
    pub jwk: Value,
    sign: Sign,
}

impl Prover {
    pub fn new(alg: &'static str) -> Self {
        match alg {
            "ES256" => Self::ec(alg, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => Self::ec(alg, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            "EdDSA" | "Ed25519" => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let x = base64(pair.public_key().as_ref());
                let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
                Self { alg, jwk, sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()) }
            }
            "PS256" | "RS256" => {
                let padding = if alg == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let parts: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
                let jwk = json!({ "kty": "RSA", "n": base64(&parts.n), "e": base64(&parts.e) });
                let sign = move |message: &[u8]| {
                    let mut signature = vec![0; pair.public_modulus_len()];
                    pair.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
                    signature
                };
                Self { alg, jwk, sign: Box::new(sign) }
            }
            _ => panic!("{alg}"),
        }
    }

    fn ec(alg: &'static str, curve: &str, signing: &'static EcdsaSigningAlgorithm) -> Self {
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let point = pair.public_key().as_ref().split_at(1).1;
        let (x, y) = point.split_at(point.len() / 2);
        let jwk = json!({ "kty": "EC", "crv": curve, "x": base64(x), "y": base64(y) });
        let sign = move |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        Self { alg, jwk, sign: Box::new(sign) }
    }

    /// RFC 7638, by the members' names in their order.
    pub fn thumbprint(&self) -> String {
        let members = ["crv", "e", "kty", "n", "x", "y"].into_iter();
        let members = members.filter_map(|name| Some(format!("\"{name}\":{}", self.jwk.get(name)?)));
        let canonical = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        base64(digest(&SHA256, canonical.as_bytes()).as_ref())
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk })
    }

    pub fn prove(&self, claims: &Value) -> String {
        self.prove_as(&self.header(), claims)
    }

    /// Signs whatever header and claims say; a null member is left out.
    pub fn prove_as(&self, header: &Value, claims: &Value) -> String {
        self.sign(&without_nulls(header).to_string(), &without_nulls(claims).to_string())
    }

    /// Signs what need not even be JSON.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64(header), base64(claims));
        format!("{message}.{}", base64((self.sign)(message.as_bytes())))
    }
}

fn without_nulls(members: &Value) -> Value {
    let mut members = members.clone();
    members.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    members
}

/// These members in place of those.
pub fn with(members: &Value, others: Value) -> Value {
    let mut members = members.clone();
    let Value::Object(others) = others else { panic!("{others}") };
    members.as_object_mut().unwrap().extend(others);
    members
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What stands in `ath`.
pub fn token_hash(token: &str) -> String {
    base64(digest(&SHA256, token.as_bytes()).as_ref())
}
