//! `/admin/v1/events`, statistics, and keys.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::*;

both_stores! {
    async fn events_are_listed_filtered_and_streamed(app) {
        let ana = app.add_user("ana").await;
        app.add_user("bob").await;
        app.clock.advance(MINUTE);
        let since = app.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let family = app.log_in("ana").await.family();
        for _ in 0..3 {
            app.log_in("bob").await;
        }
        let ops = app.operator("heirloom:events.read").await;
        let (all, _) = ops.reads_all("/events?limit=2").await;
        let names = |events: &[Value]| events.iter().map(|it| it["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&all).iter().filter(|name| *name == "login.succeeded").count(), 4);
        let count = async |query: &str| ops.reads_all(&format!("/events?{query}")).await.0.len();
        assert_eq!(count("name=login.succeeded&limit=1").await, 4);
        assert_eq!(count("name=login.*").await, 4);
        assert_eq!(count("name=login.*&user=ana").await, 1);
        assert_eq!(count(&format!("name=login.*&user={ana}")).await, 1);
        assert_eq!(count(&format!("family={family}")).await, 1);
        assert_eq!(count(&format!("name=user.changed&since={since}")).await, 0);
        assert_eq!(count("name=user.changed").await, 2);
        let path = "/admin/v1/events?name=login.*";
        let lines = app.http.get(app.at(path)).bearer_auth(ops.token()).header("accept", "application/x-ndjson");
        let lines = lines.send().await.unwrap();
        assert_eq!(lines.headers()["content-type"], "application/x-ndjson");
        let lines = lines.text().await.unwrap();
        let streamed: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(streamed, ops.reads_all("/events?name=login.*").await.0);
        for (query, expected) in [
            ("name=login.begun", "400 invalid_request name: no event is called so: docs/events.md lists them; a group such as family.* is all that begins so, and * is all."),
            ("since=yesterday", "400 invalid_request since: send a time such as 2026-01-31T12:00:00Z."),
            ("user=nobody", "404 not_found There is no user with the name nobody."),
        ] {
            assert_eq!(ops.gets(&format!("/events?{query}")).await.whole_problem(), expected, "{query}");
        }
        assert_eq!(ops.gets("/events?family=x").await.problem(), "400 invalid_request");
    }

    async fn a_long_list_is_streamed_to_its_end(app) {
        app.add_user("ana").await;
        for _ in 0..40 {
            app.log_in("ana").await;
        }
        // As many as are read at once, and a few more.
        let id = match app.store {
            Store::Sqlite => "randomblob(16)",
            Store::Postgres => "gen_random_uuid()",
        };
        for _ in 0..4 {
            app.sql(&format!(
                "INSERT INTO events (id, at, name, fields, times) SELECT {id}, at, name, fields, times FROM events \
                 WHERE name = 'login.succeeded'"
            ))
            .await;
        }
        let rows = app.number("SELECT COUNT(*) FROM events WHERE name = 'login.succeeded'").await;
        assert_eq!(rows, 640);
        let ops = app.operator("heirloom:events.read").await;
        let lines = app.http.get(app.at("/admin/v1/events?name=login.succeeded")).bearer_auth(ops.token());
        let lines = lines.header("accept", "application/x-ndjson").send().await.unwrap().text().await.unwrap();
        assert_eq!(lines.lines().count(), 640);
    }

    async fn statistics_count_what_there_is(app) {
        app.add_user("ana").await;
        app.add_user("bob").await;
        let tokens = app.log_in("ana").await;
        app.log_in("bob").await;
        app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        let ops = app.operator("heirloom:events.read").await;
        let told = ops.gets("/statistics").await.json;
        assert_eq!((&told["users"], &told["clients"], &told["live_families"]), (&json!(2), &json!(2), &json!(1)));
        assert_eq!(told["events_of_a_day"]["login.succeeded"], 2);
        app.clock.advance(DAY + MINUTE);
        let told = app.operator_again().await.gets("/statistics").await.json;
        assert_eq!(told["events_of_a_day"]["login.succeeded"], Value::Null);
        assert_eq!(ops.gets("/statistics?x=1").await.problem(), "401 invalid_token", "it has expired meanwhile");
    }

    async fn keys_are_listed_rotated_and_withdrawn(app) {
        let tokens = app.ana_logged_in().await;
        let ops = app.operator("heirloom:keys.read heirloom:keys.write").await;
        let (before, _) = ops.reads_all("/keys").await;
        assert_eq!((before.len(), &before[0]["phase"]), (1, &json!("signing")));
        let listed = ops.gets("/keys").await.json;
        assert_eq!(listed["master_keys"], json!(app.core.keys.master_key_ids().collect::<Vec<_>>()));
        assert_eq!(listed["next"], Value::Null);
        let rotated = ops.asks(Method::POST, "/keys/rotate", Some(&json!({ "after": "10m" }))).await;
        assert_eq!(rotated.status, 200, "{rotated:?}");
        let (keys, _) = ops.reads_all("/keys").await;
        let next = keys.iter().find(|key| key["phase"] == "next").unwrap();
        assert_eq!((&next["kid"], &next["signs_from"]), (&rotated.json["kid"], &rotated.json["signs_from"]));
        for bad in [json!({ "after": "31d" }), json!({ "after": "soon" }), json!({ "algorithm": "none" }), json!({ "kid": "x" })] {
            assert_eq!(ops.asks(Method::POST, "/keys/rotate", Some(&bad)).await.problem(), "400 invalid_request", "{bad}");
        }
        assert_eq!(ops.gets("/keys?limit=1").await.whole_problem(), "400 invalid_request There is no parameter limit here; there are none at all.");
        let replaced = ops.asks(Method::POST, "/keys/withdraw", None).await;
        assert_eq!(replaced.status, 200, "{replaced:?}");
        assert_eq!(app.get("/sessions", &tokens.access).await.code(), "401 invalid_token");
        assert_eq!(ops.gets("/keys").await.problem(), "401 invalid_token", "its own token, too");
        let again = app.operator_again().await;
        let (keys, _) = again.reads_all("/keys").await;
        assert!(keys.iter().filter(|key| key["phase"] == "signing").all(|key| key["kid"] == replaced.json["kid"]), "{keys:?}");
        app.rotate(&tokens).await;
    }
}
