//! Where keys come from, and how they are kept fresh: a real issuer over HTTP that counts who asks.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod issuer;

use std::time::{Duration, UNIX_EPOCH};

use heirloom_verifier::{Algorithm, Builder, Verifier, VerifyError};
use issuer::{AUDIENCE, ISSUER, Key, NOW, Server, claims, eventually};
use serde_json::json;

fn builder() -> Builder {
    Verifier::builder(ISSUER).audience(AUDIENCE).clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_looked_for_once_however_many_ask() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let server = Server::start(&[&old]);
    let verifier = builder().jwks_url(server.url()).cooldown(Duration::ZERO).build().await.unwrap();
    assert_eq!(server.requests(), 1);
    server.publish(&[&old, &new]);
    let token = new.sign(&claims());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn forged_key_ids_cost_one_fetch_a_cool_down() {
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[&key]);
    let verifier = builder().jwks_url(server.url()).cooldown(Duration::from_hours(1)).build().await.unwrap();
    for number in 0..50 {
        let mut header = key.header();
        header["kid"] = json!(format!("forged-{number}"));
        let token = key.sign_as(&header, &claims());
        assert_eq!(verifier.verify(&token).await, Err(VerifyError::UnknownKey));
    }
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_key_published_right_after_a_refresh_is_found_at_once() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let server = Server::start(&[&old]);
    let verifier = builder().jwks_url(server.url()).cooldown(Duration::from_hours(1)).build().await.unwrap();
    server.publish(&[&old, &new]);
    assert!(verifier.verify(&new.sign(&claims())).await.is_ok(), "only unknown keys count for the cool-down");
}

#[tokio::test]
async fn after_the_cool_down_an_unknown_key_is_looked_for_again() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let server = Server::start(&[&old]);
    let cooldown = Duration::from_millis(200);
    let verifier = builder().jwks_url(server.url()).cooldown(cooldown).build().await.unwrap();
    let token = new.sign(&claims());
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::UnknownKey));
    server.publish(&[&old, &new]);
    let patience = async {
        while verifier.verify(&token).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), patience).await.unwrap();
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn those_who_wait_for_an_issuer_that_hangs_give_up_together() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let server = Server::start(&[&old]);
    let patience = Duration::from_millis(300);
    let verifier = builder().jwks_url(server.url()).fetch_timeout(patience).cooldown(patience / 2);
    let verifier = verifier.build().await.unwrap();
    server.hold();
    let token = new.sign(&claims());
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Err(VerifyError::UnknownKey));
    }
    assert_eq!(server.requests(), 2, "a slow answer does not use up the cool-down");
    assert!(verifier.verify(&old.sign(&claims())).await.is_ok());
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_take_the_new_keys_along() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let server = Server::start(&[&old]);
    let verifier = builder().jwks_url(server.url()).build().await.unwrap();
    server.publish(&[&old, &new]);
    server.hold();
    let token = new.sign(&claims());
    let asking = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        async move { verifier.verify(&token).await }
    });
    eventually(|| server.requests() == 2).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    server.release();
    eventually(|| verifier.verify_offline(&token).is_ok()).await;
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn who_waits_for_a_refresh_takes_the_keys_that_it_brings() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let server = Server::start(&[&old]);
    let every = Duration::from_millis(700);
    let verifier = builder().jwks_url(server.url()).refresh_every(every).build().await.unwrap();
    server.publish(&[&old, &new]);
    server.hold();
    eventually(|| server.requests() == 2).await;
    let token = new.sign(&claims());
    let mut asking = std::pin::pin!(verifier.verify(&token));
    let at_once = tokio::time::timeout(Duration::from_millis(20), asking.as_mut()).await;
    assert!(at_once.is_err(), "it waits for the refresh that is under way");
    server.release();
    assert!(asking.await.is_ok());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_not_hammered() {
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[&key]);
    server.answer(503, "");
    let eager = builder().jwks_url(server.url()).cooldown(Duration::ZERO).refresh_every(Duration::ZERO);
    let verifier = eager.build().await.unwrap();
    let before = server.requests();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(server.requests() - before <= 21, "{} requests", server.requests() - before);
    drop(verifier);
}

