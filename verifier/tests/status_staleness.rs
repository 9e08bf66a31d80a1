//! How long status lists are trusted, and followed: a clock that is moved, a provider that comes and goes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod issuer;
mod status_list;

use std::time::Duration;

use heirloom_verifier::{Builder, StatusListError, StatusListEvent, VerifyError};
use issuer::{ISSUER, NOW, eventually};
use serde_json::json;
use status_list::{REVOKED, World, claims_of, document, uri};

/// Without a leeway each second counts.
fn exact(world: &World) -> Builder {
    world.builder().leeway(Duration::ZERO)
}

#[tokio::test]
async fn a_list_is_trusted_until_it_expires_and_then_its_tokens_are_refused() {
    let world = World::new();
    let verifier = exact(&world).build().await.unwrap();
    let (good, revoked) = (world.token(0), world.token(1));
    assert!(verifier.verify(&good).await.is_ok());
    world.goes_down();
    world.is(NOW + 899);
    let failed = world.next().await;
    let StatusListEvent::Failed { error, stale_for, .. } = failed else { panic!("{failed:?}") };
    assert_eq!(error, StatusListError::Status { status: 503 });
    assert_eq!(stale_for, Some(Duration::from_secs(899)));
    assert_eq!(verifier.status_lists().stale_for, Some(Duration::from_secs(899)));
    assert!(verifier.verify(&good).await.is_ok());
    world.is(NOW + 900);
    assert_eq!(verifier.verify(&good).await, Err(VerifyError::StatusUnavailable));
    assert_eq!(verifier.verify(&revoked).await, Err(REVOKED), "it stays so");
    // It comes back.
    let mut renewed = document(&[2, 0]);
    renewed["exp"] = json!(NOW + 2000);
    world.publish(&renewed);
    eventually(|| verifier.verify_offline(&good).is_ok()).await;
}

#[tokio::test]
async fn who_chose_so_accepts_what_is_stale_but_nothing_that_is_revoked() {
    let world = World::new();
    let verifier = exact(&world).accept_stale_status().build().await.unwrap();
    assert!(verifier.verify(&world.token(0)).await.is_ok());
    world.goes_down();
    world.is(NOW + 50_000);
    assert!(verifier.verify(&world.token(0)).await.is_ok());
    assert_eq!(verifier.verify(&world.token(1)).await, Err(REVOKED));
    assert_eq!(verifier.status_lists().unavailable, 0);
    // Not even the first answer must come.
    let another = exact(&world).accept_stale_status().build().await.unwrap();
    assert!(another.verify(&world.token(1)).await.is_ok());
}

#[tokio::test]
async fn max_staleness_counts_from_the_last_confirmation() {
    let world = World::new();
    let verifier = exact(&world).max_staleness(Duration::from_secs(10)).build().await.unwrap();
    let token = world.token(0);
    assert!(verifier.verify(&token).await.is_ok());
    world.is(NOW + 9);
    assert!(verifier.verify(&token).await.is_ok());
    // Unchanged, and so confirmed.
    assert_eq!(world.next().await, StatusListEvent::Confirmed { uri: uri() });
    assert_eq!(verifier.status_lists().stale_for, Some(Duration::ZERO));
    world.goes_down();
    world.is(NOW + 18);
    assert!(verifier.verify(&token).await.is_ok());
    world.is(NOW + 19);
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::StatusUnavailable));
    assert!(world.provider.not_modified() > 0, "what is unchanged is not sent again");
}

#[tokio::test]
async fn a_list_without_an_expiry_is_trusted_for_an_hour_after_each_confirmation() {
    let world = World::new();
    let mut endless = document(&[2, 0]);
    endless.as_object_mut().unwrap().remove("exp");
    world.publish(&endless);
    let verifier = exact(&world).build().await.unwrap();
    let token = world.token(0);
    assert!(verifier.verify(&token).await.is_ok());
    world.is(NOW + 3000);
    assert_eq!(world.next().await, StatusListEvent::Confirmed { uri: uri() });
    world.goes_down();
    world.is(NOW + 6599);
    assert!(verifier.verify(&token).await.is_ok());
    world.is(NOW + 6600);
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::StatusUnavailable));
}

