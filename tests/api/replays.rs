//! Replays within the leeway: an owner whose answer got lost, and whoever copied the token.

use futures_util::{StreamExt as _, stream};
use heirloom::domain::family::RotationPolicy;
use heirloom::settings::Settings;
use serde_json::json;

use crate::database::both_databases;
use crate::harness::*;

const TOO_MANY: &str = "429 temporarily_unavailable This refresh token came back too often within a moment. Please \
    wait, then try again.";

fn behind_a_proxy(settings: &mut Settings) {
    settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

/// An address and a program.
type Place = (&'static str, &'static str);

const HOME: Place = ("192.0.2.1", "app/1");
const AWAY: Place = ("198.51.100.7", "app/1");

impl TestApp {
    async fn refresh_from(&self, (address, agent): Place, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        let request = self.http.post(self.at("/refresh")).json(&body);
        self.send(request.header("x-forwarded-for", address).header("user-agent", agent)).await
    }

    /// Presents one token so often, a few at once all the time: on a busy machine more would wait past their deadline.
    async fn storm(&self, token: &str, count: usize) -> Vec<Answer> {
        stream::iter(0..count).map(|_| self.refresh(token)).buffer_unordered(20).collect().await
    }
}

/// How many got these tokens; everybody else is to wait.
fn served(answers: &[Answer], tokens: &Tokens) -> usize {
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    for answer in &served {
        assert_eq!((&answer.tokens().refresh, answer.tokens().claims()), (&tokens.refresh, tokens.claims()));
    }
    for answer in refused {
        assert_eq!((answer.refusal().as_str(), answer.header("retry-after")), (TOO_MANY, Some("20")));
    }
    served.len()
}

both_stores_both_ways! {
    async fn a_replay_from_elsewhere_is_told_and_ends_nothing(app) with super::behind_a_proxy; {
        let first = app.ana_logged_in().await;
        let told = |differs: &str| {
            let family = first.claims()["sid"].as_str().unwrap().to_owned();
            format!("family.replayed client=heirloom differs={differs} family={family}")
        };
        let second = app.refresh_from(HOME, &first.refresh).await.tokens();
        let (row, before) = (app.last_write().await, app.events().len());
        for (place, differs) in [
            (HOME, None),
            (AWAY, Some("address")),
            (("203.0.113.9", "app/1"), None),
            (("192.0.2.1", "curl/8"), Some("agent")),
            (("203.0.113.9", "curl/8"), None),
            (HOME, None),
        ] {
            let count = app.events().len();
            assert_eq!(app.refresh_from(place, &first.refresh).await.tokens().refresh, second.refresh);
            assert_eq!(app.events()[count..], Vec::from_iter(differs.map(told)), "{place:?}");
        }
        if app.store == Store::Postgres {
            assert_eq!(app.last_write().await, row);
        }
        assert_eq!(app.events().len(), before + 2);
        let third = app.refresh_from(HOME, &second.refresh).await.tokens();
        assert_eq!(third.generation(), 3);
        app.refresh_from(("203.0.113.9", "curl/8"), &second.refresh).await.tokens();
        assert_eq!(app.events()[before + 2..], [told("address_and_agent")], "another generation");
    }

    async fn whoever_recovers_is_who_replays_are_compared_with(app) with super::behind_a_proxy; {
        let first = app.ana_logged_in().await;
        app.refresh_from(HOME, &first.refresh).await.tokens();
        app.clock.advance(MINUTE);
        assert_eq!(app.refresh_from(AWAY, &first.refresh).await.tokens().generation(), 3);
        app.refresh_from(HOME, &first.refresh).await.tokens();
        assert_eq!(app.told("family.replayed"), 1, "{:?}", app.events());
        app.refresh_from(AWAY, &first.refresh).await.tokens();
        assert_eq!(app.told("family.replayed"), 1, "{:?}", app.events());
    }

    async fn addresses_of_one_network_are_one_place(app) with super::behind_a_proxy; {
        let first = app.ana_logged_in().await;
        app.refresh_from(("2001:db8::1", "app/1"), &first.refresh).await.tokens();
        app.refresh_from(("2001:db8::ffff:1", "app/1"), &first.refresh).await.tokens();
        assert_eq!(app.told("family.replayed"), 0, "one /64");
        app.refresh_from(("2001:db8:0:1::1", "app/1"), &first.refresh).await.tokens();
        assert_eq!(app.told("family.replayed"), 1);
    }

    async fn a_hundred_replays_are_served_and_no_more(app) {
        let first = app.ana_logged_in().await;
        let second = app.rotate(&first).await;
        app.clock.advance(SECOND * 10);
        assert_eq!(served(&app.storm(&first.refresh, 130).await, &second), 100);
        assert_eq!(app.refresh(&first.refresh).await.refusal(), TOO_MANY);
        assert_eq!(app.live_families().await, 1, "the login goes on");
        let third = app.rotate(&second).await;
        assert_eq!(app.rotate(&second).await.refresh, third.refresh, "each generation has its own");
    }

    async fn of_a_storm_one_rotates_and_a_hundred_replay(app) {
        let first = app.ana_logged_in().await;
        let answers = app.storm(&first.refresh, 131).await;
        let served: Vec<Tokens> =
            answers.iter().filter(|answer| answer.status == 200).map(Answer::tokens).collect();
        assert_eq!(served.len(), 101);
        assert!(served.iter().all(|it| it.refresh == served[0].refresh && it.claims() == served[0].claims()));
        assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 30);
        app.clock.advance(SECOND * 30);
        assert_eq!(app.rotate(&first).await.generation(), 3, "after the leeway it recovers, as ever");
        assert_eq!((app.live_families().await, app.told("family.reused")), (1, 0));
    }
}

