//! Paths, hosts, heads, bodies: what different servers read differently.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::browser::*;
use crate::harness::*;
use crate::raw::{exchange, head, statuses};
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

/// What a request whose end is ambiguous leads to: how many answers there were, and whether the second, hidden one was
/// served.
async fn smuggled(app: &TestApp, lines: &str, body: &str) -> String {
    let hidden = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let request = format!("POST /oauth/token HTTP/1.1\r\nhost: x\r\n{lines}\r\n{body}{hidden}");
    let answer = exchange(app, request.as_bytes()).await;
    if answer.contains("\"keys\"") { format!("served: {lines:?}") } else { "not served".to_owned() }
}

attacks! {
    with |settings| {
        settings.http.header_timeout = Duration::from_millis(1500);
        settings.http.request_timeout = Duration::from_millis(1500);
        settings.http.keep_alive = Duration::from_millis(1500);
    };
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
    "two lengths, a length and chunks, chunks by another name", "RFC 9112 §6.3, CWE-444, CVE-2019-18277", "not served" => |app| {
        let mut back = Vec::new();
        for (lines, body) in [
            ("content-length: 0\r\ncontent-length: 100\r\n", ""), ("content-length: 100\r\ncontent-length: 0\r\n", ""),
            ("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), ("transfer-encoding: chunked\r\ncontent-length: 400\r\n", "0\r\n\r\n"),
            ("transfer-encoding: identity\r\ntransfer-encoding: chunked\r\ncontent-length: 400\r\n", "0\r\n\r\n"),
            ("transfer-encoding: xchunked\r\ncontent-length: 400\r\n", "0\r\n\r\n"), ("transfer-encoding : chunked\r\ncontent-length: 400\r\n", "0\r\n\r\n"),
            ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"), ("transfer-encoding:\u{b}chunked\r\n", "0\r\n\r\n"),
            ("content-length: +0\r\n", ""), ("content-length: 0x0\r\n", ""), ("content-length: -1\r\n", ""), ("content-length: 0, 0\r\n", ""),
            ("content-length: 18446744073709551616\r\n", ""), ("content-length: 0 0\r\n", ""),
        ] {
            back.push(smuggled(app, lines, body).await);
        }
        each_once(back)
    }
    "chunks that are none", "RFC 9112 §7.1, CWE-444", "not served" => |app| {
        let mut back = Vec::new();
        for body in ["x\r\n", "-1\r\n", "ffffffffffffffff\r\n", "10000000000000000\r\nx", "0x1\r\nx\r\n0\r\n\r\n", "1;\u{0}\r\nx\r\n0\r\n\r\n", "1\nx\n0\n\n", " 1\r\nx\r\n0\r\n\r\n"] {
            back.push(smuggled(app, "transfer-encoding: chunked\r\n", body).await);
        }
        each_once(back)
    }
    "lines that are none: folded, nameless, blank in a name, NUL, bare CR", "RFC 9112 §5.2, §2.2, CWE-113", "refused" => |app| {
        let mut back = Vec::new();
        for lines in ["x: a\r\n b\r\n", ": x\r\n", "a b: x\r\n", "x\u{0}: y\r\n", "x: a\u{0}b\r\n", "x: a\rb: c\r\n", "x\r\n", "(x): y\r\n"] {
            let status = statuses(app, &head("GET", "/.well-known/jwks.json", lines)).await;
            back.push(if status == "200" { format!("{lines:?}") } else { "refused".to_owned() });
        }
        each_once(back)
    }
    "a head without end, of a megabyte, of a thousand lines", "CWE-400, ASVS 4.2.5", "refused" => |app| {
        let mut back = Vec::new();
        let long = format!("x: {}\r\n", "a".repeat(1 << 20));
        let many: String = (0..1000).map(|number| format!("x{number}: y\r\n")).collect();
        let target = format!("/{}", "a".repeat(1 << 18));
        for bytes in [head("GET", "/healthz", &long), head("GET", "/healthz", &many), head("GET", &target, ""), "A".repeat(1 << 20).into_bytes()] {
            let status = statuses(app, &bytes).await;
            back.push(if status.starts_with("200") { "served".to_owned() } else { "refused".to_owned() });
        }
        each_once(back)
    }
    "a head that does not come to its end", "CWE-400 (Slowloris)", "let go" => |app| {
        let answer = exchange(app, b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: ").await;
        if answer.is_empty() || answer.starts_with("HTTP/1.1 408") { "let go".to_owned() } else { answer }
    }
    "a body that does not come to its end", "CWE-400 (R.U.D.Y.)", "let go" => |app| {
        let body = "content-type: application/json\r\ncontent-length: 1000\r\n";
        let mut request = head("POST", "/login", body);
        request.extend_from_slice(b"{\"username\":");
        let answer = exchange(app, &request).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        if answer.is_empty() || ["408", "503"].contains(&status) { "let go".to_owned() } else { answer }
    }
    "a body without end, on a connection that would be kept", "CWE-400 (R.U.D.Y.)", "let go" => |app| {
        let token = app.token_with("heirloom:users.read").await;
        let mut back = Vec::new();
        for (place, lines) in [
            ("/login", "content-type: application/json\r\ncontent-length: 1000\r\n".to_owned()),
            ("/login", "content-type: application/json\r\ncontent-length: 1073741824\r\n".to_owned()),
            ("/oauth/token", "content-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n".to_owned()),
            ("/healthz", "content-length: 1000\r\n".to_owned()),
            ("/nowhere", "content-length: 1000\r\n".to_owned()),
            ("/admin/v1/users/import", format!("content-type: application/x-ndjson\r\ncontent-length: 1000\r\nauthorization: Bearer {token}\r\n")),
        ] {
            let request = format!("POST {place} HTTP/1.1\r\nhost: x\r\n{lines}\r\n");
            let answer = exchange(app, request.as_bytes()).await;
            back.push(if answer.starts_with("HTTP/1.1 2") { answer } else { "let go".to_owned() });
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
    "another protocol, another version, no host", "RFC 9112 §3.2", "refused" => |app| {
        let mut back = Vec::new();
        for bytes in [
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"GET /healthz HTTP/9.9\r\nhost: x\r\nconnection: close\r\n\r\n", b"GET /healthz\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET /healthz HTTP/1.1 x\r\nhost: x\r\nconnection: close\r\n\r\n", b"\r\n\r\n\r\n\r\n\x00\r\n\r\n",
        ] {
            let status = statuses(app, bytes).await;
            back.push(if status.starts_with("200") { String::from_utf8_lossy(bytes).into_owned() } else { "refused".to_owned() });
        }
        each_once(back)
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
