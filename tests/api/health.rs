//! Probes, request ids, and what there is not.

use crate::harness::*;

both_stores! {
    async fn a_server_that_can_serve_says_so(app) {
        let get = async |path: &str| app.send(app.http.get(app.at(path))).await;
        assert_eq!(get("/healthz").await.json["status"], "ok");
        let ready = get("/readyz").await;
        assert_eq!((ready.status.as_u16(), &ready.json["status"]), (200, &"ready".into()));
    }

    async fn a_clock_that_went_astray_is_not_ready(app) {
        app.clock.advance(MINUTE);
        let ready = app.send(app.http.get(app.at("/readyz"))).await;
        if app.store == Store::Postgres {
            assert_eq!(ready.status, 503);
            assert!(ready.text("reason").contains("clock"), "{ready:?}");
        } else {
            assert_eq!(ready.status, 200, "SQLite has no clock to compare with");
        }
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
            ("POST", "/.well-known/jwks.json", "GET"),
            ("GET", "/oauth/token", "POST"),
        ] {
            let answer = app.send(app.http.request(method.parse().unwrap(), app.at(path))).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        }
    }
}
