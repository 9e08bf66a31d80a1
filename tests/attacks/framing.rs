//! Where a request ends: heads and bodies that are slow, endless, ambiguous. Nobody honest asks this server, so it may
//! be as impatient as can be.

use std::time::Duration;

use crate::harness::*;
use crate::raw::{exchange, head, statuses};
use crate::row::attacks;
use crate::victim::each_once;

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
        settings.http.header_timeout = Duration::from_millis(400);
        settings.http.request_timeout = Duration::from_millis(400);
        settings.http.keep_alive = Duration::from_millis(400);
    };
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
    "a head without end, of a megabyte, of a thousand lines", "CWE-400, ASVS 4.2.5", "refused" => |app| {
        let mut back = Vec::new();
        let long = format!("x: {}\r\n", "a".repeat(1 << 20));
        let many = "x: y\r\n".repeat(1000);
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
        let mut back = Vec::new();
        for (place, lines) in [
            ("/login", "content-type: application/json\r\ncontent-length: 1000\r\n".to_owned()),
            ("/login", "content-type: application/json\r\ncontent-length: 1073741824\r\n".to_owned()),
            ("/oauth/token", "content-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n".to_owned()),
            ("/healthz", "content-length: 1000\r\n".to_owned()),
            ("/nowhere", "content-length: 1000\r\n".to_owned()),
            ("/admin/v1/users/import", "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nauthorization: Bearer x\r\n".to_owned()),
        ] {
            let request = format!("POST {place} HTTP/1.1\r\nhost: x\r\n{lines}\r\n");
            let answer = exchange(app, request.as_bytes()).await;
            back.push(if answer.starts_with("HTTP/1.1 2") { answer } else { "let go".to_owned() });
        }
        each_once(back)
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
}
