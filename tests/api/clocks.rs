//! Machines whose clocks are wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use heirloom::app::{App, OldSchema};
use heirloom::clock::{Clock, Stopwatch};
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::service::admin::janitor;
use serde_json::json;

use crate::database::both_databases;
use crate::harness::*;

const HOUR: Duration = Duration::from_hours(1);

/// The real time, until somebody sets it wrong.
#[derive(Default)]
struct WrongClock {
    /// By so many microseconds.
    off: AtomicI64,
    /// So many have passed that a test does not wait for, and that no database knows of.
    passed: AtomicI64,
}

impl WrongClock {
    fn clock(self: &Arc<Self>) -> Clock {
        let (right, running) = (Clock::system(), Stopwatch::start());
        let (now, steady) = (Arc::clone(self), Arc::clone(self));
        let micros = |it: &AtomicI64| chrono::TimeDelta::microseconds(it.load(Ordering::SeqCst));
        Clock::beside(
            move || right.now() + micros(&now.off),
            move || running.elapsed() + micros(&steady.passed).to_std().unwrap(),
        )
    }

    fn set(&self, millis_off: i64) {
        self.off.store(millis_off * 1_000, Ordering::SeqCst);
    }

    fn pass(&self, time: Duration) {
        self.passed.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

const DAYS: i64 = 24 * 3_600 * 1_000;

async fn families(app: &TestApp) -> i64 {
    app.number("SELECT COUNT(*) FROM families").await
}

both_databases! {
    async fn a_clock_that_jumps_ends_and_deletes_no_login(store, url) {
        let wrong = Arc::new(WrongClock::default());
        let clock = wrong.clock();
        let (app, stop) = start_by(store, &url, clock.clone()).await;
        let tidy = async || janitor::tidy_in_good_time(&app.core, 100, clock.read()).await.unwrap();
        let tokens = app.ana_logged_in().await;
        tidy().await;
        for millis_off in [100 * DAYS, -100 * DAYS] {
            wrong.set(millis_off);
            assert_eq!(tidy().await, heirloom::service::admin::rounds::Tidied::default());
            assert_eq!(families(&app).await, 1);
        }
        wrong.set(0);
        assert_eq!(app.rotate(&tokens).await.generation(), 2, "as if nothing had been");
        stop.end().await;
    }

    async fn with_a_wrong_clock_nothing_is_written_where_the_database_has_the_time(store, url) {
        let wrong = Arc::new(WrongClock::default());
        let (app, stop) = start_by(store, &url, wrong.clock()).await;
        let tokens = app.ana_logged_in().await;
        let get = async |path: &str| app.send(app.http.get(app.at(path))).await;
        // Less than the idle lifetime: nothing but the clock stands in the way.
        for millis_off in [3 * DAYS, -3 * DAYS, 6_000, -6_000] {
            wrong.set(millis_off);
            if store == Store::Sqlite {
                assert_eq!(get("/readyz").await.status, 200, "SQLite has no clock to compare with");
                continue;
            }
            let refused = app.refresh(&tokens.refresh).await;
            assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("503 temporarily_unavailable", Some("1")));
            let form = [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", &*tokens.refresh)];
            assert_eq!(app.form("/oauth/token", &form).await.code(), "503 temporarily_unavailable");
            let login = json!({ "username": "ana", "password": PASSWORD });
            assert_eq!(app.post("/login", &login).await.code(), "503 temporarily_unavailable");
            assert_eq!(get("/healthz").await.status, 200);
            let ready = get("/readyz").await;
            assert_eq!((ready.status.as_u16(), ready.text("reason")), (503, "this machine's clock and the database's differ"));
            assert_eq!((families(&app).await, app.number("SELECT generation FROM families").await), (1, 1));
        }
        wrong.set(0);
        assert_eq!(app.rotate(&tokens).await.generation(), 2, "the token still works");
        assert_eq!(get("/readyz").await.status, 200);
        stop.end().await;
    }

    async fn replicas_agree_within_half_the_shortest_leeway(store, url) {
        let wrong = Arc::new(WrongClock::default());
        let clock = wrong.clock();
        let (app, stop) = start_by(store, &url, clock.clone()).await;
        let served = async |millis_off| {
            wrong.set(0);
            app.core.clock_watch.compare(&app.core.db, || clock.read()).await.unwrap();
            wrong.set(millis_off);
            app.send(app.http.get(app.at("/.well-known/jwks.json"))).await.status == 200
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert!(served(4_000).await && served(-4_000).await);
        app.add_strict_client().await;
        assert!(served(4_000).await, "strict mode has no leeway");
        app.add_client("nearly", |it| it.lifetimes = LifetimeOverrides { leeway: seconds(6), ..it.lifetimes }).await;
        assert_eq!((served(2_000).await, served(4_000).await), (true, store == Store::Sqlite));
        // A leeway is at most half the access-token lifetime, set or not.
        app.add_client("short", |it| it.lifetimes = LifetimeOverrides { access_ttl: seconds(4), ..it.lifetimes }).await;
        assert_eq!((served(200).await, served(2_000).await), (true, store == Store::Sqlite));
        app.sql("UPDATE clients SET removed_at = created_at WHERE id IN ('nearly', 'short')").await;
        assert!(served(4_000).await);
        stop.end().await;
    }

    async fn a_server_with_a_wrong_clock_does_not_start_on_a_database_with_the_right_one(store, url) {
        let wrong = Arc::new(WrongClock::default());
        wrong.set(-2 * DAYS);
        let built = App::build(settings(&url, |_| ()), wrong.clock(), OldSchema::Migrate).await;
        match (store, built) {
            (Store::Sqlite, built) => built.unwrap().core().db.close().await,
            (Store::Postgres, built) => {
                let said = format!("{:#}", built.unwrap_err());
                assert!(said.starts_with("this machine's clock is ") && said.contains(" behind the database's: "), "{said}");
            }
        }
    }

    async fn after_a_jump_the_janitor_waits_for_an_hour_of_steady_time(store, url) {
        let wrong = Arc::new(WrongClock::default());
        let clock = wrong.clock();
        let (app, stop) = start_by(store, &url, clock.clone()).await;
        app.ana_logged_in().await;
        // As if both clocks, on one machine, had gone together.
        app.sql(
            "UPDATE families SET created_at = '2020-01-01 00:00:00+00:00', rotated_at = '2020-01-01 00:00:00+00:00', \
             expires_at = '2020-04-01 00:00:00+00:00'",
        )
        .await;
        let tidy = async || janitor::tidy_in_good_time(&app.core, 100, clock.read()).await.unwrap();
        for (time, left) in [(Duration::ZERO, 1), (HOUR - MINUTE, 1), (MINUTE, 0)] {
            wrong.pass(time);
            app.core.clock_watch.compare(&app.core.db, || clock.read()).await.unwrap();
            tidy().await;
            assert_eq!(families(&app).await, left, "the newest time in the store is years ago");
        }
        stop.end().await;
    }
}
