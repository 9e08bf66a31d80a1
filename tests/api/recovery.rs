//! A database that lost rotations: a restore or a failover.

use heirloom::service::admin::recovery;

use crate::harness::*;
use crate::rotation::token_of;

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

    async fn a_client_three_ahead_is_refused_and_loses_nothing(app) {
        let tokens = lose(&app, 3).await;
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID);
        assert_eq!(app.live_families().await, 1);
        assert_eq!(app.told("alarm.raised"), 1);
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
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID);
    }

    async fn a_recovery_window_can_be_closed(app) {
        let tokens = lose(&app, 3).await;
        let now = app.clock.now();
        recovery::open_window(&app.core, DAY, now).await.unwrap();
        assert!(recovery::close_window(&app.core, now).await.unwrap() && !recovery::close_window(&app.core, now).await.unwrap());
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), INVALID);
        assert_eq!(recovery::closes_at(&app.core, now).await.unwrap(), None);
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
