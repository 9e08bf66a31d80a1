//! Accounts that people make themselves.

use heirloom::domain::account_rules::SignUp;
use heirloom::service::mailed::invitations;
use heirloom::service::mailed::sign_up::invite;
use heirloom::settings::Settings;

use crate::browser::*;
use crate::harness::*;
use crate::mailed::*;
use crate::pages::is_sound;

fn open(settings: &mut Settings) {
    to_a_folder(settings);
    settings.accounts.sign_up = SignUp::Open;
}

impl Browser<'_> {
    async fn signs_up(&self, page: &Seen, address: &str) -> Seen {
        let csrf = page.hidden("csrf");
        self.post(&page.action(), &[("csrf", csrf.as_str()), ("email", address)]).await
    }

    async fn finishes(&self, page: &Seen, name: &str, password: &str) -> Seen {
        let csrf = page.hidden("csrf");
        let form =
            [("csrf", csrf.as_str()), ("username", name), ("new_password", password), ("repeated", password)];
        self.follow(self.post(&page.action(), &form).await).await
    }
}

impl TestApp {
    async fn accounts(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM users").await
    }
}

both_stores! {
    async fn whoever_shows_an_address_makes_an_account_and_goes_on_to_the_app(app) with open; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        let browser = Browser::new(&app);
        let sign_in = browser.authorize(&[]).await;
        let (_, link) = sign_in.body.split_once("href=\"/sign-up?").expect("a link to it");
        let page = browser.get(&unescaped(&format!("/sign-up?{}", link.split_once('"').unwrap().0))).await;
        is_sound(&page, "sign-up");
        for unfit in ["", "eva", "a b@example.com"] {
            let seen = browser.signs_up(&page, unfit).await;
            assert!(seen.status == 403 && seen.body.contains("This is not an e-mail address."), "{seen:?}");
        }
        let sent = browser.follow(browser.signs_up(&page, "Eva@Example.com").await).await;
        is_sound(&sent, "sign-up sent");
        let link = mail.link(&app, "Eva@Example.com").await;
        for _ in 0..3 {
            browser.get(&link).await;
        }
        assert_eq!(app.accounts().await, 1, "there is no account yet");
        let mut page = browser.get(&link).await;
        is_sound(&page, "sign-up finish");
        for (name, password, told) in [
            ("ana", PASSWORD, "This username is taken."), ("ANA", PASSWORD, "This username is taken."),
            ("ben@example.com", PASSWORD, "This cannot be a username"), ("e\u{200b}va", PASSWORD, "This cannot be a username"),
            ("eva", "short", "at least 8 characters"), ("eva", "password", "most common"),
        ] {
            page = browser.finishes(&page, name, password).await;
            assert!(page.status == 403 && page.body.contains(told), "{name} {password}: {page:?}");
            assert!(!page.body.contains(PASSWORD), "{page:?}");
        }
        assert_eq!(app.accounts().await, 1);
        let done = browser.finishes(&page, "eva", PASSWORD).await;
        is_sound(&done, "sign-up done");
        assert!(done.body.contains("Your account is ready"), "{done:?}");
        assert_eq!(browser.get("/account").await.location(), "/sign-in?to=/account", "nobody is signed in by that");
        // On with the app that the account was wanted for.
        let shown = unescaped(&done.body);
        let (_, onward) = shown.split_once("href=\"/sign-in?").expect("a link to it");
        let sign_in = browser.get(&format!("/sign-in?{}", onward.split_once('"').unwrap().0)).await;
        let code = browser.sign_in(&sign_in, "eva").await.code();
        assert_eq!(app.exchange(&code, &[]).await.status, 200);
        assert_eq!(app.email_of("eva").await, (Some("Eva@Example.com".to_owned()), true));
        assert_eq!((app.told("user.changed change=signed_up"), app.told("mail.requested")), (1, 1));
        for seen in [browser.get(&link).await, Browser::new(&app).get(&link).await] {
            assert!(seen.body.contains("This link was used already"), "{seen:?}");
        }
        app.log_in("eva@example.com").await;
    }

    async fn a_taken_address_gets_the_same_answer_and_a_mail_that_says_so(app) with open; {
        app.with_apps().await;
        app.give_email("ana", "ana@example.com").await;
        let mail = Mailbox::of(&app);
        let mut answers = Vec::new();
        for address in ["ANA@example.com", "eva@example.com"] {
            let browser = Browser::new(&app);
            let sent = browser.signs_up(&browser.get("/sign-up").await, address).await;
            answers.push((sent.status, sent.location().to_owned(), sent.set_cookies().len(), browser.follow(sent).await.body));
        }
        assert_eq!(answers[0], answers[1]);
        let said = mail.next("ANA@example.com").await;
        assert!(said.contains("already") && link_in(&app, &said) == "/account", "{said}");
        assert!(mail.link(&app, "eva@example.com").await.starts_with("/sign-up/finish?token="));
        assert_eq!(app.accounts().await, 1);
    }

    async fn an_address_that_was_taken_meanwhile_makes_no_account(app) with open; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        let browser = Browser::new(&app);
        for _ in 0..2 {
            browser.signs_up(&browser.get("/sign-up").await, "eva@example.com").await.location();
        }
        let (one, other) = (mail.link(&app, "eva@example.com").await, mail.link(&app, "eva@example.com").await);
        let pages = [browser.get(&one).await, browser.get(&other).await];
        let all = [("eva", &pages[0]), ("evi", &pages[0]), ("eve", &pages[1]), ("evo", &pages[1])];
        let csrf = pages[0].hidden("csrf");
        let all = futures_util::future::join_all(all.map(|(name, page)| {
            let (csrf, browser, place) = (csrf.clone(), &browser, page.action());
            async move {
                let form = [("csrf", csrf.as_str()), ("username", name), ("new_password", PASSWORD), ("repeated", PASSWORD)];
                browser.post(&place, &form).await
            }
        }))
        .await;
        assert_eq!((app.accounts().await, app.told("user.changed change=signed_up")), (2, 1), "{all:?}");
        for seen in all.iter().filter(|seen| seen.status != 303) {
            assert!(seen.body.contains("This link"), "{seen:?}");
        }
        app.give_email("ana", "late@example.com").await;
        let browser = Browser::new(&app);
        browser.signs_up(&browser.get("/sign-up").await, "cleo@example.com").await.location();
        let link = mail.link(&app, "cleo@example.com").await;
        let page = browser.get(&link).await;
        app.give_email("ana", "cleo@example.com").await;
        for seen in [browser.finishes(&page, "cleo", PASSWORD).await, browser.get(&link).await] {
            assert!(seen.status == 403 && seen.body.contains("This link is not valid"), "{seen:?}");
        }
    }

    async fn an_invitation_lets_one_address_in(app) with |settings| {
        to_a_folder(settings);
        settings.accounts.sign_up = SignUp::Invitation;
    }; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        let browser = Browser::new(&app);
        assert!(!browser.authorize(&[]).await.body.contains("/sign-up"));
        assert_eq!(browser.get("/sign-up").await.status, 404);
        app.give_email("ana", "ana@example.com").await;
        let taken = invite(&app.core, "ana@example.com", "en", app.clock.now()).await.unwrap_err();
        assert_eq!(taken.to_string(), "the address ana@example.com is verified as another user's");
        assert!(invite(&app.core, "nothing", "en", app.clock.now()).await.is_err());
        invite(&app.core, "eva@example.com", "de", app.clock.now()).await.unwrap();
        assert_eq!(app.told("user.invited"), 1);
        let link = mail.link(&app, "eva@example.com").await;
        app.clock.advance(DAY * 6);
        let done = browser.finishes(&browser.get(&link).await, "eva@example.com", PASSWORD).await;
        assert!(done.body.contains("Your account is ready"), "{done:?}");
        app.log_in("EVA@example.com").await;
        invite(&app.core, "ben@example.com", "en", app.clock.now()).await.unwrap();
        let link = mail.link(&app, "ben@example.com").await;
        app.clock.advance(DAY * 7);
        assert_eq!(browser.get(&link).await.status, 403);
    }

    async fn an_invitation_that_is_taken_back_opens_nothing(app) with |settings| {
        to_a_folder(settings);
        settings.accounts.sign_up = SignUp::Invitation;
    }; {
        app.with_apps().await;
        let mail = Mailbox::of(&app);
        let browser = Browser::new(&app);
        let invited = async || {
            let listed = invitations::list(&app.core, None, 10, app.clock.now()).await.unwrap();
            listed.into_iter().map(|it| it.address).collect::<Vec<_>>()
        };
        for address in ["Eva@Example.com", "ben@example.com", "eva@example.com", "joe@example.com"] {
            invite(&app.core, address, "en", app.clock.now()).await.unwrap();
            app.clock.advance(MINUTE);
        }
        assert_eq!(invited().await, ["Eva@Example.com", "ben@example.com", "eva@example.com", "joe@example.com"]);
        // Part by part, each after the one before.
        let (mut after, mut one_by_one) = (None, Vec::new());
        while let Some(next) = invitations::list(&app.core, after.as_ref(), 1, app.clock.now()).await.unwrap().pop() {
            (after, one_by_one) = (Some(next.place), [one_by_one, vec![next.address]].concat());
        }
        assert_eq!(one_by_one, invited().await);
        let links = [mail.link(&app, "Eva@Example.com").await, mail.link(&app, "eva@example.com").await];
        let page = browser.get(&links[0]).await;
        assert_eq!(invitations::withdraw(&app.core, "EVA@example.com", app.clock.now()).await.unwrap(), 2);
        assert_eq!(app.told("user.uninvited"), 1);
        assert_eq!(invited().await, ["ben@example.com", "joe@example.com"]);
        for seen in [browser.get(&links[0]).await, browser.get(&links[1]).await, browser.finishes(&page, "eva", PASSWORD).await] {
            assert!(seen.status == 403 && seen.body.contains("This link is not valid"), "{seen:?}");
        }
        // One that was used is there no more, and neither is one that has expired.
        let done = browser.finishes(&browser.get(&mail.link(&app, "ben@example.com").await).await, "ben", PASSWORD).await;
        assert!(done.body.contains("Your account is ready"), "{done:?}");
        assert_eq!(invited().await, ["joe@example.com"]);
        app.clock.advance(DAY * 7);
        assert_eq!(invited().await, [""; 0]);
        for address in ["eva@example.com", "ben@example.com", "joe@example.com", "nobody@example.com"] {
            let refused = invitations::withdraw(&app.core, address, app.clock.now()).await.unwrap_err().to_string();
            assert_eq!(refused, format!("nobody is invited by the address {address}, or no more: it was used, or has expired"));
        }
        assert_eq!((app.told("user.uninvited"), app.accounts().await), (1, 2));
    }

    async fn only_some_domains_may_sign_up_where_the_operator_says_so(app) with |settings| {
        to_a_folder(settings);
        settings.accounts.sign_up = SignUp::Domains;
        settings.accounts.sign_up_domains = vec!["Example.com".to_owned()];
    }; {
        let mail = Mailbox::of(&app);
        let browser = Browser::new(&app);
        let page = browser.get("/sign-up").await;
        let refused = browser.signs_up(&page, "eva@example.org").await;
        assert!(refused.status == 403 && refused.body.contains("not created here for addresses of this domain"), "{refused:?}");
        assert!(refused.body.contains("value=\"eva@example.org\""), "{refused:?}");
        browser.signs_up(&page, "eva@EXAMPLE.com").await.location();
        mail.link(&app, "eva@EXAMPLE.com").await;
        assert_eq!(mail.rest().await, 0);
    }

    async fn nobody_is_invited_where_sign_up_is_off(app) with to_a_folder; {
        let refused = invite(&app.core, "eva@example.com", "en", app.clock.now()).await.unwrap_err();
        assert!(refused.to_string().starts_with("accounts.sign_up is off"), "{refused}");
    }

    async fn taken_and_free_take_the_same_time(app) with |settings| {
        open(settings);
        settings.limits.waiting_requests = 1_000_000;
    }; {
        app.with_apps().await;
        app.give_email("ana", "ana@example.com").await;
        let browser = Browser::new(&app);
        let page = browser.get("/sign-up").await;
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..220 {
            for which in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let address = ["ana@example.com".to_owned(), format!("eva{round}@example.com")][which].clone();
                times[which].push(took(async { assert_eq!(browser.signs_up(&page, &address).await.status, 303) }).await);
            }
        }
        are_alike(times);
    }
}
