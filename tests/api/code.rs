//! Authorization codes: exchanged once, by whom they were made for, in time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::client::{GrantType, Party};

use crate::browser::*;
use crate::harness::*;

both_stores! {
    async fn a_code_is_good_for_its_own_request_only(app) {
        app.with_apps().await;
        let secret = app.add_web_app("web", |it| it.party = Party::First).await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[]).await;
        let other_verifier = "x".repeat(43);
        let rows: &[Refused<'_>] = &[
            ("RFC 6749 §4.1.3: code", &[("code", "")], "400 invalid_request"),
            ("RFC 6749 §5.2: unknown", &[("code", "rubbish")], "400 invalid_grant"),
            ("RFC 6749 §4.1.3: client", &[("client_id", "other")], "400 invalid_grant"),
            ("RFC 6749 §4.1.3: client", &[("client_id", "web"), ("client_secret", &secret)], "400 invalid_grant"),
            ("RFC 6749 §4.1.3: redirect_uri", &[("redirect_uri", "https://app.example/")], "400 invalid_grant"),
            ("RFC 7636 §4.6: verifier", &[("code_verifier", "")], "400 invalid_grant"),
            ("RFC 7636 §4.6: verifier", &[("code_verifier", &other_verifier)], "400 invalid_grant"),
            ("RFC 7636 §4.6: not the challenge", &[("code_verifier", CHALLENGE)], "400 invalid_grant"),
            ("RFC 8707 §2.2: not granted", &[("resource", "https://other.example")], "400 invalid_target"),
            ("RFC 6749 §3.2.1: client", &[("client_id", "nobody")], "401 invalid_client"),
            ("RFC 6749 §3.2: repeated", &[("code_verifier", VERIFIER), ("code_verifier", VERIFIER)], "400 invalid_request"),
        ];
        for (section, changes, code_of_refusal) in rows {
            assert_eq!(app.exchange(&code, changes).await.code(), *code_of_refusal, "{section}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM families").await, 0, "nothing was begun");
        // OAuth 2.1 §10.2: PKCE does what the redirect URI was for.
        assert_eq!(app.exchange(&code, &[("redirect_uri", "")]).await.status, 200, "nothing was consumed");
    }

    async fn a_second_use_ends_what_the_first_gave(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[]).await;
        let tokens = app.exchange(&code, &[]).await.tokens();
        assert_eq!(app.exchange(&code, &[("client_id", "other")]).await.code(), "400 invalid_grant");
        assert_eq!(app.live_families().await, 1, "another client ends nothing");
        let next = app.refresh_with("app", &tokens.refresh).await.tokens();
        // RFC 6749 §4.1.2, even later than the code would have lasted.
        app.clock.advance(MINUTE * 2);
        assert_eq!(app.exchange(&code, &[]).await.code(), "400 invalid_grant");
        assert_eq!(app.refresh_with("app", &next.refresh).await.refusal(), ENDED);
    }

    async fn of_two_who_use_a_code_at_once_at_most_one_gets_tokens(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        for _ in 0..10 {
            let code = browser.authorize(&[]).await;
            let code = match code.status.as_u16() {
                200 => browser.sign_in(&code, "ana").await.code(),
                _ => code.code(),
            };
            let (one, other) = tokio::join!(app.exchange(&code, &[]), app.exchange(&code, &[]));
            let given = [one, other].iter().filter(|answer| answer.status == 200).count();
            assert_eq!((given, app.live_families().await), (1, 0));
        }
    }

    async fn a_code_lives_for_a_minute(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[]).await;
        app.clock.advance(MINUTE - SECOND);
        let late = browser.authorize(&[]).await.code();
        app.clock.advance(SECOND);
        assert_eq!(app.exchange(&code, &[]).await.code(), "400 invalid_grant");
        assert_eq!(app.exchange(&late, &[]).await.status, 200);
        assert_eq!(app.number("SELECT COUNT(*) FROM authorization_codes").await, 2);
        heirloom::service::admin::janitor::tidy(&app.core, 1, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM authorization_codes").await, 2, "a second use must be seen");
        app.clock.advance(DAY * 15);
        heirloom::service::admin::janitor::tidy(&app.core, 1, app.clock.now()).await.unwrap();
        for table in ["authorization_codes", "sign_in_sessions"] {
            assert_eq!(app.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        }
    }

    async fn no_code_and_no_cookie_is_in_the_database(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[]).await;
        let secret = browser.cookie("heirloom-session").unwrap();
        for (table, column, plain) in
            [("authorization_codes", "code_hash", code), ("sign_in_sessions", "secret_hash", secret)]
        {
            assert_eq!(app.number(&format!("SELECT COUNT(*) FROM {table}")).await, 1);
            for bytes in [URL_SAFE_NO_PAD.decode(&plain).unwrap(), plain.into_bytes()] {
                let hex = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
                let stored = match app.store {
                    Store::Sqlite => format!("{column} = x'{hex}'"),
                    Store::Postgres => format!("{column} = '\\x{hex}'"),
                };
                assert_eq!(app.number(&format!("SELECT COUNT(*) FROM {table} WHERE {stored}")).await, 0);
            }
        }
    }

    async fn a_refresh_token_is_for_those_who_may_and_ask(app) {
        app.with_apps().await;
        let scopes = |scopes: &'static str| move |it: &mut heirloom::domain::client::Client| {
            it.party = Party::First;
            it.scopes = scopes.parse().unwrap();
        };
        app.add_app("offline", scopes("openid offline_access")).await;
        app.add_app("brief", |it| {
            it.party = Party::First;
            it.grants = [GrantType::AuthorizationCode].into();
        }).await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let has_refresh = async |client: &str, scope: &str| {
            let code = browser.authorize(&[("client_id", client), ("scope", scope)]).await.code();
            let answer = app.exchange(&code, &[("client_id", client)]).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json.get("refresh_token").is_some()
        };
        assert!(has_refresh("app", "openid").await);
        assert!(!has_refresh("brief", "openid").await);
        assert!(!has_refresh("offline", "openid").await, "OIDC Core §11");
        assert!(has_refresh("offline", "openid offline_access").await);
        // A client that is not registered for it names it all the same, for the metadata do: at each endpoint.
        let asked = [("scope", "openid offline_access")];
        let first = app.exchange(&browser.authorize(&asked).await.code(), &[]).await;
        let refresh = first.text("refresh_token");
        let again = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", refresh), asked[0]];
        let next = app.form("/oauth/token", &again).await;
        assert_eq!((next.status.as_u16(), &first.json["scope"], &next.json["scope"]), (200, &"openid".into(), &"openid".into()));
        app.clock.advance(MINUTE * 15);
        heirloom::service::admin::janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.live_families().await, 3, "what nobody can refresh lasts as long as its access token");
    }
}
