//! How far a sign-in has to go: by the server's policy, by a client's, and by what a client asks for.

use heirloom::domain::second_factor_policy::SecondFactorPolicy;
use heirloom::service::admin::users::Change;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;
use crate::passkeys::{SITE, named};
use crate::second_factors::*;

const ESSENTIAL: &str = r#"{"id_token": {"acr": {"essential": true, "values": ["2"]}}}"#;

impl Browser<'_> {
    /// Sets up the app that the page asks for before going on; gives the page with the recovery codes.
    async fn enrols(&self, app: &TestApp, page: &Seen) -> (Authenticator, Seen) {
        let authenticator = Authenticator::of(page);
        let code = authenticator.code(app.clock.now());
        let shown = self.sends(page, &[("code", &code), ("offer", &page.hidden("offer"))]).await;
        assert_eq!(recovery_codes(&shown).len(), 10, "{shown:?}");
        (authenticator, shown)
    }

    async fn goes_on(&self, shown: &Seen) -> Seen {
        let (_, rest) = shown.body.rsplit_once("<a href=\"").unwrap();
        let seen = self.get(&unescaped(rest.split_once('"').unwrap().0)).await;
        self.follow(seen).await
    }
}

impl TestApp {
    async fn id_token(&self, code: &str) -> serde_json::Value {
        claims(self.exchange(code, &[]).await.text("id_token"))
    }
}

