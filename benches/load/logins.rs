//! Logins, and what argon2 alone does on the same cores.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::Deserialize;
use serde_json::json;

use crate::now;
use crate::processes::{PASSWORD, Server};

const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// So many users log in: people do not wait for each other's logins.
pub(crate) const USERS: usize = 32;

pub(crate) fn username(number: usize) -> String {
    format!("user{}", number % USERS)
}

/// What a login gives.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    pub(crate) refresh_token: String,
    pub(crate) access_token: String,
}

/// Logs a user in.
pub(crate) async fn log_in(
    http: &reqwest::Client,
    server: &Server,
    username: &str,
) -> anyhow::Result<Tokens> {
    // Without `openid`: an ID token beside the access token would be a second signature, which no yardstick here has.
    let body =
        json!({ "username": username, "password": PASSWORD, "device": "a phone", "scope": "email profile" });
    let url = format!("http://{}/login", server.address);
    let answer = http.post(url).header("User-Agent", USER_AGENT).json(&body).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

/// As many logins as will go, from so many clients, until it is over; gives logins a second from the first answer until
/// then, and how many got another answer.
pub(crate) async fn storm(server: &Server, clients: usize, over: impl Fn() -> bool) -> (f64, u64) {
    let http = reqwest::Client::new();
    let (good, other) = (Cell::new(0), Cell::new(0));
    let (began, ended) = (OnceCell::new(), OnceCell::new());
    let client = async |number| {
        let username = username(number);
        loop {
            let is_good = log_in(&http, server, &username).await.is_ok();
            if over() {
                // What was under way when it ended is let finish, and not counted.
                ended.get_or_init(now);
                return;
            }
            if began.set(now()).is_ok() {
                continue;
            }
            let counted = if is_good { &good } else { &other };
            counted.set(counted.get() + 1);
        }
    };
    futures_util::future::join_all((0..clients).map(client)).await;
    let lasted =
        ended.into_inner().zip(began.into_inner()).map(|(ended, began)| ended - began).unwrap_or_default();
    (good.get() as f64 / lasted.as_secs_f64(), other.get())
}

/// Hashes a second of argon2 with our default parameters, a thread a core.
pub(crate) fn argon2_alone(lasting: Duration) -> anyhow::Result<f64> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| anyhow::anyhow!("{error}"))?;
    let (stopped, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = now();
    std::thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                let mut memory = vec![Block::default(); params.block_count()];
                let mut output = [0; 32];
                while !stopped.load(Ordering::Relaxed) {
                    let hashed = argon2.hash_password_into_with_memory(
                        PASSWORD.as_bytes(),
                        b"sixteen bytes...",
                        &mut output,
                        &mut memory,
                    );
                    count.fetch_add(u64::from(hashed.is_ok()), Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(lasting);
        stopped.store(true, Ordering::Relaxed);
    });
    Ok(count.into_inner() as f64 / began.elapsed().as_secs_f64())
}
