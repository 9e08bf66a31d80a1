//! How fast tokens are verified: `cargo bench -p heirloom-verifier --bench verify`.
//!
//! The measure is the bare signature check, which no verifier can do without: aws-lc-rs with a key that is parsed
//! already. All get the same token, signed with ES256. The last lines compare the medians.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot begin has nothing to say"
)]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::Criterion;
use heirloom_verifier::dpop::{ProofRequest, verify_proof};
use heirloom_verifier::{Algorithm, Verifier};
use issuer::{AUDIENCE, ISSUER, Key};
use jsonwebtoken::{DecodingKey, Validation, decode};
use prover::{Prover, token_hash};
use serde::Deserialize;
use serde_json::{Value, json};
use status_list::Provider;
use tokio::runtime::{self, Runtime};

#[path = "../tests/issuer/mod.rs"]
mod issuer;
#[path = "../tests/prover/mod.rs"]
mod prover;
#[path = "../tests/status_list/mod.rs"]
mod status_list;

/// Seconds; `None` when it was run for a test only, or not at all.
type Median = Option<f64>;

fn main() {
    let mut bench = Bench::new();
    let medians = [
        bench.bare_signature_check(),
        bench.jsonwebtoken_directly(),
        bench.first_sight(),
        bench.cached(),
        bench.cached_on_all_cores(),
        bench.proof_of_a_key(),
    ];
    bench.criterion.final_summary();
    if let [Some(bare), Some(direct), Some(first), Some(cached), Some(parallel), Some(proof)] = medians {
        let (first, direct) = (bare / first, bare / direct);
        println!("first sight: {first:.2} x bare signature check (jsonwebtoken::decode: {direct:.2} x)");
        let (cached, parallel, cores) = (1e-6 / cached, 1e-6 / parallel, cores());
        println!("cached: {cached:.1} M/s on one core, {parallel:.1} M/s on {cores}");
        println!("proof of a key: {:.2} x bare signature check", bare / proof);
        println!("looking up the status: {:.0} ns of it", 1e9 * bench.status_lookup());
    }
}

struct Bench {
    criterion: Criterion,
    runtime: Runtime,
    key: Key,
    token: String,
}

impl Bench {
    fn new() -> Self {
        let key = Key::new(Algorithm::ES256, "2026-01");
        Self {
            criterion: Criterion::default().warm_up_time(Duration::from_secs(1)).configure_from_args(),
            runtime: runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            token: key.sign(&claims()),
            key,
        }
    }

