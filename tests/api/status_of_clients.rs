//! A client's own tokens in a status list: where an operator wants it, and from the client's removal on.

use heirloom::domain::client::{Client, GrantType, TokenExchangePolicy};
use heirloom::domain::status_list::{BLOCK, SIZE};
use heirloom::service::admin::{self, clients, janitor};
use heirloom::service::status_lists::places::StatusPlaces;

use crate::harness::*;
use crate::status_lists::{INTERVAL, place};

const OWN: (&str, &str) = ("grant_type", "client_credentials");

impl TestApp {
    async fn opt_in(&self, id: &str, wanted: bool) {
        let metadata =
            serde_json::from_value(serde_json::json!({ "own_tokens_in_status_list": wanted })).unwrap();
        let changes = admin::client_changes::ClientChanges { metadata: Some(metadata), ..Default::default() };
        clients::change(&self.core, &id.parse().unwrap(), changes, self.clock.now()).await.unwrap();
        self.clock.advance(SECOND * 3);
    }

    /// A service that has its tokens in a list; gives its secret.
    async fn listed(&self, id: &str) -> String {
        let secret = self.add_service(id, &[]).await;
        self.opt_in(id, true).await;
        secret
    }

    async fn listed_token(&self, id: &str, secret: &str) -> String {
        self.form_as("/oauth/token", (id, secret), &[OWN]).await.text("access_token").to_owned()
    }

    async fn remove_client(&self, id: &str) {
        clients::remove(&self.core, &id.parse().unwrap(), 100, self.clock.now()).await.unwrap();
    }
}

both_stores! {
    async fn a_removed_clients_own_tokens_are_told_at_the_next_document(app) {
        let [one, other] = [app.listed("one").await, app.listed("other").await];
        let (tokens, beside) = (
            [app.listed_token("one", &one).await, app.listed_token("one", &one).await],
            app.listed_token("other", &other).await,
        );
        assert_eq!(place(&tokens[0]), place(&tokens[1]), "a client has one entry");
        assert_ne!(place(&tokens[0]), place(&beside));
        assert!(!app.is_ended(&tokens[0]).await);
        app.clock.advance(SECOND * 3);
        assert_eq!(place(&app.listed_token("one", &one).await), place(&tokens[0]), "for life");
        app.remove_client("one").await;
        app.clock.advance(INTERVAL);
        assert!(app.is_ended(&tokens[0]).await && !app.is_ended(&beside).await);
    }

    async fn nobody_is_in_a_list_unasked(app) {
        let secret = app.add_service("plain", &[]).await;
        let token = app.listed_token("plain", &secret).await;
        assert!(claims(&token).get("status").is_none());
        assert_eq!(app.number("SELECT COUNT(*) FROM status_lists").await, 0);
        app.opt_in("plain", true).await;
        let listed = place(&app.listed_token("plain", &secret).await);
        app.opt_in("plain", false).await;
        assert!(claims(&app.listed_token("plain", &secret).await).get("status").is_none());
        app.opt_in("plain", true).await;
        assert_eq!(place(&app.listed_token("plain", &secret).await), listed, "it keeps what it had");
    }

    async fn many_first_tokens_at_once_name_one_entry(app) {
        let secret = app.listed("busy").await;
        let tokens = (0..8).map(|_| app.listed_token("busy", &secret));
        let tokens = futures_util::future::join_all(tokens).await;
        assert!(tokens.iter().all(|token| place(token) == place(&tokens[0])), "{tokens:?}");
    }

    async fn an_exchanged_token_names_its_clients_entry(app) {
        let secret = app.add_service("worker", &["https://api.example"]).await;
        let mut worker = app.core.client(&"worker".parse().unwrap(), app.clock.now()).await.unwrap().unwrap().client.clone();
        worker.grants.insert(GrantType::TokenExchange);
        worker.metadata.own_tokens_in_status_list = true;
        worker.metadata.token_exchange = Some(TokenExchangePolicy { audiences: Vec::new(), impersonation: true });
        clients::update(&app.core, &Client { ..worker }, app.clock.now()).await.unwrap();
        app.clock.advance(SECOND * 3);
        let own = app.listed_token("worker", &secret).await;
        app.clock.advance(SECOND * 3);
        let exchange = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", &own),
        ];
        let exchanged = app.form_as("/oauth/token", ("worker", &secret), &exchange).await;
        assert_eq!(place(exchanged.text("access_token")), place(&own));
    }

    async fn a_clients_entry_keeps_its_list(app) {
        let secret = app.listed("lasting").await;
        let token = app.listed_token("lasting", &secret).await;
        assert_eq!(place(&token).0, "/status-lists/1");
        app.sql(&format!("UPDATE status_lists SET blocks = {} WHERE id = 1", SIZE / BLOCK)).await;
        StatusPlaces::default().take(&app.core.writer, app.clock.now()).await.unwrap();
        let is_served = async || {
            janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
            app.clock.advance(INTERVAL);
            app.list_with("/status-lists/1", &[]).await.status() == 200
        };
        app.clock.advance(DAY * 30);
        assert!(is_served().await, "the client is there");
        app.remove_client("lasting").await;
        app.clock.advance(DAY);
        assert!(is_served().await && app.is_ended(&token).await, "a token of a day may be left");
        app.clock.advance(DAY + MINUTE);
        assert!(!is_served().await);
    }
}
