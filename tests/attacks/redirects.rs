//! Where browsers are sent: nowhere that nobody registered.

use crate::browser::*;
use crate::harness::*;
use crate::row::attacks;
use crate::victim::each_once;

/// Where a browser is led, by a redirect of any kind; nowhere is `page` with its status.
fn led(seen: &Seen) -> String {
    let location = seen.header("location");
    if location.is_empty() { format!("page {}", seen.status.as_u16()) } else { format!("to {location}") }
}

async fn authorize(app: &TestApp, uris: &[&str]) -> String {
    let browser = Browser::new(app);
    let mut back = Vec::new();
    for uri in uris {
        back.push(led(&browser.get(&format!("/oauth/authorize?{}", query(&[("redirect_uri", uri)]))).await));
    }
    each_once(back)
}

attacks! {
    "another host, a host within a host", "RFC 9700 §4.1, ASVS 10.4.1", "page 400" => |app| {
        authorize(app, &[
            "https://evil.example/cb", "https://app.example.evil.example/cb", "https://app.example@evil.example/cb",
            "https://app.example:pw@evil.example/cb", "https://evil.example/https://app.example/cb",
            "https://evil.example?https://app.example/cb", "https://evil.example#@app.example/cb",
        ]).await
    }
    "what parsers differ about", "CWE-436, RFC 3986 §7", "page 400" => |app| {
        authorize(app, &[
            "https://evil.example\\@app.example/cb", "https://app.example\\.evil.example/cb", "https:/app.example/cb",
            "https:app.example/cb", "https:///app.example/cb", "//app.example/cb", "https://app.example%00/cb",
            "https://app.example%2fcb", "https://app.example\t/cb", "https://app.example/cb\u{0}", "https://app.example./cb",
            " https://app.example/cb", "https://app.example/cb ", "https://app。example/cb", "https://ａpp.example/cb",
        ]).await
    }
    "a path, a port, a case, a query beside", "ASVS 10.4.1, RFC 9700 §2.1", "page 400" => |app| {
        authorize(app, &[
            "https://app.example/cb/", "https://app.example/cb/../evil", "https://app.example/cb/%2e%2e/evil",
            "https://app.example/%63b", "https://APP.example/cb", "HTTPS://app.example/cb", "https://app.example/CB",
            "https://app.example:443/cb", "https://app.example:8443/cb", "https://app.example/cb?x=1", "https://app.example/cb#x",
            "https://app.example/cb;x", "http://app.example/cb", "https://app.example/",
        ]).await
    }
    "a script, data, a file", "RFC 9700 §4.11", "page 400" => |app| {
        authorize(app, &[
            "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "about:blank", "blob:https://app.example/x",
            "intent://app.example/cb", "java\tscript:alert(1)",
        ]).await
    }
    "the redirect URI of another client", "RFC 6749 §3.1.2.3", "page 400" => |app| {
        app.add_app("neighbour", |it| it.redirect_uris = vec!["https://neighbour.example/cb".to_owned()]).await;
        authorize(app, &["https://neighbour.example/cb"]).await
    }
    "a loopback address that is none", "RFC 8252 §7.3", "page 400" => |app| {
        app.add_app("native", |it| it.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()]).await;
        let browser = Browser::new(app);
        let mut back = Vec::new();
        for uri in [
            "http://127.0.0.1.evil.example/cb", "http://127.0.0.1:1@evil.example/cb", "http://127.0.0.1:1/cb/../x",
            "http://localhost:1/cb", "http://0.0.0.0:1/cb", "http://127.1:1/cb", "http://[::1]:1/cb", "http://2130706433:1/cb",
            "http://127.0.0.1:70000/cb", "https://127.0.0.1:1/cb",
        ] {
            let asked = query(&[("client_id", "native"), ("redirect_uri", uri)]);
            back.push(led(&browser.get(&format!("/oauth/authorize?{asked}")).await));
        }
        each_once(back)
    }
    "a parameter twice, the second an attacker's", "RFC 6749 §3.1, CWE-235", "page 400" => |app| {
        let browser = Browser::new(app);
        let mut back = Vec::new();
        for twice in ["redirect_uri=https://evil.example/cb", "client_id=other", "scope=openid", "state=x"] {
            back.push(led(&browser.get(&format!("/oauth/authorize?{}&{twice}", query(&[]))).await));
        }
        each_once(back)
    }
    "the place after the sign-in, outside", "CWE-601, RFC 9700 §4.11.2", "stays" => |app| {
        let name = app.somebody().await;
        let mut back = Vec::new();
        for to in [
            "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/account/../../evil.example",
            "/%2fevil.example", "javascript:alert(1)", "/account\r\nlocation: https://evil.example", "@evil.example",
            "http:evil.example", ".evil.example", "/account@evil.example",
        ] {
            let browser = Browser::new(app);
            let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
            let page = browser.follow(browser.get(&format!("/sign-in?to={to}")).await).await;
            let away = |seen: &Seen| {
                let place = seen.header("location").to_owned();
                !place.is_empty() && (!place.starts_with('/') || place.starts_with("//") || place.starts_with("/\\"))
            };
            let mut leaves = away(&page);
            if page.body.contains("name=\"password\"") {
                let csrf = page.hidden("csrf");
                let form = [("csrf", csrf.as_str()), ("username", name.as_str()), ("password", PASSWORD)];
                leaves |= page.action().contains("evil.example") && !page.action().starts_with('/');
                leaves |= away(&browser.post(&page.action(), &form).await);
            }
            back.push(if leaves { "leaves" } else { "stays" }.to_owned());
        }
        each_once(back)
    }
    "the place after the sign-out, that nobody registered", "OpenID RP-Initiated Logout §3, CWE-601", "stays" => |app| {
        let browser = Browser::new(app);
        let mut back = Vec::new();
        for uri in ["https://evil.example", "https://app.example/bye/", "https://app.example.evil.example/bye", "javascript:alert(1)"] {
            let uri: String = form_urlencoded::byte_serialize(uri.as_bytes()).collect();
            let seen = browser.get(&format!("/oauth/logout?client_id=app&post_logout_redirect_uri={uri}")).await;
            back.push(if seen.header("location").starts_with("http") { "leaves" } else { "stays" }.to_owned());
        }
        each_once(back)
    }
    "a refusal leads a signed-in user to a stranger's place", "RFC 9700 §4.11.2", "page 200" => |app| {
        app.add_app("stranger", |it| it.metadata = serde_json::from_value(serde_json::json!({})).unwrap()).await;
        let browser = Browser::new(app);
        led(&browser.authorize(&[("client_id", "stranger"), ("scope", "openid")]).await)
    }
    "the answer is posted elsewhere by a form of ours", "OAuth Form Post §2", "https://app.example/cb" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[("response_mode", "form_post")]).await;
        let seen = browser.sign_in(&page, &name).await;
        seen.action()
    }
}
