//! Refresh tokens in cookies: for browser apps on this server's own origin, and for nobody else.

use heirloom::domain::client::Client;
use heirloom::service::admin::recovery;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

fn in_cookie(it: &mut Client) {
    it.metadata = serde_json::from_value(json!({ "refresh_token_delivery": "cookie" })).unwrap();
}

impl Browser<'_> {
    /// What a script of our own origin sends.
    async fn call(&self, app: &TestApp, path: &str, body: &Value) -> Seen {
        self.send(app.http.post(app.at(path)).header("sec-fetch-site", "same-origin").json(body)).await
    }
}

impl TestApp {
    async fn with_spa(&self) -> Browser<'_> {
        self.add_user("ana").await;
        self.add_client("spa", in_cookie).await;
        Browser::new(self)
    }
}

fn login(client: &str) -> Value {
    json!({ "username": "ana", "password": PASSWORD, "client_id": client })
}

fn json_of(seen: &Seen) -> Value {
    assert_eq!(seen.status, 200, "{seen:?}");
    serde_json::from_str(&seen.body).unwrap()
}

/// A cookie's name, value and attributes.
fn the_cookie(seen: &Seen) -> (String, String, String) {
    let [cookie] = seen.set_cookies()[..] else { panic!("{seen:?}") };
    let (name, rest) = cookie.split_once('=').unwrap();
    let (value, attributes) = rest.split_once("; ").unwrap();
    (name.to_owned(), value.to_owned(), attributes.to_owned())
}

