//! What is no token of ours is refused exactly, and harms nobody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::refresh_token::RefreshToken;
use serde_json::json;

use crate::harness::*;

/// Everything that could be presented instead of a genuine token.
async fn forgeries(app: &TestApp) -> Vec<String> {
    let (one, other) = (app.ana_logged_in().await, app.log_in("ana").await);
    app.add_client("other", |_| ()).await;
    let foreign = app.log_in_with("other", "ana").await;
    let bytes = |tokens: &Tokens| URL_SAFE_NO_PAD.decode(&tokens.refresh[5..]).unwrap();
    let written = |bytes: &[u8]| format!("hrt1_{}", URL_SAFE_NO_PAD.encode(bytes));
    let (mut anothers_mac, mut zeroth, mut later) = (bytes(&one), bytes(&one), bytes(&one));
    anothers_mac[40..].copy_from_slice(&bytes(&other)[40..]);
    zeroth[23] = 0;
    later[23] = 2;
    vec![
        "garbage".to_owned(),
        "hrt1_".to_owned(),
        "\u{1}\u{1}\u{1}".to_owned(),
        format!("{}\u{1}", one.refresh),
        one.refresh[..one.refresh.len() - 1].to_owned(),
        format!("{}A", one.refresh),
        format!("{}=", one.refresh),
        format!(" {}", one.refresh),
        misspelt(&one.refresh),
        one.refresh.replace(['-', '_'], "+"),
        one.refresh[5..].to_owned(),
        one.refresh.replacen("hrt1_", "hrt2_", 1),
        one.refresh.to_uppercase(),
        written(&anothers_mac),
        written(&zeroth),
        written(&later),
        written(&[0; 56]),
        foreign.refresh,
        one.access,
    ]
}

/// The same token with the last character's spare bits set: another spelling of the same bytes.
fn misspelt(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let position = ALPHABET.find(last).unwrap();
    format!("{rest}{}", &ALPHABET[position + 1..position + 2])
}

