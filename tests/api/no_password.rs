//! Accounts without a password: their owners come in another way, and may set one.

use heirloom::service::admin::users::NewUser;
use heirloom::settings::Settings;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;
use crate::pages::is_sound;

const PLACE: &str = "/account/password";
const REMOVAL: &str = "/account/delete";
const NEW: &str = "four words nobody joins";

fn allowed(settings: &mut Settings) {
    settings.pages.account_deletion = true;
}

impl TestApp {
    async fn add_user_without_password(&self, name: &str) {
        let new = NewUser {
            username: name.parse().unwrap(),
            password: None,
            email: None,
            email_verified: false,
            claims: heirloom::domain::standard_claims::StandardClaims::default(),
            roles: Vec::new(),
        };
        heirloom::service::admin::users::add(&self.core, new, self.clock.now()).await.unwrap();
    }

    /// What it cost to refuse this password.
    async fn cost_of(&self, name: &str, password: &str) -> u64 {
        let before = self.core.passwords.spent();
        let answer = self.post("/login", &json!({ "username": name, "password": password })).await;
        assert_eq!(answer.code(), "401 invalid_grant", "{name} {password}");
        self.core.passwords.spent() - before
    }

    /// Ana, signed in here, who has no password any more.
    async fn ana_without_password(&self) -> Browser<'_> {
        self.with_apps().await;
        let browser = Browser::new(self);
        browser.sign_in(&browser.follow(browser.get(PLACE).await).await, "ana").await;
        self.sql("UPDATE users SET password_hash = '!', password_cost = NULL WHERE username = 'ana'").await;
        browser
    }
}

impl Browser<'_> {
    async fn sets(&self, page: &Seen, new: &str) -> Seen {
        let csrf = page.hidden("csrf");
        self.post(&page.action(), &[("csrf", csrf.as_str()), ("new_password", new), ("repeated", new)]).await
    }
}

both_stores! {
    async fn no_password_opens_an_account_that_has_none(app) {
        app.add_user("ana").await;
        app.add_user_without_password("ben").await;
        let wrong = app.cost_of("ana", "wrong horse battery").await;
        for name in ["ben", "nobody"] {
            for password in [PASSWORD, "!", "null"] {
                assert_eq!(app.cost_of(name, password).await, wrong, "{name}: the same time is spent");
            }
        }
        let changed = app.number("SELECT COUNT(*) FROM users WHERE password_hash = '!'").await;
        assert_eq!(changed, 1);
    }

    async fn whoever_has_just_signed_in_sets_a_first_password(app) {
        let browser = app.ana_without_password().await;
        let page = browser.get(PLACE).await;
        is_sound(&page, PLACE);
        assert!(page.body.contains("Set a password") && !page.body.contains("current-password"), "{page:?}");
        let short = browser.sets(&page, "short").await;
        assert!(short.status == 403 && short.body.contains("at least 8 characters"), "{short:?}");
        assert!(!short.body.contains("current-password"), "{short:?}");
        let set = browser.sets(&page, NEW).await;
        assert!(set.location().contains("done=password"), "{set:?}");
        let login = app.post("/login", &json!({ "username": "ana", "password": NEW })).await;
        assert_eq!(login.status, 200);
        // From now on it is asked for.
        let page = browser.get(PLACE).await;
        assert!(page.body.contains("current-password"), "{page:?}");
        assert_eq!(browser.sets(&page, "yet another few words").await.status, 403);
    }

    async fn whoever_signed_in_long_ago_signs_in_again_to_set_one(app) {
        let browser = app.ana_without_password().await;
        let page = browser.get(PLACE).await;
        app.clock.advance(5 * MINUTE);
        let again = "/sign-in?to=/account/password&prompt=login";
        assert_eq!(browser.sets(&page, NEW).await.location(), again);
        assert_eq!(browser.get(PLACE).await.location(), again);
        let without = app.number("SELECT COUNT(*) FROM users WHERE password_hash = '!'").await;
        assert_eq!(without, 1, "nothing was set");
    }

    async fn an_account_without_a_password_is_deleted_by_who_has_just_signed_in(app) with allowed; {
        let browser = app.ana_without_password().await;
        let page = browser.get(REMOVAL).await;
        is_sound(&page, REMOVAL);
        assert!(!page.body.contains("current-password"), "{page:?}");
        let form = [("csrf", page.hidden("csrf")), ("user", page.hidden("user")), ("mark", page.hidden("mark"))];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        app.clock.advance(5 * MINUTE);
        let again = "/sign-in?to=/account/delete&prompt=login";
        assert_eq!(browser.get(REMOVAL).await.location(), again);
        assert_eq!(browser.post(&page.action(), &form).await.location(), again);
        app.clock.turn_back(5 * MINUTE);
        let gone = browser.post(&page.action(), &form).await;
        assert!(gone.status == 200 && gone.body.contains("Your account was deleted"), "{gone:?}");
    }
}
