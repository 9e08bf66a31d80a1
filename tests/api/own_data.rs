//! What a user takes along: all that is kept of that user, nothing of others, and no secret.

use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PLACE: &str = "/account/data";

impl Browser<'_> {
    pub async fn downloads(&self, page: &Seen) -> Seen {
        self.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await
    }

    pub async fn opens_data(&self, name: &str) -> Seen {
        self.sign_in(&self.follow(self.get(PLACE).await).await, name).await
    }
}

impl Seen {
    pub fn data(&self) -> Value {
        assert_eq!(
            (self.status.as_u16(), self.header("content-type")),
            (200, "application/json"),
            "{self:?}"
        );
        assert_eq!(self.header("content-disposition"), "attachment; filename=\"account.json\"");
        assert_eq!(
            (self.header("cache-control"), self.header("x-content-type-options")),
            ("no-store", "nosniff")
        );
        serde_json::from_str(&self.body).unwrap()
    }
}

both_stores! {
    async fn a_user_takes_the_own_data_along_without_any_secret(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let ana = app.log_in("ana").await;
        let ben = app.log_in("ben").await;
        let browser = Browser::new(&app).with_header("user-agent", FIREFOX);
        let consent = browser.sign_in(&browser.authorize(&[("client_id", "other")]).await, "ana").await;
        let code = browser.decide(&consent, "allow").await.code();
        let other = app.exchange(&code, &[("client_id", "other")]).await.tokens();
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        let seen = browser.downloads(&browser.get(PLACE).await).await;
        let data = seen.data();
        assert_eq!(data["issuer"], app.core.issuer.as_str());
        assert_eq!(data["profile"]["username"], "ana");
        assert_eq!(data["profile"]["roles"], json!(["editor"]));
        let logins = data["logins"].as_array().unwrap();
        let mut ids: Vec<&str> = logins.iter().map(|login| login["id"].as_str().unwrap()).collect();
        let mut expected = [ana.family(), other.family()];
        ids.sort_unstable();
        expected.sort_unstable();
        assert_eq!(ids, expected);
        let of_other = logins.iter().find(|login| login["client_id"] == "other").unwrap();
        assert_eq!(of_other["address"], "127.0.0.1");
        let [sign_in] = &data["sign_ins"].as_array().unwrap()[..] else { panic!("{data}") };
        assert_eq!((&sign_in["user_agent"], &sign_in["address"]), (&json!(FIREFOX), &json!("127.0.0.1")));
        let [consent] = &data["consents"].as_array().unwrap()[..] else { panic!("{data}") };
        assert_eq!((&consent["client_id"], &consent["scope"]), (&json!("other"), &json!("openid profile")));
        let events: Vec<&str> =
            data["events"].as_array().unwrap().iter().map(|it| it["event"].as_str().unwrap()).collect();
        assert_eq!(events.len(), 5, "{events:?}");
        for event in ["login.succeeded", "sign_in.succeeded", "consent.given", "user.changed"] {
            assert!(events.contains(&event), "{event}: {events:?}");
        }
        assert_eq!(data["is_shortened"], false);
        // Nothing of others, and nothing that opens anything.
        let cookie = browser.cookie("heirloom-session").unwrap();
        for absent in ["ben", &ben.family(), &ana.refresh, &ana.access, &other.refresh, "argon2", &cookie, &code, "hash", "secret", "password\""] {
            assert!(!seen.body.contains(absent), "{absent}: {}", seen.body);
        }
    }

    async fn who_signed_in_long_ago_shows_the_password_first(app) {
        app.with_apps().await;
        for (language, again, thanks) in [
            ("en", "You will be asked for your password first.", "Thank you. Now you can download your data."),
            ("de", "Vorher werden Sie nach Ihrem Passwort gefragt.", "Danke. Jetzt können Sie Ihre Daten herunterladen."),
        ] {
            let browser = Browser::new(&app).with_header("accept-language", language);
            let page = browser.opens_data("ana").await;
            assert!(!page.body.contains(again), "{page:?}");
            browser.downloads(&page).await.data();
            app.clock.advance(5 * MINUTE);
            let page = browser.get(PLACE).await;
            assert!(page.body.contains(again), "{page:?}");
            let sent = browser.downloads(&page).await;
            assert_eq!(sent.location(), "/sign-in?to=/account/data&prompt=login&done=fresh");
            let sign_in = browser.follow(sent).await;
            let refused = {
                let form = [("csrf", sign_in.hidden("csrf")), ("username", "ana".to_owned()), ("password", "not hers".to_owned())];
                browser.post(&sign_in.action(), &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await
            };
            assert_eq!(refused.status, 403);
            assert_eq!(browser.downloads(&page).await.status, 303, "not yet");
            let page = browser.sign_in(&refused, "ana").await;
            assert!(page.body.contains(thanks), "{page:?}");
            browser.downloads(&page).await.data();
        }
    }

    async fn nobody_takes_the_data_of_another(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let browser = Browser::new(&app);
        let anas = browser.opens_data("ana").await;
        // Another site's form, or one from before somebody else signed in.
        for csrf in ["", "x"] {
            let stale = browser.post(PLACE, &[("csrf", csrf)]).await;
            assert_eq!(stale.location(), "/account/data?done=nothing", "{csrf}");
        }
        let ben = browser.follow(browser.get("/sign-in?to=/account/data&prompt=login").await).await;
        let bens = browser.sign_in(&ben, "ben").await;
        assert_eq!(browser.downloads(&anas).await.location(), "/account/data?done=nothing");
        assert_eq!(browser.downloads(&bens).await.data()["profile"]["username"], "ben");
        assert_eq!(Browser::new(&app).post(PLACE, &[]).await.location(), "/sign-in?to=/account/data");
    }
}
