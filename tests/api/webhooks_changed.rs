//! Webhooks that an operator changes, disables and enables.

use heirloom::domain::ids::WebhookId;
use heirloom::domain::webhook::WebhookChanges;
use heirloom::service::admin::janitor;
use heirloom::service::admin::webhooks::{self, WhichDeliveries};
use serde_json::json;

use crate::harness::*;
use crate::remote::Remote;
use crate::webhooks::*;

fn to(remote: &Remote) -> WebhookChanges {
    WebhookChanges { url: Some(remote.at("/new").parse().unwrap()), events: None }
}

fn of(events: &[&str]) -> WebhookChanges {
    let events = events.iter().map(|name| name.parse().unwrap()).collect();
    WebhookChanges { url: None, events: Some(events) }
}

fn types(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.json()["type"].as_str().unwrap().to_owned()).collect()
}

impl TestApp {
    async fn update_webhook(&self, id: WebhookId, changes: &WebhookChanges) -> Result<(), String> {
        let updated = webhooks::update(&self.core, id, changes, self.clock.now()).await;
        updated.map_err(|error| error.to_string())
    }
}

both_stores! {
    async fn each_is_told_of_what_it_wants_and_of_nothing_else(app) with here; {
        app.add_user("ana").await;
        let (one, ..) = app.hooked(&["login.succeeded"]).await;
        let (groups, ..) = app.hooked(&["family.*", "user.changed"]).await;
        let (all, ..) = app.hooked(&["*"]).await;
        app.end_login(&app.log_in("ana").await).await;
        app.add_user("ben").await;
        assert_eq!(types(&told(&all, 3).await).len(), 3);
        assert_eq!(types(&told(&one, 1).await), ["login.succeeded"]);
        let mut told_of = types(&told(&groups, 2).await);
        told_of.sort_unstable();
        assert_eq!(told_of, ["family.ended", "user.changed"]);
        app.deliveries_are("delivered", 6).await;
        app.tell_webhooks().await;
        assert_eq!((one.asked().len(), groups.asked().len(), all.asked().len()), (1, 2, 3));
    }

    async fn one_that_moved_is_told_at_its_new_place_what_it_missed_too(app) with here; {
        let tokens = app.ana_logged_in().await;
        let (old, id, secret) = app.hooked(&["family.ended"]).await;
        old.answer(FAILED);
        app.end_login(&tokens).await;
        let missed = told(&old, 1).await.remove(0);
        app.failures_are(1).await;
        let new = Remote::start().await;
        new.answer(DONE);
        app.update_webhook(id, &to(&new)).await.unwrap();
        assert_eq!(app.told(&format!("webhook.updated webhook={id}")), 1);
        app.clock.advance(2 * MINUTE);
        app.tell_webhooks().await;
        let message = told(&new, 1).await.remove(0);
        assert!(message.head.starts_with("POST /new HTTP/1.1\r\n"), "{message:?}");
        assert_eq!((message.header("webhook-id"), &message.body), (missed.header("webhook-id"), &missed.body));
        assert!(message.is_signed_with(&secret));
        let listed = webhooks::list(&app.core).await.unwrap().remove(0);
        assert_eq!((listed.url, listed.events), (new.at("/new"), vec!["family.ended".to_owned()]));
        assert_eq!(old.asked().len(), 1);
        let private = WebhookChanges { url: Some("http://10.0.0.1/".parse().unwrap()), events: None };
        let refused = app.update_webhook(id, &private).await.unwrap_err();
        assert!(refused.contains("the address may not be reached"), "{refused}");
        let nobody = WebhookId(uuid::Uuid::nil());
        let refused = app.update_webhook(nobody, &to(&new)).await.unwrap_err();
        assert_eq!(refused, format!("there is no webhook {nobody}"));
    }

    async fn one_is_told_from_then_on_of_what_it_is_changed_to(app) with here; {
        app.add_user("ana").await;
        let (remote, id, _) = app.hooked(&["family.ended", "webhook.*"]).await;
        let (other, ..) = app.hooked(&["webhook.updated"]).await;
        // It is told of the other one.
        told(&remote, 1).await;
        app.update_webhook(id, &of(&["login.succeeded", "webhook.*"])).await.unwrap();
        let tokens = app.log_in("ana").await;
        app.end_login(&tokens).await;
        assert_eq!(types(&told(&remote, 2).await), ["webhook.added", "login.succeeded"], "and not of what it is itself");
        assert_eq!(told(&other, 1).await[0].json()["data"]["webhook"], json!(id));
        let listed = webhooks::list(&app.core).await.unwrap().into_iter().find(|it| it.id == id).unwrap();
        assert_eq!((listed.url, listed.events.join(" ")), (remote.at("/hook?a=b"), "login.succeeded webhook.*".to_owned()));
    }

    async fn one_that_is_disabled_is_told_of_nothing_until_it_is_enabled(app) with here; {
        app.add_user("ana").await;
        let (remote, id, secret) = app.hooked(&["login.succeeded"]).await;
        remote.answer(FAILED);
        app.log_in("ana").await;
        told(&remote, 1).await;
        app.failures_are(1).await;
        remote.answer(DONE);
        webhooks::disable(&app.core, id, app.clock.now()).await.unwrap();
        assert_eq!(app.told(&format!("webhook.disabled reason=operator webhook={id}")), 1, "{:?}", app.events());
        let again = webhooks::disable(&app.core, id, app.clock.now()).await.unwrap_err().to_string();
        assert_eq!(again, format!("there is no webhook {id} that is enabled"));
        app.log_in("ana").await;
        app.clock.advance(2 * MINUTE);
        app.tell_webhooks().await;
        assert_eq!((app.deliveries(WhichDeliveries::All).await.len(), remote.asked().len()), (1, 1));
        // An operator may look whether it is well again.
        webhooks::test(&app.core, id, app.clock.now()).await.unwrap();
        assert!(told(&remote, 2).await[1].is_signed_with(&secret));
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.deliveries(WhichDeliveries::Dead).await.len(), 1);
        assert_eq!(app.told("webhook.delivery_failed"), 0, "nobody wanted it");
        webhooks::enable(&app.core, id, app.clock.now()).await.unwrap();
        app.log_in("ana").await;
        assert_eq!(types(&told(&remote, 3).await)[2], "login.succeeded");
        app.deliveries_are("delivered", 1).await;
    }
}
