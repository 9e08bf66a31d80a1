//! Signing in on a device without a browser (RFC 8628): the device waits, its user decides elsewhere.

use heirloom::domain::client::{GrantType, Party};
use heirloom::domain::secrets::Password;
use heirloom::service::admin::users::Change;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

impl TestApp {
    /// Ana, and a television that she wants to let in.
    pub async fn with_television(&self) {
        self.with_apps().await;
        self.add_app("tv", |it| {
            it.name = Some("Tele & Vision".to_owned());
            it.party = Party::First;
            it.redirect_uris = Vec::new();
            it.grants = [GrantType::DeviceCode, GrantType::RefreshToken].into();
        })
        .await;
    }

    pub async fn device_waits(&self, changes: &[(&str, &str)]) -> Answer {
        let usual = [("client_id", "tv")]
            .into_iter()
            .filter(|_| changes.iter().all(|(name, _)| *name != "client_id"));
        let all: Vec<_> = usual.chain(changes.iter().copied()).collect();
        self.form("/oauth/device_authorization", &all).await
    }

    pub async fn poll(&self, device_code: &str, changes: &[(&str, &str)]) -> Answer {
        let usual = [("grant_type", GRANT), ("client_id", "tv"), ("device_code", device_code)];
        let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        let all: Vec<_> =
            kept.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty())).collect();
        self.form("/oauth/token", &all).await
    }
}

impl Browser<'_> {
    /// Ana, signed in, in front of the page that asks for a code.
    pub async fn ana_at_device_page(&self) -> Seen {
        let page = self.follow(self.get("/device").await).await;
        self.sign_in(&page, "ana").await
    }

    /// Types a code.
    pub async fn enter(&self, page: &Seen, code: &str) -> Seen {
        self.post(&page.action(), &[("csrf", &page.hidden("csrf")), ("user_code", code)]).await
    }

    /// Says yes or no to a device.
    pub async fn answer_device(&self, page: &Seen, decision: &str) -> Seen {
        let form = [
            ("csrf", page.hidden("csrf")),
            ("user_code", page.hidden("user_code")),
            ("decision", decision.to_owned()),
        ];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.post(&page.action(), &form).await
    }
}

