//! Users' own passkeys: added, named and removed at the account's page.

use std::time::Duration;

use heirloom::service::admin::users::Change;
use heirloom::settings::Settings;
use serde_json::{Value, json};

use crate::authenticator::{Authenticator, Deviation, PRESENT, SYNCED, VERIFIED, bytes};
use crate::browser::*;
use crate::harness::*;
use crate::pages::is_sound;

pub const PLACE: &str = "/account/passkeys";
pub const SITE: &str = "id.example";

pub fn named(settings: &mut Settings) {
    settings.issuer = Some(format!("https://{SITE}").parse().unwrap());
}

impl Seen {
    /// What the page asks the browser, if it does.
    pub fn options(&self) -> Option<Value> {
        let (_, rest) = self.body.split_once("data-options=\"")?;
        serde_json::from_str(&unescaped(rest.split_once('"').unwrap().0)).ok()
    }

    /// What the page has browsers tell devices.
    pub fn signals(&self) -> Value {
        let (_, rest) = self.body.split_once("data-signals=\"").unwrap_or_else(|| panic!("{self:?}"));
        serde_json::from_str(&unescaped(rest.split_once('"').unwrap().0)).unwrap()
    }
}

impl Browser<'_> {
    pub async fn opens_passkeys(&self, name: &str) -> Seen {
        self.sign_in(&self.follow(self.get(PLACE).await).await, name).await
    }

    /// Sends an answer to what the page asks.
    pub async fn adds(&self, page: &Seen, answer: &Value, name: &str) -> Seen {
        let (csrf, ceremony, answer) = (page.hidden("csrf"), page.hidden("ceremony"), answer.to_string());
        let form = [
            ("csrf", csrf.as_str()),
            ("do", "add"),
            ("ceremony", &ceremony),
            ("passkey", &answer),
            ("name", name),
        ];
        self.post(PLACE, &form).await
    }

    /// Adds one of an authenticator, and looks at the page after that.
    pub async fn has_added(&self, page: &Seen, authenticator: &Authenticator, name: &str) -> Seen {
        let answer = authenticator.create(&page.options().unwrap());
        let added = self.adds(page, &answer, name).await;
        assert_eq!(added.location(), "/account/passkeys?done=passkey_added");
        self.follow(added).await
    }

    async fn does(&self, page: &Seen, what: &str, id: &str, name: &str) -> Seen {
        let csrf = page.hidden("csrf");
        self.post(PLACE, &[("csrf", csrf.as_str()), ("do", what), ("id", id), ("name", name)]).await
    }
}

/// A page's problem, as people read it.
pub fn problem(seen: &Seen) -> String {
    let (_, rest) = seen.body.split_once("id=\"problem\">").unwrap_or_else(|| panic!("{seen:?}"));
    rest.split_once('<').unwrap().0.to_owned()
}