    fn bare_signature_check(&mut self) -> Median {
        let (message, signature) = self.token.rsplit_once('.').unwrap();
        let (message, signature) = (message.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap());
        let jwk = self.key.jwk();
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], number("x"), number("y")].concat();
        let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap();
        self.median("bare signature check", &async |_| {
            public.verify_sig(black_box(message.as_bytes()), black_box(&signature)).unwrap();
        })
    }

    fn jsonwebtoken_directly(&mut self) -> Median {
        let public = DecodingKey::from_ec_pem(self.key.pem().as_bytes()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        self.median("jsonwebtoken::decode", &async |token| {
            decode::<Claims>(token, &public, &validation).unwrap();
        })
    }

    fn first_sight(&mut self) -> Median {
        let verifier = self.verifier(0);
        self.median("this crate, first sight", &async |token| {
            verifier.verify(token).await.unwrap();
        })
    }

    fn cached(&mut self) -> Median {
        let verifier = self.verifier(10_000);
        self.median("this crate, cached", &async |token| {
            verifier.verify(token).await.unwrap();
        })
    }

    /// What each request with a bound token costs beside its token: the key comes with the proof, and is read anew.
    fn proof_of_a_key(&mut self) -> Median {
        let prover = Prover::new("ES256");
        let now = 1_900_000_000;
        let url = "https://api.example.com/orders";
        let claims = json!({
            "jti": "kT3vQ8sLxW5mZ1rB7nYc2g", "htm": "GET", "htu": url, "iat": now, "ath": token_hash(&self.token),
        });
        let proof = prover.prove(&claims);
        self.median("proof of a key", &async |token| {
            let request = ProofRequest { method: "GET", url, access_token: Some(token) };
            verify_proof(black_box(&proof), &request, now).unwrap();
        })
    }

    /// What it costs more to look up a cached token's entry in its status list. Few nanoseconds among a thousand: both
    /// are timed in turn, so that what else the machine does meets both, and the median of the differences counts.
    fn status_lookup(&mut self) -> f64 {
        let (provider, following) = self.following();
        let builder = Verifier::builder(ISSUER).audience(AUDIENCE).jwks_url(provider.jwks_url());
        let ignoring = self.runtime.block_on(builder.ignore_status_lists().build()).unwrap();
        let took = async |verifier: &Verifier| {
            timed(200, &self.token, async |token: &str| {
                verifier.verify(token).await.unwrap();
            })
            .await
        };
        let mut differences: Vec<f64> = (0..5_000)
            .map(|_| {
                let (without, with) =
                    self.runtime.block_on(async { (took(&ignoring).await, took(&following).await) });
                (with.as_secs_f64() - without.as_secs_f64()) / 200.0
            })
            .collect();
        differences.sort_by(f64::total_cmp);
        differences[differences.len() / 2]
    }

    /// The worst case: all cores ask for the same token, and look into the same list.
    fn cached_on_all_cores(&mut self) -> Median {
        let (_provider, verifier) = self.following();
        let Self { criterion, runtime, token, .. } = self;
        let ask = async |token: &str| {
            verifier.verify(token).await.unwrap();
        };
        let median = sample(criterion, "this crate, cached, on all cores", |count| {
            thread::scope(|scope| {
                let one = || runtime.handle().block_on(timed(count, token, &ask));
                let asking: Vec<_> = (0..cores()).map(|_| scope.spawn(one)).collect();
                asking.into_iter().map(|asking| asking.join().unwrap()).max().unwrap()
            })
        });
        median.map(|each| each / f64::from(cores()))
    }

    fn verifier(&self, cache_capacity: usize) -> Verifier {
        let builder = Verifier::builder(ISSUER).audience(AUDIENCE).jwks_json(issuer::jwks(&[&self.key]));
        self.runtime.block_on(builder.cache_capacity(cache_capacity).build()).unwrap()
    }

    /// A verifier that follows the list of 131,072 entries that the token names, and whom it follows.
    fn following(&self) -> (Provider, Verifier) {
        self.runtime.block_on(async {
            let provider = Provider::start(&[&self.key]);
            let mut document = status_list::document(&[0; 131_072 / 8]);
            document["ttl"] = json!(3600);
            provider.publish(status_list::signed(&self.key, &document));
            let builder = Verifier::builder(ISSUER).audience(AUDIENCE).jwks_url(provider.jwks_url());
            let verifier = builder.build().await.unwrap();
            verifier.verify(&self.token).await.unwrap();
            assert_eq!(verifier.status_lists().updated, 1);
            (provider, verifier)
        })
    }

    /// What one run of `work` takes.
    fn median(&mut self, name: &str, work: &impl AsyncFn(&str)) -> Median {
        let Self { criterion, runtime, token, .. } = self;
        sample(criterion, name, |count| runtime.block_on(timed(count, token, work)))
    }
}

/// What a single one takes, when `run` does so many.
fn sample(criterion: &mut Criterion, name: &str, mut run: impl FnMut(u64) -> Duration) -> Median {
    let mut samples = Vec::new();
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            let took = run(count);
            samples.push(took.as_secs_f64() / f64::from(u32::try_from(count).unwrap()));
            took
        });
    });
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().filter(|_| samples.len() > 10)
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch is what this is")]
async fn timed(count: u64, token: &str, work: impl AsyncFn(&str)) -> Duration {
    let began = Instant::now();
    for _ in 0..count {
        work(black_box(token)).await;
    }
    began.elapsed()
}

fn cores() -> u32 {
    thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap())
}

/// As the server writes them, good for an hour from now.
fn claims() -> Value {
    #[expect(clippy::disallowed_methods, reason = "jsonwebtoken asks the machine's clock, so all do")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": ISSUER,
        "sub": "0198f2a4-7c1e-7d3a-9b52-3f6e8a1c4d70",
        "aud": AUDIENCE,
        "client_id": "web-frontend",
        "exp": now + 3600,
        "iat": now,
        "scope": "openid profile orders:read orders:write",
        "sid": "0198f2a4-8b2f-7e4b-8c63-4a7f9b2d5e81",
        "auth_time": now,
        "roles": ["customer", "support"],
        "jti": "kT3vQ8sLxW5mZ1rB7nYc2g",
        "status": { "status_list": { "idx": 98_765, "uri": status_list::uri() } },
    })
}

/// What a service would read with jsonwebtoken.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only reading it is measured")]
struct Claims {
    sub: String,
    client_id: String,
    aud: String,
    scope: String,
    roles: Vec<String>,
    sid: String,
    jti: String,
    exp: u64,
    iat: u64,
    auth_time: u64,
}