#[tokio::test]
async fn a_machine_without_root_certificates_can_use_plain_http_and_files() {
    const NOWHERE: &str = "/nonexistent";
    // What is installed cannot be changed for this process alone: run this very test in one that finds nothing.
    if std::env::var("SSL_CERT_FILE").as_deref() != Ok(NOWHERE) {
        let name = "a_machine_without_root_certificates_can_use_plain_http_and_files";
        let again = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("SSL_CERT_FILE", NOWHERE)
            .env("SSL_CERT_DIR", NOWHERE)
            .output();
        let output = again.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[&key]);
    let verifier = builder().jwks_url(server.url()).build().await.unwrap();
    assert!(verifier.verify(&key.sign(&claims())).await.is_ok());
    assert!(builder().jwks_file("/nonexistent").build().await.is_ok());
    assert!(builder().jwks_url("https://login.example.com/jwks.json").build().await.is_err());
}

#[tokio::test]
async fn keys_are_kept_while_the_issuer_is_down_or_talks_rubbish() {
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[&key]);
    let every = Duration::from_millis(20);
    let verifier = builder().jwks_url(server.url()).refresh_every(every).build().await.unwrap();
    let token = key.sign(&claims());
    let others = issuer::jwks(&[&Key::new(Algorithm::ES256, "two")]);
    let padded = format!("{}{others}", " ".repeat(1 << 20));
    for (status, body) in
        [(500, others.as_str()), (200, "rubbish"), (200, r#"{"keys":[]}"#), (302, &others), (200, &padded)]
    {
        server.answer(status, body);
        server.wait_for_more(2).await;
        assert!(verifier.verify(&token).await.is_ok(), "{status}");
    }
    server.stop().await;
    tokio::time::sleep(every * 3).await;
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn the_background_learns_new_keys_and_forgets_withdrawn_ones() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::EdDSA, "new"));
    let server = Server::start(&[&old]);
    let every = Duration::from_millis(20);
    let verifier = builder().jwks_url(server.url()).refresh_every(every).build().await.unwrap();
    server.publish(&[&new]);
    server.wait_for_more(2).await;
    assert!(verifier.verify_offline(&new.sign(&claims())).is_ok());
    assert_eq!(verifier.verify_offline(&old.sign(&claims())), Err(VerifyError::UnknownKey));
    assert!(server.not_modified() > 0, "unchanged keys are not sent again");
    drop(verifier);
    tokio::time::sleep(every * 3).await;
    let requests = server.requests();
    tokio::time::sleep(every * 3).await;
    assert_eq!(server.requests(), requests, "nobody fetches for a verifier that is gone");
}

#[tokio::test]
async fn an_issuer_that_comes_up_late_is_waited_for() {
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[&key]);
    server.answer(503, "");
    let verifier =
        builder().jwks_url(server.url()).cooldown(Duration::from_millis(10)).build().await.unwrap();
    let token = key.sign(&claims());
    let refusal = verifier.verify(&token).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.challenge("x")), (503, None));
    server.publish(&[&key]);
    eventually(|| verifier.verify_offline(&token).is_ok()).await;
}

#[tokio::test]
async fn a_file_is_read_again() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let path = std::env::temp_dir().join(format!("heirloom-jwks-{}-{}.json", std::process::id(), NOW));
    std::fs::write(&path, issuer::jwks(&[&old])).unwrap();
    let verifier = builder().jwks_file(&path).cooldown(Duration::ZERO).build().await.unwrap();
    assert!(verifier.verify(&old.sign(&claims())).await.is_ok());
    std::fs::write(&path, issuer::jwks(&[&new])).unwrap();
    assert!(verifier.verify(&new.sign(&claims())).await.is_ok());
    std::fs::remove_file(&path).unwrap();
}
