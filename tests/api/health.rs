//! Probes, request ids, and what there is not.

use crate::harness::*;

both_stores! {
    async fn a_server_without_a_certificate_does_not_speak_for_who_has_it(app) with |settings| {
        settings.issuer = Some("https://login.example.com".parse().unwrap());
    }; {
        let answer = app.send(app.http.get(app.at("/readyz"))).await;
        assert_eq!(answer.header("strict-transport-security"), None, "RFC 6797 §7.2");
    }

    async fn a_server_that_can_serve_says_so(app) {
        let get = async |path: &str| app.send(app.http.get(app.at(path))).await;
        assert_eq!(get("/healthz").await.json["status"], "ok");
        let ready = get("/readyz").await;
        assert_eq!((ready.status.as_u16(), &ready.json["status"]), (200, &"ready".into()));
    }

    async fn a_foreign_schema_is_not_ready(app) {
        app.sql("DELETE FROM _sqlx_migrations").await;
        let ready = app.send(app.http.get(app.at("/readyz"))).await;
        assert_eq!((ready.status.as_u16(), ready.text("reason").contains("schema")), (503, true));
    }

    async fn requests_have_an_id(app) {
        let get = |id: &'static str| app.http.get(app.at("/healthz")).header("x-request-id", id);
        assert_eq!(app.send(get("abc-123_x.y")).await.header("x-request-id"), Some("abc-123_x.y"));
        for strange in ["", "a b", "a\tb", "<script>", "x".repeat(65).leak()] {
            let answer = app.send(get(strange)).await;
            assert_eq!(answer.header("x-request-id").unwrap().len(), 36, "{strange:?} is replaced");
        }
    }

    async fn what_is_not_here_is_said_in_json(app) {
        assert_eq!(app.send(app.http.get(app.at("/nothing"))).await.code(), "404 not_found");
        for (method, path, allowed) in [
            ("GET", "/login", "POST"),
            ("PUT", "/sessions", "GET, DELETE"),
            ("POST", "/.well-known/jwks.json", "GET, HEAD"),
            ("GET", "/oauth/token", "POST"),
        ] {
            let answer = app.send(app.http.request(method.parse().unwrap(), app.at(path))).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        }
    }

    // With so few connections the workers share the one pool that the test closes.
    async fn a_server_without_its_database_lives_and_is_not_ready(app) with |settings| settings.database.max_connections = 2; {
        app.core.db.close().await;
        assert_eq!(app.send(app.http.get(app.at("/healthz"))).await.status, 200);
        let ready = app.send(app.http.get(app.at("/readyz"))).await;
        assert_eq!((ready.status.as_u16(), ready.text("reason")), (503, "the database does not answer"));
        assert_eq!(ready.header("cache-control"), Some("no-store"));
    }

    async fn a_server_without_a_signing_key_is_not_ready(app) {
        app.sql("DELETE FROM signing_keys").await;
        app.core.keys.reload(&app.core.db).await.unwrap();
        let ready = app.send(app.http.get(app.at("/readyz"))).await;
        assert_eq!((ready.status.as_u16(), ready.text("reason")), (503, "there is no signing key"));
    }

    async fn without_a_signing_key_a_client_is_asked_to_come_back_and_loses_nothing(app) {
        let tokens = app.ana_logged_in().await;
        app.sql("CREATE TABLE kept AS SELECT * FROM signing_keys; DELETE FROM signing_keys").await;
        app.core.keys.reload(&app.core.db).await.unwrap();
        assert_eq!(app.refresh(&tokens.refresh).await.code(), "503 temporarily_unavailable");
        app.sql("INSERT INTO signing_keys SELECT * FROM kept").await;
        app.core.keys.reload(&app.core.db).await.unwrap();
        assert_eq!(app.rotate(&tokens).await.generation(), 2, "the same token works");
    }

    async fn what_takes_too_long_is_given_up_and_says_so(app) with |settings| {
        settings.http.request_timeout = std::time::Duration::from_millis(50);
        settings.passwords.memory_kib = 256 * 1024;
        settings.passwords.iterations = 8;
    }; {
        let login = serde_json::json!({ "username": "ana", "password": PASSWORD });
        let request = app.http.post(app.at("/login")).json(&login).header("x-request-id", "slow-1");
        let answer = app.send(request).await;
        assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("503 temporarily_unavailable", Some("1")));
        assert_eq!(answer.header("x-request-id"), Some("slow-1"), "it can be found in the log");
    }

    async fn whoever_asks_for_the_head_gets_it(app) {
        // RFC 9110 §9.1: every server answers GET and HEAD.
        for path in ["/healthz", "/readyz", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
            let answer = app.send(app.http.head(app.at(path))).await;
            assert_eq!((answer.status.as_u16(), answer.json), (200, serde_json::Value::Null), "{path}");
        }
    }

    async fn health_checks_too_name_the_method_that_they_serve(app) {
        for path in ["/healthz", "/readyz"] {
            let answer = app.send(app.http.post(app.at(path))).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, HEAD")), "{path}");
            assert_eq!(answer.json["error"], "invalid_request");
        }
    }
}
