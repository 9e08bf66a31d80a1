//! Replicas allow together what one would.

use heirloom::service::admin::janitor;
use heirloom::service::shared_limits::share;
use heirloom::settings::Settings;
use reqwest::StatusCode;
use serde_json::json;

use crate::database::both_databases;
use crate::harness::*;

fn with_limits(settings: &mut Settings) {
    settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    settings.limits.account_attempts = 4;
    settings.limits.waiting_requests = 4;
}

impl TestApp {
    async fn guess(&self, password: &str) -> u16 {
        let body = json!({ "username": "ana", "password": password });
        let request = self.http.post(self.at("/login")).header("x-forwarded-for", "192.0.2.1").json(&body);
        self.send(request).await.status.as_u16()
    }

    async fn share(&self) {
        share(&self.core, self.clock.now()).await.unwrap();
    }
}

/// Each tells the other, whatever their own tasks have done meanwhile.
async fn share_all(apps: &[&TestApp]) {
    for _ in 0..2 {
        for app in apps {
            app.share().await;
        }
    }
}

both_databases! {
    async fn wrong_passwords_at_several_servers_are_added_up(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), with_limits).await;
        let (other, stop_other) = start(store, &url, clock.clone(), with_limits).await;
        one.add_user("ana").await;
        for (app, number) in [(&one, 0), (&one, 1), (&other, 2), (&other, 3)] {
            assert_eq!(app.guess(&format!("wrong guess {number}")).await, 401);
        }
        share_all(&[&one, &other]).await;
        for app in [&one, &other] {
            assert_eq!(app.guess(PASSWORD).await, 429, "four were wrong, two at each");
        }
        // In the window of ten minutes one is forgiven every two and a half, in all of them together.
        clock.advance(MINUTE * 5 / 2);
        assert_eq!(one.guess("wrong guess").await, 401);
        share_all(&[&one, &other]).await;
        for app in [&one, &other] {
            assert_eq!(app.guess(PASSWORD).await, 429);
        }
        clock.advance(MINUTE * 5 / 2);
        assert_eq!(other.guess(PASSWORD).await, 200, "and a right one counts not");
        assert_eq!(one.guess(PASSWORD).await, 200);
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn a_restart_forgives_nobody(store, url) {
        let clock = TestClock::new();
        let (one, stop) = start(store, &url, clock.clone(), with_limits).await;
        one.add_user("ana").await;
        for number in 0..4 {
            assert_eq!(one.guess(&format!("wrong guess {number}")).await, 401);
        }
        stop.end().await;
        let (again, stop) = start(store, &url, clock.clone(), with_limits).await;
        again.share().await;
        assert_eq!(again.guess(PASSWORD).await, 429);
        // A start long after asks for nothing that is forgiven.
        stop.end().await;
        clock.advance(MINUTE * 11);
        let (later, stop) = start(store, &url, clock, with_limits).await;
        later.share().await;
        assert_eq!(later.guess(PASSWORD).await, 200);
        stop.end().await;
    }

    async fn requests_that_wait_for_their_users_are_added_up(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), with_limits).await;
        let (other, stop_other) = start(store, &url, clock.clone(), with_limits).await;
        one.with_television().await;
        for app in [&one, &one, &other, &other] {
            assert_eq!(app.device_waits(&[]).await.status, 200);
        }
        share_all(&[&one, &other]).await;
        assert_eq!((one.device_waits(&[]).await.status, other.device_waits(&[]).await.status), (StatusCode::TOO_MANY_REQUESTS, StatusCode::TOO_MANY_REQUESTS));
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn what_is_kept_names_nobody_and_goes_when_it_is_forgiven(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), with_limits).await;
        app.add_user("ana").await;
        assert_eq!(app.guess("wrong guess").await, 401);
        app.share().await;
        let rows = app.number("SELECT COUNT(*) FROM limit_debts WHERE limiter = 'attempts'").await;
        assert!(rows >= 2, "by address, and by account: {rows}");
        assert_eq!(app.number("SELECT COUNT(*) FROM limit_debts WHERE key BETWEEN -1000 AND 1000").await, 0);
        janitor::tidy(&app.core, 100, clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM limit_debts").await, rows);
        clock.advance(MINUTE * 11);
        janitor::tidy(&app.core, 100, clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM limit_debts").await, 0);
        stop.end().await;
    }

    async fn who_cannot_tell_tells_later(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), with_limits).await;
        let (other, stop_other) = start(store, &url, clock.clone(), with_limits).await;
        one.add_user("ana").await;
        one.sql("ALTER TABLE limit_debts RENAME TO elsewhere").await;
        for number in 0..4 {
            assert_eq!(one.guess(&format!("wrong guess {number}")).await, 401);
        }
        share(&one.core, clock.now()).await.unwrap_err();
        assert_eq!(one.guess(PASSWORD).await, 429, "it knows itself");
        assert_eq!(other.guess(PASSWORD).await, 200);
        one.sql("ALTER TABLE elsewhere RENAME TO limit_debts").await;
        share_all(&[&one, &other]).await;
        assert_eq!(other.guess(PASSWORD).await, 429);
        stop_one.end().await;
        stop_other.end().await;
    }
}