both_stores! {
    async fn what_is_kept_is_no_replay(app) with super::behind_a_proxy; {
        app.add_client("tool", |it| it.metadata.refresh_token_rotation = RotationPolicy::Every(DAY)).await;
        app.add_user("ana").await;
        let first = app.log_in_with("tool", "ana").await;
        app.clock.advance(DAY);
        app.refresh_with("tool", &first.refresh).await.tokens();
        for number in 0..120 {
            let body = json!({ "refresh_token": first.refresh, "client_id": "tool" });
            let request = app.http.post(app.at("/refresh")).json(&body);
            app.send(request.header("x-forwarded-for", format!("192.0.2.{number}"))).await.tokens();
        }
        assert_eq!(app.told("family.replayed"), 0);
    }

    async fn the_token_endpoint_bounds_replays_too(app) {
        let first = app.ana_logged_in().await;
        app.rotate(&first).await;
        app.storm(&first.refresh, 100).await;
        let form =
            [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", first.refresh.as_str())];
        let answer = app.form("/oauth/token", &form).await;
        assert_eq!((answer.refusal().as_str(), answer.header("retry-after")), (TOO_MANY, Some("30")));
    }
}

both_databases! {
    async fn a_process_compares_with_the_first_replay_where_another_rotated(store, url) {
        let clock = TestClock::new();
        let settings = |settings: &mut Settings| {
            behind_a_proxy(settings);
            settings.issuer = Some("https://login.example.com".parse().unwrap());
        };
        let (one, stop_one) = start(store, &url, clock.clone(), settings).await;
        let (other, stop_other) = start(store, &url, clock.clone(), settings).await;
        let first = one.ana_logged_in().await;
        one.refresh_from(HOME, &first.refresh).await.tokens();
        other.refresh_from(AWAY, &first.refresh).await.tokens();
        assert_eq!(other.told("family.replayed"), 0, "it does not know the rotation");
        other.refresh_from(HOME, &first.refresh).await.tokens();
        assert_eq!(other.told("family.replayed"), 1);
        one.refresh_from(HOME, &first.refresh).await.tokens();
        assert_eq!(one.told("family.replayed"), 0);
        stop_one.end().await;
        stop_other.end().await;
    }
}
