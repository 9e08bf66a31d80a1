//! Webhooks that do not take what they are told: they are told again, then no more, and hold up nobody.

use heirloom::service::admin::janitor;
use heirloom::service::admin::webhooks::{self, WhichDeliveries};
use heirloom::settings::Settings;
use serde_json::json;

use crate::harness::*;
use crate::remote::Remote;
use crate::webhooks::*;

fn patient(settings: &mut Settings) {
    here(settings);
    settings.outbound.timeout = MINUTE;
}

both_stores! {
    async fn one_that_fails_is_tried_for_days_then_dead_and_sent_again_by_command(app) with here; {
        let tokens = app.ana_logged_in().await;
        let (remote, id, secret) = app.hooked(&["family.ended", "webhook.delivery_failed"]).await;
        let (other, ..) = app.hooked(&["webhook.*"]).await;
        remote.answer(FAILED);
        app.end_login(&tokens).await;
        let first = told(&remote, 1).await;
        app.clock.advance(69 * SECOND);
        app.tell_webhooks().await;
        told(&remote, 1).await;
        // A redirect is no success: nothing is followed.
        remote.answer(format!("HTTP/1.1 307 Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.at("/")));
        app.clock.advance(20 * SECOND);
        app.tell_webhooks().await;
        let second = told(&remote, 2).await;
        assert_eq!((first[0].header("webhook-id"), &first[0].body), (second[1].header("webhook-id"), &second[1].body));
        assert_eq!(second[1].header("webhook-timestamp"), app.clock.now().timestamp().to_string());
        assert!(second[1].is_signed_with(&secret));
        for tries in 3..=10 {
            app.clock.advance(DAY + DAY / 4);
            app.tell_webhooks().await;
            told(&remote, tries).await;
        }
        app.deliveries_are("given_up", 1).await;
        let [dead] = &app.deliveries(WhichDeliveries::Dead).await[..] else { panic!() };
        assert_eq!((dead.state.as_str(), dead.attempts, dead.event.as_str()), ("dead", 10, "family.ended"));
        assert_eq!(dead.failure.as_deref(), Some("the answer has status 307"));
        assert_eq!(app.told(&format!("webhook.delivery_failed delivery={} webhook={id}", dead.id)), 1, "{:?}", app.events());
        // Another webhook is told of that, and not the one that did not listen.
        assert_eq!(told(&other, 1).await[0].json()["data"]["webhook"], json!(id));
        app.clock.advance(29 * DAY);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        app.tell_webhooks().await;
        told(&remote, 10).await;
        remote.answer(DONE);
        webhooks::resend(&app.core, dead.id, app.clock.now()).await.unwrap();
        let again = told(&remote, 11).await;
        assert_eq!((again[10].header("webhook-id"), &again[10].body), (first[0].header("webhook-id"), &first[0].body));
        app.deliveries_are("given_up", 0).await;
        app.deliveries_are("pending", 0).await;
        let unknown = webhooks::resend(&app.core, uuid::Uuid::nil(), app.clock.now()).await.unwrap_err();
        assert_eq!(unknown.to_string(), format!("there is no delivery {}", uuid::Uuid::nil()));
    }

    async fn one_that_asks_for_time_is_given_it(app) with here; {
        let busy = |status: &str, until: &str| {
            format!("HTTP/1.1 {status} Busy\r\nretry-after: {until}\r\ncontent-length: 0\r\n\r\n")
        };
        app.add_user("ana").await;
        let (remote, ..) = app.hooked(&["login.succeeded"]).await;
        remote.answer(busy("429", "3600"));
        app.log_in("ana").await;
        told(&remote, 1).await;
        app.deliveries_where("failure LIKE '%429'", 1).await;
        app.clock.advance(60 * MINUTE - SECOND);
        app.tell_webhooks().await;
        told(&remote, 1).await;
        let in_three_hours = app.clock.now() + 180 * MINUTE;
        remote.answer(busy("503", &in_three_hours.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        app.clock.advance(16 * MINUTE);
        app.tell_webhooks().await;
        told(&remote, 2).await;
        app.deliveries_where("failure LIKE '%503'", 1).await;
        app.clock.advance(164 * MINUTE - SECOND);
        app.tell_webhooks().await;
        told(&remote, 2).await;
        // It comes no sooner than it would anyway.
        remote.answer(busy("429", "0"));
        app.clock.advance(46 * MINUTE);
        app.tell_webhooks().await;
        told(&remote, 3).await;
        app.deliveries_where("failure LIKE '%429'", 1).await;
        app.clock.advance(29 * MINUTE);
        app.tell_webhooks().await;
        told(&remote, 3).await;
        // A day is the most that it is given.
        remote.answer(busy("503", "31536000"));
        app.clock.advance(9 * MINUTE);
        app.tell_webhooks().await;
        told(&remote, 4).await;
        app.deliveries_where("failure LIKE '%503'", 1).await;
        app.clock.advance(DAY - SECOND);
        app.tell_webhooks().await;
        told(&remote, 4).await;
        remote.answer(DONE);
        app.clock.advance(DAY / 4 + SECOND);
        app.tell_webhooks().await;
        told(&remote, 5).await;
        app.deliveries_are("delivered", 1).await;
    }

    async fn two_that_do_not_answer_do_not_tell_each_other_of_it_for_ever(app) with here; {
        let tokens = app.ana_logged_in().await;
        let (one, ..) = app.hooked(&["family.ended"]).await;
        let (other, ..) = app.hooked(&["webhook.*"]).await;
        for remote in [&one, &other] {
            remote.answer(FAILED);
        }
        // The other one is told at once that the third one was added.
        let (third, ..) = app.hooked(&["webhook.*"]).await;
        third.answer(FAILED);
        told(&other, 1).await;
        app.failures_are(1).await;
        other.answer(DONE);
        app.clock.advance(2 * MINUTE);
        app.tell_webhooks().await;
        told(&other, 2).await;
        app.deliveries_are("pending", 0).await;
        other.answer(FAILED);
        app.end_login(&tokens).await;
        for _ in 0..24 {
            app.clock.advance(DAY + DAY / 4);
            app.tell_webhooks().await;
        }
        app.deliveries_are("pending", 0).await;
        assert_eq!(app.told("webhook.delivery_failed"), 1, "{:?}", app.events());
    }

    async fn one_that_is_gone_is_told_no_more_until_it_is_enabled(app) with here; {
        app.add_user("ana").await;
        let logins = [app.log_in("ana").await, app.log_in("ana").await, app.log_in("ana").await];
        let (remote, id, _) = app.hooked(&["family.ended"]).await;
        remote.answer(FAILED);
        app.end_login(&logins[0]).await;
        told(&remote, 1).await;
        app.failures_are(1).await;
        remote.answer("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n");
        app.end_login(&logins[1]).await;
        told(&remote, 2).await;
        app.deliveries_are("given_up", 1).await;
        assert_eq!(app.told(&format!("webhook.disabled reason=gone webhook={id}")), 1);
        assert!(webhooks::list(&app.core).await.unwrap()[0].disabled_at.is_some());
        app.end_login(&logins[2]).await;
        app.clock.advance(DAY);
        app.tell_webhooks().await;
        assert_eq!(app.number("SELECT COUNT(*) FROM webhook_deliveries").await, 2, "nothing more is noted for it");
        janitor::tidy(&app.core, 1, app.clock.now()).await.unwrap();
        app.deliveries_are("given_up", 2).await;
        let dead = app.deliveries(WhichDeliveries::Dead).await;
        let refused = webhooks::resend(&app.core, dead[0].id, app.clock.now()).await.unwrap_err().to_string();
        assert!(refused.contains("is disabled"), "{refused}");
        remote.answer(DONE);
        webhooks::enable(&app.core, id, app.clock.now()).await.unwrap();
        assert!(webhooks::enable(&app.core, id, app.clock.now()).await.is_err());
        assert_eq!(app.told(&format!("webhook.enabled webhook={id}")), 1);
        webhooks::resend(&app.core, dead[0].id, app.clock.now()).await.unwrap();
        told(&remote, 3).await;
    }

    async fn one_that_does_not_answer_holds_up_nobody(app) with patient; {
        app.add_user("ana").await;
        let dead = Remote::start().await;
        dead.answer_and_wait("");
        app.add_webhook(&dead, &["login.succeeded"]).await;
        // At the same host, and an answer whose body never ends is an answer.
        let quick = Remote::start().await;
        quick.answer_and_wait("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{");
        app.add_webhook(&quick, &["login.succeeded"]).await;
        for _ in 0..40 {
            app.log_in("ana").await;
        }
        told(&quick, 40).await;
        app.deliveries_are("delivered", 40).await;
        assert_eq!(dead.asked().len(), 4, "it has its places");
    }
}
