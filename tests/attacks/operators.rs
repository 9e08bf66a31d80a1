//! What is the operators': the admin API, the console, SCIM, imports and webhooks, tried by everybody else.

use heirloom::domain::event::EventChoice;
use heirloom::service::admin::webhooks;
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::remote::Remote;
use crate::row::attacks;
use crate::victim::each_once;

/// Places of the admin API and of SCIM, with a way to use each.
const PLACES: [(&str, &str); 18] = [
    ("GET", "/admin/v1/users"),
    ("POST", "/admin/v1/users"),
    ("GET", "/admin/v1/clients"),
    ("POST", "/admin/v1/clients"),
    ("GET", "/admin/v1/families"),
    ("DELETE", "/admin/v1/families"),
    ("GET", "/admin/v1/keys"),
    ("POST", "/admin/v1/keys/rotate"),
    ("GET", "/admin/v1/events"),
    ("POST", "/admin/v1/users/import"),
    ("GET", "/admin/v1/jobs/018f0000-0000-7000-8000-000000000000"),
    ("GET", "/admin/v1/resource-servers"),
    ("GET", "/admin/v1/registration-tokens"),
    ("GET", "/scim/v2/Users"),
    ("POST", "/scim/v2/Users"),
    ("DELETE", "/scim/v2/Users/018f0000-0000-7000-8000-000000000000"),
    ("POST", "/scim/v2/Users/.search"),
    ("PATCH", "/scim/v2/Users/018f0000-0000-7000-8000-000000000000"),
];

async fn each_place(app: &TestApp, token: Option<&str>) -> String {
    let mut back = Vec::new();
    for (method, place) in PLACES {
        let request = app.http.request(method.parse().unwrap(), app.at(place)).json(&json!({}));
        let request = token.iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let status = app.send(request).await.status.as_u16();
        // What is not there by this method cannot be used.
        back.push(if matches!(status, 404 | 405) { "nothing there".to_owned() } else { status.to_string() });
    }
    back.retain(|it| it != "nothing there");
    format!("{} of them: {}", if back.len() >= 14 { "most" } else { "few" }, each_once(back))
}

