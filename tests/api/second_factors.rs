//! Second factors at the pages and at the simple face: authenticator apps and recovery codes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use heirloom::service::admin::janitor;
use heirloom::settings::Settings;
use serde_json::json;
use totp_rs::{Builder, Secret};

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;

pub const STEP: Duration = Duration::from_secs(30);
pub const METHODS: &str = "/account/sign-in-methods";
const APP: &str = "/account/sign-in-methods/app";

/// An app on somebody's telephone.
pub struct Authenticator(String);

impl Authenticator {
    /// One with this key.
    pub fn with(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// Takes over the key that a page shows.
    pub fn of(page: &Seen) -> Self {
        let (_, rest) = page.body.split_once("id=\"key\"").unwrap_or_else(|| panic!("a key in {page:?}"));
        let (_, rest) = rest.split_once("<code>").unwrap();
        Self(rest.split_once("</code>").unwrap().0.replace(' ', ""))
    }

    pub fn code(&self, at: DateTime<Utc>) -> String {
        let totp = Builder::new().with_secret(Secret::try_from_base32(&self.0).unwrap()).build_noncompliant();
        totp.generate(u64::try_from(at.timestamp()).unwrap()).to_string()
    }
}

/// The recovery codes that a page shows.
pub fn recovery_codes(page: &Seen) -> Vec<String> {
    let shown = page.body.split("<li><code>").skip(1);
    shown.map(|rest| rest.split_once("</code>").unwrap().0.to_owned()).collect()
}

impl Browser<'_> {
    /// Sets up an app; gives it, and the page after that.
    pub async fn sets_up_an_app(&self, app: &TestApp) -> (Authenticator, Seen) {
        let page = self.get(APP).await;
        let authenticator = Authenticator::of(&page);
        let code = authenticator.code(app.clock.now());
        (authenticator, self.sends(&page, &[("code", &code), ("offer", &page.hidden("offer"))]).await)
    }

    /// Sends a page's last form, with what is typed into it.
    pub async fn sends(&self, page: &Seen, typed: &[(&str, &str)]) -> Seen {
        let csrf = page.hidden("csrf");
        let form: Vec<(&str, &str)> = typed.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post(&page.action(), &form).await
    }

    /// Shows a name and a password; gives the page that asks for more.
    async fn begins(&self, changes: &[(&str, &str)]) -> Seen {
        let page = self.authorize(changes).await;
        let seen = self.sign_in(&page, "ana").await;
        assert!(seen.body.contains("autocomplete=\"one-time-code\""), "{seen:?}");
        seen
    }
}

impl TestApp {
    /// Ana, who has set up an app a minute ago, in the browser that she is signed in.
    pub async fn ana_with_an_app<'a>(&'a self, browser: &Browser<'a>) -> (Authenticator, Vec<String>) {
        self.with_apps().await;
        browser.ana_signs_in(&[]).await;
        let (authenticator, page) = browser.sets_up_an_app(self).await;
        let codes = recovery_codes(&page);
        assert_eq!(codes.len(), 10, "{page:?}");
        self.clock.advance(MINUTE);
        (authenticator, codes)
    }

    pub async fn log_in_as_ana(&self) -> Answer {
        self.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await
    }

    async fn show_mfa(&self, token: &str, member: &str, code: &str) -> Answer {
        self.post("/login/mfa", &json!({ "mfa_token": token, member: code })).await
    }
}

