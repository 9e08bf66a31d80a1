//! Where one outcome becomes the next: to the microsecond, at the counter's end, and when clocks disagree.

use std::time::Duration;

use heirloom::domain::lifetimes::LifetimeOverrides;

use crate::harness::*;
use crate::rotation::token_of;

const MICROSECOND: Duration = Duration::from_micros(1);
const LEEWAY: Duration = Duration::from_secs(30);

/// A client whose families live for a minute, idle or not.
async fn add_brief_client(app: &TestApp) {
    app.add_client("brief", |it| {
        it.lifetimes = LifetimeOverrides {
            access_ttl: Some(MINUTE * 5),
            idle_ttl: Some(MINUTE),
            absolute_ttl: Some(MINUTE),
            leeway: None,
        };
    })
    .await;
}

/// Moves the clock on to the next moment with this fraction of a second: times are text in SQLite, and a whole second
/// is written otherwise than a fraction.
fn advance_to_fraction(clock: &TestClock, fraction: Duration) {
    let past = Duration::from_micros(clock.now().timestamp_subsec_micros().into());
    clock.advance(SECOND + fraction - past);
}

both_stores! {
    async fn a_replay_writes_nothing_at_all(app) {
        let first = app.ana_logged_in().await;
        let second = app.rotate(&first).await;
        let before = app.last_write().await;
        for _ in 0..3 {
            app.clock.advance(SECOND * 9);
            assert_eq!(app.rotate(&first).await.refresh, second.refresh);
        }
        assert_eq!(app.last_write().await, before);
        app.rotate(&second).await;
        assert_ne!(app.last_write().await, before, "a write is seen");
    }

    async fn the_leeway_ends_to_the_microsecond(app) {
        app.add_user("ana").await;
        for fraction in [Duration::ZERO, MICROSECOND, SECOND / 2, SECOND - MICROSECOND] {
            let base = app.log_in("ana").await;
            advance_to_fraction(&app.clock, fraction);
            app.rotate(&base).await;
            app.clock.advance(LEEWAY - MICROSECOND);
            assert_eq!(app.rotate(&base).await.generation(), 2, "{fraction:?}");
            app.clock.advance(MICROSECOND);
            assert_eq!(app.rotate(&base).await.generation(), 3, "{fraction:?}");
        }
    }

    async fn an_idle_family_expires_to_the_microsecond(app) {
        app.add_user("ana").await;
        for fraction in [Duration::ZERO, MICROSECOND, SECOND / 2, SECOND - MICROSECOND] {
            advance_to_fraction(&app.clock, fraction);
            let (used, idle) = (app.log_in("ana").await, app.log_in("ana").await);
            app.clock.advance(DAY * 7 - MICROSECOND);
            let used = app.rotate(&used).await;
            app.clock.advance(MICROSECOND);
            assert_eq!(app.refresh(&idle.refresh).await.refusal(), EXPIRED, "{fraction:?}");
            app.rotate(&used).await;
        }
    }

    async fn a_family_reaches_its_absolute_end_to_the_microsecond(app) {
        add_brief_client(&app).await;
        app.add_user("ana").await;
        for fraction in [Duration::ZERO, MICROSECOND, SECOND / 2, SECOND - MICROSECOND] {
            advance_to_fraction(&app.clock, fraction);
            let end = app.clock.now() + MINUTE;
            let (first, other) = (app.log_in_with("brief", "ana").await, app.log_in_with("brief", "ana").await);
            app.clock.advance(MINUTE - MICROSECOND);
            let last = app.refresh_with("brief", &first.refresh).await.tokens();
            assert_eq!(last.claims()["exp"], end.timestamp(), "{fraction:?}: not a second beyond its family");
            assert_eq!(app.refresh_with("brief", &first.refresh).await.tokens().refresh, last.refresh);
            app.clock.advance(MICROSECOND);
            for token in [&first, &last, &other] {
                assert_eq!(app.refresh_with("brief", &token.refresh).await.refusal(), EXPIRED, "{fraction:?}");
            }
            assert_eq!(app.get("/sessions", &last.access).await.code(), "401 invalid_token");
        }
    }

    async fn a_clock_that_runs_behind_counts_a_negative_age_as_none(app) {
        let first = app.ana_logged_in().await;
        app.clock.advance(DAY);
        let second = app.rotate(&first).await;
        app.clock.turn_back(LEEWAY * 2);
        assert_eq!(app.rotate(&first).await.refresh, second.refresh, "a replay");
        assert_eq!(app.rotate(&second).await.generation(), 3);
    }

    async fn in_strict_mode_too_an_overtaken_request_ends_nothing(app) {
        app.add_strict_client().await;
        app.add_user("ana").await;
        let first = app.log_in_with("strict", "ana").await;
        app.clock.advance(SECOND);
        let second = app.refresh_with("strict", &first.refresh).await.tokens();
        app.clock.turn_back(MICROSECOND);
        assert_eq!(app.refresh_with("strict", &first.refresh).await.code(), "503 temporarily_unavailable");
        app.clock.advance(MICROSECOND);
        app.refresh_with("strict", &second.refresh).await.tokens();
        assert_eq!(app.refresh_with("strict", &first.refresh).await.refusal(), REUSED, "now it is in time");
    }

    async fn a_base_may_come_late_again_and_again_and_every_skipped_successor_stays_spent(app) {
        app.add_user("ana").await;
        for skipped in [2, 3] {
            let base = app.log_in("ana").await;
            let mut handed_out = vec![app.rotate(&base).await];
            for generation in [3, 4] {
                app.clock.advance(LEEWAY);
                let tokens = app.rotate(&base).await;
                assert_eq!(tokens.generation(), generation);
                handed_out.push(tokens);
            }
            let owner = app.rotate(&handed_out[2]).await;
            assert_eq!(app.refresh(&handed_out[skipped - 2].refresh).await.refusal(), REUSED, "{skipped}");
            assert_eq!(app.refresh(&owner.refresh).await.refusal(), REUSED, "and its owner is told");
        }
    }

    async fn once_a_successor_is_used_the_base_before_it_is_spent(app) {
        let base = app.ana_logged_in().await;
        app.rotate(&base).await;
        app.clock.advance(DAY);
        let recovered = app.rotate(&base).await;
        app.rotate(&recovered).await;
        assert_eq!(app.refresh(&base.refresh).await.refusal(), REUSED);
    }

    async fn at_the_counters_end_nothing_is_skipped_or_caught_up(app) {
        app.ana_logged_in().await;
        app.sql("UPDATE families SET generation = 4294967295, base = 4294967294").await;
        let base = token_of(&app, u32::MAX - 1).await;
        assert_eq!(app.refresh(&base).await.tokens().generation(), u32::MAX, "a replay needs no next generation");
        app.clock.advance(LEEWAY);
        assert_eq!(app.refresh(&base).await.refusal(), EXPIRED);
        app.sql("UPDATE families SET generation = 4294967293, base = NULL").await;
        let ahead = token_of(&app, u32::MAX).await;
        assert_eq!(app.refresh(&ahead).await.refusal(), EXPIRED);
        assert_eq!(app.live_families().await, 1);
    }

    async fn what_is_spent_ends_the_family_by_whichever_face_it_comes(app) {
        app.add_user("ana").await;
        for stolen_at_standard_face in [true, false] {
            let first = app.log_in("ana").await;
            let third = app.rotate(&app.rotate(&first).await).await;
            let standard = async |tokens: &Tokens| {
                let token = ("refresh_token", tokens.refresh.as_str());
                let form = [("grant_type", "refresh_token"), ("client_id", "heirloom"), token];
                app.form("/oauth/token", &form).await.refusal()
            };
            let told = REUSED.replace("401", "400");
            if stolen_at_standard_face {
                assert_eq!(standard(&first).await, told);
            } else {
                assert_eq!(app.refresh(&first.refresh).await.refusal(), REUSED);
            }
            assert_eq!(standard(&third).await, told);
            assert_eq!(app.refresh(&third.refresh).await.refusal(), REUSED);
        }
    }
}
