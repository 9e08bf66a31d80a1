//! What owners of accounts are told by mail.

use heirloom::domain::client::Party;
use heirloom::domain::ids::UserId;
use heirloom::domain::secrets::Password;
use heirloom::domain::standard_claims::StandardClaims;
use heirloom::domain::upstream::{UpstreamIdentity, UpstreamSubject};
use heirloom::service::admin::janitor;
use heirloom::service::admin::users::{self, Change, NewUser};
use heirloom::service::upstream::links;
use heirloom::settings::{ProviderTables, Settings};
use serde_json::json;

use crate::authenticator::Authenticator;
use crate::browser::*;
use crate::harness::*;
use crate::mailbox::*;
use crate::passkeys::{PLACE as PASSKEYS, SITE, named};
use crate::second_factors::{METHODS, recovery_codes};

const ANA: &str = "ana@example.com";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const NEWER_FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0";
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";

fn silent(settings: &mut Settings) {
    mailing(settings);
    settings.mail.notices = false;
}

fn behind_a_proxy(settings: &mut Settings) {
    mailing(settings);
    settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

impl TestApp {
    /// Somebody whose mail comes to this address, and who reads German.
    async fn add_reader(&self, name: &str, email: &str, email_verified: bool) -> UserId {
        let claims: StandardClaims = serde_json::from_value(json!({ "locale": "de-CH" })).unwrap();
        let (username, password) = (name.parse().unwrap(), Password::new(PASSWORD.to_owned()).unwrap());
        let email = Some(email.to_owned());
        let new =
            NewUser { username, password: Some(password), email, email_verified, claims, roles: Vec::new() };
        users::add(&self.core, new, self.clock.now()).await.unwrap().id
    }

    async fn comes_with(&self, name: &str, agent: &str, address: &str) {
        let credentials = json!({ "username": name, "password": PASSWORD });
        let request = self.http.post(self.at("/login")).json(&credentials);
        let request = request.header("user-agent", agent).header("x-forwarded-for", address);
        assert_eq!(self.send(request).await.status, 200);
    }

    /// What mails to an address are about, the oldest first.
    async fn told_by_mail(&self, to: &str) -> Vec<String> {
        self.mails_to(to).await.into_iter().map(|mail| mail.subject).collect()
    }
}

const NEW_DEVICE: &str = "Neue Anmeldung bei Ihrem Konto bei Heirloom";

both_stores! {
    async fn an_owner_is_told_of_another_password_at_an_address_that_is_hers(app) with mailing; {
        let ana = app.add_reader("ana", ANA, true).await;
        let ben = app.add_reader("ben", "ben@example.com", false).await;
        for user in [ana, ben] {
            let password = Password::new("another long password".to_owned()).unwrap();
            app.change_user(user, Change::Password(password)).await;
        }
        let mail = app.newest_mail(ANA).await;
        assert_eq!(mail.subject, "Ihr Passwort für Heirloom wurde geändert");
        let moment = app.clock.now().format("%d.%m.%Y, %H:%M UTC").to_string();
        assert!(mail.text.contains(&moment) && mail.html.contains(&moment), "{mail:?}");
        assert_eq!(app.mails().await.len(), 1);
    }

    async fn an_owner_is_told_of_a_device_or_a_network_that_is_new(app) with behind_a_proxy; {
        app.add_reader("ana", ANA, true).await;
        // The first one is no news, and what stays the same is none.
        app.comes_with("ana", FIREFOX, "192.0.2.7").await;
        app.comes_with("ana", NEWER_FIREFOX, "192.0.99.9").await;
        assert_eq!(app.told_by_mail(ANA).await.len(), 0);
        app.comes_with("ana", CHROME, "192.0.2.7").await;
        let mail = app.newest_mail(ANA).await;
        assert_eq!(mail.subject, NEW_DEVICE);
        assert!(mail.text.contains("mit Chrome auf Windows, von der Adresse 192.0.2.7"), "{}", mail.text);
        app.comes_with("ana", FIREFOX, "198.51.100.1").await;
        // What a program calls itself cannot be a message to anybody.
        app.comes_with("ana", "evil.example/1.0 (Linux)", "198.51.100.1").await;
        assert_eq!(app.told_by_mail(ANA).await.len(), 3);
        assert!(app.mails_to(ANA).await.iter().all(|mail| !mail.text.contains("evil")));
        app.comes_with("ana", CHROME, "192.0.2.8").await;
        assert_eq!(app.told_by_mail(ANA).await.len(), 3);
        // What is not used for long is forgotten.
        app.clock.advance(2 * DAY);
        app.comes_with("ana", FIREFOX, "192.0.2.7").await;
        app.clock.advance(399 * DAY);
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        app.comes_with("ana", CHROME, "192.0.2.7").await;
        app.comes_with("ana", FIREFOX, "192.0.2.7").await;
        assert_eq!(app.told_by_mail(ANA).await.len(), 4);
    }

    async fn an_app_of_who_is_signed_in_is_no_device(app) with mailing; {
        app.add_app("app", |it| it.party = Party::First).await;
        app.add_reader("ana", ANA, true).await;
        let browser = Browser::new(&app).with_header("user-agent", FIREFOX);
        let code = browser.ana_signs_in(&[]).await;
        assert_eq!(app.exchange(&code, &[]).await.status, 200);
        assert_eq!(app.number("SELECT COUNT(*) FROM known_devices").await, 1);
        let browser = Browser::new(&app).with_header("user-agent", CHROME);
        browser.ana_signs_in(&[]).await;
        assert_eq!(app.told_by_mail(ANA).await, [NEW_DEVICE]);
    }

    async fn an_owner_is_told_of_a_login_that_ended_because_somebody_copied_it(app) with mailing; {
        app.add_reader("ana", ANA, true).await;
        let stolen = app.log_in("ana").await;
        app.rotate(&app.rotate(&stolen).await).await;
        app.clock.advance(MINUTE);
        assert_eq!(app.refresh(&stolen.refresh).await.refusal(), REUSED);
        assert_eq!(app.refresh(&stolen.refresh).await.refusal(), REUSED);
        assert_eq!(app.told_by_mail(ANA).await, ["Eine Ihrer Anmeldungen bei Heirloom wurde beendet"]);
    }

    async fn an_owner_is_told_of_a_second_factor_that_comes_is_replaced_or_goes(app) with mailing; {
        app.add_app("app", |it| it.party = Party::First).await;
        let ana = app.add_reader("ana", ANA, true).await;
        let browser = Browser::new(&app).with_header("user-agent", FIREFOX);
        browser.ana_signs_in(&[]).await;
        let (_, page) = browser.sets_up_an_app(&app).await;
        assert_eq!(app.told_by_mail(ANA).await, ["Neue Anmeldemethode für Ihr Konto bei Heirloom"]);
        let code = recovery_codes(&page).remove(0);
        let asked = app.log_in_as_ana().await;
        let shown = json!({ "mfa_token": asked.text("mfa_token"), "recovery_code": code });
        assert_eq!(app.post("/login/mfa", &shown).await.status, 200);
        app.change_user(ana, Change::ResetFactors).await;
        let told = app.told_by_mail(ANA).await;
        for subject in [
            "Ein Wiederherstellungscode wurde bei Heirloom benutzt",
            "Eine Anmeldemethode Ihres Kontos bei Heirloom wurde entfernt",
        ] {
            assert!(told.contains(&subject.to_owned()), "{subject} in {told:?}");
        }
    }

    async fn an_owner_is_told_of_what_is_changed_at_the_own_page(app) with |settings| {
        named(settings);
        mailing(settings);
    }; {
        app.add_reader("ana", ANA, true).await;
        let browser = Browser::new(&app).with_header("user-agent", FIREFOX);
        let page = browser.opens_passkeys("ana").await;
        let told = async |subject: &str, times: usize| {
            let told = app.told_by_mail(ANA).await;
            assert_eq!(told.iter().filter(|it| *it == subject).count(), times, "{subject}: {told:?}");
        };
        let (added, removed) = (
            "Neue Anmeldemethode für Ihr Konto bei Heirloom",
            "Eine Anmeldemethode Ihres Kontos bei Heirloom wurde entfernt",
        );
        let page = browser.has_added(&page, &Authenticator::new(SITE), "Laptop").await;
        told(added, 1).await;
        let form = [("csrf", page.hidden("csrf")), ("do", "remove".to_owned()), ("id", page.hidden("id"))];
        browser.post(PASSKEYS, &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await.location();
        told(removed, 1).await;
        browser.sets_up_an_app(&app).await;
        told(added, 2).await;
        let methods = browser.get(METHODS).await;
        let changes = [("renew", "recovery_codes"), ("remove", "totp")];
        for change in changes {
            let done = browser.post(METHODS, &[("csrf", &methods.hidden("csrf")), change]).await;
            assert!(done.status == 200 || done.location().contains("done="), "{change:?}: {done:?}");
        }
        told("Neue Wiederherstellungscodes für Heirloom", 1).await;
        told(removed, 2).await;
        let page = browser.get("/account/password").await;
        let new = "another long password";
        let csrf = page.hidden("csrf");
        let form = [("csrf", csrf.as_str()), ("password", PASSWORD), ("new_password", new), ("repeated", new)];
        assert!(browser.post("/account/password", &form).await.location().contains("done="));
        told("Ihr Passwort für Heirloom wurde geändert", 1).await;
    }

    async fn an_owner_is_told_of_a_sign_in_elsewhere_that_is_linked_or_unlinked(app) with |settings| {
        mailing(settings);
        let nowhere = json!({ "id": "works", "issuer": "http://127.0.0.1:1", "client_id": "heirloom" });
        settings.sign_in.providers = ProviderTables::new(vec![nowhere]);
    }; {
        let ana = app.add_reader("ana", ANA, true).await;
        let browser = Browser::new(&app).with_header("user-agent", FIREFOX);
        browser.sign_in(&browser.follow(browser.get("/account/links").await).await, "ana").await;
        let session = browser.session(&app).await;
        let who = UpstreamSubject { issuer: "http://127.0.0.1:1".to_owned(), subject: "a-1".to_owned() };
        let identity = UpstreamIdentity {
            who: who.clone(), email: None, email_verified: false, username: None, name: None, auth_time: None,
            sid: None, amr: Vec::new(), roles: None,
        };
        links::link(&app.core, &session, (&identity, None), app.clock.now()).await.unwrap().unwrap();
        let mail = app.newest_mail(ANA).await;
        assert_eq!(mail.subject, "Neue Anmeldemethode für Ihr Konto bei Heirloom");
        assert!(mail.text.contains("mit einem anderen Anbieter verknüpft"), "{mail:?}");
        let page = browser.get("/account/links").await;
        let form = ["csrf", "issuer", "subject"].map(|name| (name, page.hidden(name)));
        let gone = browser.post("/account/links", &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        assert_eq!(gone.location(), "/account/links?done=unlinked");
        // Two tabs: in the other one it is gone by now.
        let again = browser.post("/account/links", &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        assert_eq!(again.location(), "/account/links");
        let told = app.told_by_mail(ANA).await;
        let removed = "Eine Anmeldemethode Ihres Kontos bei Heirloom wurde entfernt";
        assert_eq!(told.iter().filter(|it| *it == removed).count(), 1, "{told:?}");
        assert_eq!(app.told(&format!("user.changed change=unlinked user={ana}")), 1);
    }

    async fn owners_are_told_nothing_where_an_operator_wants_it_so(app) with silent; {
        let ana = app.add_reader("ana", ANA, true).await;
        app.comes_with("ana", FIREFOX, "192.0.2.7").await;
        app.comes_with("ana", CHROME, "192.0.2.7").await;
        let password = Password::new("another long password".to_owned()).unwrap();
        app.change_user(ana, Change::Password(password)).await;
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn what_is_told_is_limited_too_and_the_deed_is_done(app) with |settings| {
        mailing(settings);
        settings.mail.per_address = 1;
    }; {
        let ana = app.add_reader("ana", ANA, true).await;
        for password in ["another long password", "yet another long password"] {
            app.change_user(ana, Change::Password(Password::new(password.to_owned()).unwrap())).await;
        }
        assert_eq!(app.mails().await.len(), 1);
        let limited = format!("mail.limited letter=password_changed reason=address user={ana}");
        assert_eq!(app.told(&limited), 1, "{:?}", app.events());
        assert_eq!(app.told("user.changed change=password"), 2);
    }

    async fn what_an_account_was_used_with_goes_with_it(app) with mailing; {
        let ana = app.add_reader("ana", ANA, true).await;
        app.log_in("ana").await;
        assert_eq!(app.number("SELECT COUNT(*) FROM known_devices").await, 1);
        app.change_user(ana, Change::Remove).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM known_devices").await, 0);
    }
}
