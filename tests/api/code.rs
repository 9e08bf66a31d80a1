//! Authorization codes: exchanged once, by whom they were made for, in time.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::client::{CodeProtection, GrantType, Party};

use crate::browser::*;
use crate::harness::*;

type Parameters<'a> = &'a [(&'a str, &'a str)];

const MICROSECOND: Duration = Duration::from_micros(1);

impl TestApp {
    async fn refresh_as(&self, client: &str, proof: &[(&str, &str)], tokens: &Tokens) -> Answer {
        let secret = proof.iter().copied().filter(|(name, _)| *name == "client_secret");
        let usual = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
            ("client_id", client),
        ];
        let all: Vec<_> = usual.into_iter().chain(secret).collect();
        self.form("/oauth/token", &all).await
    }
}

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

    async fn a_second_use_ends_what_the_first_gave_unless_it_follows_at_once(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[]).await;
        // What counts is when it was used, not when it was made.
        app.clock.advance(SECOND * 40);
        let tokens = app.exchange(&code, &[]).await.tokens();
        app.clock.advance(SECOND * 30 - MICROSECOND);
        for _ in 0..2 {
            assert_eq!(app.exchange(&code, &[]).await.code(), "400 invalid_grant", "a lost answer is lost");
        }
        let next = app.refresh_with("app", &tokens.refresh).await.tokens();
        assert_eq!(app.told("family.reused"), 0);
        // RFC 6749 §4.1.2, later than the code would have lasted.
        app.clock.advance(MICROSECOND);
        assert_eq!(app.exchange(&code, &[]).await.code(), "400 invalid_grant");
        assert_eq!(app.refresh_with("app", &next.refresh).await.refusal(), ENDED);
        assert_eq!(app.told("family.reused client=app"), 1);
    }

    async fn whoever_has_only_the_code_spends_nothing_and_ends_nothing(app) {
        app.with_apps().await;
        let free = |it: &mut heirloom::domain::client::Client| {
            it.party = Party::First;
            it.code_protection = CodeProtection::Optional;
        };
        let secret = app.add_web_app("web", free).await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let other_verifier = "x".repeat(43);
        let bare = [("code_challenge", ""), ("code_challenge_method", "")];
        let web = [("client_id", "web"), ("client_secret", secret.as_str()), ("code_verifier", "")];
        let rows: [(&str, Parameters<'_>, Parameters<'_>, &[Refused<'_>]); 2] = [
            ("app", &[], &[], &[
                ("no verifier", &[("code_verifier", "")], "400 invalid_grant"),
                ("another verifier", &[("code_verifier", &other_verifier)], "400 invalid_grant"),
                ("another client", &[("client_id", "other")], "400 invalid_grant"),
                ("another client, that authenticates", &[web[0], web[1]], "400 invalid_grant"),
            ]),
            ("web", &[web[0], bare[0], bare[1]], &web, &[
                ("no secret", &[web[0], web[2]], "401 invalid_client"),
                ("another secret", &[web[0], web[2], ("client_secret", "guessed")], "401 invalid_client"),
                ("RFC 9700 §4.8.2: a verifier without a challenge", &[web[0], web[1]], "400 invalid_grant"),
                ("another client", &[("client_id", "other"), web[2]], "400 invalid_grant"),
            ]),
        ];
        for (client, asked, proof, thefts) in rows {
            let code = browser.authorize(asked).await.code();
            let told = format!("code.refused client={client}");
            let before = app.told(&told);
            let steal = async || {
                for (what, changes, refusal) in thefts {
                    assert_eq!(app.exchange(&code, changes).await.code(), *refusal, "{what}");
                }
            };
            steal().await;
            let tokens = app.exchange(&code, proof).await.tokens();
            app.clock.advance(SECOND * 31);
            steal().await;
            assert_eq!(app.told(&told), before + 2 * thefts.len(), "{:?}", app.events());
            let family = tokens.claims()["sid"].as_str().unwrap().to_owned();
            assert_eq!(app.told(&format!("{told} family={family}")), thefts.len());
            assert_eq!(app.told("family.ended"), 0);
            assert_eq!(app.refresh_as(client, proof, &tokens).await.status, 200, "{client}");
        }
        let before = app.events();
        assert_eq!(app.exchange("rubbish", &[]).await.code(), "400 invalid_grant");
        assert_eq!(app.events(), before, "no code of ours is nobody's business");
    }

    async fn of_two_who_use_a_code_at_once_at_most_one_gets_tokens_and_keeps_them(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        for round in 1..=10 {
            let code = browser.authorize(&[]).await;
            let code = match code.status.as_u16() {
                200 => browser.sign_in(&code, "ana").await.code(),
                _ => code.code(),
            };
            let (one, other) = tokio::join!(app.exchange(&code, &[]), app.exchange(&code, &[]));
            let given = [one, other].iter().filter(|answer| answer.status == 200).count();
            assert_eq!((given, app.live_families().await), (1, round));
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
        app.clock.advance(MINUTE * 16);
        heirloom::service::admin::janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.live_families().await, 3, "what nobody can refresh lasts as long as its access token");
    }
}
