//! Addresses that their owners prove, and change.

use futures_util::future::join_all;

use crate::browser::*;
use crate::harness::*;
use crate::mailed::*;
use crate::pages::is_sound;

const PLACE: &str = "/account/addresses";

impl Browser<'_> {
    async fn opens_addresses(&self, name: &str) -> Seen {
        self.sign_in(&self.follow(self.get(PLACE).await).await, name).await
    }

    async fn presses_verify(&self, page: &Seen) -> Seen {
        let csrf = page.hidden("csrf");
        self.follow(self.post(PLACE, &[("csrf", csrf.as_str()), ("verify", "yes")]).await).await
    }

    async fn changes_address(&self, page: &Seen, new: &str) -> Seen {
        let csrf = page.hidden("csrf");
        self.post(PLACE, &[("csrf", csrf.as_str()), ("email", new)]).await
    }

    async fn presses(&self, page: &Seen) -> Seen {
        let csrf = page.hidden("csrf");
        self.follow(self.post(&page.action(), &[("csrf", csrf.as_str())]).await).await
    }
}

fn is_no_good(seen: &Seen) -> bool {
    seen.status == 403 && seen.body.contains("This link is not valid")
}

both_stores! {
    async fn an_owner_proves_the_address(app) with to_a_folder; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        app.try_give_email("ana", "ana@example.com", false).await.unwrap();
        let (browser, phone) = (Browser::new(&app), Browser::new(&app));
        let page = browser.opens_addresses("ana").await;
        is_sound(&page, "addresses");
        assert!(page.body.contains("ana@example.com") && page.body.contains("not verified"), "{page:?}");
        assert!(page.body.contains("autocomplete=\"email\""), "{page:?}");
        let told = browser.presses_verify(&page).await;
        assert!(told.body.contains("A mail with a link is on its way."), "{told:?}");
        let link = mail.link(&app, "ana@example.com").await;
        // A program that looks after mail opens it, and her other device.
        for _ in 0..3 {
            is_sound(&phone.get(&link).await, "verify");
        }
        assert!(!app.email_of("ana").await.1, "opening a link does nothing");
        let asked = phone.get(&link).await;
        assert!(asked.body.contains("The account ana has the e-mail address ana@example.com."), "{asked:?}");
        let done = phone.presses(&asked).await;
        is_sound(&done, "verified");
        assert!(done.body.contains("ana@example.com now belongs to your account"), "{done:?}");
        assert!(app.email_of("ana").await.1);
        assert_eq!(app.told("user.changed change=email_verified"), 1);
        let shown = browser.get(PLACE).await;
        assert!(shown.body.contains(">verified<") && !shown.body.contains("name=\"verify\""), "{shown:?}");
        for seen in [phone.presses(&asked).await, phone.get(&link).await, browser.get(&link).await] {
            assert!(seen.status == 200 && seen.body.contains("This link was used already"), "{seen:?}");
        }
        // The page of another tab has the button still.
        let again = browser.post(PLACE, &[("csrf", &page.hidden("csrf")), ("verify", "yes")]).await;
        assert_eq!((again.location(), mail.rest().await), ("/account/addresses?done=email_same", 0));
        let same = browser.changes_address(&shown, "ANA@example.com").await;
        assert_eq!(same.location(), "/account/addresses?done=email_same");
    }

    async fn a_new_address_proves_itself_and_the_old_one_is_told(app) with to_a_folder; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        app.give_email("ana", "ana@example.com").await;
        let browser = Browser::new(&app);
        let page = browser.opens_addresses("ana").await;
        for unfit in ["", "ana", "a b@example.com", "@example.com"] {
            let seen = browser.changes_address(&page, unfit).await;
            assert!(seen.status == 403 && seen.body.contains("This is not an e-mail address."), "{seen:?}");
            assert!(unfit.is_empty() || seen.body.contains(&format!("value=\"{unfit}\"")), "{seen:?}");
        }
        assert_eq!(browser.changes_address(&page, "new@example.com").await.location(), "/account/addresses?done=mailed");
        let link = mail.link(&app, "new@example.com").await;
        assert_eq!(app.email_of("ana").await, (Some("ana@example.com".to_owned()), true), "not yet");
        assert_eq!(mail.rest().await, 0);
        let asked = browser.get(&link).await;
        assert!(asked.body.contains("is to have the e-mail address new@example.com"), "{asked:?}");
        let done = browser.presses(&asked).await;
        assert!(done.body.contains("The address is verified.") && done.body.contains("new@example.com"), "{done:?}");
        assert_eq!(app.email_of("ana").await, (Some("new@example.com".to_owned()), true));
        mail.next("ana@example.com").await;
        assert_eq!(app.told("user.changed change=email_changed"), 1);
        let named = app.number("SELECT COUNT(*) FROM events WHERE fields LIKE '%example.com%'").await;
        assert_eq!(named, 0, "events keep ids alone");
    }

    async fn in_a_browser_of_somebody_elses_it_is_proven_and_nothing_else_is_shown(app) with to_a_folder; {
        app.with_apps().await;
        app.add_user("ben").await;
        let mail = Mailbox::of(&app);
        let (anas, bens) = (Browser::new(&app), Browser::new(&app));
        let page = anas.opens_addresses("ana").await;
        anas.changes_address(&page, "new@example.com").await.location();
        bens.opens_addresses("ben").await;
        let link = mail.link(&app, "new@example.com").await;
        let proven = bens.presses(&bens.get(&link).await).await;
        assert!(proven.body.contains("new@example.com now belongs to your account"), "{proven:?}");
        assert!(!proven.body.contains("You are signed in as ben."), "{proven:?}");
        assert_eq!((app.email_of("ana").await.1, app.email_of("ben").await), (true, (None, false)));
    }

    async fn whoever_changes_it_has_just_signed_in(app) with to_a_folder; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        let browser = Browser::new(&app);
        let page = browser.opens_addresses("ana").await;
        assert!(page.body.contains("Your account has no e-mail address."), "{page:?}");
        app.clock.advance(MINUTE * 5);
        let sent = browser.changes_address(&page, "ana@example.com").await;
        assert_eq!(sent.location(), "/sign-in?to=/account/addresses&prompt=login&done=fresh_email");
        let back = browser.sign_in(&browser.follow(sent).await, "ana").await;
        assert!(back.body.contains("Now enter the new address once more."), "{back:?}");
        assert_eq!(mail.rest().await, 0);
        browser.changes_address(&back, "ana@example.com").await.location();
        let link = mail.link(&app, "ana@example.com").await;
        browser.presses(&browser.get(&link).await).await;
        assert_eq!(app.email_of("ana").await, (Some("ana@example.com".to_owned()), true));
        let stale = browser.post(PLACE, &[("csrf", "x"), ("email", "mallory@example.com")]).await;
        assert_eq!(stale.location(), "/account/addresses?done=nothing");
    }

    async fn of_two_accounts_that_prove_one_address_at_once_one_has_it(app) with to_a_folder; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        app.add_user("ben").await;
        for round in 0..5 {
            let address = format!("both{round}@example.com");
            let (anas, bens) = (Browser::new(&app), Browser::new(&app));
            for (browser, name) in [(&anas, "ana"), (&bens, "ben")] {
                let page = browser.opens_addresses(name).await;
                browser.changes_address(&page, &address).await.location();
            }
            let links = [mail.link(&app, &address).await, mail.link(&app, &address).await];
            let stranger = Browser::new(&app);
            let pages = [stranger.get(&links[0]).await, stranger.get(&links[1]).await];
            let all = join_all(pages.iter().map(|page| stranger.presses(page))).await;
            assert_eq!(all.iter().filter(|seen| seen.status == 200).count(), 1, "{all:?}");
            // The other is told what a wrong link is.
            assert_eq!(all.iter().filter(|seen| is_no_good(seen)).count(), 1, "{all:?}");
            let owners = format!("SELECT COUNT(*) FROM users WHERE email = '{address}' AND email_verified");
            assert_eq!(app.number(&owners).await, 1);
            // And so is whoever comes later.
            let again = [stranger.get(&links[0]).await, stranger.get(&links[1]).await];
            assert_eq!(again.iter().filter(|seen| seen.body.contains("was used already")).count(), 1, "{again:?}");
        }
    }

    async fn a_proof_is_worth_nothing_once_the_address_has_changed(app) with to_a_folder; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        let browser = Browser::new(&app);
        let page = browser.opens_addresses("ana").await;
        browser.changes_address(&page, "one@example.com").await.location();
        browser.changes_address(&page, "two@example.com").await.location();
        let (one, two) = (mail.link(&app, "one@example.com").await, mail.link(&app, "two@example.com").await);
        let (first, second) = (browser.get(&one).await, browser.get(&two).await);
        browser.presses(&second).await;
        for seen in [browser.presses(&first).await, browser.get(&one).await, browser.get("/verify?token=x").await] {
            assert!(is_no_good(&seen), "{seen:?}");
        }
        assert_eq!(app.email_of("ana").await, (Some("two@example.com".to_owned()), true));
        assert!(is_no_good(&browser.get(&two.replace("/verify", "/forgot/new")).await), "it sets no password");
        browser.changes_address(&browser.get(PLACE).await, "late@example.com").await.location();
        let late = mail.link(&app, "late@example.com").await;
        app.clock.advance(MINUTE * 120);
        assert!(is_no_good(&Browser::new(&app).get(&late).await));
    }

    async fn so_many_mails_are_written_to_one_address(app) with |settings| {
        to_a_folder(settings);
        settings.mail.per_address = 2;
    }; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        let browser = Browser::new(&app);
        let page = browser.opens_addresses("ana").await;
        for _ in 0..2 {
            browser.changes_address(&page, "ana@example.com").await.location();
            mail.link(&app, "ana@example.com").await;
        }
        let seen = browser.changes_address(&page, "ana@example.com").await;
        assert!(seen.status == 403 && seen.body.contains("Too many mails were asked for."), "{seen:?}");
        assert_eq!(mail.rest().await, 0);
    }
}
