//! What a server does not do: ask the database about rubbish, tell its log a secret.

use serde_json::json;

use crate::process::{MASTER_KEY, PASSWORD, Place, Tokens, block_on};

fn statements(log: &str) -> usize {
    log.lines().filter(|line| line.contains("\"target\":\"sqlx::query\"")).count()
}

fn asks_no_database_about_what_is_not_genuine(place: Place) {
    let place = place
        .with("HEIRLOOM_LOG__FILTER", "info,sqlx::query=debug")
        .with("HEIRLOOM_LOG__FORMAT", "json")
        .with("HEIRLOOM_KEYS__PUBLISH_AHEAD", "1h")
        .with("HEIRLOOM_KEYS__POLL_EVERY", "1h")
        .with("HEIRLOOM_JANITOR__EVERY", "1h");
    place.add_user("ana");
    place.ok(&["client", "add", "other", "--public", "--first-party"]);
    let server = place.serve();
    let count = || statements(&server.log.lock().unwrap());
    block_on(async {
        let tokens = server.log_in("ana").await;
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "other" });
        let foreign = Tokens::of(server.post("/login", &login).await).refresh;
        let settle = async || tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        settle().await;
        let before = count();
        assert!(before > 0, "statements are counted");
        let half = &tokens.refresh[..40];
        let flipped = tokens.refresh.replacen("hrt1_", "hrt1_A", 1);
        for forged in ["rubbish", "", "hrt1_", half, &flipped[..80], &foreign, "\u{1}", &"h".repeat(20_000)] {
            assert_eq!(server.refresh(forged).await.0, 401);
            // A token of another client logs out whoever is named.
            if forged != foreign {
                assert_eq!(server.post("/logout", &json!({ "refresh_token": forged })).await.0, 204);
            }
            for (path, status) in
                [("/oauth/token", 400), ("/oauth/revoke", if forged.is_empty() { 400 } else { 200 })]
            {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("client_id", "heirloom"),
                    ("refresh_token", forged),
                    ("token", forged),
                ];
                let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
                let request = server.http.post(format!("{}{path}", server.url));
                let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
                assert_eq!(request.send().await.unwrap().status(), status, "{path} {forged:.80}");
            }
        }
        settle().await;
        assert_eq!(count(), before, "no statement reached the database");
        let log = server.log.lock().unwrap().clone();
        let told = log.lines().filter(|line| line.contains("refused: wrong_client")).count();
        assert_eq!(told, 2, "the log says what is wrong with another client's token, at each face: {log}");
        server.refresh(&tokens.refresh).await;
        settle().await;
        let after = count();
        // The client may have to be looked up again; the rotation itself is one statement.
        assert!((1..=2).contains(&(after - before)), "{}", after - before);
    });
}

#[test]
fn no_database_is_asked_about_what_is_not_genuine_on_sqlite() {
    asks_no_database_about_what_is_not_genuine(Place::sqlite());
}

#[test]
fn no_database_is_asked_about_what_is_not_genuine_on_postgres() {
    asks_no_database_about_what_is_not_genuine(Place::postgres());
}

#[test]
fn what_a_proxy_says_and_nobody_understands_is_told_once() {
    let place = Place::sqlite().with("HEIRLOOM_HTTP__TRUSTED_PROXIES", "127.0.0.1");
    place.add_user("ana");
    let server = place.serve();
    let log_in = async |forwarded: &str| {
        let login = json!({ "username": "ana", "password": PASSWORD });
        let request = server.http.post(format!("{}/login", server.url)).json(&login);
        request.header("x-forwarded-for", forwarded).send().await.unwrap().status()
    };
    let told = || server.log.lock().unwrap().matches("does not say in a form that is understood").count();
    block_on(async {
        for forwarded in ["198.51.100.7:51234", "unknown, [2001:db8::7]:443", ""] {
            assert_eq!(log_in(forwarded).await, 200);
        }
        assert_eq!(told(), 0);
        let wrong = json!({ "username": "ana", "password": "a wrong password" });
        let request = server.http.post(format!("{}/login", server.url)).json(&wrong);
        let request =
            request.header("x-forwarded-for", "198.51.100.7").header("user-agent", "x\" address=\"192.0.2.1");
        assert_eq!(request.send().await.unwrap().status(), 401);
        for _ in 0..3 {
            assert_eq!(log_in("unknown").await, 200);
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let log = server.log.lock().unwrap().clone();
        assert_eq!(told(), 1, "{log}");
        // As docs/events.md has it for fail2ban.
        let refused = log.lines().find(|line| line.contains(r#"event="login.refused""#)).unwrap();
        assert!(refused.contains(r#" address="198.51.100.7""#), "{refused}");
        assert!(!refused.contains(r#" address="192.0.2.1"#), "nobody writes another's address: {refused}");
    });
}

#[test]
fn the_log_holds_no_secret() {
    let place =
        Place::postgres().with("HEIRLOOM_LOG__FILTER", "trace").with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
    place.add_user("ana");
    let client = place.json(&["client", "add", "service", "--confidential"]);
    let secret = client["client_secret"].as_str().unwrap();
    let server = place.serve();
    let mut secrets =
        vec![PASSWORD.to_owned(), secret.to_owned(), MASTER_KEY.to_owned(), "wrong-password".to_owned()];
    block_on(async {
        let mut tokens = server.log_in("ana").await;
        for _ in 0..3 {
            secrets.extend([tokens.access.clone(), tokens.refresh.clone()]);
            tokens = Tokens::of(server.refresh(&tokens.refresh).await);
        }
        server.refresh(&secrets[5]).await;
        server.post("/login", &json!({ "username": "ana", "password": "wrong-password" })).await;
        let form = "grant_type=client_credentials";
        let request =
            server.http.post(format!("{}/oauth/token", server.url)).basic_auth("service", Some(secret));
        request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
        let bearer = server.http.get(format!("{}/sessions?token={}", server.url, tokens.access));
        bearer.bearer_auth(&tokens.access).send().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    });
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("family.ended") && log.len() > 1000, "the log was read");
    for secret in secrets {
        let found = log.lines().find(|line| line.contains(&secret));
        assert_eq!(found, None);
    }
}

#[test]
fn that_nothing_has_changed_is_not_in_the_log() {
    let place = Place::sqlite();
    place.add_user("ana");
    let server = place.serve();
    block_on(async {
        server.log_in("ana").await;
        let list = || server.http.get(format!("{}/status-lists/1", server.url));
        let first = list().send().await.unwrap();
        assert_eq!(first.status(), 200);
        let tag = first.headers()["etag"].clone();
        let again = list().header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), 304);
        assert_eq!(server.http.get(format!("{}/nowhere", server.url)).send().await.unwrap().status(), 404);
    });
    let log = server.log.lock().unwrap().clone();
    let lines = |path: &str| log.lines().filter(|line| line.contains(path)).count();
    assert_eq!((lines("/status-lists"), lines("404")), (1, 1), "{log}");
}