async fn scim(app: &TestApp, token: &str, path: &str) -> Answer {
    app.get(&format!("/scim/v2{path}"), token).await
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

attacks! {
    with |settings| settings.admin.import_limit = 4096;
    "nobody asks the admin API and SCIM", "ASVS 8.3.1", "most of them: 401" => |app| { each_place(app, None).await }
    "a user asks them, with a genuine token", "ASVS 8.2.1, CWE-862", "most of them: 403" => |app| {
        let tokens = app.login_of_somebody().await;
        each_place(app, Some(&tokens.access)).await
    }
    "a script with rights to read changes something", "ASVS 8.2.1", "403 insufficient_scope" => |app| {
        let token = app.token_with("heirloom:users.read heirloom:clients.read").await;
        let mut back = Vec::new();
        for (method, place) in PLACES.iter().filter(|(method, place)| *method != "GET" && !place.contains("search")) {
            let request = app.http.request(method.parse().unwrap(), app.at(place)).json(&json!({})).bearer_auth(&token);
            let answer = app.send(request).await;
            if !matches!(answer.status.as_u16(), 404 | 405) {
                let told = answer.header("www-authenticate").unwrap_or_default().contains("insufficient_scope");
                back.push(if told { "403 insufficient_scope".to_owned() } else { format!("{place}: {answer:?}") });
            }
        }
        each_once(back)
    }
    "a token for another service, forged, of another kind", "ASVS 9.2.3", "most of them: 401" => |app| {
        let token = app.token_with("heirloom:users.read").await;
        let forged = format!("{}A", &token[..token.len() - 1]);
        let one = each_place(app, Some(if forged == token { "x" } else { &forged })).await;
        let typed = app.core.keys.sign_as("JWT", &claims(&token).to_string(), app.clock.now()).unwrap();
        each_once([one, each_place(app, Some(&typed)).await])
    }
    "a filter that is a statement", "CWE-89, RFC 7644 §7.5.2", "no users" => |app| {
        app.somebody().await;
        let token = app.token_with("heirloom:users.read").await;
        let mut back = Vec::new();
        for filter in [
            "userName eq \"x' OR '1'='1\"", "userName eq \"%\"", "userName eq \"_\"", "userName eq \"x\\\" or \\\"1\\\"=\\\"1\"",
            "userName eq \"x\"; DROP TABLE users; --", "userName pr or userName pr", "id eq \"x' UNION SELECT 1 --\"",
            "not (userName eq \"x\")", "userName sw \"\"", "(((((((((((((((((", "userName eq \"\u{0}\"", "password eq \"x\"",
        ] {
            let answer = scim(app, &token, &format!("/Users?filter={}", encoded(filter))).await;
            let found = answer.json["totalResults"].as_i64().unwrap_or(0);
            back.push(if answer.status.is_server_error() || found > 0 { format!("{filter}: {answer:?}") } else { "no users".to_owned() });
        }
        each_once(back)
    }
    "an order, a cursor, a count that are statements", "CWE-89", "refused or nothing more" => |app| {
        let token = app.token_with("heirloom:users.read heirloom:families.read").await;
        let mut back = Vec::new();
        for query in ["/users?after=' OR 1=1", "/users?limit=-1", "/users?limit=1000000", "/users?after=AAAA", "/families?user=' OR '1'='1", "/users?username=%25"] {
            let answer = app.get(&format!("/admin/v1{}", query.replace(' ', "%20")), &token).await;
            let many = answer.json["items"].as_array().map_or(0, Vec::len);
            back.push(if answer.status.is_server_error() || many > 500 { format!("{query}: {answer:?}") } else { "refused or nothing more".to_owned() });
        }
        each_once(back)
    }
    "a right that one has not, given to oneself", "CWE-269", "400, 403, 404, 405" => |app| {
        let token = app.token_with("heirloom:users.read heirloom:users.write").await;
        let mut back = Vec::new();
        for (method, place, body) in [
            (Method::PATCH, "/admin/v1/clients/app", json!({ "scope": "heirloom:clients.write" })),
            (Method::POST, "/admin/v1/clients", json!({ "client_id": "evil", "scope": "heirloom:clients.write" })),
            (Method::POST, "/admin/v1/keys/withdraw", json!({})), (Method::POST, "/admin/v1/recovery", json!({})),
            (Method::POST, "/admin/v1/users", json!({ "username": "evil", "is_admin": true, "id": "x" })),
        ] {
            let request = app.http.request(method, app.at(place)).json(&body).bearer_auth(&token);
            back.push(app.send(request).await.status.as_u16().to_string());
        }
        let allowed = ["400", "403", "404", "405"];
        if back.iter().all(|it| allowed.contains(&it.as_str())) { allowed.join(", ") } else { each_once(back) }
    }
    "an import by nobody, by a reader, too long, of rubbish", "ASVS 8.2.1, CWE-770", "401 403 413" => |app| {
        let reader = app.token_with("heirloom:users.read").await;
        let writer = app.token_with("heirloom:users.write").await;
        let send = async |token: &str, body: String| {
            let request = app.http.post(app.at("/admin/v1/users/import")).header("content-type", "application/x-ndjson").body(body);
            app.send(if token.is_empty() { request } else { request.bearer_auth(token) }).await.status.as_u16()
        };
        let users = app.number("SELECT COUNT(*) FROM users").await;
        let line = "{\"username\":\"moved\"}\n".to_owned();
        let back = format!("{} {} {}", send("", line.clone()).await, send(&reader, line).await, send(&writer, "x".repeat(8192)).await);
        for rubbish in ["\u{0}\n", "[[[[\n", "{\"username\":\"../x\",\"password_hash\":\"$2b$99$x\"}\n", "null\n", "{\"username\":\"a\",\"username\":\"b\"}\n"] {
            send(&writer, rubbish.to_owned()).await;
        }
        while app.number("SELECT COUNT(*) FROM import_chunks").await > 0 {
            tokio::time::sleep(SECOND / 50).await;
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, users);
        back
    }
    "the console, by a user, by nobody, by a form of elsewhere", "CWE-862, CWE-352", "303, 403; keys: the same" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[]).await;
        browser.sign_in(&page, &name).await.code();
        let keys = app.number("SELECT COUNT(*) FROM signing_keys").await;
        let mut back = Vec::new();
        for place in ["/admin", "/admin/users", "/admin/keys/rotate", "/admin/events", "/admin/settings", "/admin/clients/app/remove"] {
            back.push(browser.get(place).await.status.as_u16().to_string());
            back.push(browser.post(place, &[("csrf", "x"), ("sure", "yes")]).await.status.as_u16().to_string().replace("405", "403"));
            back.push(Browser::new(app).get(place).await.status.as_u16().to_string());
        }
        let now = app.number("SELECT COUNT(*) FROM signing_keys").await;
        format!("{}; keys: {}", each_once(back), if now == keys { "the same" } else { "others" })
    }
    "a webhook to a private address", "CWE-918", "refused; asked: 0" => |app| {
        let remote = Remote::start().await;
        remote.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let port = remote.url.rsplit_once(':').unwrap().1.to_owned();
        let mut back = Vec::new();
        for host in ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "[64:ff9b::7f00:1]", "0.0.0.0"] {
            for scheme in ["http", "https"] {
                let all: EventChoice = "*".parse().unwrap();
                let Ok(url) = format!("{scheme}://{host}:{port}/").parse() else {
                    back.push("refused".to_owned());
                    continue;
                };
                let added = webhooks::add(&app.core, url, vec![all], app.clock.now()).await;
                back.push(if added.is_err() { "refused".to_owned() } else { format!("{scheme}://{host}") });
            }
        }
        format!("{}; asked: {}", each_once(back), remote.asked().len())
    }
    "a user made by SCIM, with an id, a time, groups of the sender's choice", "RFC 7643 §3.1, CWE-915", "the server's own" => |app| {
        let token = app.token_with("heirloom:users.read heirloom:users.write").await;
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "provisioned",
            "entitlements": [{ "value": "*" }], "groups": [{ "value": "heirloom-admin" }], "id": "018f0000-0000-7000-8000-000000000000",
            "meta": { "created": "1970-01-01T00:00:00Z" },
        });
        let request = app.http.post(app.at("/scim/v2/Users")).header("content-type", "application/scim+json").bearer_auth(&token);
        let made = app.send(request.body(user.to_string())).await;
        let admins = app.number("SELECT COUNT(*) FROM users WHERE roles LIKE '%heirloom-admin%'").await;
        let own = made.status == 201 && made.text("id") != "018f0000-0000-7000-8000-000000000000" && !made.json["meta"].to_string().contains("1970");
        if own && admins == 0 { "the server's own".to_owned() } else { format!("{made:?}") }
    }
    "a PATCH with a path that reaches elsewhere", "RFC 7644 §3.5.2, CWE-915", "refused or nothing done" => |app| {
        let token = app.token_with("heirloom:users.read heirloom:users.write").await;
        let name = app.somebody().await;
        let id = heirloom::service::admin::users::find(&app.core, &name.parse().unwrap()).await.unwrap().id;
        let mut back = Vec::new();
        for path in ["password_hash", "__proto__.x", "roles[value eq \"a\"]", "id", "meta.created", "emails[type eq \"work\"", "a.b.c.d", "urn:x:y", "[", "userName[", "'; --"] {
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{ "op": "replace", "path": path, "value": "x" }],
            });
            let request = app.http.patch(app.at(&format!("/scim/v2/Users/{id}"))).header("content-type", "application/scim+json");
            let answer = app.send(request.bearer_auth(&token).body(body.to_string())).await;
            back.push(if answer.status.is_server_error() { format!("{path}: {answer:?}") } else { "refused or nothing done".to_owned() });
        }
        let roles: Value = json!(app.number(&format!("SELECT COUNT(*) FROM users WHERE username = '{name}'")).await);
        assert_eq!(roles, 1);
        assert_eq!(app.tries(&name, PASSWORD).await, 200);
        each_once(back)
    }
    "the operators' listener, where it is apart, is not here", "ASVS 13.4.5", "404" => |app| {
        let mut back = Vec::new();
        for place in ["/metrics", "/debug/pprof", "/actuator/env", "/.env", "/.git/config", "/server-status", "/admin/v2/users", "/heirloom.toml"] {
            back.push(app.send(app.http.get(app.at(place))).await.status.as_u16().to_string());
        }
        each_once(back)
    }
}
