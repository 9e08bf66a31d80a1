//! Signing in with passkeys, which are two factors at once, and every answer that opens nothing.

use std::time::Duration;

use heirloom::service::admin::users::Change;
use serde_json::{Value, json};

use crate::authenticator::{Authenticator, Deviation, PRESENT, SYNCED, VERIFIED};
use crate::browser::*;
use crate::harness::*;
use crate::pages::is_sound;
use crate::passkeys::{PLACE, SITE, named, problem};

impl Browser<'_> {
    /// Ana, or somebody else, has a passkey of this authenticator.
    pub async fn gives_passkey(&self, name: &str, authenticator: &Authenticator) {
        let page = self.opens_passkeys(name).await;
        self.has_added(&page, authenticator, "Phone").await;
    }

    async fn answers(&self, page: &Seen, answer: &Value) -> Seen {
        let (csrf, ceremony, answer) = (page.hidden("csrf"), page.hidden("ceremony"), answer.to_string());
        self.post(&page.action(), &[("csrf", &csrf), ("ceremony", &ceremony), ("passkey", &answer)]).await
    }

    async fn shows(&self, page: &Seen, authenticator: &Authenticator) -> Seen {
        self.answers(page, &authenticator.get(&page.options().unwrap())).await
    }
}

both_stores! {
    async fn a_passkey_alone_is_two_factors_that_nobody_can_fish_for(app) with named; {
        app.with_apps().await;
        let (phone, stick) = (Authenticator::new(SITE), Authenticator::new(SITE));
        phone.flags.set(PRESENT | VERIFIED | SYNCED);
        phone.count.set(None);
        for key in [&phone, &stick] {
            Browser::new(&app).gives_passkey("ana", key).await;
        }
        for (key, amr) in [(&phone, json!(["swk", "user", "mfa"])), (&stick, json!(["hwk", "user", "mfa"]))] {
            // One that is on several devices says 0 for good.
            for _ in 0..2 {
                let browser = Browser::new(&app);
                let page = browser.authorize(&[]).await;
                is_sound(&page, "sign-in");
                assert!(page.body.contains("autocomplete=\"username webauthn\""), "{page:?}");
                let options = page.options().unwrap();
                assert_eq!(options["rpId"], SITE);
                assert_eq!((&options["userVerification"], &options["allowCredentials"]), (&json!("required"), &json!([])));
                let code = browser.follow(browser.shows(&page, key).await).await.code();
                let tokens = app.exchange(&code, &[]).await;
                let claims = claims(tokens.json["id_token"].as_str().unwrap());
                assert_eq!((&claims["amr"], &claims["acr"]), (&amr, &json!("phr")));
            }
        }
        let own = Browser::new(&app).opens_passkeys("ana").await;
        assert!(own.body.contains("Last used:") && !own.body.contains("Not used yet"), "{own:?}");
        assert_eq!(app.told("passkey.used"), 4);
    }

    async fn an_answer_that_opens_nothing_says_why(app) with named; {
        app.add_user("ana").await;
        app.add_user("ben").await;
        let changes: [(&str, Deviation); 9] = [
            ("at another address", |it| drop(it.origin.replace("https://evil.example".to_owned()))),
            ("at another address", |it| drop(it.site.replace("evil.example".to_owned()))),
            ("at another address", |it| it.within_another.set(true)),
            ("did not make sure that it is you", |it| it.flags.set(PRESENT)),
            ("did not make sure that it is you", |it| it.flags.set(VERIFIED)),
            ("could not be read", |it| _ = it.kind.replace(Some("webauthn.create"))),
            ("another account", |it| it.set_owner(&[7; 16])),
            ("is not known here", |it| it.set_owner(b"ana")),
            ("another account", |it| it.set_owner(b"")),
        ];
        for (expected, change) in changes {
            let browser = Browser::new(&app);
            let key = Authenticator::new(SITE);
            browser.gives_passkey("ana", &key).await;
            change(&key);
            let stranger = Browser::new(&app);
            let page = stranger.follow(stranger.get(PLACE).await).await;
            let seen = stranger.shows(&page, &key).await;
            is_sound(&seen, "sign-in for the account");
            assert!(seen.status == 403 && problem(&seen).contains(expected), "{expected}: {seen:?}");
            assert!(seen.options().is_some(), "it can be tried again: {seen:?}");
            assert_eq!(stranger.get("/account").await.status, 303);
        }
        assert_eq!(app.told("passkey.used"), 0);
        assert_eq!(app.told("sign_in.refused"), changes.len());
    }

    async fn a_passkey_of_nobody_is_told_to_be_forgotten(app) with named; {
        let ana = app.add_user("ana").await;
        let (browser, stranger) = (Browser::new(&app), Browser::new(&app));
        let key = Authenticator::new(SITE);
        browser.gives_passkey("ana", &key).await;
        let page = browser.get(PLACE).await;
        let (csrf, id) = (page.hidden("csrf"), page.hidden("id"));
        browser.post(PLACE, &[("csrf", &csrf), ("do", "remove"), ("id", &id)]).await;
        let page = stranger.follow(stranger.get(PLACE).await).await;
        let seen = stranger.shows(&page, &key).await;
        assert!(problem(&seen).contains("is not known here"), "{seen:?}");
        assert_eq!(seen.signals(), json!([["signalUnknownCredential", { "rpId": SITE, "credentialId": key.id() }]]));
        // Of one that is known nothing is forgotten.
        Browser::new(&app).gives_passkey("ana", &key).await;
        app.change_user(ana, Change::Disable).await;
        let seen = stranger.shows(&seen, &key).await;
        assert!(problem(&seen).contains("has been disabled") && !seen.body.contains("data-signals"), "{seen:?}");
        app.change_user(ana, Change::Enable).await;
        assert_eq!(stranger.shows(&seen, &key).await.location(), PLACE);
    }

    async fn a_copy_of_a_passkey_is_an_alarm_and_opens_nothing(app) with named; {
        let ana = app.add_user("ana").await;
        let browser = Browser::new(&app);
        let key = Authenticator::new(SITE);
        browser.gives_passkey("ana", &key).await;
        let id = browser.get(PLACE).await.hidden("id");
        let enters = async |count| {
            key.count.set(Some(count));
            let stranger = Browser::new(&app);
            let page = stranger.follow(stranger.get(PLACE).await).await;
            stranger.shows(&page, &key).await
        };
        assert_eq!(enters(7).await.status, 303);
        for copied in [7, 3] {
            let seen = enters(copied).await;
            assert!(seen.status == 403 && problem(&seen).contains("there is a copy of it"), "{seen:?}");
        }
        assert_eq!(enters(8).await.status, 303, "the one that counted on");
        assert_eq!(app.told(&format!("passkey.copied passkey={id} user={ana}")), 2, "{:?}", app.events());
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        let lately = browser.get("/account/activity").await;
        assert!(lately.body.contains("it may have been copied"), "{lately:?}");
    }

    async fn a_passkey_is_the_second_factor_after_a_password(app) with named; {
        let here = Browser::new(&app);
        app.ana_with_an_app(&here).await;
        app.add_user("ben").await;
        let (key, of_ben) = (Authenticator::new(SITE), Authenticator::new(SITE));
        Browser::new(&app).gives_passkey("ben", &of_ben).await;
        here.has_added(&here.get(PLACE).await, &key, "Phone").await;
        let browser = Browser::new(&app);
        let second = browser.sign_in(&browser.authorize(&[]).await, "ana").await;
        is_sound(&second, "sign-in");
        let options = second.options().unwrap();
        assert_eq!(options["allowCredentials"], json!([{ "type": "public-key", "id": key.id() }]));
        let refused = browser.shows(&second, &of_ben).await;
        assert!(refused.status == 403 && problem(&refused).contains("another account"), "{refused:?}");
        // Which user it is was shown before: the device need not say it.
        let mut answer = key.get(&refused.options().unwrap());
        answer["response"]["userHandle"] = Value::Null;
        let code = browser.follow(browser.answers(&refused, &answer).await).await.code();
        let claims = claims(app.exchange(&code, &[]).await.json["id_token"].as_str().unwrap());
        assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["pwd", "hwk", "user", "mfa"]), &json!("phr")));
        // Whoever has two factors changes none of them by the password alone.
        let page = browser.get(PLACE).await;
        assert!(page.options().is_some(), "{page:?}");
    }

    async fn a_challenge_of_the_sign_in_page_is_good_once_in_its_browser_for_ten_minutes(app) with named; {
        app.add_user("ana").await;
        let key = Authenticator::new(SITE);
        Browser::new(&app).gives_passkey("ana", &key).await;
        let (browser, thief) = (Browser::new(&app), Browser::new(&app));
        let page = browser.follow(browser.get(PLACE).await).await;
        let answer = key.get(&page.options().unwrap());
        let of_thief = thief.follow(thief.get(PLACE).await).await;
        let stolen = thief.post(&of_thief.action(), &[
            ("csrf", &of_thief.hidden("csrf")), ("ceremony", &page.hidden("ceremony")), ("passkey", &answer.to_string()),
        ]).await;
        assert!(problem(&stolen).contains("took too long"), "{stolen:?}");
        let other = thief.answers(&of_thief, &answer).await;
        assert!(problem(&other).contains("took too long"), "a challenge of another page: {other:?}");
        assert_eq!(browser.answers(&page, &answer).await.location(), PLACE);
        // Signed in by now: the form is of before, and leads on.
        assert_eq!(browser.answers(&page, &answer).await.status, 303);
        let replaying = Browser::new(&app);
        let page = replaying.follow(replaying.get(PLACE).await).await;
        let answer = key.get(&page.options().unwrap());
        let wrong = json!({ "id": "AA", "rawId": "AA", "type": "public-key", "response": answer["response"] });
        assert!(problem(&replaying.answers(&page, &wrong).await).contains("is not known here"));
        assert!(problem(&replaying.answers(&page, &answer).await).contains("it was done before"));
        let late = replaying.follow(replaying.get(PLACE).await).await;
        app.clock.advance(Duration::from_mins(10));
        assert!(problem(&replaying.shows(&late, &key).await).contains("took too long"));
    }
}
