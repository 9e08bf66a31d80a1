//! Bounds of `docs/limits.md` that no other test drives something to.

use std::time::Duration;

use heirloom::settings::Settings;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::browser::*;
use crate::harness::*;
use crate::raw::exchange;
use crate::remote::authority;

/// As short as they may be.
fn impatient(settings: &mut Settings) {
    settings.http.header_timeout = Duration::from_millis(500);
    settings.http.request_timeout = Duration::from_millis(500);
}

both_stores! {
    async fn a_handshake_that_does_not_come_to_its_end_is_let_go(app) with |settings| {
        impatient(settings);
        let [certificate, key] = authority().signed.clone();
        (settings.tls.certificate, settings.tls.key) = (Some(certificate), Some(key));
    }; {
        let address = app.url.split_once("://").unwrap().1.to_owned();
        let mut connection = TcpStream::connect(address).await.unwrap();
        let mut nothing = Vec::new();
        let read = tokio::time::timeout(SECOND * 20, connection.read_to_end(&mut nothing)).await;
        assert!(read.is_ok() && nothing.is_empty(), "{nothing:?}");
    }

    async fn a_body_that_does_not_come_to_its_end_is_let_go(app) with impatient; {
        for lines in ["content-length: 1000", "transfer-encoding: chunked"] {
            for (place, kind) in [("/login", "application/json"), ("/oauth/token", "application/x-www-form-urlencoded")] {
                let request = format!("POST {place} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\n{lines}\r\n\r\n");
                let answer = exchange(&app, request.as_bytes()).await;
                assert!(answer.starts_with("HTTP/1.1 503 "), "{lines}: {answer}");
            }
        }
    }

    async fn whoever_is_not_signed_in_has_nothing_written(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        for _ in 0..50 {
            let page = browser.authorize(&[]).await;
            browser.post(&page.action(), &[("csrf", "x")]).await;
            for place in ["/sign-in", "/consent", "/oauth/authorize"] {
                browser.get(&format!("{place}?{}", query(&[]))).await;
            }
        }
        for table in [
            "sign_in_sessions", "sign_in_attempts", "authorization_codes", "pushed_requests", "consents", "known_devices",
            "families", "upstream_attempts", "client_documents",
        ] {
            assert_eq!(app.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        }
    }
}