both_stores_both_ways! {
    async fn the_simple_face_refuses_forgeries_and_ends_nothing(app) {
        for forgery in forgeries(&app).await {
            assert_eq!(app.refresh(&forgery).await.refusal(), INVALID, "{forgery:?}");
            assert_eq!(app.post("/logout", &json!({ "refresh_token": forgery })).await.status, 204);
        }
        assert_eq!(app.refresh("").await.refusal(), INVALID);
        // Another client's is genuine to whoever reads whose it is, as a logout does.
        assert_eq!(app.live_families().await, 2);
    }

    async fn the_standard_face_refuses_forgeries_and_ends_nothing(app) {
        for forgery in forgeries(&app).await {
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", &forgery), ("client_id", "heirloom")];
            let answer = app.form("/oauth/token", &refresh).await;
            assert_eq!(answer.refusal(), "400 invalid_grant The refresh token is invalid.", "{forgery:?}");
            let is_access_token = forgery.contains('.');
            if !is_access_token {
                let answer = app.form("/oauth/revoke", &[("token", &forgery), ("client_id", "heirloom")]).await;
                assert_eq!(answer.status, 200);
            }
        }
        assert_eq!(app.live_families().await, 3);
    }

    async fn introspection_knows_nothing_of_forgeries(app) {
        let secret = app.add_service("service", &[]).await;
        for forgery in forgeries(&app).await {
            let answer = app.form_as("/oauth/introspect", ("service", &secret), &[("token", &forgery)]).await;
            assert_eq!((answer.status.as_u16(), &answer.json), (200, &json!({ "active": false })), "{forgery:?}");
        }
        assert_eq!(app.live_families().await, 3);
    }

    // With so few connections the workers share the one pool that the test closes.
    async fn no_database_is_needed_to_refuse_a_forgery(app) with |settings| settings.database.max_connections = 2; {
        let mut forgeries = forgeries(&app).await;
        let access_token = forgeries.pop().unwrap();
        let genuine = app.log_in("ana").await;
        // Nothing that is still remembered of the clients shall help.
        app.clock.advance(MINUTE);
        app.core.db.close().await;
        for forgery in forgeries {
            assert_eq!(app.refresh(&forgery).await.refusal(), INVALID, "{forgery:?}");
            // Whether it is another client's, only its family can tell; until then nobody is told to be logged out.
            let names_a_family = app.core.keys.with_mac_keys(|keys| RefreshToken::named_family(&forgery, keys)).is_ok();
            let logout = app.post("/logout", &json!({ "refresh_token": forgery })).await.status;
            assert_eq!(logout, if names_a_family { 503 } else { 204 }, "{forgery:?}");
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", &forgery), ("client_id", "heirloom")];
            assert_eq!(app.form("/oauth/token", &refresh).await.code(), "400 invalid_grant");
            let revoke = [("token", forgery.as_str()), ("client_id", "heirloom")];
            assert_eq!(app.form("/oauth/revoke", &revoke).await.status, 200);
        }
        assert_eq!(app.refresh(&access_token).await.refusal(), INVALID);
        let answer = app.refresh(&genuine.refresh).await;
        assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("503 temporarily_unavailable", Some("1")));
        let logout = app.post("/logout", &json!({ "refresh_token": genuine.refresh })).await;
        assert_eq!(logout.code(), "503 temporarily_unavailable", "it was not done, so it is not said to be");
    }

    async fn a_mebibyte_is_too_long(app) {
        app.ana_logged_in().await;
        let secret = app.add_service("service", &[]).await;
        let long = "h".repeat(1 << 20);
        for path in ["/refresh", "/logout"] {
            assert_eq!(app.post(path, &json!({ "refresh_token": long })).await.code(), "413 invalid_request");
        }
        let login = json!({ "username": "ana", "password": long });
        assert_eq!(app.post("/login", &login).await.code(), "413 invalid_request");
        let form = [("grant_type", "refresh_token"), ("refresh_token", long.as_str()), ("token", long.as_str())];
        for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
            let answer = app.form_as(path, ("service", &secret), &form).await;
            assert_eq!(answer.code(), "413 invalid_request", "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        assert_eq!(app.live_families().await, 1);
    }

    async fn a_refusal_is_json_that_nobody_keeps_and_repeats_nothing_that_was_sent(app) {
        let tokens = app.ana_logged_in().await;
        const MARK: &str = "marked";
        let body = |value: &str| json!({ "username": value, "password": value, "refresh_token": value });
        let client = json!({ "refresh_token": tokens.refresh, "client_id": MARK, "username": "ana", "password": MARK });
        let mut answers = Vec::new();
        for path in ["/login", "/refresh"] {
            answers.extend([app.post(path, &body(MARK)).await, app.post(path, &client).await]);
        }
        for path in ["/oauth/token", "/oauth/introspect"] {
            let form = ["grant_type", "refresh_token", "scope", "resource", "client_secret"].map(|name| (name, MARK));
            answers.push(app.form(path, &[&form[..], &[("client_id", "heirloom")]].concat()).await);
            answers.push(app.form(path, &[("client_id", MARK), ("token", MARK), (MARK, MARK), (MARK, MARK)]).await);
        }
        answers.push(app.post(&format!("/{MARK}"), &json!({})).await);
        for answer in answers {
            assert!(answer.status.is_client_error(), "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
            assert!(!answer.json.to_string().contains(MARK), "{answer:?}");
            assert_eq!(answer.json.as_object().unwrap().len(), 2, "{answer:?}");
        }
    }

    async fn what_is_no_request_is_told_so(app) {
        let post = |path: &str| app.http.post(app.at(path));
        for path in ["/login", "/refresh", "/logout"] {
            for body in ["", "{", "[]", "null", "{}", r#"{"username":1,"password":2}"#, r#"{"refresh_token":null}"#] {
                let request = post(path).header("content-type", "application/json").body(body);
                assert_eq!(app.send(request).await.code(), "400 invalid_request", "{path} {body}");
            }
            let twice = r#"{"refresh_token":"a","refresh_token":"b","username":"a","username":"b","password":""}"#;
            let request = post(path).header("content-type", "application/json").body(twice);
            assert_eq!(app.send(request).await.code(), "400 invalid_request");
            let whole = r#"{"refresh_token":"a","username":"a","password":"a"}"#;
            for other_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
                let request = post(path).header("content-type", other_type).body(whole);
                assert_eq!(app.send(request).await.code(), "400 invalid_request", "{path} {other_type}");
            }
            for not_utf8 in [&b"{\"refresh_token\":\"\xff\",\"username\":\"\xff\",\"password\":\"a\"}"[..], b"\xff"] {
                let request = post(path).header("content-type", "application/json").body(not_utf8);
                assert_eq!(app.send(request).await.code(), "400 invalid_request", "{path}");
            }
            let nested = format!(r#"{{"refresh_token":"a","username":"a","password":"a","x":{}}}"#, "[".repeat(10_000));
            let request = post(path).header("content-type", "application/json").body(nested);
            assert_eq!(app.send(request).await.code(), "400 invalid_request", "{path}");
        }
        let tokens = app.ana_logged_in().await;
        let charset = post("/refresh").header("content-type", "Application/JSON; charset=utf-8");
        let future = json!({ "refresh_token": tokens.refresh, "member_of_later": [1, 2] });
        assert_eq!(app.send(charset.body(future.to_string())).await.status, 200, "unknown members are passed over");
    }
}
