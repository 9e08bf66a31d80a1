//! `POST /logout`: a genuine token ends its login, whichever client is named beside it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::*;
use crate::rotation::token_of_client;

both_stores! {
    async fn whoever_is_named_beside_it_a_genuine_token_logs_out(app) {
        app.add_client("app", |_| ()).await;
        app.add_user("ana").await;
        let log_out = async |token: &str, client: Option<&str>| {
            let mut body = json!({ "refresh_token": token });
            if let Some(client) = client {
                body["client_id"] = json!(client);
            }
            app.post("/logout", &body).await.status.as_u16()
        };
        for named in [None, Some("heirloom"), Some("nobody"), Some("app")] {
            let tokens = app.log_in_with("app", "ana").await;
            let kept = app.log_in_with("app", "ana").await;
            assert_eq!(log_out(&tokens.refresh, named).await, 204, "{named:?}");
            assert_eq!(app.refresh_with("app", &tokens.refresh).await.refusal(), ENDED, "{named:?}");
            assert_eq!(app.refresh_with("app", &kept.refresh).await.status, 200, "{named:?}");
            assert_eq!(log_out(&tokens.refresh, named).await, 204, "it has ended before");
        }
        // A spent token is genuine, too.
        let first = app.log_in_with("app", "ana").await;
        let second = app.refresh_with("app", &first.refresh).await.tokens();
        assert_eq!(log_out(&first.refresh, None).await, 204);
        assert_eq!(app.refresh_with("app", &second.refresh).await.refusal(), ENDED);
    }

    async fn a_forged_token_logs_nobody_out_whoever_is_named(app) {
        app.add_client("app", |_| ()).await;
        app.add_user("ana").await;
        let tokens = app.log_in_with("app", "ana").await;
        let bytes = URL_SAFE_NO_PAD.decode(tokens.refresh.strip_prefix("hrt1_").unwrap()).unwrap();
        // The key's id, the family's, the generation, the secret, the MAC: nothing of it may be another.
        for at in [0, 4, 23, 24, 55] {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            let forged = format!("hrt1_{}", URL_SAFE_NO_PAD.encode(forged));
            for named in ["heirloom", "app", "nobody"] {
                let body = json!({ "refresh_token": forged, "client_id": named });
                assert_eq!(app.post("/logout", &body).await.status, 204, "{at} {named}");
            }
        }
        // A client that may not use this face does not get to by the name of another.
        let secret = app.add_service("service", &[]).await;
        assert!(!secret.is_empty());
        app.sql("UPDATE families SET client_id = 'service'").await;
        let of_service = token_of_client(&app, "service", 1).await;
        let body = json!({ "refresh_token": of_service });
        assert_eq!(app.post("/logout", &body).await.code(), "400 unauthorized_client");
        assert_eq!(app.live_families().await, 1);
    }
}
