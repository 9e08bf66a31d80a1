//! Browsers' sign-ins: fixed, forged from another site, framed, mixed up.

use crate::browser::*;
use crate::harness::*;
use crate::row::attacks;
use crate::victim::each_once;

const SESSION: &str = "heirloom-session";

async fn signed_in<'a>(app: &'a TestApp, name: &str) -> Browser<'a> {
    let browser = Browser::new(app);
    let page = browser.authorize(&[]).await;
    browser.sign_in(&page, name).await.code();
    browser
}

/// Whether a browser with this cookie is signed in.
async fn knows(app: &TestApp, cookie: &str) -> bool {
    let browser = Browser::new(app);
    browser.set_cookie(SESSION, cookie);
    browser.authorize(&[("prompt", "none")]).await.answer().1.contains_key("code")
}

attacks! {
    "a cookie that was planted before the sign-in", "ASVS 7.2.4, CWE-384", "another; planted: false" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let planted = "A".repeat(43);
        browser.set_cookie(SESSION, &planted);
        let page = browser.authorize(&[]).await;
        browser.sign_in(&page, &name).await.code();
        let own = browser.cookie(SESSION).unwrap();
        format!("{}; planted: {}", if own == planted { "the same" } else { "another" }, knows(app, &planted).await)
    }
    "a genuine cookie of the attacker's own, planted", "ASVS 7.2.4, CWE-384", "another; attacker's: false" => |app| {
        let (attacker, victim) = (app.somebody().await, app.somebody().await);
        let planted = signed_in(app, &attacker).await.cookie(SESSION).unwrap();
        let browser = Browser::new(app);
        browser.set_cookie(SESSION, &planted);
        let page = browser.authorize(&[("prompt", "login")]).await;
        browser.sign_in(&page, &victim).await.code();
        let own = browser.cookie(SESSION).unwrap();
        format!("{}; attacker's: {}", if own == planted { "the same" } else { "another" }, knows(app, &planted).await)
    }
    "a cookie from before a second sign-in", "ASVS 7.2.4", "false" => |app| {
        let name = app.somebody().await;
        let browser = signed_in(app, &name).await;
        let first = browser.cookie(SESSION).unwrap();
        let page = browser.authorize(&[("prompt", "login")]).await;
        browser.sign_in(&page, &name).await.code();
        knows(app, &first).await.to_string()
    }
    "a cookie after the sign-out", "ASVS 7.4.1", "false" => |app| {
        let name = app.somebody().await;
        let browser = signed_in(app, &name).await;
        let cookie = browser.cookie(SESSION).unwrap();
        let question = browser.get("/oauth/logout").await;
        browser.post(&question.action(), &[("csrf", &question.hidden("csrf"))]).await;
        knows(app, &cookie).await.to_string()
    }
    "the second user of a browser gets what the first had open", "CWE-488", "second; first: false" => |app| {
        let (first, second) = (app.somebody().await, app.somebody().await);
        let browser = signed_in(app, &first).await;
        let cookie = browser.cookie(SESSION).unwrap();
        let page = browser.authorize(&[("prompt", "login")]).await;
        let code = browser.sign_in(&page, &second).await.code();
        let tokens = app.exchange(&code, &[]).await;
        let user = heirloom::service::admin::users::find(&app.core, &second.parse().unwrap()).await.unwrap().id;
        let whose = if claims(tokens.text("access_token"))["sub"] == user.to_string() { "second" } else { "first" };
        format!("{whose}; first: {}", knows(app, &cookie).await)
    }
    "a sign-in form of another browser, of none, made up", "CWE-352, RFC 9700 §4.7", "nobody" => |app| {
        let name = app.somebody().await;
        let (browser, other) = (Browser::new(app), Browser::new(app));
        let page = browser.authorize(&[]).await;
        let theirs = other.authorize(&[]).await.hidden("csrf");
        let mut back = Vec::new();
        for csrf in ["", "x", theirs.as_str()] {
            browser.post(&page.action(), &[("csrf", csrf), ("username", &name), ("password", PASSWORD)]).await;
            back.push(if browser.cookie(SESSION).is_some() { "somebody" } else { "nobody" }.to_owned());
        }
        each_once(back)
    }
    "a form that another site's page sends, with all cookies", "CWE-352", "403" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[]).await;
        let evil = Browser::new(app).with_header("sec-fetch-site", "cross-site").with_header("origin", "https://evil.example");
        evil.set_cookie("heirloom-browser", &browser.cookie("heirloom-browser").unwrap());
        let csrf = page.hidden("csrf");
        let form = [("csrf", csrf.as_str()), ("username", name.as_str()), ("password", PASSWORD)];
        evil.post(&page.action(), &form).await.status.as_u16().to_string()
    }
    "consent that nobody pressed", "CWE-352, ASVS 10.7.1", "no code" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[("client_id", "other")]).await;
        let consent = browser.sign_in(&page, &name).await;
        let mut back = Vec::new();
        for csrf in ["", "x", page.hidden("csrf").as_str()] {
            let seen = browser.post(&consent.action(), &[("csrf", csrf), ("decision", "allow")]).await;
            back.push(if seen.header("location").contains("code=") { "a code" } else { "no code" }.to_owned());
        }
        let looked = browser.get(&format!("{}&decision=allow", consent.action())).await;
        back.push(if looked.header("location").contains("code=") { "a code" } else { "no code" }.to_owned());
        each_once(back)
    }
    "a sign-out that another site's image makes", "CWE-352, ASVS 10.6.2", "true" => |app| {
        let name = app.somebody().await;
        let browser = signed_in(app, &name).await;
        let cookie = browser.cookie(SESSION).unwrap();
        for place in ["/oauth/logout", "/oauth/logout?client_id=app", "/oauth/logout?post_logout_redirect_uri=https://app.example/bye&client_id=app"] {
            browser.get(place).await;
            browser.post(place, &[]).await;
            browser.post(place, &[("csrf", "x")]).await;
        }
        knows(app, &cookie).await.to_string()
    }
    "an ID token hint: tampered, another user's, an access token", "OpenID RP-Initiated Logout §4, ASVS 10.6.2", "true" => |app| {
        let (name, other) = (app.somebody().await, app.somebody().await);
        let browser = signed_in(app, &name).await;
        let cookie = browser.cookie(SESSION).unwrap();
        let of_other = signed_in(app, &other).await.authorize(&[]).await.code();
        let of_other = app.exchange(&of_other, &[]).await;
        let tampered = format!("{}x", of_other.text("id_token"));
        for hint in [of_other.text("id_token"), of_other.text("access_token"), &tampered, "e30.e30.", "x"] {
            browser.get(&format!("/oauth/logout?id_token_hint={hint}")).await;
        }
        knows(app, &cookie).await.to_string()
    }
    "a page in a frame, its source sniffed, its address told on", "ASVS 3.4, CWE-1021", "framed nowhere" => |app| {
        let name = app.somebody().await;
        let browser = signed_in(app, &name).await;
        let mut back = Vec::new();
        for place in ["/sign-in?to=/account", "/account", "/account/apps", "/account/password", "/device", "/oauth/logout", "/nowhere", "/oauth/authorize"] {
            let seen = browser.get(place).await;
            if seen.status == 303 {
                continue;
            }
            let policy = seen.header("content-security-policy");
            let sound = policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'")
                && !policy.contains("unsafe") && seen.header("x-content-type-options") == "nosniff"
                && seen.header("cache-control").contains("no-store") && seen.header("referrer-policy") == "no-referrer";
            let json = seen.header("content-type").starts_with("application/json");
            back.push(if sound || json { "framed nowhere".to_owned() } else { format!("{place}: {seen:?}") });
        }
        each_once(back)
    }
    "a cookie that scripts read, or other sites send", "ASVS 3.3", "kept" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[]).await;
        let csrf = page.hidden("csrf");
        let form = [("csrf", csrf.as_str()), ("username", name.as_str()), ("password", PASSWORD)];
        let seen = browser.post(&page.action(), &form).await;
        let cookies = [page.set_cookies(), seen.set_cookies()].concat();
        let kept = cookies.iter().all(|it| it.contains("HttpOnly") && it.contains("SameSite=Lax") && !it.contains("Domain"));
        if kept && cookies.len() >= 2 { "kept".to_owned() } else { format!("{cookies:?}") }
    }
    "the same cookie twice: one of them a neighbour planted", "RFC 6265 §8.6, CWE-384", "login_required" => |app| {
        let name = app.somebody().await;
        let browser = signed_in(app, &name).await;
        let cookie_name = of_issuer(SESSION, app.core.issuer.as_str());
        let genuine = browser.cookie(SESSION).unwrap();
        let twice = format!("{cookie_name}={genuine}; {cookie_name}={}", "A".repeat(43));
        let asked = app.http.get(app.at(&format!("/oauth/authorize?{}", query(&[("prompt", "none")]))));
        let seen = asked.header("cookie", twice).send().await.unwrap();
        let location = seen.headers()["location"].to_str().unwrap().to_owned();
        location.split(['?', '&']).find_map(|it| it.strip_prefix("error=")).unwrap_or("code").to_owned()
    }
    "a session cookie, guessed or bent", "ASVS 7.2.3", "false" => |app| {
        let name = app.somebody().await;
        let genuine = signed_in(app, &name).await.cookie(SESSION).unwrap();
        let mut back = Vec::new();
        for cookie in [&genuine[1..], &genuine.to_lowercase(), "x", "null", &"%".repeat(9000), "' OR 1=1 --", "AAAA==="] {
            back.push(knows(app, cookie).await.to_string());
        }
        each_once(back)
    }
    "another user's login, ended by its id", "CWE-639, ASVS 7.5.2", "lives" => |app| {
        let (victim, attacker) = (app.login_of_somebody().await, app.login_of_somebody().await);
        app.delete(&format!("/sessions/{}", victim.family()), &attacker.access).await;
        app.state_of(&victim.refresh).await
    }
    "a session of a user who was disabled, or got another password", "ASVS 7.4.2, 7.4.3", "false" => |app| {
        use heirloom::service::admin::users::{Change, find};
        let (one, other) = (app.somebody().await, app.somebody().await);
        let cookies = [signed_in(app, &one).await.cookie(SESSION).unwrap(), signed_in(app, &other).await.cookie(SESSION).unwrap()];
        let id = async |name: &str| find(&app.core, &name.parse().unwrap()).await.unwrap().id;
        app.change_user(id(&one).await, Change::Disable).await;
        let new = heirloom::domain::secrets::Password::new("quite another password".to_owned()).unwrap();
        app.change_user(id(&other).await, Change::Password(new)).await;
        each_once([knows(app, &cookies[0]).await.to_string(), knows(app, &cookies[1]).await.to_string()])
    }
}
