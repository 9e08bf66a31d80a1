//! A user's own list of logins.

use serde_json::{Value, json};

use crate::harness::*;
use crate::signer::changed;

async fn list(app: &TestApp, access: &str) -> Vec<Value> {
    let answer = app.get("/sessions", access).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["sessions"].as_array().unwrap().clone()
}

both_stores! {
    async fn the_list_shows_own_live_families_newest_first(app) {
        let phone = app.ana_logged_in().await;
        app.clock.advance(MINUTE);
        let laptop = app.log_in("ana").await;
        app.add_user("bob").await;
        app.log_in("bob").await;
        let sessions = list(&app, &phone.access).await;
        let ids: Vec<&str> = sessions.iter().map(|session| session["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [laptop.family(), phone.family()]);
        assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(false), &json!(true)));
        assert_eq!(sessions[0]["client_id"], "heirloom");
    }

    async fn last_used_moves_with_a_refresh_and_not_with_a_replay(app) {
        let first = app.ana_logged_in().await;
        app.clock.advance(MINUTE);
        let second = app.rotate(&first).await;
        let used = list(&app, &second.access).await[0]["last_used_at"].clone();
        assert_ne!(used, list(&app, &second.access).await[0]["created_at"]);
        app.clock.advance(SECOND * 20);
        app.rotate(&first).await;
        assert_eq!(list(&app, &second.access).await[0]["last_used_at"], used);
    }

    async fn one_session_can_be_ended_and_only_ones_own(app) {
        let (phone, laptop) = (app.ana_logged_in().await, app.log_in("ana").await);
        app.add_user("bob").await;
        let bob = app.log_in("bob").await;
        let path = |tokens: &Tokens| format!("/sessions/{}", tokens.family());
        assert_eq!(app.delete(&path(&bob), &phone.access).await.code(), "404 not_found");
        assert_eq!(app.delete("/sessions/rubbish", &phone.access).await.code(), "404 not_found");
        assert_eq!(app.delete(&path(&laptop), &phone.access).await.status, 204);
        assert_eq!(app.delete(&path(&laptop), &phone.access).await.code(), "404 not_found");
        assert_eq!(app.refresh(&laptop.refresh).await.refusal(), ENDED);
        assert_eq!(list(&app, &phone.access).await.len(), 1);
        app.rotate(&bob).await;
        assert_eq!(app.delete(&path(&phone), &phone.access).await.status, 204, "one's own too");
        assert_eq!(app.get("/sessions", &phone.access).await.code(), "401 invalid_token");
    }

    async fn all_others_can_be_ended_at_once(app) {
        let phone = app.ana_logged_in().await;
        let others = [app.log_in("ana").await, app.log_in("ana").await];
        app.add_user("bob").await;
        let bob = app.log_in("bob").await;
        assert_eq!(app.delete("/sessions", &phone.access).await.status, 204);
        for other in others {
            assert_eq!(app.refresh(&other.refresh).await.refusal(), ENDED);
        }
        app.rotate(&phone).await;
        app.rotate(&bob).await;
    }

    async fn expired_families_are_not_listed(app) {
        app.ana_logged_in().await;
        app.clock.advance(DAY * 7);
        let laptop = app.log_in("ana").await;
        assert_eq!(list(&app, &laptop.access).await.len(), 1);
    }

    async fn tokens_that_open_nothing_here(app) {
        app.add_user("ana").await;
        let api = "https://api.example.com";
        app.add_client("app", |it| it.audiences = vec![api.parse().unwrap()]).await;
        let body = json!({ "username": "ana", "password": PASSWORD, "client_id": "app", "resource": api });
        let expired = app.log_in("ana").await;
        app.clock.advance(MINUTE * 15);
        let for_api = app.post("/login", &body).await.tokens();
        let ended = app.log_in("ana").await;
        app.post("/logout", &json!({ "refresh_token": ended.refresh })).await;
        app.add_client("third", |_| ()).await;
        let third = app.log_in_with("third", "ana").await;
        app.sql("UPDATE clients SET first_party = (1 = 0) WHERE id = 'third'").await;
        app.clock.advance(SECOND * 2);
        let good = app.log_in("ana").await;
        let forged = format!("{}AAAA", &good.access[..good.access.len() - 4]);
        for token in [&for_api.access, &expired.access, &ended.access, &third.access, &forged, &good.refresh, "x"] {
            let answer = app.get("/sessions", token).await;
            assert_eq!(answer.code(), "401 invalid_token");
            assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
        }
        assert_eq!(app.get("/sessions", &good.access).await.status, 200);
        let none = app.send(app.http.get(app.at("/sessions"))).await;
        assert_eq!(none.status, 401);
        assert_eq!(none.header("www-authenticate"), Some(r#"Bearer realm="heirloom""#), "RFC 6750 §3.1: no error code");
    }

    async fn an_own_token_is_read_here_as_strictly_as_by_a_service(app) {
        let tokens = app.ana_logged_in().await;
        let (claims, now) = (tokens.claims(), app.clock.now());
        let second = now.timestamp();
        let signed = |typ: &str, change: Value| {
            let claims = changed(&claims, &change);
            app.core.keys.sign_as(typ, &claims.to_string(), now).unwrap()
        };
        let issuer = app.core.issuer.clone();
        let service = app.add_service("service", &[issuer.as_str()]).await;
        let answers = async |token: &str| {
            let sessions = app.get("/sessions", token).await.status.as_u16();
            let userinfo = app.get("/oauth/userinfo", token).await.status.as_u16();
            let seen = app.form_as("/oauth/introspect", ("service", &service), &[("token", token)]).await;
            (sessions, userinfo, seen.json["active"] == true)
        };
        for (section, token) in [
            ("as it was", tokens.access.clone()),
            ("RFC 7519 §4.1.5: nbf", signed("at+jwt", json!({ "nbf": second }))),
            ("RFC 9068 §2.1: typ", signed("application/at+jwt", json!({}))),
            ("RFC 7515 §4.1.9: typ", signed("AT+JWT", json!({}))),
        ] {
            assert_eq!(answers(&token).await, (200, 200, true), "{section}");
        }
        for (section, token) in [
            ("RFC 7519 §4.1.5: nbf", signed("at+jwt", json!({ "nbf": second + 1 }))),
            ("RFC 7519 §4.1.5: nbf", signed("at+jwt", json!({ "nbf": "soon" }))),
            ("RFC 7519 §4.1.4: exp", signed("at+jwt", json!({ "exp": second }))),
            ("RFC 7519 §4.1.4: exp", signed("at+jwt", json!({ "exp": null }))),
            ("RFC 7519 §4.1.1: iss", signed("at+jwt", json!({ "iss": "https://other.example" }))),
            ("RFC 9068 §4: typ", signed("JWT", json!({}))),
            ("RFC 9068 §4: typ", signed("logout+jwt", json!({}))),
        ] {
            assert_eq!(answers(&token).await, (401, 401, false), "{section}");
        }
    }

    async fn nothing_of_a_user_is_kept_on_the_way(app) {
        let tokens = app.ana_logged_in().await;
        let other = app.log_in("ana").await;
        let ended = app.delete(&format!("/sessions/{}", other.family()), &tokens.access).await;
        let answers = [
            ended,
            app.delete("/sessions", &tokens.access).await,
            app.delete("/sessions/rubbish", &tokens.access).await,
            app.delete("/sessions", "x").await,
            app.get("/sessions", &tokens.access).await,
            app.send(app.http.put(app.at("/sessions"))).await,
            app.get("/oauth/userinfo", &tokens.access).await,
            app.post("/refresh", &json!({ "refresh_token": tokens.refresh })).await,
            app.post("/login", &json!({})).await,
            app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await,
            app.form("/oauth/revoke", &[("token", &tokens.refresh), ("client_id", "heirloom")]).await,
            app.form("/oauth/introspect", &[]).await,
            app.form("/oauth/device_authorization", &[]).await,
            app.form("/oauth/par", &[]).await,
            app.get("/", "").await,
            app.get("/device", "").await,
            app.get("/account", "").await,
        ];
        for answer in answers {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "RFC 9111 §5.2.2.5: {answer:?}");
        }
    }

    async fn logging_out_with_any_generation_ends_the_family(app) {
        let first = app.ana_logged_in().await;
        let second = app.rotate(&first).await;
        let third = app.rotate(&second).await;
        let answer = app.post("/logout", &json!({ "refresh_token": first.refresh })).await;
        assert_eq!((answer.status.as_u16(), &answer.json), (204, &Value::Null));
        assert_eq!(app.refresh(&third.refresh).await.refusal(), ENDED);
        assert_eq!(app.refresh(&first.refresh).await.refusal(), ENDED);
        assert_eq!(app.post("/logout", &json!({ "refresh_token": third.refresh })).await.status, 204, "again is fine");
    }

    async fn a_token_without_a_living_family_opens_nothing(app) {
        let tokens = app.ana_logged_in().await;
        let secret = app.add_service("service", &[]).await;
        let grant = [("grant_type", "client_credentials")];
        let own = app.form_as("/oauth/token", ("service", &secret), &grant).await;
        assert_eq!(app.get("/sessions", own.text("access_token")).await.code(), "401 invalid_token");
        app.sql("DELETE FROM families").await;
        assert_eq!(app.get("/sessions", &tokens.access).await.code(), "401 invalid_token");
    }

    async fn every_call_wants_a_bearer_token(app) {
        let tokens = app.ana_logged_in().await;
        let path = format!("/sessions/{}", tokens.family());
        for (method, path) in [("GET", "/sessions"), ("DELETE", "/sessions"), ("DELETE", path.as_str())] {
            for header in [None, Some("Basic aGVpcmxvb206eA=="), Some("Bearer"), Some(tokens.access.as_str())] {
                let mut request = app.http.request(method.parse().unwrap(), app.at(path));
                if let Some(header) = header {
                    request = request.header("authorization", header);
                }
                let answer = app.send(request).await;
                assert_eq!(answer.status, 401, "{method} {path} {header:?}");
                assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="heirloom""#));
            }
        }
        assert_eq!(app.live_families().await, 1);
        let lower = app.http.get(app.at("/sessions")).header("authorization", format!("bearer {}", tokens.access));
        assert_eq!(app.send(lower).await.status, 200, "RFC 9110 §11.1: a scheme's case does not matter");
    }

    async fn an_access_token_whose_claims_were_changed_opens_nothing(app) {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let (ana, bob) = (app.ana_logged_in().await, { app.add_user("bob").await; app.log_in("bob").await });
        let mut claims = ana.claims();
        claims["sid"] = bob.claims()["sid"].clone();
        let parts: Vec<&str> = ana.access.split('.').collect();
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let unsigned = URL_SAFE_NO_PAD.encode(r#"{"typ":"at+jwt","alg":"none"}"#);
        let [header, own_payload, signature] = parts[..] else { panic!("a JWT has three parts") };
        for forged in [
            format!("{header}.{payload}.{signature}"),
            format!("{unsigned}.{payload}."),
            format!("{unsigned}.{own_payload}.{signature}"),
            format!("{header}.{own_payload}."),
        ] {
            assert_eq!(app.get("/sessions", &forged).await.code(), "401 invalid_token", "{forged}");
        }
    }
}
