//! A database that is far away: what the server knows of a client must be worth the question.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::database::with_database;
use crate::harness::*;
use crate::relay::Relay;

const CLIENT: &str = "FROM clients WHERE";
/// As long as a client is remembered.
const REMEMBERED: Duration = Duration::from_secs(2);

#[test]
fn however_many_ask_at_once_a_far_database_is_asked_for_their_client_once() {
    with_database(Store::Postgres, async |store, url| {
        let (relay, url) = Relay::to(&url).await;
        let (app, stop) = start(store, &url, TestClock::new(), |_| {}).await;
        app.add_user("ana").await;
        let mut logins = join_all((0..40).map(|_| app.log_in("ana"))).await;
        relay.delay(Duration::from_millis(100));
        for _ in 0..3 {
            app.clock.advance(2 * REMEMBERED);
            let before = relay.run(CLIENT);
            logins = join_all(logins.iter().map(|tokens| app.rotate(tokens))).await;
            assert_eq!(relay.run(CLIENT) - before, 1);
        }
        stop.end().await;
    });
}

#[test]
fn an_answer_is_as_old_as_when_it_came() {
    with_database(Store::Postgres, async |store, url| {
        let (relay, url) = Relay::to(&url).await;
        let (app, stop) = start(store, &url, TestClock::new(), |_| {}).await;
        let tokens = app.ana_logged_in().await;
        app.clock.advance(2 * REMEMBERED);
        relay.delay(REMEMBERED / 4);
        let before = relay.run(CLIENT);
        let asking = app.rotate(&tokens);
        let meanwhile = async {
            sleep(REMEMBERED / 8).await;
            app.clock.advance(REMEMBERED);
        };
        let (tokens, ()) = tokio::join!(asking, meanwhile);
        app.rotate(&tokens).await;
        assert_eq!(
            relay.run(CLIENT) - before,
            1,
            "the question took a quarter of the time, so that much is left"
        );
        stop.end().await;
    });
}