#[tokio::test]
async fn a_document_that_expired_is_not_confirmed() {
    let world = World::new();
    let verifier = exact(&world).build().await.unwrap();
    assert!(verifier.verify(&world.token(0)).await.is_ok());
    world.is(NOW + 900);
    let failed = world.next().await;
    let StatusListEvent::Failed { error, .. } = failed else { panic!("{failed:?}") };
    assert_eq!(error, StatusListError::Expired);
    assert_eq!(verifier.verify(&world.token(0)).await, Err(VerifyError::StatusUnavailable));
}

#[tokio::test]
async fn an_older_document_takes_nothing_back() {
    let world = World::new();
    let mut newer = document(&[3, 0]);
    newer["iat"] = json!(NOW - 1);
    world.publish(&newer);
    let verifier = exact(&world).build().await.unwrap();
    assert_eq!(verifier.verify(&world.token(0)).await, Err(REVOKED));
    let mut older = document(&[0, 0]);
    older["iat"] = json!(NOW - 2);
    older["exp"] = json!(NOW + 5000);
    world.publish(&older);
    let failed = world.next().await;
    let StatusListEvent::Failed { error, .. } = failed else { panic!("{failed:?}") };
    assert_eq!(error, StatusListError::Older);
    assert_eq!(verifier.verify(&world.token(0)).await, Err(REVOKED));
    // Unless the newer one has expired: then it is the best there is.
    world.is(NOW + 900);
    eventually(|| verifier.verify_offline(&world.token(0)).is_ok()).await;
}

#[tokio::test]
async fn a_list_is_followed_until_the_last_token_that_named_it_expires() {
    let world = World::new();
    let verifier = exact(&world).build().await.unwrap();
    assert!(verifier.verify(&world.token_until(NOW + 60, 0)).await.is_ok());
    assert!(verifier.verify(&world.token_until(NOW + 30, 0)).await.is_ok());
    world.is(NOW + 59);
    world.next().await;
    assert_eq!(verifier.status_lists().followed, 1);
    world.is(NOW + 60);
    assert_eq!(world.next().await, StatusListEvent::Forgotten { uri: uri() });
    assert_eq!(verifier.status_lists().followed, 0);
    let asked = world.provider.requests();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.provider.requests(), asked, "nobody asks for a list that no token names");
    // The next token that names it is waited for like the first.
    assert!(verifier.verify(&world.token(0)).await.is_ok());
    assert_eq!(world.provider.requests(), asked + 1);
}

#[tokio::test]
async fn nobody_asks_for_a_verifier_that_is_gone() {
    let world = World::new();
    let verifier = exact(&world).build().await.unwrap();
    assert!(verifier.verify(&world.token(0)).await.is_ok());
    drop(verifier);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.provider.requests(), 1);
}

#[tokio::test]
async fn a_listener_that_panics_ends_nothing() {
    let world = World::new();
    let builder = exact(&world).on_status_list(|_| panic!("the listener's own fault"));
    let verifier = builder.build().await.unwrap();
    assert!(verifier.verify(&world.token(0)).await.is_ok());
    world.publish(&document(&[3, 0]));
    eventually(|| verifier.verify_offline(&world.token(0)) == Err(REVOKED)).await;
}

#[tokio::test]
async fn an_issuer_with_a_list_for_each_token_is_not_followed_everywhere() {
    let world = World::new();
    let verifier = exact(&world).build().await.unwrap();
    let verdict = |number: u32| {
        let uri = format!("{ISSUER}/status-lists/{number}");
        verifier.verify_offline(&world.key.sign(&claims_of(&uri, 0)))
    };
    for number in 0..1100 {
        assert_eq!(verdict(number), Err(VerifyError::StatusUnavailable));
    }
    assert_eq!(verifier.status_lists().followed, 1000);
}