both_stores! {
    async fn a_device_gets_in_when_its_user_says_so(app) {
        app.with_television().await;
        // OIDC Core §11: a scope that means nothing to a client that is not registered for it.
        let waits = app.device_waits(&[("scope", "openid profile offline_access")]).await;
        assert_eq!((waits.status.as_u16(), waits.header("cache-control")), (200, Some("no-store")));
        let (device_code, user_code) = (waits.text("device_code"), waits.text("user_code"));
        assert_eq!(user_code.len(), 9, "{user_code}");
        assert_eq!((&waits.json["expires_in"], &waits.json["interval"]), (&json!(600), &json!(5)));
        assert_eq!(waits.text("verification_uri"), app.at("/device"));
        assert_eq!(waits.text("verification_uri_complete"), app.at(&format!("/device?user_code={user_code}")));
        assert_eq!(app.poll(device_code, &[]).await.code(), "400 authorization_pending");

        let browser = Browser::new(&app);
        let page = browser.follow(browser.get("/device").await).await;
        assert!(page.body.contains("to connect a device"), "{page:?}");
        app.clock.advance(SECOND * 30);
        let page = browser.sign_in(&page, "ana").await;
        assert!(page.body.contains("Enter the code that your device shows"), "{page:?}");
        let typed = user_code.to_lowercase().replace('-', " ");
        let consent = browser.enter(&page, &typed).await;
        assert_eq!(consent.status, 200, "{consent:?}");
        for text in ["Give Tele &amp; Vision access?", "ana", user_code, "Recognise you", "See your profile, such as your username, name and picture", "a device that is with you"] {
            assert!(consent.body.contains(text), "{text}: {consent:?}");
        }
        assert_eq!(app.poll(device_code, &[]).await.code(), "400 authorization_pending", "nobody agreed yet");
        let done = browser.answer_device(&consent, "allow").await;
        assert!(done.status == 200 && done.body.contains("You can go back to your device"), "{done:?}");

        app.clock.advance(SECOND * 2);
        let answer = app.poll(device_code, &[]).await;
        let claims = claims(answer.text("id_token"));
        assert_eq!((&claims["aud"], &claims["amr"]), (&json!("tv"), &json!(["pwd"])));
        assert_eq!(claims["auth_time"], app.clock.now().timestamp() - 2);
        let tokens = answer.tokens();
        assert_eq!(tokens.claims()["scope"], "openid profile");
        let form = [("grant_type", "refresh_token"), ("client_id", "tv"), ("refresh_token", &tokens.refresh)];
        let refreshed = app.form("/oauth/token", &form).await;
        assert_eq!(refreshed.tokens().generation(), 2);
        let again = crate::harness::claims(refreshed.text("id_token"));
        assert_eq!((&again["amr"], &again["acr"]), (&claims["amr"], &claims["acr"]), "OIDC Core §12.2");
        // One family, whoever asks again (RFC 8628 §3.4: nothing is given twice).
        assert_eq!(app.poll(device_code, &[]).await.code(), "400 invalid_grant");
        assert_eq!(app.live_families().await, 1);
        let again = browser.enter(&page, user_code).await;
        assert_eq!(again.status, 404, "its code opens nothing any more");
    }

    async fn who_lets_a_device_in_is_told_what_asks_and_from_where(app) with |settings| {
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    }; {
        app.with_television().await;
        let ask = async |agent: &str| {
            let request = app.http.post(app.at("/oauth/device_authorization"));
            let request = request.header("x-forwarded-for", "203.0.113.7").header("user-agent", agent);
            app.send(form(request, &[("client_id", "tv"), ("scope", "openid")])).await.text("user_code").to_owned()
        };
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        for (agent, shown) in [
            ("Mozilla/5.0 (Linux; Android 14; TV) Chrome/140.0 Safari/537.36", "Chrome on Android, at the address 203.0.113.7"),
            ("okhttp/4.12.0", "okhttp, at the address 203.0.113.7"),
            ("", "Unknown device, at the address 203.0.113.7"),
            ("<b>bank</b>/1", "&lt;b&gt;bank&lt;, at the address 203.0.113.7"),
        ] {
            let asked = browser.enter(&page, &ask(agent).await).await.body;
            assert!(asked.contains(shown), "RFC 8628 §5.4: {shown}: {asked}");
            assert!(asked.contains("without you for 90 days at most, and for 7 days if it is not used"), "{asked}");
            assert!(!asked.contains("registered itself"), "{asked}");
        }
    }

    async fn a_device_is_not_the_browser_that_let_it_in(app) {
        app.with_television().await;
        let waits = app.device_waits(&[]).await;
        let browser = Browser::new(&app);
        let consent = browser.enter(&browser.ana_at_device_page().await, waits.text("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        let tokens = app.poll(waits.text("device_code"), &[]).await.tokens();
        let account = browser.get("/account").await;
        assert!(account.body.contains("Tele &amp; Vision"), "{account:?}");
        assert!(!account.body.contains("class=\"badge\""), "{account:?}");
        let page = browser.get("/oauth/logout").await;
        browser.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await;
        assert_eq!(browser.get("/account").await.status, 303, "signed out");
        assert_eq!(app.refresh_with("tv", &tokens.refresh).await.tokens().generation(), 2);
    }

    async fn a_picture_of_the_address_asks_whether_the_code_is_the_same(app) {
        app.with_television().await;
        let waits = app.device_waits(&[]).await;
        let place = waits.text("verification_uri_complete").strip_prefix(&app.url).unwrap();
        let browser = Browser::new(&app);
        let page = browser.follow(browser.get(place).await).await;
        let same = browser.sign_in(&page, "ana").await;
        assert!(same.body.contains("Does your device show exactly this code?"), "{same:?}");
        assert!(same.body.contains(waits.text("user_code")) && !same.body.contains("decision"), "{same:?}");
        let consent = browser.enter(&same, &same.hidden("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.status, 200);
    }

    async fn a_device_is_kept_out_when_its_user_says_so(app) {
        app.with_television().await;
        let waits = app.device_waits(&[]).await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        let done = browser.answer_device(&consent, "deny").await;
        assert!(done.body.contains("Access not allowed"), "{done:?}");
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 access_denied");
        let late = browser.answer_device(&consent, "allow").await;
        assert_eq!(late.status, 404, "decided once");
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 access_denied");
        assert_eq!(app.live_families().await, 0);
        assert_eq!(app.told("device.denied client=tv"), 1, "{:?}", app.events());
    }

    async fn who_asks_too_often_has_to_wait_longer(app) {
        app.with_television().await;
        let waits = app.device_waits(&[]).await;
        let code = waits.text("device_code");
        let after = async |seconds: u64| {
            app.clock.advance(std::time::Duration::from_secs(seconds));
            app.poll(code, &[]).await.code()
        };
        let (pending, slow_down) = ("400 authorization_pending", "400 slow_down");
        assert_eq!(after(0).await, pending, "the first question may come at once");
        assert_eq!(after(4).await, slow_down, "5 s are asked for");
        assert_eq!(after(9).await, slow_down, "10 s by now");
        assert_eq!(after(15).await, pending, "15 s by now");
        assert_eq!(after(14).await, slow_down, "and so they stay");
        assert_eq!(after(20).await, pending);
        app.clock.advance(MINUTE);
        let (one, other) = tokio::join!(app.poll(code, &[]), app.poll(code, &[]));
        let mut codes = [one.code(), other.code()];
        codes.sort();
        assert_eq!(codes, [pending, slow_down], "of two at once one is too many");
    }

    async fn a_device_waits_for_ten_minutes(app) {
        app.with_television().await;
        let waits = app.device_waits(&[]).await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        app.clock.advance(MINUTE * 10);
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 expired_token");
        assert_eq!(browser.answer_device(&consent, "allow").await.status, 404);
        heirloom::service::admin::janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 expired_token");
        app.clock.advance(MINUTE * 60);
        heirloom::service::admin::janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM device_codes").await, 0);
        assert_eq!(app.number("SELECT COUNT(*) FROM wrong_user_codes").await, 0);
    }

    async fn of_many_questions_at_once_one_gets_the_family(app) {
        app.with_television().await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        for round in 1..=5 {
            let waits = app.device_waits(&[]).await;
            let consent = browser.enter(&page, waits.text("user_code")).await;
            browser.answer_device(&consent, "allow").await;
            let code = waits.text("device_code");
            let answers = tokio::join!(app.poll(code, &[]), app.poll(code, &[]), app.poll(code, &[]));
            let statuses = [answers.0, answers.1, answers.2].map(|answer| answer.status.as_u16());
            assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
            assert_eq!(app.live_families().await, round, "it lives");
        }
    }

    async fn what_ends_a_users_logins_keeps_the_device_out(app) {
        app.with_television().await;
        let ana = app.number("SELECT COUNT(*) FROM users").await;
        assert_eq!(ana, 1);
        let waits = app.device_waits(&[]).await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        let user = heirloom::store::users::find_by_name(&app.core.db, &"ana".parse().unwrap()).await.unwrap().unwrap();
        app.change_user(user.id, Change::Password(Password::new("another password".to_owned()).unwrap())).await;
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 invalid_grant");
        assert_eq!(app.live_families().await, 0);
    }

    async fn whoever_is_signed_in_may_be_somebody_else(app) {
        app.with_television().await;
        app.add_user("ben").await;
        let waits = app.device_waits(&[]).await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        let place = format!("/sign-in?to=/device&user_code={}&prompt=login", waits.text("user_code"));
        assert!(consent.body.replace("&amp;", "&").replace("&#x2f;", "/").contains(&place), "{consent:?}");
        let same = browser.sign_in(&browser.get(&place).await, "ben").await;
        let consent = browser.enter(&same, &same.hidden("user_code")).await;
        assert!(consent.body.contains("signed in as ben"), "{consent:?}");
        // An app's own sign-in is no page of ours, whatever else stands in its request.
        let app_page = browser.authorize(&[("to", "/device"), ("prompt", "login")]).await;
        assert!(app_page.body.contains("to continue to app"), "{app_page:?}");
    }
}
