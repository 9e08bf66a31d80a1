// What the documentation's examples begin with. The private key is gone: these can be verified, never signed again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use heirloom_verifier::{AccessToken, Builder, Verifier};

const JWKS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/jwks.json"));
const TOKEN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/access_token.jwt"));
/// The same for a client that has a key, and the proof of a `GET` of <https://api.example.com/orders>, made now.
const BOUND_TOKEN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/bound_token.jwt"));
const PROOF: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/proof.jwt"));

/// The sample token is good from here on, for 15 minutes.
#[allow(dead_code, reason = "each example uses what it needs of this")]
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000)
}

#[allow(dead_code, reason = "each example uses what it needs of this")]
fn sample() -> Builder {
    Verifier::builder("https://login.example.com")
        .audience("https://api.example.com")
        .clock(now)
        .jwks_json(JWKS)
}

#[allow(dead_code, reason = "each example uses what it needs of this")]
async fn sample_access() -> AccessToken {
    sample().build().await.unwrap().verify(TOKEN).await.unwrap()
}
