//! Several servers on one database, at once and one after another, with one clock.

use std::time::Duration;

use heirloom::crypto::master_key;
use heirloom::domain::ids::ClientId;
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::domain::signing_algorithm::SigningAlgorithm;
use heirloom::service::admin;
use heirloom::service::keys::succession::Succession;
use heirloom::settings::Settings;
use serde_json::json;

use crate::database::both_databases;
use crate::harness::*;
use crate::keys::{kid, published};
use crate::schema::migrate;

/// Servers that answer for each other have one issuer.
fn same_issuer(settings: &mut Settings) {
    settings.issuer = Some("https://login.example.com".parse().unwrap());
}

const HOW: Succession = Succession {
    algorithm: SigningAlgorithm::EdDsa,
    publish_ahead: MINUTE,
    default_ttl: Duration::from_mins(15),
};

both_databases! {
    async fn what_one_server_hands_out_another_honours(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), same_issuer).await;
        let (other, stop_other) = start(store, &url, clock.clone(), same_issuer).await;
        let first = one.ana_logged_in().await;
        assert_eq!(other.get("/sessions", &first.access).await.status, 200);
        let second = other.rotate(&first).await;
        let again = one.rotate(&first).await;
        assert_eq!((&again.refresh, again.claims()), (&second.refresh, second.claims()), "a replay by the other");
        let third = one.rotate(&second).await;
        assert_eq!(other.refresh(&first.refresh).await.refusal(), REUSED);
        assert_eq!(one.refresh(&third.refresh).await.refusal(), REUSED);
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn a_restart_forgets_nothing(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        let first = app.ana_logged_in().await;
        let second = app.rotate(&first).await;
        let ended = app.log_in("ana").await;
        app.post("/logout", &json!({ "refresh_token": ended.refresh })).await;
        app.add_client("app", |_| ()).await;
        admin::clients::remove(&app.core, &"app".parse().unwrap(), 10, clock.now()).await.unwrap();
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        let again = app.rotate(&first).await;
        assert_eq!((&again.refresh, again.claims()), (&second.refresh, second.claims()), "a replay after a restart");
        assert_eq!(kid(&again), kid(&second));
        assert_eq!(app.refresh(&ended.refresh).await.refusal(), ENDED);
        assert_eq!(app.get("/sessions", &second.access).await.status, 200);
        assert_eq!(app.refresh_with("app", "x").await.refusal(), INVALID);
        admin::clients::remove(&app.core, &ClientId::built_in(), 10, clock.now()).await.unwrap();
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        assert_eq!(app.refresh(&second.refresh).await.code(), "401 invalid_client", "removed means removed");
        stop.end().await;
    }

    async fn servers_that_start_together_make_one_signing_key(store, url) {
        migrate(&url).await;
        let clock = TestClock::new();
        let starting = (0..4).map(|_| start(store, &url, clock.clone(), same_issuer));
        let running = futures_util::future::join_all(starting).await;
        let keys = published(&running[0].0).await;
        assert_eq!(keys.len(), 1);
        let tokens = running[0].0.ana_logged_in().await;
        for (app, _) in &running {
            app.core.keys.reload(&app.core.db).await.unwrap();
            assert_eq!(published(app).await, keys);
            assert_eq!(app.get("/sessions", &tokens.access).await.status, 200);
        }
        for (_, stop) in running {
            stop.end().await;
        }
    }

    async fn replicas_agree_on_keys_without_a_restart(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), same_issuer).await;
        let (other, stop_other) = start(store, &url, clock.clone(), same_issuer).await;
        one.add_user("ana").await;
        let (new, _) = one.core.keys.rotate(&one.core.writer, HOW, clock.now()).await.unwrap();
        other.core.keys.reload(&other.core.db).await.unwrap();
        assert_eq!(published(&other).await, published(&one).await);
        clock.advance(MINUTE);
        let tokens = other.log_in("ana").await;
        assert_eq!(kid(&tokens), new);
        assert_eq!(one.get("/sessions", &tokens.access).await.status, 200);
        let newest = one.core.keys.replace(&one.core.writer, HOW, clock.now()).await.unwrap();
        other.core.keys.reload(&other.core.db).await.unwrap();
        assert_eq!(published(&other).await, [newest]);
        assert_eq!(other.get("/sessions", &tokens.access).await.code(), "401 invalid_token");
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn servers_that_rotate_the_keys_together_make_a_succession_of_both(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), same_issuer).await;
        let (other, stop_other) = start(store, &url, clock.clone(), same_issuer).await;
        let (first, second) = tokio::join!(
            one.core.keys.rotate(&one.core.writer, HOW, clock.now()),
            other.core.keys.rotate(&other.core.writer, HOW, clock.now()),
        );
        assert_ne!(first.unwrap().0, second.unwrap().0);
        one.core.keys.reload(&one.core.db).await.unwrap();
        assert_eq!(published(&one).await.len(), 3);
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn a_master_key_dropped_by_one_server_is_dropped_by_all(store, url) {
        let clock = TestClock::new();
        let both = |settings: &mut Settings| {
            same_issuer(settings);
            let new = "//////////////////////////////////////////8=";
            settings.master_key = Some(format!("{new},{MASTER_KEY}").into());
        };
        let (before, stop) = start(store, &url, clock.clone(), same_issuer).await;
        let (kept, moved) = (before.ana_logged_in().await, before.log_in("ana").await);
        stop.end().await;
        let (one, stop_one) = start(store, &url, clock.clone(), both).await;
        let (other, stop_other) = start(store, &url, clock.clone(), both).await;
        let moved = other.rotate(&moved).await;
        let leaked = one.core.keys.master_key_ids().nth(1).unwrap();
        one.core.keys.drop_master(&one.core.writer, &leaked, HOW, clock.now()).await.unwrap();
        other.core.keys.reload(&other.core.db).await.unwrap();
        for app in [&one, &other] {
            assert_eq!(app.refresh(&kept.refresh).await.refusal(), INVALID);
            assert_eq!(app.get("/sessions", &moved.access).await.code(), "401 invalid_token", "who signed it leaked");
        }
        other.rotate(&moved).await;
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn a_server_without_the_master_key_in_use_says_which_is_missing(store, url) {
        let (app, stop) = start(store, &url, TestClock::new(), same_issuer).await;
        let (key, signing) = (app.core.keys.master_key_ids().next().unwrap(), published(&app).await.remove(0));
        stop.end().await;
        let refused = start_refused(&url, |settings| {
            settings.master_key = Some(master_key::generate().to_string().into());
        })
        .await;
        assert_eq!(
            refused,
            format!("signing key {signing}: the value is sealed under master key {key}, which is not among those given")
        );
    }

    async fn settings_that_contradict_a_client_are_told_at_the_start(store, url) {
        let (app, stop) = start(store, &url, TestClock::new(), same_issuer).await;
        let leeway = Some(MINUTE);
        app.add_client("patient", |it| it.lifetimes = LifetimeOverrides { leeway, ..it.lifetimes }).await;
        stop.end().await;
        let refused = start_refused(&url, |settings| settings.tokens.access_ttl = MINUTE).await;
        assert_eq!(
            refused,
            "client patient: change it with `heirloom client update`, or the settings: the leeway must not be longer \
             than half the access-token lifetime"
        );
    }
}
