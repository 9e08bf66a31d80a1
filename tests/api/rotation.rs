//! The rotation protocol, as a client sees it.

use heirloom::domain::family::Place;
use heirloom::domain::ids::ClientId;
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::domain::refresh_token::{Generation, RefreshToken};
use heirloom::domain::secrets::FamilySecret;
use serde_json::json;

use crate::harness::*;

const ROW: &str = "SELECT generation * 1000 + COALESCE(base, 0) FROM families";

both_stores_both_ways! {
    async fn a_refresh_hands_out_the_next_generation(app) {
        let mut tokens = app.ana_logged_in().await;
        assert_eq!(tokens.generation(), 1);
        for generation in 2..=6 {
            app.clock.advance(MINUTE);
            let next = app.rotate(&tokens).await;
            assert_eq!(next.generation(), generation);
            let (old, new) = (tokens.claims(), next.claims());
            assert_eq!((&old["sid"], &old["sub"], &old["scope"]), (&new["sid"], &new["sub"], &new["scope"]));
            assert_ne!(old["jti"], new["jti"]);
            assert_eq!(new["iat"], app.clock.now().timestamp());
            tokens = next;
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM families").await, 1);
    }

    async fn a_lost_response_is_given_again_and_nothing_is_written(app) {
        let first = app.ana_logged_in().await;
        app.clock.advance(MINUTE);
        let lost = app.rotate(&first).await;
        let row = app.number(ROW).await;
        for _ in 0..3 {
            app.clock.advance(SECOND * 9);
            let again = app.refresh(&first.refresh).await;
            let tokens = again.tokens();
            assert_eq!(tokens.refresh, lost.refresh);
            assert_eq!(tokens.claims(), lost.claims(), "the same jti, iat and exp");
            let left = lost.claims()["exp"].as_i64().unwrap() - app.clock.now().timestamp();
            assert_eq!(again.json["expires_in"], left, "counted from now");
        }
        assert_eq!(app.number(ROW).await, row);
    }

    async fn the_leeway_does_not_slide(app) {
        let first = app.ana_logged_in().await;
        let second = app.rotate(&first).await;
        for _ in 0..9 {
            app.clock.advance(SECOND * 3);
            assert_eq!(app.rotate(&first).await.generation(), 2);
        }
        app.clock.advance(SECOND * 3);
        // 30 seconds after the rotation, whatever was replayed meanwhile: a newer one.
        assert_eq!(app.rotate(&first).await.generation(), 3);
        assert_eq!(app.refresh(&second.refresh).await.refusal(), REUSED, "whoever holds the skipped one is caught");
    }

    async fn two_tabs_that_come_late_agree(app) {
        let base = app.ana_logged_in().await;
        app.rotate(&base).await;
        app.clock.advance(DAY);
        let (one, other) = (app.rotate(&base).await, app.rotate(&base).await);
        assert_eq!(one.generation(), 3);
        assert_eq!(one.refresh, other.refresh);
        assert_eq!(app.rotate(&one).await.generation(), 4);
        assert_eq!(app.told("family.recovered"), 1, "{:?}", app.events());
    }

    async fn a_spent_token_ends_its_family(app) {
        let stolen = app.ana_logged_in().await;
        let second = app.rotate(&stolen).await;
        let third = app.rotate(&second).await;
        // All within the leeway: only the base may come back, never its parent.
        assert_eq!(app.refresh(&stolen.refresh).await.refusal(), REUSED);
        for token in [&stolen, &second, &third] {
            assert_eq!(app.refresh(&token.refresh).await.refusal(), REUSED);
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM families WHERE end_reason = 'reuse'").await, 1);
        assert_eq!((app.told("family.reused"), app.told("family.ended")), (1, 1), "{:?}", app.events());
        assert!(app.events().iter().any(|event| event.contains("reason=reuse")));
        app.log_in("ana").await;
    }

    async fn strict_mode_takes_the_base_for_theft(app) {
        app.add_strict_client().await;
        app.add_user("ana").await;
        let first = app.log_in_with("strict", "ana").await;
        let second = app.refresh_with("strict", &first.refresh).await.tokens();
        assert_eq!(app.refresh_with("strict", &first.refresh).await.refusal(), REUSED);
        assert_eq!(app.refresh_with("strict", &second.refresh).await.refusal(), REUSED);
    }

    async fn a_request_that_was_overtaken_in_our_queue_ends_nothing(app) {
        let first = app.ana_logged_in().await;
        app.clock.advance(MINUTE);
        let second = app.rotate(&first).await;
        let third = app.rotate(&second).await;
        app.clock.turn_back(SECOND);
        let overtaken = app.refresh(&first.refresh).await;
        assert_eq!(overtaken.code(), "503 temporarily_unavailable");
        assert_eq!(overtaken.header("retry-after"), Some("1"));
        app.clock.advance(SECOND);
        assert_eq!(app.rotate(&third).await.generation(), 4);
    }

    async fn an_idle_family_expires_to_the_second(app) {
        let (one, other) = (app.ana_logged_in().await, app.log_in("ana").await);
        app.clock.advance(DAY * 7 - SECOND);
        let one = app.rotate(&one).await;
        app.clock.advance(SECOND);
        assert_eq!(app.refresh(&other.refresh).await.refusal(), EXPIRED);
        app.clock.advance(DAY * 7 - SECOND * 2);
        assert_eq!(app.rotate(&one).await.generation(), 3);
    }

    async fn a_family_ends_at_its_absolute_lifetime_however_often_it_is_refreshed(app) {
        let answer = app.ana_logged_in().await;
        let mut tokens = answer;
        for _ in 0..14 {
            app.clock.advance(DAY * 6);
            tokens = app.rotate(&tokens).await;
        }
        app.clock.advance(DAY * 6 - SECOND * 10);
        let last = app.refresh(&tokens.refresh).await;
        assert_eq!(last.json["expires_in"], 10, "an access token never outlives its family");
        assert_eq!(last.json["refresh_expires_in"], 10);
        app.clock.advance(SECOND * 10);
        assert_eq!(app.refresh(&last.tokens().refresh).await.refusal(), EXPIRED);
    }

    async fn lifetimes_are_the_clients(app) {
        let lifetimes = LifetimeOverrides {
            access_ttl: Some(SECOND * 90),
            idle_ttl: Some(SECOND * 60),
            absolute_ttl: Some(SECOND * 100),
            leeway: Some(SECOND * 5),
        };
        app.add_client("hasty", |it| it.lifetimes = lifetimes).await;
        app.add_user("ana").await;
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "hasty" });
        let login = app.post("/login", &login).await;
        assert_eq!((&login.json["expires_in"], &login.json["refresh_expires_in"]), (&json!(60), &json!(60)));
        app.clock.advance(SECOND * 50);
        let second = app.refresh_with("hasty", &login.tokens().refresh).await;
        assert_eq!((&second.json["expires_in"], &second.json["refresh_expires_in"]), (&json!(50), &json!(50)));
        app.clock.advance(SECOND * 5);
        let recovered = app.refresh_with("hasty", &login.tokens().refresh).await;
        assert_eq!(recovered.tokens().generation(), 3, "its leeway is five seconds");
    }

    async fn the_counter_ends_as_expiry(app) {
        let tokens = app.ana_logged_in().await;
        app.sql("UPDATE families SET generation = 4294967294, base = 4294967293").await;
        let forged = token_of(&app, u32::MAX - 1).await;
        let last = app.refresh(&forged).await.tokens();
        assert_eq!(last.generation(), u32::MAX);
        assert_eq!(app.refresh(&last.refresh).await.refusal(), EXPIRED);
        assert_eq!(app.live_families().await, 1);
        drop(tokens);
    }

    async fn a_genuine_token_whose_row_is_gone_is_expired(app) {
        let tokens = app.ana_logged_in().await;
        app.sql("DELETE FROM families").await;
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), EXPIRED);
    }

    async fn a_token_with_another_secret_than_its_family_opens_and_ends_nothing(app) {
        let tokens = app.ana_logged_in().await;
        app.add_user("bob").await;
        app.clock.advance(SECOND);
        let other = app.log_in("bob").await;
        app.sql("UPDATE families SET secret_hash = (SELECT secret_hash FROM families ORDER BY id DESC LIMIT 1)").await;
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID);
        assert_eq!(app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await.status, 204);
        assert_eq!(app.live_families().await, 2);
        assert_eq!(app.told("alarm.raised"), 2);
        app.rotate(&other).await;
    }
}

/// A genuine token of the only family, with whatever generation: made as the server makes them.
pub async fn token_of(app: &TestApp, generation: u32) -> String {
    token_of_client(app, ClientId::BUILT_IN, generation).await
}

/// The same for another client.
pub async fn token_of_client(app: &TestApp, client: &str, generation: u32) -> String {
    let secret = FamilySecret::new([7; 16]);
    app.set_family_secret(&secret).await;
    let family =
        heirloom::store::families::newest(&app.core.db, Place::NEWEST.id, 1).await.unwrap().remove(0).id;
    let generation = Generation::new(generation.into()).unwrap();
    let token = RefreshToken { family, generation, secret };
    token.encode(&client.parse().unwrap(), app.core.keys.mac())
}
