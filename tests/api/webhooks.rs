//! Webhooks are told of events: signed by the convention, once they are durable, again until they have taken them.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heirloom::domain::event::Event;
use heirloom::domain::ids::WebhookId;
use heirloom::domain::webhook::WebhookSecret;
use heirloom::service::admin::janitor;
use heirloom::service::admin::views::DeliveryView;
use heirloom::service::admin::webhooks::{self, WhichDeliveries};
use heirloom::service::messenger::Messenger;
use heirloom::service::webhooks::courier::WebhookCourier;
use heirloom::settings::Settings;
use serde_json::{Value, json};

use crate::database::both_databases;
use crate::harness::*;
use crate::remote::Remote;

pub const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
pub const FAILED: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

pub fn here(settings: &mut Settings) {
    settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

impl TestApp {
    pub async fn add_webhook(&self, remote: &Remote, events: &[&str]) -> (WebhookId, WebhookSecret) {
        let events = events.iter().map(|name| name.parse().unwrap()).collect();
        let url = remote.at("/hook?a=b").parse().unwrap();
        let (view, secret) = webhooks::add(&self.core, url, events, self.clock.now()).await.unwrap();
        (view.id, secret)
    }

    /// A webhook at a server that takes everything.
    pub async fn hooked(&self, events: &[&str]) -> (Remote, WebhookId, WebhookSecret) {
        let remote = Remote::start().await;
        remote.answer(DONE);
        let (id, secret) = self.add_webhook(&remote, events).await;
        (remote, id, secret)
    }

    /// Lets what is due be told, by this call or by the server itself.
    pub async fn tell_webhooks(&self) {
        let mut messenger = Messenger::new(WebhookCourier::new(self.core.clone()));
        while messenger.begin_due(self.clock.now()).await.unwrap().begun > 0 {}
        messenger.all_ended().await;
    }

    pub async fn deliveries(&self, which: WhichDeliveries) -> Vec<DeliveryView> {
        webhooks::deliveries(&self.core, (None, which), None, 1000).await.unwrap()
    }

    /// Waits until so many deliveries are in a state: the receiver knows a moment before the store does.
    pub async fn deliveries_are(&self, state: &str, count: i64) {
        self.deliveries_where(&format!("state = '{state}'"), count).await;
    }

    /// Waits until the last attempt of so many deliveries is known to have failed: what a receiver answers from now on
    /// is no answer to those.
    pub async fn failures_are(&self, count: i64) {
        self.deliveries_where("failure IS NOT NULL", count).await;
    }

    /// Waits until so many deliveries are so.
    pub async fn deliveries_where(&self, condition: &str, count: i64) {
        let sql = format!("SELECT COUNT(*) FROM webhook_deliveries WHERE {condition}");
        for _ in 0..1000 {
            if self.number(&sql).await == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", self.deliveries(WhichDeliveries::All).await);
    }

    pub async fn end_login(&self, tokens: &Tokens) {
        let ended = self.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        assert_eq!(ended.status, 204);
    }
}

/// What a webhook was sent.
#[derive(Debug, Clone)]
pub struct Message {
    pub head: String,
    pub body: String,
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_else(|| panic!("{name} in {self:?}"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// As a receiver does it, by the text that it was given.
    pub fn is_signed_with(&self, secret: &WebhookSecret) -> bool {
        let key = STANDARD.decode(secret.expose().strip_prefix("whsec_").unwrap()).unwrap();
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &key),
            format!("{id}.{timestamp}.{}", self.body).as_bytes(),
        );
        let expected = format!("v1,{}", STANDARD.encode(tag));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// Waits for what a webhook was sent.
pub async fn told(remote: &Remote, count: usize) -> Vec<Message> {
    for _ in 0..1000 {
        if remote.asked().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = remote.asked();
    assert_eq!(asked.len(), count, "{asked:?}");
    let message = |request: String| {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        Message { head: head.to_owned(), body: body.to_owned() }
    };
    asked.into_iter().map(message).collect()
}

both_stores! {
    async fn an_event_is_told_and_signed_by_the_convention(app) with here; {
        let tokens = app.ana_logged_in().await;
        let (remote, _, secret) = app.hooked(&["family.*", "user.changed"]).await;
        app.rotate(&tokens).await;
        let ben = app.log_in("ana").await;
        app.end_login(&tokens).await;
        let [message] = &told(&remote, 1).await[..] else { unreachable!() };
        assert!(message.head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{message:?}");
        assert_eq!(message.header("content-type"), "application/json");
        assert_eq!(message.header("webhook-timestamp"), app.clock.now().timestamp().to_string());
        assert!(message.is_signed_with(&secret));
        assert_eq!(message.header("webhook-signature").len(), "v1,".len() + 44, "one signature");
        let ended = app.whole_events().into_iter().find(|event| event["event"] == "family.ended").unwrap();
        let (told_of, mut data) = (message.json(), Value::from(ended));
        data.as_object_mut().unwrap().remove("event");
        data["id"] = told_of["data"]["id"].clone();
        assert_eq!(told_of, json!({
            "type": "family.ended", "data": data,
            "timestamp": app.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        }));
        let row = format!("SELECT COUNT(*) FROM events WHERE name = 'family.ended' AND id = {}", match app.store {
            Store::Sqlite => format!("x'{}'", data["id"].as_str().unwrap().replace('-', "")),
            Store::Postgres => format!("'{}'", data["id"].as_str().unwrap()),
        });
        assert_eq!(app.number(&row).await, 1, "it is the row's id");
        app.deliveries_are("delivered", 1).await;
        assert_eq!(app.deliveries(WhichDeliveries::Dead).await.len(), 0);
        app.clock.advance(7 * DAY);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM webhook_deliveries").await, 0, "it is forgotten after a week");
        app.end_login(&ben).await;
    }

    async fn while_a_secret_is_rotated_those_before_it_sign_too(app) with here; {
        app.add_user("ana").await;
        let (remote, id, first) = app.hooked(&["login.succeeded"]).await;
        let rotate = async |overlap| webhooks::rotate_secret(&app.core, id, overlap, app.clock.now()).await.unwrap();
        // Whoever lost the second one makes a third.
        let (second, third) = (rotate(DAY).await, rotate(DAY).await);
        app.log_in("ana").await;
        let message = told(&remote, 1).await.remove(0);
        assert_eq!([&first, &second, &third].map(|it| message.is_signed_with(it)), [true; 3]);
        app.clock.advance(DAY);
        app.log_in("ana").await;
        let message = told(&remote, 2).await.remove(1);
        assert_eq!([&first, &second, &third].map(|it| message.is_signed_with(it)), [false, false, true]);
        let secret = rotate(Duration::ZERO).await;
        app.log_in("ana").await;
        let message = told(&remote, 3).await.remove(2);
        assert!(message.is_signed_with(&secret) && !message.is_signed_with(&third));
        assert_eq!(app.told(&format!("webhook.secret_rotated webhook={id}")), 3);
        assert_eq!(app.number("SELECT COUNT(*) FROM webhook_secrets").await, 4);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM webhook_secrets").await, 1);
        // What is stored does not hold it.
        let bytes = STANDARD.decode(secret.expose().strip_prefix("whsec_").unwrap()).unwrap();
        let hex = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let holds = match app.store {
            Store::Sqlite => format!("SELECT COUNT(*) FROM webhook_secrets WHERE instr(hex(sealed), upper('{hex}')) > 0"),
            Store::Postgres => format!("SELECT COUNT(*) FROM webhook_secrets WHERE position('{hex}' IN encode(sealed, 'hex')) > 0"),
        };
        assert_eq!(app.number(&holds).await, 0);
    }

    async fn nothing_private_is_told(app) {
        app.add_user("ana").await;
        let remote = Remote::start().await;
        remote.answer(DONE);
        let port = remote.url.rsplit_once(':').unwrap().1.to_owned();
        let add = async |url: String| {
            let events = vec!["*".parse().unwrap()];
            webhooks::add(&app.core, url.parse().unwrap(), events, app.clock.now()).await
        };
        for host in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"] {
            for scheme in ["http", "https"] {
                let refused = add(format!("{scheme}://{host}:{port}/")).await.unwrap_err().to_string();
                assert_eq!(refused, "the address may not be reached; outbound.allowed_networks names your own networks");
            }
        }
        // Where a name leads is known when it is called.
        add(format!("https://localhost:{port}/")).await.unwrap();
        app.log_in("ana").await;
        app.failures_are(1).await;
        let failure = app.deliveries(WhichDeliveries::All).await.pop().unwrap().failure;
        assert_eq!(failure.as_deref(), Some("the address may not be reached"));
        assert_eq!(remote.asked(), [""; 0]);
    }

    async fn what_was_undone_is_not_told_and_a_refresh_neither(app) with here; {
        let tokens = app.ana_logged_in().await;
        let (remote, id, _) = app.hooked(&["*"]).await;
        let now = app.clock.now();
        app.undo(&Event::RecoveryClosed).await;
        app.rotate(&tokens).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM webhook_deliveries").await, 0);
        webhooks::remove(&app.core, id, now).await.unwrap();
        app.end_login(&tokens).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM webhook_deliveries").await, 0, "nor one that was removed");
        assert_eq!(app.told(&format!("webhook.removed webhook={id}")), 1);
        app.clock.advance(MINUTE);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!((app.number("SELECT COUNT(*) FROM webhooks").await, remote.asked().len()), (0, 0));
        assert!(webhooks::remove(&app.core, id, now).await.is_err());
    }

    async fn refusals_are_told_as_a_count_once_their_minute_is_over(app) with here; {
        let ana = app.add_user("ana").await;
        let (remote, ..) = app.hooked(&["login.refused"]).await;
        let refused = json!({ "username": "ana", "password": "" });
        for _ in 0..50 {
            assert_eq!(app.post("/login", &refused).await.status, 401);
        }
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM webhook_deliveries").await, 0, "the minute goes on");
        app.post("/login", &refused).await;
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        app.clock.advance(MINUTE);
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        app.tell_webhooks().await;
        let message = told(&remote, 1).await.remove(0).json();
        assert_eq!((&message["type"], &message["data"]["times"]), (&json!("login.refused"), &json!(51)));
        assert_eq!(message["data"]["user"], json!(ana));
    }

    async fn a_test_says_whether_it_was_taken(app) with here; {
        let (remote, id, secret) = app.hooked(&["family.ended"]).await;
        webhooks::test(&app.core, id, app.clock.now()).await.unwrap();
        let message = told(&remote, 1).await.remove(0);
        assert!(message.is_signed_with(&secret));
        assert_eq!((&message.json()["type"], &message.json()["data"]["webhook"]), (&json!("webhook.test"), &json!(id)));
        remote.answer(FAILED);
        let failed = webhooks::test(&app.core, id, app.clock.now()).await.unwrap_err().to_string();
        assert_eq!(failed, "the webhook has not taken it: the answer has status 503");
        for _ in 1..50 {
            app.add_webhook(&remote, &["family.ended"]).await;
        }
        let url = remote.at("/").parse().unwrap();
        let refused = webhooks::add(&app.core, url, Vec::new(), app.clock.now()).await.unwrap_err().to_string();
        assert_eq!(refused, "there are 50 webhooks, the most that there may be");
        assert_eq!(app.told("webhook.added"), 50);
    }
}

both_databases! {
    async fn several_servers_tell_once(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), here).await;
        let (other, stop_other) = start(store, &url, clock.clone(), here).await;
        one.add_user("ana").await;
        let (remote, ..) = one.hooked(&["login.succeeded"]).await;
        // The other one has looked before.
        clock.advance(2 * SECOND);
        for _ in 0..10 {
            one.log_in("ana").await;
            other.log_in("ana").await;
        }
        let looks = (0..6).flat_map(|_| [one.tell_webhooks(), other.tell_webhooks()]);
        futures_util::future::join_all(looks).await;
        let messages = told(&remote, 20).await;
        one.deliveries_are("delivered", 20).await;
        let ids: BTreeSet<&str> = messages.iter().map(|message| message.header("webhook-id")).collect();
        assert_eq!(ids.len(), 20);
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn a_stop_lets_what_is_being_told_end_and_a_start_goes_on(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), here).await;
        app.add_user("ana").await;
        let remote = Remote::start().await;
        remote.answer_and_wait("");
        app.add_webhook(&remote, &["login.succeeded"]).await;
        app.log_in("ana").await;
        told(&remote, 1).await;
        let stopping = tokio::spawn(stop.end());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!stopping.is_finished(), "it waits for what is under way");
        stopping.await.unwrap();
        clock.advance(2 * MINUTE);
        remote.answer(DONE);
        let (app, stop) = start(store, &url, clock, here).await;
        app.tell_webhooks().await;
        told(&remote, 2).await;
        app.deliveries_are("delivered", 1).await;
        stop.end().await;
    }

    async fn a_secret_outlives_the_master_key_that_sealed_it(store, url) {
        const NEW: &str = "//////////////////////////////////////////8=";
        let clock = TestClock::new();
        let keys = |keys: String| move |settings: &mut Settings| {
            here(settings);
            settings.issuer = Some("https://login.example.com".parse().unwrap());
            settings.master_key = Some(keys.into());
        };
        let (app, stop) = start(store, &url, clock.clone(), keys(MASTER_KEY.to_owned())).await;
        app.add_user("ana").await;
        let (remote, id, former) = app.hooked(&["login.succeeded"]).await;
        let secret = webhooks::rotate_secret(&app.core, id, DAY, clock.now()).await.unwrap();
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), keys(format!("{NEW},{MASTER_KEY}"))).await;
        // It was read before anybody listened; the log has it.
        assert_eq!(app.number(&format!("SELECT COUNT(*) FROM events WHERE name = 'key.resealed' AND fields LIKE '%webhook {id}%'")).await, 2);
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), keys(NEW.to_owned())).await;
        app.log_in("ana").await;
        let message = told(&remote, 1).await.remove(0);
        assert!(message.is_signed_with(&secret) && message.is_signed_with(&former));
        stop.end().await;
    }
}