both_stores! {
    async fn a_passkey_is_added_named_and_removed(app) with named; {
        let ana = app.add_user("ana").await;
        let browser = Browser::new(&app);
        let page = browser.opens_passkeys("ana").await;
        is_sound(&page, PLACE);
        let options = page.options().unwrap();
        assert_eq!(options["rp"], json!({ "id": SITE, "name": "Heirloom" }));
        assert_eq!(bytes(&options["user"]["id"]), ana.0.as_bytes(), "it says nothing of the user");
        assert_eq!((&options["user"]["name"], &options["attestation"]), (&json!("ana"), &json!("none")));
        assert_eq!(options["authenticatorSelection"], json!({
            "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
        }));
        assert_eq!(options["excludeCredentials"], json!([]));

        let phone = Authenticator::new(SITE);
        phone.flags.set(PRESENT | VERIFIED | SYNCED);
        let page = browser.has_added(&page, &phone, " Ana's phone ").await;
        is_sound(&page, PLACE);
        for text in ["The passkey was added.", "Ana&#x27;s phone", "on several devices", "Not used yet"] {
            assert!(page.body.contains(text), "{text}: {page:?}");
        }
        assert_eq!(page.options().unwrap()["excludeCredentials"], json!([
            { "type": "public-key", "id": phone.id() },
        ]));
        assert_eq!(page.signals(), json!([
            ["signalAllAcceptedCredentials", {
                "rpId": SITE, "userId": options["user"]["id"], "allAcceptedCredentialIds": [phone.id()],
            }],
            ["signalCurrentUserDetails", {
                "rpId": SITE, "userId": options["user"]["id"], "name": "ana", "displayName": "ana",
            }],
        ]));

        let id = page.hidden("id");
        let refused = browser.does(&page, "rename", &id, &"x".repeat(65)).await;
        is_sound(&refused, PLACE);
        assert_eq!(problem(&refused), "A passkey’s name has 1 to 64 characters. Nothing was changed.");
        assert!(refused.status == 403 && refused.body.contains(&format!("value=\"{}\"", "x".repeat(65))), "{refused:?}");
        let renamed = browser.follow(browser.does(&page, "rename", &id, "Work").await).await;
        assert!(renamed.body.contains("The passkey was renamed.") && renamed.body.contains(">Work "), "{renamed:?}");
        let removed = browser.follow(browser.does(&renamed, "remove", &id, "").await).await;
        assert!(removed.body.contains("opens nothing here any more") && !removed.body.contains("Work"), "{removed:?}");
        assert_eq!(removed.signals()[0][1]["allAcceptedCredentialIds"], json!([]));
        // A second click, or another tab.
        assert_eq!(browser.does(&renamed, "remove", &id, "").await.status, 303);
        for name in ["passkey.added", "passkey.renamed", "passkey.removed"] {
            assert_eq!(app.told(&format!("{name} passkey={id} user={ana}")), 1, "{:?}", app.events());
        }
        let lately = browser.get("/account/activity").await;
        for text in ["Added a passkey", "Renamed a passkey", "Removed a passkey"] {
            assert!(lately.body.contains(text), "{text}: {lately:?}");
        }
    }

    async fn what_is_no_new_passkey_of_this_site_is_refused_with_a_reason(app) with named; {
        app.add_user("ana").await;
        let browser = Browser::new(&app);
        let page = browser.opens_passkeys("ana").await;
        let changes: [(&str, Deviation); 8] = [
            ("at another address", |it| drop(it.origin.replace("https://id.example.evil.example".to_owned()))),
            ("at another address", |it| drop(it.origin.replace("https://id.example:8443".to_owned()))),
            ("at another address", |it| drop(it.site.replace("evil.example".to_owned()))),
            ("at another address", |it| it.within_another.set(true)),
            ("did not make sure that it is you", |it| it.flags.set(PRESENT)),
            ("did not make sure that it is you", |it| it.flags.set(VERIFIED)),
            ("could not be read", |it| _ = it.kind.replace(Some("webauthn.get"))),
            ("cannot keep a passkey", |it| it.discoverable.set(false)),
        ];
        let mut page = page;
        for (expected, change) in changes {
            let bent = Authenticator::new(SITE);
            change(&bent);
            let seen = browser.adds(&page, &bent.create(&page.options().unwrap()), "Bent").await;
            assert!(seen.status == 403 && problem(&seen).contains(expected), "{expected}: {seen:?}");
            assert!(seen.body.contains("value=\"Bent\""), "what was typed stays: {seen:?}");
            page = seen;
        }
        let honest = Authenticator::new(SITE);
        let answer = honest.create(&json!({ "user": page.options().unwrap()["user"], "challenge": "AAAA" }));
        let seen = browser.adds(&page, &answer, "x").await;
        assert!(problem(&seen).contains("took too long"), "a challenge of nobody's: {seen:?}");
        for broken in [json!(null), json!("x"), json!({ "id": "x" })] {
            let seen = browser.adds(&browser.get(PLACE).await, &broken, "x").await;
            assert!(problem(&seen).contains("could not be read"), "{broken}: {seen:?}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys").await, 0);
    }

    async fn a_challenge_is_answered_once_by_whom_it_was_made_for(app) with named; {
        app.add_user("ana").await;
        app.add_user("ben").await;
        let (browser, of_ben) = (Browser::new(&app), Browser::new(&app));
        let page = browser.opens_passkeys("ana").await;
        let phone = Authenticator::new(SITE);
        let answer = phone.create(&page.options().unwrap());
        let his = of_ben.opens_passkeys("ben").await;
        let stolen = of_ben.post(PLACE, &[
            ("csrf", &his.hidden("csrf")), ("do", "add"), ("ceremony", &page.hidden("ceremony")),
            ("passkey", &answer.to_string()), ("name", "x"),
        ]).await;
        assert!(problem(&stolen).contains("took too long"), "{stolen:?}");
        assert_eq!(browser.adds(&page, &answer, "Phone").await.status, 303);
        let again = browser.adds(&page, &answer, "Phone").await;
        assert!(problem(&again).contains("it was done before"), "{again:?}");
        // The same key for somebody else: whose would it be?
        let taken = of_ben.adds(&his, &phone.create(&his.options().unwrap()), "Mine").await;
        assert_eq!(problem(&taken), "There is a passkey for this account on that device already.");
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys").await, 1);
        // What is somebody else's cannot be changed.
        let id = browser.get(PLACE).await.hidden("id");
        for what in ["rename", "remove"] {
            of_ben.does(&his, what, &id, "His").await;
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys WHERE name = 'Phone'").await, 1);
        assert_eq!(app.told("passkey.renamed") + app.told("passkey.removed"), 0);
    }

    async fn who_changes_passkeys_has_just_signed_in(app) with named; {
        app.add_user("ana").await;
        let browser = Browser::new(&app);
        let page = browser.opens_passkeys("ana").await;
        let page = browser.has_added(&page, &Authenticator::new(SITE), "Phone").await;
        let late = Authenticator::new(SITE).create(&page.options().unwrap());
        app.clock.advance(Duration::from_mins(5));
        let stale = browser.get(PLACE).await;
        is_sound(&stale, PLACE);
        assert!(stale.body.contains("Phone") && stale.options().is_none(), "{stale:?}");
        assert!(stale.body.contains("Sign in again") && !stale.body.contains("name=\"do\""), "{stale:?}");
        let id = page.hidden("id");
        let again = "/sign-in?to=/account/passkeys&prompt=login";
        for what in ["rename", "remove"] {
            assert_eq!(browser.does(&page, what, &id, "Stolen").await.location(), again);
        }
        assert_eq!(browser.adds(&page, &late, "Late").await.location(), again);
        let fresh = browser.sign_in(&browser.get(again).await, "ana").await;
        assert!(fresh.options().is_some() && fresh.body.contains("Phone"), "{fresh:?}");
        // What was asked before the sign-in was shown again is answered too late.
        let seen = browser.adds(&page, &late, "Late").await;
        assert!(problem(&seen).contains("took too long"), "{seen:?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys WHERE name = 'Phone'").await, 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys").await, 1);
    }

    async fn an_account_has_twenty_passkeys_at_most(app) with named; {
        app.add_user("ana").await;
        let browser = Browser::new(&app);
        let first = browser.opens_passkeys("ana").await;
        let tab = browser.get(PLACE).await;
        let mut page = first;
        for number in 1..=20 {
            page = browser.has_added(&page, &Authenticator::new(SITE), &number.to_string()).await;
        }
        assert!(page.options().is_none() && page.body.contains("20 passkeys at most"), "{page:?}");
        let seen = browser.adds(&tab, &Authenticator::new(SITE).create(&tab.options().unwrap()), "21").await;
        assert!(problem(&seen).contains("20 passkeys at most"), "{seen:?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys").await, 20);
    }

    async fn others_find_where_passkeys_are_looked_after(app) with |it: &mut Settings| {
        named(it);
        it.passkeys.related_origins = vec!["https://shop.example".parse().unwrap()];
    }; {
        let json = |seen: Seen| -> Value { serde_json::from_str(&seen.body).unwrap() };
        let browser = Browser::new(&app);
        let place = "https://id.example/account/passkeys";
        let found = browser.get("/.well-known/passkey-endpoints").await;
        assert_eq!((found.status.as_u16(), found.header("content-type")), (200, "application/json"));
        assert_eq!(json(found), json!({ "enroll": place, "manage": place }));
        let related = browser.get("/.well-known/webauthn").await;
        assert_eq!(json(related), json!({ "origins": ["https://shop.example"] }));
        app.add_user("ana").await;
        let page = browser.opens_passkeys("ana").await;
        let there = Authenticator::new(SITE);
        there.origin.replace("https://shop.example".to_owned());
        browser.has_added(&page, &there, "Shop").await;
    }

    async fn the_last_way_in_is_not_removed(app) with named; {
        app.add_user("ana").await;
        let browser = Browser::new(&app);
        let page = browser.opens_passkeys("ana").await;
        let page = browser.has_added(&page, &Authenticator::new(SITE), "Phone").await;
        app.sql("UPDATE users SET password_hash = '!'").await;
        let refused = browser.does(&page, "remove", &page.hidden("id"), "").await;
        is_sound(&refused, PLACE);
        assert!(refused.status == 403 && problem(&refused).starts_with("This is the only way in"), "{refused:?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys").await, 1);
        assert_eq!(app.told("passkey.removed"), 0);
        // With a second one it may go.
        let both = browser.has_added(&page, &Authenticator::new(SITE), "Laptop").await;
        assert_eq!(browser.does(&both, "remove", &page.hidden("id"), "").await.status, 303);
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys").await, 1);
    }

    async fn who_lost_all_devices_has_no_passkeys_once_an_operator_has_seen_to_it(app) with named; {
        let ana = app.add_user("ana").await;
        app.add_user("bob").await;
        for name in ["ana", "bob"] {
            let browser = Browser::new(&app);
            let page = browser.opens_passkeys(name).await;
            browser.has_added(&page, &Authenticator::new(SITE), "Phone").await;
        }
        app.change_user(ana, Change::ResetFactors).await;
        let of_bob = "SELECT COUNT(*) FROM passkeys WHERE user_id = (SELECT id FROM users WHERE username = 'bob')";
        assert_eq!((app.number("SELECT COUNT(*) FROM passkeys").await, app.number(of_bob).await), (1, 1));
    }

    async fn a_user_who_is_gone_takes_the_passkeys_along(app) with named; {
        let ana = app.add_user("ana").await;
        let browser = Browser::new(&app);
        let page = browser.opens_passkeys("ana").await;
        browser.has_added(&page, &Authenticator::new(SITE), "Phone").await;
        let data = browser.get("/account/data").await;
        let data = browser.post("/account/data", &[("csrf", &data.hidden("csrf"))]).await;
        let data: Value = serde_json::from_str(&data.body).unwrap();
        assert_eq!(data["passkeys"][0]["name"], "Phone");
        app.change_user(ana, Change::Remove).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys").await, 0);
    }

    async fn where_browsers_would_take_none_there_are_no_passkeys(app) {
        app.add_user("ana").await;
        let browser = Browser::new(&app);
        let page = browser.opens_passkeys("ana").await;
        is_sound(&page, PLACE);
        assert!(page.body.contains("does not offer passkeys at this address"), "{page:?}");
        assert!(page.options().is_none() && !page.body.contains("href=\"/account/passkeys"), "{page:?}");
        for place in ["/.well-known/passkey-endpoints", "/.well-known/webauthn"] {
            assert_eq!(browser.get(place).await.status, 404, "{place}");
        }
    }
}