both_stores! {
    async fn a_browser_app_refreshes_by_its_cookie(app) {
        let browser = app.with_spa().await;
        let seen = browser.call(&app, "/login", &login("spa")).await;
        let body = json_of(&seen);
        assert!(body.get("refresh_token").is_none() && body["refresh_expires_in"] == 604_800, "{body}");
        let (name, first, attributes) = the_cookie(&seen);
        assert_eq!(attributes, "Max-Age=604800; Path=/; HttpOnly; SameSite=Strict");
        let body = json!({ "client_id": "spa" });
        let seen = browser.call(&app, "/refresh", &body).await;
        assert!(json_of(&seen).get("refresh_token").is_none());
        let (same_name, second, _) = the_cookie(&seen);
        assert_eq!((same_name, generation(&first), generation(&second)), (name.clone(), 1, 2));
        // Two tabs at once, or a lost answer: the leeway is for them.
        browser.set_cookie(&name, &first);
        assert_eq!(the_cookie(&browser.call(&app, "/refresh", &body).await).1, second);
        let out = browser.call(&app, "/logout", &body).await;
        assert_eq!(out.status, 204);
        let (cleared, value, attributes) = the_cookie(&out);
        assert_eq!((cleared, value.as_str()), (name.clone(), ""));
        assert_eq!(attributes, "Max-Age=0; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(app.live_families().await, 0);
        browser.set_cookie(&name, &second);
        assert_eq!(browser.call(&app, "/refresh", &body).await.status, 401);
        // Without the cookie nobody is logged in, and logging out is done.
        let nobody = Browser::new(&app);
        assert_eq!(nobody.call(&app, "/refresh", &body).await.status, 401);
        assert_eq!(nobody.call(&app, "/logout", &body).await.status, 204);
    }

    async fn behind_https_the_cookie_is_the_hosts_alone(app) with |settings| {
        settings.issuer = Some("https://login.example.com/tenant".parse().unwrap());
    }; {
        let browser = app.with_spa().await;
        let call = async |origin: &'static str| {
            let request = app.http.post(app.at("/tenant/login")).header("origin", origin).json(&login("spa"));
            browser.send(request).await
        };
        let (name, _, attributes) = the_cookie(&call("https://login.example.com").await);
        // Made of issuer and client. Another one would log everybody out.
        assert_eq!(name, "__Host-Http-heirloom-refresh-1D2426jFyT9mb8Gd");
        assert_eq!(attributes, "Max-Age=604800; Path=/; HttpOnly; SameSite=Strict; Secure");
        for origin in ["http://login.example.com", "https://login.example.com:8443", "https://example.com", "https://LOGIN.example.com.evil.example", "null", ""] {
            assert_eq!(call(origin).await.status, 403, "{origin}");
        }
    }

    async fn the_cookie_of_an_earlier_release_goes_on_under_its_new_name(app) with |settings| {
        settings.issuer = Some("https://login.example.com/tenant".parse().unwrap());
    }; {
        let (former, name) =
            ["__Host-heirloom", "__Host-Http-heirloom"].map(|it| format!("{it}-refresh-1D2426jFyT9mb8Gd")).into();
        let call = async |browser: &Browser<'_>, path: &str, body: &Value| {
            let request = app.http.post(app.at(&format!("/tenant{path}"))).header("sec-fetch-site", "same-origin");
            browser.send(request.json(body)).await
        };
        let (browser, body) = (app.with_spa().await, json!({ "client_id": "spa" }));
        let (_, token, _) = the_cookie(&call(&browser, "/login", &login("spa")).await);
        let old = Browser::new(&app);
        old.set_cookie(&former, &token);
        let seen = call(&old, "/refresh", &body).await;
        let cookies: Vec<_> = seen.set_cookies().iter().map(|it| it.split_once('=').unwrap()).collect();
        let [(first, rest), (second, cleared)] = cookies[..] else { panic!("{seen:?}") };
        assert_eq!((first, second), (name.as_str(), former.as_str()));
        assert_eq!(cleared, "; Max-Age=0; Path=/; HttpOnly; SameSite=Strict; Secure");
        let second = rest.split(';').next().unwrap();
        assert_eq!(generation(second), 2);
        // What a script planted beside it counts for nothing.
        old.set_cookie(&former, "planted");
        assert_eq!(call(&old, "/refresh", &body).await.status, 200);
        old.set_cookie(&former, second);
        let out = call(&old, "/logout", &body).await;
        assert_eq!((out.status.as_u16(), out.set_cookies().len()), (204, 2), "{out:?}");
        assert_eq!(app.live_families().await, 0);
    }

    async fn clients_on_one_host_keep_apart(app) {
        let browser = app.with_spa().await;
        app.add_client("spa2", in_cookie).await;
        let one = the_cookie(&browser.call(&app, "/login", &login("spa")).await);
        let two = the_cookie(&browser.call(&app, "/login", &login("spa2")).await);
        assert_ne!(one.0, two.0);
        for client in ["spa", "spa2"] {
            json_of(&browser.call(&app, "/refresh", &json!({ "client_id": client })).await);
        }
        browser.call(&app, "/logout", &json!({ "client_id": "spa" })).await;
        json_of(&browser.call(&app, "/refresh", &json!({ "client_id": "spa2" })).await);
        // Another client's token under this one's name is no token of its.
        browser.set_cookie(&one.0, &two.1);
        assert_eq!(browser.call(&app, "/refresh", &json!({ "client_id": "spa" })).await.status, 401);
    }

    async fn a_refusal_that_is_final_takes_the_cookie_along(app) {
        let browser = app.with_spa().await;
        let body = json!({ "client_id": "spa" });
        let (name, token, _) = the_cookie(&browser.call(&app, "/login", &login("spa")).await);
        // What fails for a while leaves it where it is.
        app.sql("ALTER TABLE families RENAME TO elsewhere").await;
        let failed = browser.call(&app, "/refresh", &body).await;
        assert!(failed.status.is_server_error() && failed.set_cookies().is_empty(), "{failed:?}");
        app.sql("ALTER TABLE elsewhere RENAME TO families").await;
        for _ in 0..4 {
            json_of(&browser.call(&app, "/refresh", &body).await);
        }
        // A token that is ahead of its row is good again once the operator opens a recovery window.
        app.sql("UPDATE families SET generation = 1, base = NULL").await;
        let ahead = browser.call(&app, "/refresh", &body).await;
        assert_eq!((ahead.status.as_u16(), ahead.set_cookies()), (503, Vec::new()));
        let now = app.clock.now();
        recovery::decline(&app.core, DAY, now).await.unwrap();
        let ahead = browser.call(&app, "/refresh", &body).await;
        assert_eq!((ahead.status.as_u16(), ahead.set_cookies()), (401, Vec::new()));
        app.sql("UPDATE families SET generation = 5").await;
        json_of(&browser.call(&app, "/refresh", &body).await);
        // Who sends a token in the body keeps it there.
        let spent = app.refresh_with("spa", &token).await;
        assert_eq!((spent.status.as_u16(), spent.header("set-cookie")), (401, None));
        let ended = browser.call(&app, "/refresh", &body).await;
        let (cleared, value, attributes) = the_cookie(&ended);
        assert_eq!((ended.status.as_u16(), cleared, value.as_str()), (401, name.clone(), ""));
        assert_eq!(attributes, "Max-Age=0; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!((ended.header("cache-control"), browser.cookie(&name)), ("no-store", None));
    }

    async fn what_does_not_come_from_our_own_origin_is_refused_and_changes_nothing(app) {
        let browser = app.with_spa().await;
        let (name, token, _) = the_cookie(&browser.call(&app, "/login", &login("spa")).await);
        let own = app.url.clone();
        let body = json!({ "client_id": "spa" }).to_string();
        const JSON: (&str, &str) = ("content-type", "application/json");
        const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
        for (why, headers, status) in [
            ("Fetch Metadata: another site", vec![JSON, ("sec-fetch-site", "cross-site")], 403),
            ("Fetch Metadata: a neighbour", vec![JSON, ("sec-fetch-site", "same-site")], 403),
            ("Fetch Metadata: typed by the user", vec![JSON, ("sec-fetch-site", "none")], 403),
            ("RFC 6454 §7.1: another origin", vec![JSON, ("origin", "https://evil.example")], 403),
            ("RFC 6454 §7.1: a hidden origin", vec![JSON, ("origin", "null")], 403),
            ("RFC 6454 §7.1: another port", vec![JSON, ("origin", "http://127.0.0.1:1")], 403),
            ("both, of which one is wrong", vec![JSON, SAME, ("origin", "https://evil.example")], 403),
            ("both, of which one is wrong", vec![JSON, ("origin", own.as_str()), ("sec-fetch-site", "same-site")], 403),
            ("nothing that says where from", vec![JSON], 403),
            ("Fetch §4.10: a type that needs no preflight", vec![SAME, ("content-type", "text/plain")], 400),
            ("Fetch §4.10: a form", vec![SAME, ("content-type", "application/x-www-form-urlencoded")], 400),
            ("RFC 6265bis §5.8: a second cookie of the name", vec![JSON, SAME, ("cookie", "NAME=x; NAME=TOKEN")], 401),
        ] {
            for path in ["/refresh", "/logout"] {
                if path == "/logout" && status == 401 {
                    continue;
                }
                let request = app.http.post(app.at(path)).body(body.clone());
                let cookie = headers.iter().find(|(name, _)| *name == "cookie").map_or("NAME=TOKEN", |(_, it)| it);
                let cookie = cookie.replace("NAME", &name).replace("TOKEN", &token);
                let others = headers.iter().filter(|(name, _)| *name != "cookie");
                let request = others.fold(request.header("cookie", cookie), |it, (name, value)| it.header(*name, *value));
                let answer = app.send(request).await;
                assert_eq!(answer.status.as_u16(), status, "{path}: {why}: {answer:?}");
                assert_eq!(answer.header("set-cookie"), None, "{path}: {why}");
            }
        }
        assert_eq!(app.number("SELECT MAX(generation) FROM families WHERE ended_at IS NULL").await, 1);
        let elsewhere = app.http.post(app.at("/login")).header("origin", "https://evil.example").json(&login("spa"));
        assert_eq!(app.send(elsewhere).await.status, 403, "nobody is logged in from elsewhere");
        json_of(&browser.send(app.http.post(app.at("/refresh")).header("origin", &own).json(&json!({ "client_id": "spa" }))).await);
    }

    async fn a_client_without_cookies_sets_and_reads_none(app) {
        let browser = app.with_spa().await;
        app.add_client("plain", |_| ()).await;
        let seen = browser.call(&app, "/login", &login("plain")).await;
        assert_eq!(seen.set_cookies(), Vec::<&str>::new());
        assert!(json_of(&seen)["refresh_token"].is_string());
        for path in ["/refresh", "/logout"] {
            assert_eq!(browser.call(&app, path, &json!({ "client_id": "plain" })).await.status, 400, "{path}");
        }
    }
}

#[test]
fn a_delivery_is_body_or_cookie() {
    for value in [json!("Cookie"), json!("header"), json!(true), json!(null), json!("")] {
        let read = serde_json::from_value::<heirloom::domain::client::ClientMetadata>(
            json!({ "refresh_token_delivery": value }),
        );
        assert!(read.is_err(), "{value}");
    }
}
