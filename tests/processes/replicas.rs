//! Several servers on one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use heirloom_verifier::Verifier;
use serde_json::json;

use crate::process::{Place, Server, Tokens, block_on, eventually};

#[test]
fn a_hundred_refreshes_of_one_token_over_two_servers_rotate_once() {
    let place = Place::postgres().with("HEIRLOOM_ISSUER", "https://login.example.com");
    place.add_user("ana");
    let servers = [place.serve(), place.serve()];
    block_on(async {
        let mut tokens = servers[0].log_in("ana").await;
        for generation in 2..=11 {
            let storm = (0..100).map(|number| servers[number % 2].refresh(&tokens.refresh));
            let got: Vec<Tokens> = join_all(storm).await.into_iter().map(Tokens::of).collect();
            assert!(got.iter().all(|it| it.generation() == generation));
            assert!(
                got.iter().all(|it| it.refresh == got[0].refresh && it.claim("jti") == got[0].claim("jti"))
            );
            tokens = got[0].clone();
        }
    });
    let families = place.json(&["family", "list", "--json"]);
    assert_eq!((families.as_array().unwrap().len(), &families[0]["generation"]), (1, &json!(11)));
}

#[test]
fn after_a_revocation_on_one_server_nothing_refreshes_on_the_other() {
    let place = Place::postgres();
    place.add_user("ana");
    let (one, other) = (place.serve(), place.serve());
    block_on(async {
        for _ in 0..20 {
            let tokens = one.log_in("ana").await;
            let racing = async {
                let mut tokens = tokens.clone();
                loop {
                    let (status, json) = other.refresh(&tokens.refresh).await;
                    if status != 200 {
                        return json;
                    }
                    tokens = Tokens::of((status, json));
                }
            };
            let revoking = async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let (status, _) = one.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
                assert_eq!(status, 204);
                assert_eq!(other.refresh(&tokens.refresh).await.0, 401);
            };
            let (refusal, ()) = tokio::join!(racing, revoking);
            assert_eq!(refusal["error_description"], "This login has been ended. Please log in again.");
        }
    });
}

async fn kids(server: &Server) -> Vec<String> {
    let url = format!("{}/.well-known/jwks.json", server.url);
    let jwks: serde_json::Value = server.http.get(url).send().await.unwrap().json().await.unwrap();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Two servers issue, keys are rotated three times, each time with another algorithm; a resource service that polls
/// once in a while never refuses a token.
#[test]
fn no_token_is_refused_while_keys_rotate_under_load() {
    let place = Place::postgres()
        .with("HEIRLOOM_ISSUER", "https://login.example.com")
        .with("HEIRLOOM_KEYS__POLL_EVERY", "200ms")
        .with("HEIRLOOM_KEYS__PUBLISH_AHEAD", "2s");
    place.add_user("ana");
    let servers = Arc::new([place.serve(), place.serve()]);
    block_on(async {
        let issuer = "https://login.example.com";
        let verifier = Verifier::builder(issuer)
            .audience(issuer)
            .jwks_url(format!("{}/.well-known/jwks.json", servers[0].url))
            .refresh_every(Duration::from_millis(500))
            .cooldown(Duration::from_hours(1))
            .build()
            .await
            .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let load: Vec<_> = (0..4_usize)
            .map(|number| {
                let (servers, verifier, stop) = (Arc::clone(&servers), verifier.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    let server = &servers[number % 2];
                    let mut tokens = server.log_in("ana").await;
                    // The status list that it names is fetched by its first token; keys are not.
                    verifier.verify(&tokens.access).await.unwrap();
                    let (mut count, mut held) = (0, tokens.access.clone());
                    while !stop.load(Ordering::Relaxed) {
                        tokens = Tokens::of(server.refresh(&tokens.refresh).await);
                        verifier.verify_offline(&tokens.access).unwrap();
                        verifier.verify_offline(&held).unwrap();
                        count += 1;
                        if count % 100 == 0 {
                            held.clone_from(&tokens.access);
                        }
                    }
                    count
                })
            })
            .collect();
        for algorithm in ["EdDSA", "RS256", "ES256"] {
            let before = kids(&servers[0]).await;
            place.rotate_to(algorithm);
            for server in servers.iter() {
                eventually("both publish it", async || kids(server).await.len() == before.len() + 1).await;
            }
            let signs = format!("{algorithm} signs");
            let keys = async || place.json(&["keys", "list", "--json"]);
            eventually(&signs, async || {
                let keys = keys().await;
                let signing =
                    keys["signing_keys"].as_array().unwrap().iter().find(|key| key["phase"] == "signing");
                signing.is_some_and(|key| key["algorithm"] == algorithm)
            })
            .await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.store(true, Ordering::Relaxed);
        for task in load {
            assert!(task.await.unwrap() > 10);
        }
    });
}