both_stores! {
    async fn where_two_factors_are_required_who_has_one_sets_up_another_before_going_on(app)
    with |it| it.sign_in.second_factor = SecondFactorPolicy::Required; {
        app.with_apps().await;
        let wants = app.log_in_as_ana().await;
        assert_eq!((wants.code().as_str(), &wants.json["methods"]), ("403 mfa_required", &json!([])));
        assert!(wants.json.get("mfa_token").is_none(), "{wants:?}");
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        let page = browser.sign_in(&page, "ana").await;
        assert!(page.body.contains("a password alone is not enough"), "{page:?}");
        assert!(browser.cookie("heirloom-session").is_none());
        let wrong = browser.sends(&page, &[("code", "000000"), ("offer", &page.hidden("offer"))]).await;
        assert!(wrong.status == 403 && wrong.body.contains("not the code that the app shows"), "{wrong:?}");
        let (authenticator, shown) = browser.enrols(&app, &wrong).await;
        let told = app.id_token(&browser.goes_on(&shown).await.code()).await;
        assert_eq!((&told["amr"], &told["acr"]), (&json!(["pwd", "otp", "mfa"]), &json!("2")));
        app.clock.advance(MINUTE);
        // From now on it is asked for, and nobody gets past it by another one.
        let other = Browser::new(&app);
        let page = other.authorize(&[]).await;
        let page = other.sign_in(&page, "ana").await;
        assert!(page.body.contains("one-time-code") && !page.body.contains("name=\"offer\""), "{page:?}");
        let seen = other.sends(&page, &[("code", &authenticator.code(app.clock.now()))]).await;
        other.follow(seen).await.code();
        assert_eq!(app.log_in_as_ana().await.json["methods"], json!(["totp", "recovery_code"]));
    }

    async fn one_client_may_require_what_others_do_not(app) {
        app.with_apps().await;
        app.add_app("bank", |it| {
            it.party = heirloom::domain::client::Party::First;
            it.metadata.second_factor = SecondFactorPolicy::Required;
        })
        .await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        // Who is signed in is not asked for the password again.
        let page = browser.authorize(&[("client_id", "bank")]).await;
        assert!(page.body.contains("a password alone is not enough"), "{page:?}");
        let silent = browser.authorize(&[("client_id", "bank"), ("prompt", "none")]).await;
        assert_eq!(silent.error(), "login_required");
        let (_, shown) = browser.enrols(&app, &page).await;
        browser.goes_on(&shown).await.code();
        assert_eq!(browser.session(&app).await.authentication.acr.as_deref(), Some("2"));
    }

    async fn who_is_signed_in_is_asked_only_for_what_is_missing(app) {
        app.with_apps().await;
        let early = Browser::new(&app);
        early.ana_signs_in(&[]).await;
        let before = early.session(&app).await;
        let other = Browser::new(&app);
        other.ana_signs_in(&[]).await;
        let (authenticator, _) = other.sets_up_an_app(&app).await;
        app.clock.advance(MINUTE);
        early.authorize(&[]).await.code();
        let silent = [("acr_values", "2"), ("prompt", "none")];
        early.authorize(&silent).await.code();
        let silent = [("claims", ESSENTIAL), ("prompt", "none")];
        assert_eq!(early.authorize(&silent).await.error(), "login_required");
        for asked in [[("acr_values", "urn:x:gold phr 2")], [("claims", ESSENTIAL)]] {
            let page = early.authorize(&asked).await;
            assert!(page.body.contains("one-time-code") && !page.body.contains("name=\"password\""), "{page:?}");
        }
        let page = early.authorize(&[("acr_values", "2")]).await;
        let seen = early.sends(&page, &[("code", &authenticator.code(app.clock.now()))]).await;
        let told = app.id_token(&early.follow(seen).await.code()).await;
        assert_eq!((&told["acr"], &told["auth_time"]), (&json!("2"), &json!(app.clock.now().timestamp())));
        assert_eq!(early.session(&app).await.id, before.id, "the same sign-in");
        early.authorize(&[("claims", ESSENTIAL), ("prompt", "none")]).await.code();
    }

    async fn who_has_a_factor_by_now_sets_up_no_other_by_the_password_alone(app) with named; {
        app.with_apps().await;
        app.add_app("bank", |it| {
            it.party = heirloom::domain::client::Party::First;
            it.metadata.second_factor = SecondFactorPolicy::Required;
        })
        .await;
        let (thief, owner) = (Browser::new(&app), Browser::new(&app));
        thief.ana_signs_in(&[]).await;
        let page = thief.authorize(&[("client_id", "bank")]).await;
        assert!(page.body.contains("a password alone is not enough"), "{page:?}");
        owner.gives_passkey("ana", &crate::authenticator::Authenticator::new(SITE)).await;
        let code = Authenticator::of(&page).code(app.clock.now());
        let late = thief.sends(&page, &[("code", &code), ("offer", &page.hidden("offer"))]).await;
        assert!(recovery_codes(&late).is_empty(), "{late:?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM totp_secrets").await, 0);
        assert_eq!(app.told("user.changed change=totp_added"), 0);
    }

    async fn what_nobody_can_reach_is_told(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        browser.authorize(&[("acr_values", "2")]).await.code();
        let refused = browser.authorize(&[("claims", ESSENTIAL)]).await;
        assert_eq!(refused.error(), "unmet_authentication_requirements");
        let below = r#"{"id_token": {"acr": {"essential": true, "values": ["phr", "1"]}}}"#;
        browser.authorize(&[("claims", below)]).await.code();
    }

    async fn a_sign_in_that_ended_is_not_taken_further(app) {
        let here = Browser::new(&app);
        app.with_apps().await;
        here.ana_signs_in(&[]).await;
        let other = Browser::new(&app);
        other.ana_signs_in(&[]).await;
        let (authenticator, _) = other.sets_up_an_app(&app).await;
        app.clock.advance(MINUTE);
        let page = here.authorize(&[("acr_values", "2")]).await;
        let session = here.session(&app).await.id;
        app.sql("DELETE FROM sign_in_sessions").await;
        let seen = here.sends(&page, &[("code", &authenticator.code(app.clock.now()))]).await;
        assert_eq!(seen.status, 403, "{session} {seen:?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 0);
    }

    async fn max_age_asks_for_all_factors_anew(app) {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let page = here.authorize(&[("max_age", "30")]).await;
        assert!(page.body.contains("name=\"password\""), "{page:?}");
        let page = here.sign_in(&page, "ana").await;
        let seen = here.sends(&page, &[("code", &authenticator.code(app.clock.now()))]).await;
        let told = app.id_token(&here.follow(seen).await.code()).await;
        assert_eq!(told["auth_time"], json!(app.clock.now().timestamp()));
    }

    async fn an_operator_takes_lost_factors_away(app) {
        let here = Browser::new(&app);
        app.ana_with_an_app(&here).await;
        let token = app.log_in_as_ana().await.text("mfa_token").to_owned();
        let ana = here.session(&app).await.user();
        app.change_user(ana, Change::ResetFactors).await;
        assert_eq!(app.told("user.changed change=factors_reset"), 1);
        let late = app.post("/login/mfa", &json!({ "mfa_token": token, "code": "123456" })).await;
        assert!(late.text("error_description").starts_with("The mfa_token is unknown"), "{late:?}");
        app.log_in("ana").await;
        assert_eq!(app.number("SELECT COUNT(*) FROM recovery_codes").await, 0);
    }

    async fn apps_send_no_passwords_where_the_operator_says_so(app) with |it| it.passwords.simple_face = false; {
        app.with_apps().await;
        let refused = app.log_in_as_ana().await;
        assert_eq!(refused.code(), "400 unauthorized_client");
        assert_eq!(app.told("login.refused"), 0, "no password was looked at");
        Browser::new(&app).ana_signs_in(&[]).await;
    }

    async fn a_device_of_a_client_that_requires_two_factors_waits_for_both(app) {
        let here = Browser::new(&app);
        app.with_apps().await;
        let client = heirloom::domain::client::GrantType::DeviceCode;
        app.add_client("tv", |it| {
            it.grants = [client, heirloom::domain::client::GrantType::RefreshToken].into();
            it.metadata.second_factor = SecondFactorPolicy::Required;
        }).await;
        here.ana_signs_in(&[]).await;
        let asked = app.form("/oauth/device_authorization", &[("client_id", "tv")]).await;
        let page = here.get("/device").await;
        let typed = [("csrf", page.hidden("csrf")), ("user_code", asked.text("user_code").to_owned())];
        let typed = typed.each_ref().map(|(name, value)| (*name, value.as_str()));
        let seen = here.post("/device", &typed).await;
        let page = here.follow(seen).await;
        assert!(page.body.contains("a password alone is not enough"), "{page:?}");
        let (_, shown) = here.enrols(&app, &page).await;
        assert!(here.goes_on(&shown).await.body.contains(asked.text("user_code")));
    }
}
