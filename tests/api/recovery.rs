//! A database that lost rotations: a restore or a failover.

use std::time::Duration;

use heirloom::service::admin::recovery::{self, RecoveryStatus};

use serde_json::json;

use crate::harness::*;
use crate::rotation::token_of;

const HOUR: Duration = Duration::from_hours(1);

/// Rotates `count` times, then puts the row back to where it was.
async fn lose(app: &TestApp, count: usize) -> Tokens {
    let mut tokens = app.ana_logged_in().await;
    tokens = app.rotate(&tokens).await;
    let before = tokens.generation();
    for _ in 0..count {
        app.clock.advance(MINUTE);
        tokens = app.rotate(&tokens).await;
    }
    app.sql(&format!("UPDATE families SET base = {}, generation = {before}", before - 1)).await;
    tokens
}

/// The client is asked to come back with the same token.
async fn wait_for_a_word(app: &TestApp, tokens: &Tokens) {
    let asked = app.refresh(&tokens.refresh).await;
    assert_eq!(
        (asked.code().as_str(), asked.header("retry-after")),
        ("503 temporarily_unavailable", Some("60"))
    );
    let form =
        [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", &*tokens.refresh)];
    let asked = app.form("/oauth/token", &form).await;
    assert_eq!(
        (asked.code().as_str(), asked.header("retry-after")),
        ("503 temporarily_unavailable", Some("60"))
    );
}

both_stores_both_ways! {
    async fn a_client_one_generation_ahead_goes_on(app) {
        let tokens = lose(&app, 1).await;
        let next = app.rotate(&tokens).await;
        assert_eq!(next.generation(), tokens.generation() + 1);
        assert_eq!(app.rotate(&tokens).await.refresh, next.refresh, "its lost response is replayed as ever");
        app.rotate(&next).await;
    }

    async fn a_client_two_generations_ahead_goes_on(app) {
        let tokens = lose(&app, 2).await;
        let next = app.rotate(&tokens).await.generation();
        assert_eq!(next, tokens.generation() + 1);
        assert!(app.events().last().unwrap().ends_with(&format!("generation={next}")));
        assert_eq!(app.told("family.caught_up"), 1);
    }

    async fn a_client_three_ahead_keeps_its_token_until_somebody_decides_or_for_an_hour(app) {
        let tokens = lose(&app, 3).await;
        wait_for_a_word(&app, &tokens).await;
        assert_eq!(app.told("alarm.raised"), 2);
        app.clock.advance(HOUR - SECOND);
        wait_for_a_word(&app, &tokens).await;
        app.clock.advance(SECOND);
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID, "an hour after the first, not the last");
        assert_eq!((app.live_families().await, app.told("alarm.raised")), (1, 5));
        let now = app.clock.now();
        recovery::open_window(&app.core, DAY, now).await.unwrap();
        assert_eq!(app.rotate(&tokens).await.generation(), tokens.generation() + 1, "later than never");
    }

    async fn an_operator_says_that_there_was_a_restore_and_the_client_goes_on(app) {
        let tokens = lose(&app, 3).await;
        wait_for_a_word(&app, &tokens).await;
        let now = app.clock.now();
        let asked = recovery::status(&app.core, now).await.unwrap();
        assert_eq!(asked, RecoveryStatus::Undecided { refused_from: now + HOUR });
        recovery::open_window(&app.core, DAY, now).await.unwrap();
        app.rotate(&tokens).await;
        app.clock.advance(DAY);
        let now = app.clock.now();
        assert_eq!(recovery::status(&app.core, now).await.unwrap(), RecoveryStatus::Closed, "nothing is left over");
    }

    async fn an_operator_says_that_there_was_no_restore_and_the_token_is_refused(app) {
        let tokens = lose(&app, 3).await;
        wait_for_a_word(&app, &tokens).await;
        let now = app.clock.now();
        let until = recovery::decline(&app.core, DAY * 7, now).await.unwrap();
        assert_eq!(recovery::status(&app.core, now).await.unwrap(), RecoveryStatus::Declined(until));
        app.clock.advance(DAY * 6);
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID);
        assert_eq!((app.live_families().await, app.told("recovery.declined until=")), (1, 1));
    }

    async fn a_window_ends_when_the_restore_is_declined(app) {
        let tokens = lose(&app, 3).await;
        let now = app.clock.now();
        recovery::open_window(&app.core, DAY * 7, now).await.unwrap();
        recovery::decline(&app.core, DAY, now).await.unwrap();
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID);
    }

    async fn the_next_restore_is_another_question(app) {
        let tokens = lose(&app, 3).await;
        wait_for_a_word(&app, &tokens).await;
        app.clock.advance(HOUR + DAY - SECOND);
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID, "nobody said anything");
        app.clock.advance(SECOND);
        wait_for_a_word(&app, &tokens).await;
        app.clock.advance(HOUR);
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID);
    }

    async fn who_waits_for_a_word_can_still_log_out(app) {
        let tokens = lose(&app, 3).await;
        wait_for_a_word(&app, &tokens).await;
        assert_eq!(app.number("SELECT generation FROM families").await, 2, "the row is as it was");
        let ended = app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        assert_eq!((ended.status.as_u16(), app.live_families().await), (204, 0));
    }

    async fn within_a_recovery_window_any_lead_is_caught_up(app) {
        let tokens = lose(&app, 9).await;
        let now = app.clock.now();
        recovery::open_window(&app.core, DAY, now).await.unwrap();
        app.clock.advance(DAY - SECOND);
        let next = app.rotate(&tokens).await;
        assert_eq!(next.generation(), tokens.generation() + 1);
        app.rotate(&next).await;
    }

    async fn the_recovery_window_ends_by_itself(app) {
        let tokens = lose(&app, 3).await;
        let now = app.clock.now();
        recovery::open_window(&app.core, DAY, now).await.unwrap();
        app.clock.advance(DAY);
        wait_for_a_word(&app, &tokens).await;
    }

    async fn a_recovery_window_can_be_closed(app) {
        let tokens = lose(&app, 3).await;
        let now = app.clock.now();
        recovery::open_window(&app.core, DAY, now).await.unwrap();
        assert!(recovery::close_window(&app.core, now).await.unwrap() && !recovery::close_window(&app.core, now).await.unwrap());
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID);
        let status = recovery::status(&app.core, now).await.unwrap();
        assert!(matches!(status, RecoveryStatus::Declined(_)), "{status:?}");
        assert_eq!((app.told("recovery.opened until="), app.told("recovery.closed")), (1, 1));
    }

    async fn what_the_row_knew_before_it_was_caught_up_is_spent(app) {
        let tokens = lose(&app, 2).await;
        let thief = app.refresh(&token_of(&app, 2).await).await;
        assert_eq!(thief.status, 200, "the restored row takes it for the current one");
        let owner = token_of(&app, tokens.generation()).await;
        let caught_up = app.refresh(&owner).await.tokens();
        assert_eq!(app.refresh(&thief.tokens().refresh).await.refusal(), REUSED);
        assert_eq!(app.refresh(&caught_up.refresh).await.refusal(), REUSED);
    }

    async fn a_window_forgives_no_token_that_is_behind(app) {
        let first = app.ana_logged_in().await;
        app.rotate(&app.rotate(&first).await).await;
        let now = app.clock.now();
        recovery::open_window(&app.core, DAY, now).await.unwrap();
        assert_eq!(app.refresh(&first.refresh).await.refusal(), REUSED);
    }
}