both_stores! {
    async fn an_app_is_asked_for_after_the_password_and_its_family_tells(app) {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        assert_eq!(app.told("user.changed change=totp_added"), 1);
        let session = here.session(&app).await.authentication;
        assert_eq!(session.acr.as_deref(), Some("2"), "the code was shown here, too");
        let elsewhere = Browser::new(&app);
        let page = elsewhere.begins(&[]).await;
        assert!(elsewhere.cookie("heirloom-session").is_none(), "the password alone opens nothing");
        let seen = elsewhere.sends(&page, &[("code", "000000")]).await;
        assert!(seen.status == 403 && seen.body.contains("The code is wrong"), "{seen:?}");
        assert!(!seen.body.contains("000000"));
        let code = authenticator.code(app.clock.now());
        let seen = elsewhere.sends(&seen, &[("code", &format!("{} {}", &code[..3], &code[3..]))]).await;
        let code = elsewhere.follow(seen).await.code();
        let told = claims(app.exchange(&code, &[]).await.text("id_token"));
        assert_eq!(told["amr"], json!(["pwd", "otp", "mfa"]), "RFC 8176");
        assert_eq!((&told["acr"], &told["auth_time"]), (&json!("2"), &json!(app.clock.now().timestamp())));
    }

    async fn a_code_is_taken_once_and_a_step_away_at_most(app) {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let shows = async |code: &str| {
            let browser = Browser::new(&app);
            let page = browser.begins(&[]).await;
            browser.sends(&page, &[("code", code)]).await.status.as_u16()
        };
        let now = app.clock.now();
        for (code, expected) in [
            (authenticator.code(now - STEP * 2), 403),
            (authenticator.code(now + STEP * 2), 403),
            (authenticator.code(now - STEP), 303),
            (authenticator.code(now - STEP), 403),
            (authenticator.code(now + STEP), 303),
            (authenticator.code(now + STEP), 403),
            // One that is older than the last one is spent with it.
            (authenticator.code(now), 403),
        ] {
            assert_eq!(shows(&code).await, expected);
        }
    }

    async fn of_many_who_show_one_code_at_once_one_is_let_in(app) with |it| it.limits.account_attempts = 1000; {
        let here = Browser::new(&app);
        let (authenticator, codes) = app.ana_with_an_app(&here).await;
        for (member, code) in [("code", authenticator.code(app.clock.now())), ("recovery_code", codes[0].clone())] {
            let mut tokens = Vec::new();
            for _ in 0..8 {
                tokens.push(app.log_in_as_ana().await.text("mfa_token").to_owned());
            }
            let answers = join_all(tokens.iter().map(|token| app.show_mfa(token, member, &code))).await;
            let taken = answers.iter().filter(|answer| answer.status == 200).count();
            assert_eq!(taken, 1, "{member}: {answers:?}");
            assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 401), "{answers:?}");
        }
    }

    async fn a_recovery_code_stands_in_once_for_the_app(app) {
        let here = Browser::new(&app);
        let (_, codes) = app.ana_with_an_app(&here).await;
        let page = here.get(METHODS).await;
        assert!(page.body.contains("Unused codes: 10"), "{page:?}");
        let lost = Browser::new(&app);
        let page = lost.begins(&[]).await;
        let code = codes[3].to_uppercase().replace('-', " ");
        let seen = lost.sends(&page, &[("recovery_code", &code)]).await;
        lost.follow(seen).await.code();
        assert_eq!(app.told("recovery_code.used"), 1);
        let again = Browser::new(&app);
        let page = again.begins(&[]).await;
        let seen = again.sends(&page, &[("recovery_code", &code)]).await;
        assert!(seen.status == 403 && seen.body.contains("not one of your unused recovery codes"), "{seen:?}");
        let page = here.get(METHODS).await;
        assert!(page.body.contains("Unused codes: 9"), "{page:?}");
        // New ones take the place of all others.
        let shown = here.post(METHODS, &[("csrf", &page.hidden("csrf")), ("renew", "recovery_codes")]).await;
        let new = recovery_codes(&shown);
        assert_eq!((new.len(), app.told("user.changed change=recovery_codes_renewed")), (10, 1));
        let token = app.log_in_as_ana().await.text("mfa_token").to_owned();
        assert_eq!(app.show_mfa(&token, "recovery_code", &codes[4]).await.code(), "401 invalid_grant");
        app.show_mfa(&token, "recovery_code", &new[0]).await.tokens();
    }

    async fn a_login_with_json_goes_on_with_a_second_factor(app) {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let wants = app.log_in_as_ana().await;
        assert_eq!((wants.code().as_str(), app.live_families().await), ("403 mfa_required", 0));
        assert_eq!(wants.json["methods"], json!(["totp", "recovery_code"]));
        assert_eq!((&wants.json["expires_in"], wants.header("cache-control")), (&json!(600), Some("no-store")));
        let token = wants.text("mfa_token");
        let code = authenticator.code(app.clock.now());
        for (member, wrong) in [("code", "123"), ("recovery_code", "x")] {
            let refused = app.show_mfa(token, member, wrong).await;
            assert_eq!(refused.refusal(), "401 invalid_grant The code is wrong, or it was used before.");
        }
        let foreign = json!({ "mfa_token": token, "code": code, "client_id": "spa" });
        app.add_client("spa", |_| ()).await;
        assert_eq!(app.post("/login/mfa", &foreign).await.code(), "401 invalid_grant", "another client's");
        for shape in [json!({ "mfa_token": token }), json!({ "mfa_token": token, "code": "1", "recovery_code": "2" })] {
            assert_eq!(app.post("/login/mfa", &shape).await.code(), "400 invalid_request");
        }
        let tokens = app.show_mfa(token, "code", &code).await.tokens();
        assert_eq!(app.told("login.succeeded"), 1);
        app.rotate(&tokens).await;
        let spent = app.show_mfa(token, "code", &code).await;
        assert!(spent.text("error_description").starts_with("The mfa_token is unknown"), "{spent:?}");
        // What the browser holds opens nothing here.
        let browser = Browser::new(&app);
        browser.begins(&[]).await;
        let attempt = browser.cookie("heirloom-attempt").unwrap();
        assert_eq!(app.show_mfa(&attempt, "code", &code).await.code(), "401 invalid_grant");
    }

    async fn wrong_codes_count_as_wrong_passwords_do(app) with |it| it.limits.account_attempts = 3; {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let token = app.log_in_as_ana().await.text("mfa_token").to_owned();
        for _ in 0..3 {
            assert_eq!(app.show_mfa(&token, "code", "000000").await.status, 401);
        }
        let right = authenticator.code(app.clock.now());
        assert_eq!(app.show_mfa(&token, "code", &right).await.code(), "429 too_many_attempts");
        assert_eq!(app.log_in_as_ana().await.code(), "429 too_many_attempts", "nor is the password looked at");
        assert_eq!((app.told("login.refused"), app.told("attempts.limited")), (3, 2));
    }

    async fn what_was_begun_ends_after_ten_minutes_with_a_new_password_and_after_ten_wrong_codes(app)
    with |it| it.limits.account_attempts = 1000; {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let late = Browser::new(&app);
        let page = late.begins(&[]).await;
        app.clock.advance(MINUTE * 10);
        let code = authenticator.code(app.clock.now());
        let seen = late.sends(&page, &[("code", &code)]).await;
        assert!(seen.status == 403 && seen.body.contains("This took too long"), "{seen:?}");
        assert!(seen.body.contains("name=\"password\""), "it begins anew");
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_attempts").await, 0);
        let guessed = app.log_in_as_ana().await.text("mfa_token").to_owned();
        for _ in 0..10 {
            app.show_mfa(&guessed, "code", "000000").await;
        }
        assert_eq!(app.show_mfa(&guessed, "code", &code).await.code(), "401 invalid_grant");
        let changed = app.log_in_as_ana().await.text("mfa_token").to_owned();
        let page = here.get("/account/password").await;
        let new = "another battery horse staple";
        let typed = [("password", PASSWORD), ("new_password", new), ("repeated", new)];
        assert_eq!(here.sends(&page, &typed).await.status, 303);
        assert_eq!(app.show_mfa(&changed, "code", &code).await.code(), "401 invalid_grant");
    }

    async fn second_clicks_other_tabs_and_the_back_button_end_well(app) {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let browser = Browser::new(&app);
        let first_tab = browser.begins(&[]).await;
        let second_tab = browser.begins(&[]).await;
        // The form of the first tab is of an attempt that this browser has left: it is shown once more.
        let code = authenticator.code(app.clock.now());
        let seen = browser.sends(&first_tab, &[("code", &code)]).await;
        let seen = browser.follow(seen).await;
        assert!(seen.body.contains("one-time-code"), "{seen:?}");
        let seen = browser.sends(&second_tab, &[("code", &code)]).await;
        browser.follow(seen).await.code();
        for form in [&second_tab, &first_tab] {
            let seen = browser.sends(form, &[("code", &code)]).await;
            browser.follow(seen).await.code();
        }
        assert_eq!(app.told("sign_in.refused"), 0);
    }

    async fn only_who_was_let_in_a_moment_ago_by_all_factors_changes_them(app) {
        let here = Browser::new(&app);
        app.with_apps().await;
        here.ana_signs_in(&[]).await;
        let thief = Browser::new(&app);
        thief.ana_signs_in(&[]).await;
        let (authenticator, _) = here.sets_up_an_app(&app).await;
        let asks = |seen: &Seen| seen.status == 303 && seen.header("location").starts_with("/sign-in?");
        let page = thief.get(METHODS).await;
        let seen = thief.post(METHODS, &[("csrf", &page.hidden("csrf")), ("remove", "totp")]).await;
        assert!(asks(&seen), "it was let in by the password alone: {seen:?}");
        app.clock.advance(MINUTE * 5);
        let page = here.get(METHODS).await;
        for change in [("remove", "totp"), ("renew", "recovery_codes")] {
            let seen = here.post(METHODS, &[("csrf", &page.hidden("csrf")), change]).await;
            assert!(asks(&seen), "{seen:?}");
        }
        let seen = here.post(METHODS, &[("csrf", &page.hidden("csrf")), ("remove", "totp")]).await;
        let seen = here.follow(seen).await;
        let seen = here.sign_in(&seen, "ana").await;
        let seen = here.sends(&seen, &[("code", &authenticator.code(app.clock.now()))]).await;
        let page = here.follow(seen).await;
        assert!(page.body.contains("Now you can change how you sign in"), "{page:?}");
        let seen = here.post(METHODS, &[("csrf", &page.hidden("csrf")), ("remove", "totp")]).await;
        assert!(here.follow(seen).await.body.contains("no longer asked for"));
        assert_eq!(app.told("user.changed change=totp_removed"), 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM recovery_codes").await, 0, "they stand in for nothing");
        app.log_in("ana").await;
    }

    async fn an_app_counts_once_its_code_was_shown(app) {
        let here = Browser::new(&app);
        app.with_apps().await;
        here.ana_signs_in(&[]).await;
        let page = here.get(APP).await;
        assert!(page.body.contains("<svg class=\"qr\" ") && page.body.contains("otpauth:"), "{page:?}");
        let authenticator = Authenticator::of(&page);
        let other = here.get(APP).await;
        assert_ne!(authenticator.0, Authenticator::of(&other).0, "each tab has a key of its own");
        let offer = page.hidden("offer");
        let seen = here.sends(&page, &[("code", "000000"), ("offer", &offer)]).await;
        assert!(seen.status == 403 && seen.body.contains("not the code that the app shows"), "{seen:?}");
        assert_eq!(Authenticator::of(&seen).0, authenticator.0, "the same key, or it would be scanned twice");
        app.log_in("ana").await;
        let code = authenticator.code(app.clock.now());
        let other_offer = other.hidden("offer");
        let mixed = here.sends(&page, &[("code", &code), ("offer", &other_offer)]).await;
        assert_eq!(mixed.status, 403);
        let seen = here.sends(&page, &[("code", &code), ("offer", &offer)]).await;
        assert_eq!((seen.status.as_u16(), recovery_codes(&seen).len()), (200, 10));
        // A second click, and the other tab.
        for (page, offer) in [(&page, &offer), (&other, &other_offer)] {
            let code = Authenticator::of(page).code(app.clock.now());
            let seen = here.sends(page, &[("code", &code), ("offer", offer)]).await;
            assert_eq!(seen.location(), METHODS);
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM totp_secrets").await, 1);
        assert_eq!(app.told("user.changed change=totp_added"), 1);
    }

    async fn a_secret_that_does_not_open_is_an_alarm_and_lets_nobody_in(app) {
        let here = Browser::new(&app);
        let (authenticator, codes) = app.ana_with_an_app(&here).await;
        let token = app.log_in_as_ana().await.text("mfa_token").to_owned();
        let damaged = match app.store { Store::Sqlite => "x'01'", Store::Postgres => "'\\x01'" };
        app.sql(&format!("UPDATE totp_secrets SET sealed = {damaged}")).await;
        let code = authenticator.code(app.clock.now());
        assert_eq!(app.show_mfa(&token, "code", &code).await.code(), "401 invalid_grant");
        assert_eq!(app.told("alarm.raised reason=the sealed secret of a user's second factor does not open"), 1);
        app.show_mfa(&token, "recovery_code", &codes[0]).await.tokens();
    }
}

both_databases! {
    async fn secrets_are_sealed_anew_under_another_master_key(store, url) {
        const OTHER: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |it| reached(it, MASTER_KEY)).await;
        let (authenticator, _) = app.ana_with_an_app(&Browser::new(&app)).await;
        stop.end().await;
        for keys in [&format!("{OTHER},{MASTER_KEY}"), OTHER] {
            clock.advance(MINUTE);
            let (app, stop) = start(store, &url, clock.clone(), |it| reached(it, keys)).await;
            let token = app.log_in_as_ana().await.text("mfa_token").to_owned();
            app.show_mfa(&token, "code", &authenticator.code(clock.now())).await.tokens();
            stop.end().await;
        }
    }
}

/// At an issuer that lasts, with these master keys.
pub fn reached(settings: &mut Settings, keys: &str) {
    settings.issuer = Some("https://login.example.com".parse().unwrap());
    settings.master_key = Some(keys.to_owned().into());
}
