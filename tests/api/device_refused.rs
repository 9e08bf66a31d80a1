//! What must be refused to a device and at its page (RFC 8628).

use heirloom::domain::client::GrantType;

use crate::browser::*;
use crate::device::GRANT;
use crate::harness::*;

both_stores! {
    async fn a_device_that_may_not_wait_is_refused(app) {
        app.with_television().await;
        let secret = app.add_web_app("box", |it| it.grants = [GrantType::DeviceCode].into()).await;
        let rows: &[Refused<'_>] = &[
            ("RFC 8628 §3.1: unknown client", &[("client_id", "nobody")], "401 invalid_client"),
            ("RFC 8628 §3.1: no client", &[("client_id", "")], "401 invalid_client"),
            ("RFC 8628 §3.1: no secret", &[("client_id", "box")], "401 invalid_client"),
            ("RFC 6749 §2.3.1: wrong secret", &[("client_id", "box"), ("client_secret", "hcs_x")], "401 invalid_client"),
            ("RFC 6749 §2.3: public client", &[("client_secret", &secret)], "401 invalid_client"),
            ("RFC 6749 §5.2: not its grant", &[("client_id", "app")], "400 unauthorized_client"),
            ("RFC 6749 §3.3: scope", &[("scope", "admin")], "400 invalid_scope"),
            ("RFC 6749 §3.3: scope", &[("scope", "a\"b")], "400 invalid_scope"),
            ("RFC 8707 §2: unknown", &[("resource", "https://elsewhere.example")], "400 invalid_target"),
            ("RFC 8707 §2: fragment", &[("resource", "https://api.example#x")], "400 invalid_target"),
            ("RFC 8628 §3.1: repeated", &[("scope", "openid"), ("scope", "openid")], "400 invalid_request"),
        ];
        for (section, changes, refusal) in rows {
            let named = changes.iter().any(|(name, _)| *name == "client_id");
            let all: Vec<_> = [("client_id", "tv")].into_iter().filter(|_| !named).chain(changes.iter().copied()).collect();
            assert_eq!(app.form("/oauth/device_authorization", &all).await.code(), *refusal, "{section}");
        }
        let got = app.send(app.http.get(app.at("/oauth/device_authorization"))).await;
        assert_eq!((got.status.as_u16(), got.header("allow")), (405, Some("POST")), "RFC 8628 §3.1");
        assert_eq!(app.number("SELECT COUNT(*) FROM device_codes").await, 0);
        let good = app.form_as("/oauth/device_authorization", ("box", &secret), &[]).await;
        assert_eq!(good.status, 200, "{good:?}");
    }

    async fn a_device_code_is_good_for_its_own_client_only(app) {
        app.with_television().await;
        app.add_app("radio", |it| it.grants = [GrantType::DeviceCode].into()).await;
        let waits = app.device_waits(&[("resource", "https://api.example"), ("scope", "openid")]).await;
        let code = waits.text("device_code");
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        assert!(consent.body.contains("Use https:&#x2f;&#x2f;api.example on your behalf"), "{consent:?}");
        browser.answer_device(&consent, "allow").await;
        let rows: &[Refused<'_>] = &[
            ("RFC 8628 §3.4: device_code", &[("device_code", "")], "400 invalid_request"),
            ("RFC 8628 §3.4: unknown", &[("device_code", "rubbish")], "400 invalid_grant"),
            ("RFC 8628 §3.4: the other code", &[("device_code", waits.text("user_code"))], "400 invalid_grant"),
            ("RFC 8628 §3.4: another client's", &[("client_id", "radio")], "400 invalid_grant"),
            ("RFC 6749 §5.2: not its grant", &[("client_id", "app")], "400 unauthorized_client"),
            ("RFC 8628 §3.4: unknown client", &[("client_id", "nobody")], "401 invalid_client"),
            ("RFC 6749 §5.2: another grant", &[("grant_type", "urn:ietf:params:oauth:grant-type:device")], "400 unsupported_grant_type"),
            ("RFC 6749 §3.3: not granted", &[("scope", "profile")], "400 invalid_scope"),
            ("RFC 8707 §2.2: not granted", &[("resource", &app.url)], "400 invalid_target"),
            ("RFC 6749 §3.2: repeated", &[("device_code", code), ("device_code", code)], "400 invalid_request"),
        ];
        for (section, changes, refusal) in rows {
            assert_eq!(app.poll(code, changes).await.code(), *refusal, "{section}");
        }
        assert_eq!(app.live_families().await, 0);
        let tokens = app.poll(code, &[]).await.tokens();
        assert_eq!(tokens.claims()["aud"], "https://api.example", "nothing was consumed");
        let body = [("grant_type", GRANT), ("client_id", "tv"), ("device_code", code)];
        assert_eq!(app.form("/oauth/token", &body).await.code(), "400 invalid_grant");
    }

    async fn a_page_takes_forms_of_its_own_only(app) {
        app.with_television().await;
        let waits = app.device_waits(&[]).await;
        let code = waits.text("user_code");
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let csrf = page.hidden("csrf");
        for forged in ["", "x", &Browser::new(&app).ana_at_device_page().await.hidden("csrf")] {
            for decision in [None, Some(("decision", "allow"))] {
                let form: Vec<_> = [("csrf", forged), ("user_code", code)].into_iter().chain(decision).collect();
                let answer = browser.post("/device", &form).await;
                assert_eq!(answer.location(), "/device", "{forged} {decision:?}");
            }
        }
        let elsewhere = Browser::new(&app).with_header("sec-fetch-site", "cross-site");
        for cookie in ["heirloom-browser", "heirloom-session"] {
            elsewhere.set_cookie(cookie, &browser.cookie(cookie).unwrap());
        }
        let form = [("csrf", csrf.as_str()), ("user_code", code), ("decision", "allow")];
        assert_eq!(elsewhere.post("/device", &form).await.status, 403, "from another site");
        let nobody = Browser::new(&app);
        assert_eq!(nobody.post("/device", &form).await.location(), "/device", "nobody is signed in");
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 authorization_pending");
        // Nothing happens by looking: another site may send a browser anywhere.
        browser.get(&format!("/device?user_code={code}&decision=allow&csrf={csrf}")).await;
        app.clock.advance(SECOND * 5);
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 authorization_pending");
    }

    async fn wrong_codes_are_limited(app) {
        app.with_television().await;
        app.add_user("ben").await;
        let waits = app.device_waits(&[]).await;
        let code = waits.text("user_code");
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let impossible = browser.enter(&page, "<script>").await;
        assert!(impossible.status == 404 && !impossible.body.contains("<script>"), "{impossible:?}");
        for _ in 0..9 {
            let seen = browser.enter(&page, "BCDF-GHJK").await;
            assert!(seen.status == 404 && seen.body.contains("role=\"alert\""), "{seen:?}");
            // A code that is right counts for nothing, in either direction.
            assert_eq!(browser.enter(&page, code).await.status, 200);
        }
        let (one, other) = tokio::join!(browser.enter(&page, "BCDF-GHJK"), browser.enter(&page, "BCDF-GHJL"));
        let mut both = [one.status.as_u16(), other.status.as_u16()];
        both.sort_unstable();
        assert_eq!(both, [404, 429], "RFC 8628 §5.1, in however many tabs");
        let right = browser.enter(&page, code).await;
        assert!(right.status == 429 && right.body.contains("There were too many wrong codes"), "{right:?}");
        let ben = Browser::new(&app);
        let at_ben = ben.sign_in(&ben.follow(ben.get("/device").await).await, "ben").await;
        assert_eq!(ben.enter(&at_ben, code).await.status, 200, "somebody else is not held up");
        app.clock.advance(MINUTE * 10);
        let fresh = app.device_waits(&[]).await;
        assert_eq!(browser.enter(&page, fresh.text("user_code")).await.status, 200, "and not for ever");
    }
}
