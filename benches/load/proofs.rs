//! Proofs of a key (DPoP, RFC 9449) for the load: made before they are needed, as a client's own work is not measured.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// One key of all families, and proofs of it that nobody has sent yet.
pub(crate) struct Proofs {
    key: EcdsaKeyPair,
    jwk: String,
    made: Vec<String>,
    used: Cell<usize>,
}

impl Proofs {
    /// A new key: no proofs yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|it| URL_SAFE_NO_PAD.encode(it));
        // RFC 7638 §3: in this order.
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(Self { key, jwk, made: Vec::new(), used: Cell::new(0) })
    }

    pub(crate) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.jwk.as_bytes()))
    }

    /// Makes so many proofs for the server's token endpoint, good for a minute from now on.
    pub(crate) fn make(&mut self, address: &str, count: usize) -> anyhow::Result<()> {
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{}}}"#, self.jwk);
        let header = URL_SAFE_NO_PAD.encode(header);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let random = SystemRandom::new();
        self.used.set(0);
        self.made.clear();
        for number in 0..count {
            let claims = format!(
                r#"{{"jti":"{now}-{number}","htm":"POST","htu":"http://{address}/oauth/token","iat":{now}}}"#
            );
            let mut proof = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
            let signature = self.key.sign(&random, proof.as_bytes())?;
            write!(proof, ".{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))?;
            self.made.push(proof);
        }
        Ok(())
    }

    /// The next one, which nobody has sent.
    pub(crate) fn next(&self) -> Option<&str> {
        self.made.get(self.used.replace(self.used.get() + 1)).map(String::as_str)
    }
}
