//! Paths, hosts, methods, headers: what different servers read differently.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::browser::*;
use crate::harness::*;
use crate::raw::{head, statuses};
use crate::row::attacks;
use crate::victim::each_once;

/// Nobody gets in by these: whatever is answered, it is no 200.
async fn opened(app: &TestApp, targets: &[&str]) -> String {
    let mut back = Vec::new();
    for target in targets {
        let status = statuses(app, &head("GET", target, "")).await;
        back.push(if status == "200" { (*target).to_owned() } else { "closed".to_owned() });
    }
    each_once(back)
}

attacks! {
    "places of operators, spelt otherwise", "CWE-22, CWE-436, ASVS 4.1.2", "closed" => |app| {
        opened(app, &[
            "/admin/v1/users", "//admin/v1/users", "/admin//v1/users", "/admin/v1/users/", "/admin/v1/users;x=1", "/admin;x/v1/users",
            "/./admin/v1/users", "/oauth/../admin/v1/users", "/%2e/admin/v1/users", "/oauth/%2e%2e/admin/v1/users", "/%61dmin/v1/users",
            "/admin%2fv1%2fusers", "/admin/v1/users%00", "/admin/v1/users%20", "/ADMIN/v1/users", "/admin/v1/users?x", "/admin\\v1\\users",
            "/oauth/..;/admin/v1/users", "/admin/v1/%75sers", "/scim/v2//Users", "/scim/v2/Users;", "/scim%2fv2/Users", "/healthz/../admin/v1/users",
            "/.well-known/../admin/v1/users", "http://127.0.0.1/admin/v1/users", "/admin/v1/users#x",
        ]).await
    }
    "files of the machine", "CWE-22", "closed" => |app| {
        opened(app, &[
            "/../../../../etc/passwd", "/assets/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/..%c0%af..%c0%afetc/passwd",
            "/....//....//etc/passwd", "/static/..%5c..%5cetc%5cpasswd", "file:///etc/passwd", "/etc/passwd",
        ]).await
    }
    "a forged Host, in what is told and where one is led", "CWE-644, ASVS 4.1.3", "ours" => |app| {
        let evil = "evil.example";
        let mut back = Vec::new();
        for place in [
            "/.well-known/openid-configuration".to_owned(), "/.well-known/oauth-authorization-server".to_owned(), "/".to_owned(), "/account".to_owned(),
            "/sign-in?to=/account".to_owned(), format!("/oauth/authorize?{}", query(&[])), "/oauth/logout".to_owned(), "/nowhere".to_owned(),
        ] {
            let request = app.http.get(app.at(&place)).header("host", evil).header("x-forwarded-host", evil).header("x-forwarded-proto", "https")
                .header("x-forwarded-prefix", "/evil.example").header("x-forwarded-port", "4444").header("x-original-url", "/admin/v1/users")
                .header("x-rewrite-url", "/admin/v1/users").header("forwarded", "for=1.2.3.4;host=evil.example;proto=https");
            let response = request.send().await.unwrap();
            let location = response.headers().get("location").map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
            let text = format!("{location}{}", response.text().await.unwrap());
            back.push(if text.contains(evil) || text.contains("4444") { format!("{place}: {text}") } else { "ours".to_owned() });
        }
        each_once(back)
    }
    "who sent it, in events: what a client says of itself", "CWE-348", "its own" => |app| {
        let name = app.somebody().await;
        let body = json!({ "username": name, "password": PASSWORD });
        let request = app.http.post(app.at("/login")).json(&body).header("x-forwarded-for", "203.0.113.7, 198.51.100.9");
        app.send(request.header("forwarded", "for=203.0.113.8")).await.tokens();
        let events = app.whole_events();
        let address = events.iter().rev().find_map(|event| event.get("address")?.as_str().map(ToOwned::to_owned));
        let address = address.unwrap_or_default();
        if address.starts_with("127.7.") { "its own".to_owned() } else { address }
    }
    "lines that are none: folded, nameless, blank in a name, NUL, bare CR", "RFC 9112 §5.2, §2.2, CWE-113", "refused" => |app| {
        let mut back = Vec::new();
        for lines in ["x: a\r\n b\r\n", ": x\r\n", "a b: x\r\n", "x\u{0}: y\r\n", "x: a\u{0}b\r\n", "x: a\rb: c\r\n", "x\r\n", "(x): y\r\n"] {
            let status = statuses(app, &head("GET", "/.well-known/jwks.json", lines)).await;
            back.push(if status == "200" { format!("{lines:?}") } else { "refused".to_owned() });
        }
        each_once(back)
    }
    "a body longer than it may be, said and unsaid", "CWE-770", "413" => |app| {
        let said = head("POST", "/login", "content-type: application/json\r\ncontent-length: 1073741824\r\n");
        let mut unsaid = head("POST", "/login", "content-type: application/json\r\ntransfer-encoding: chunked\r\n");
        for _ in 0..200 {
            unsaid.extend_from_slice(format!("4000\r\n{}\r\n", " ".repeat(0x4000)).as_bytes());
        }
        unsaid.extend_from_slice(b"0\r\n\r\n");
        each_once([statuses(app, &said).await, statuses(app, &unsaid).await].map(|it| if it == "closed" { "413".to_owned() } else { it }))
    }
    "a compressed body", "CWE-409", "400" => |app| {
        let body = "content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 20\r\n";
        let mut request = head("POST", "/login", body);
        request.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        statuses(app, &request).await
    }
    "methods that nobody needs", "CWE-650, ASVS 4.1.4", "refused" => |app| {
        let mut back = Vec::new();
        for method in ["TRACE", "TRACK", "CONNECT", "DEBUG", "PROPFIND", "get", "G\u{e9}T", "DELETE", "PUT", "PATCH"] {
            for target in ["/login", "/oauth/token", "/.well-known/jwks.json"] {
                let status = statuses(app, &head(method, target, "")).await;
                back.push(if status.starts_with('2') { format!("{method} {target}: {status}") } else { "refused".to_owned() });
            }
        }
        each_once(back)
    }
    "a method in another's place", "CWE-650", "nothing done" => |app| {
        let tokens = app.login_of_somebody().await;
        for (name, value) in [("x-http-method-override", "DELETE"), ("x-method-override", "DELETE"), ("x-http-method", "DELETE")] {
            app.send(app.http.post(app.at("/sessions")).header(name, value).bearer_auth(&tokens.access)).await;
            app.send(app.http.get(app.at("/sessions")).header(name, value).bearer_auth(&tokens.access)).await;
        }
        app.send(app.http.post(app.at("/sessions?_method=DELETE")).bearer_auth(&tokens.access)).await;
        if app.state_of(&tokens.refresh).await == "lives" { "nothing done" } else { "ended" }.to_owned()
    }
    "a header that is answered back", "CWE-113, CWE-79", "nothing of it" => |app| {
        let marker = "zz-marker-zz";
        let mut back = Vec::new();
        for place in ["/nowhere/zz-marker-zz", "/oauth/authorize?client_id=zz-marker-zz", "/sign-in?to=zz-marker-zz", "/oauth/logout?state=zz-marker-zz", "/%0d%0ax:zz-marker-zz"] {
            let request = app.http.get(app.at(place)).header("user-agent", marker).header("x-request-id", format!("{marker} <script>")).header("referer", marker);
            let response = request.send().await.unwrap();
            let headers = format!("{:?}", response.headers());
            let own_place = response.status() == 303 && !headers.contains("\\r");
            let text = response.text().await.unwrap();
            back.push(if text.contains(marker) || (headers.contains(marker) && !own_place) { format!("{place}: {headers} {text}") } else { "nothing of it".to_owned() });
        }
        each_once(back)
    }
    "hundreds of connections that say nothing", "CWE-400", "others are served" => |app| {
        let mut held = Vec::new();
        for _ in 0..200 {
            if let Ok(mut connection) = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await {
                let _ = connection.write_all(b"GET").await;
                held.push(connection);
            }
        }
        let status = app.send(app.http.get(app.at("/healthz"))).await.status;
        if status == 200 { "others are served".to_owned() } else { status.to_string() }
    }
    "scripts of another site read an answer with the user's cookie", "CWE-942, ASVS 3.4.2", "read by nobody" => |app| {
        let mut back = Vec::new();
        for place in ["/sessions", "/oauth/userinfo", "/admin/v1/users", "/refresh"] {
            for origin in ["https://evil.example", "null", "https://app.example.evil.example"] {
                let request = app.http.get(app.at(place)).header("origin", origin);
                let headers = request.send().await.unwrap().headers().clone();
                let credentials = headers.contains_key("access-control-allow-credentials");
                let named = headers.get("access-control-allow-origin").is_some_and(|it| it == origin);
                back.push(if credentials || named { format!("{place} {origin}: {headers:?}") } else { "read by nobody".to_owned() });
            }
        }
        each_once(back)
    }
}
