//! Forgotten passwords: a link by mail, a new password, and everything else ends.

use heirloom::domain::ids::UserId;
use heirloom::service::admin::janitor;
use heirloom::service::admin::users::Change;
use heirloom::settings::Settings;
use reqwest::StatusCode;
use serde_json::json;
use tokio::join;

use crate::browser::*;
use crate::harness::*;
use crate::mailed::*;
use crate::pages::is_sound;

const NEW: &str = "a new one that nobody knows";

impl Browser<'_> {
    /// Says that the password is forgotten; gives what is answered.
    async fn forgets(&self, typed: &str) -> Seen {
        let page = self.get("/forgot").await;
        self.asks_on(&page, typed).await
    }

    async fn asks_on(&self, page: &Seen, typed: &str) -> Seen {
        let csrf = page.hidden("csrf");
        self.post(&page.action(), &[("csrf", csrf.as_str()), ("username", typed)]).await
    }

    /// Fills in the page that a mailed link leads to.
    async fn sets_anew(&self, page: &Seen, new: &str) -> Seen {
        let csrf = page.hidden("csrf");
        let form = [("csrf", csrf.as_str()), ("new_password", new), ("repeated", new)];
        self.post(&page.action(), &form).await
    }
}

impl TestApp {
    /// Ana with the address that she proved.
    async fn ana_has_mail(&self) -> (UserId, Mailbox) {
        self.with_apps().await;
        self.give_email("ana", "ana@example.com").await;
        let ana = heirloom::service::admin::users::find(&self.core, &"ana".parse().unwrap()).await.unwrap();
        (ana.id, Mailbox::of(self))
    }

    async fn is_let_in_with(&self, password: &str) -> bool {
        self.post("/login", &json!({ "username": "ana", "password": password })).await.status == 200
    }
}

fn is_no_good(seen: &Seen) -> bool {
    seen.status == 403 && seen.body.contains("This link is not valid") && !seen.body.contains("<form")
}

both_stores! {
    async fn whoever_forgot_the_password_sets_a_new_one_and_is_out_everywhere(app) with to_a_folder; {
        let (ana, mail) = app.ana_has_mail().await;
        let (desk, phone) = (Browser::new(&app), Browser::new(&app));
        desk.ana_signs_in(&[]).await;
        let tokens = app.log_in("ana").await;
        let sign_in = phone.authorize(&[]).await;
        let (_, link) = sign_in.body.split_once("href=\"/forgot?").expect("a link to it");
        let place = unescaped(&format!("/forgot?{}", link.split_once('"').unwrap().0));
        let page = phone.get(&place).await;
        is_sound(&page, "forgot");
        assert!(page.body.contains("autocomplete=\"username\""), "{page:?}");
        let sent = phone.follow(phone.asks_on(&page, " Ana@Example.com ").await).await;
        is_sound(&sent, "forgot sent");
        assert!(sent.body.contains("Look into your mail"), "{sent:?}");
        // It may be opened elsewhere, and opening it does nothing, however often a program does.
        let link = mail.link(&app, "ana@example.com").await;
        assert!(link.starts_with("/forgot/new?token="), "{link}");
        let tablet = Browser::new(&app);
        let mut page = tablet.get(&link).await;
        for _ in 0..3 {
            page = tablet.get(&link).await;
        }
        is_sound(&page, "new password");
        assert!(page.body.contains("for the account ana"), "{page:?}");
        app.rotate(&tokens).await;
        // What is wrong with a new password leaves the link as it is.
        for (new, told) in [("short", "at least 8 characters"), ("password", "most common"), (&*"x".repeat(1025), "too long")] {
            page = tablet.sets_anew(&page, new).await;
            assert!(page.status == 403 && page.body.contains(told) && !page.body.contains(&format!("value=\"{new}")), "{page:?}");
        }
        let csrf = page.hidden("csrf");
        let differ = [("csrf", csrf.as_str()), ("new_password", NEW), ("repeated", "another")];
        page = tablet.post(&page.action(), &differ).await;
        assert!(page.body.contains("do not match"), "{page:?}");
        let pressed = tablet.sets_anew(&page, NEW).await;
        // A browser that was signed in forgets it with all others.
        assert!(pressed.set_cookies().iter().any(|it| it.contains("session") && it.contains("Max-Age=0")), "{pressed:?}");
        let done = tablet.follow(pressed).await;
        is_sound(&done, "new password done");
        assert!(done.body.contains("Your new password is set"), "{done:?}");
        // All of it ended in that transaction, and nobody is signed in by it.
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 0);
        assert_eq!(desk.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(tablet.get("/account").await.location(), "/sign-in?to=/account");
        assert!(!app.is_let_in_with(PASSWORD).await && app.is_let_in_with(NEW).await);
        assert_eq!(app.told(&format!("mail.requested reason=new_password user={ana}")), 1, "{:?}", app.events());
        assert_eq!(app.told(&format!("user.changed change=password_reset user={ana}")), 1);
        assert!(mail.next("ana@example.com").await.contains("password"), "its owner is told");
        // A second click, the way back, and another tab.
        for seen in [tablet.sets_anew(&page, NEW).await, tablet.get(&link).await, desk.get(&link).await] {
            assert!(seen.status == 200 && seen.body.contains("This link was used already"), "{seen:?}");
        }
    }

    async fn the_answer_is_the_same_whoever_is_meant(app) with to_a_folder; {
        let (_, mail) = app.ana_has_mail().await;
        for name in ["ben", "cleo", "dora"] {
            app.add_user(name).await;
        }
        app.try_give_email("ben", "ben@example.com", false).await.unwrap();
        app.give_email("cleo", "cleo@example.com").await;
        let cleo = heirloom::service::admin::users::find(&app.core, &"cleo".parse().unwrap()).await.unwrap();
        app.change_user(cleo.id, Change::Disable).await;
        let mut answers = Vec::new();
        // Known by either; unknown; not verified; disabled; without an address.
        for typed in ["ana@example.com", "ana", "nobody@example.com", "nobody", "ben@example.com", "ben", "cleo", "dora", "@", "a b"] {
            let browser = Browser::new(&app);
            let sent = browser.forgets(typed).await;
            let cookies = sent.set_cookies().len();
            answers.push((sent.status, sent.location().to_owned(), cookies, browser.follow(sent).await.body));
        }
        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
        for _ in 0..2 {
            mail.link(&app, "ana@example.com").await;
        }
        assert_eq!(mail.rest().await, 0, "and nobody else gets any");
        assert_eq!((app.told("mail.requested"), app.told("mail.requested name_hash=")), (10, 5), "{:?}", app.events());
        for typed in ["", "  ", &"x".repeat(256)] {
            let page = Browser::new(&app).forgets(typed).await;
            assert!(page.status == 403 && page.body.contains("Enter a username or an e-mail address."), "{page:?}");
        }
        let german = Browser::new(&app).with_header("accept-language", "de");
        assert!(german.get("/forgot").await.body.contains("Passwort vergessen"));
        german.forgets("ana").await.location();
        assert!(mail.next("ana@example.com").await.contains("Passwort"), "a mail in the reader's language");
    }

    async fn known_and_unknown_take_the_same_time(app) with |settings| {
        to_a_folder(settings);
        settings.limits.waiting_requests = 1_000_000;
    }; {
        let (_, _mail) = app.ana_has_mail().await;
        let browser = Browser::new(&app);
        let page = browser.get("/forgot").await;
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..220 {
            // Neither always follows the other.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for which in order {
                let typed = ["ana@example.com", "eva@example.com"][which];
                times[which].push(took(async { assert_eq!(browser.asks_on(&page, typed).await.status, 303) }).await);
            }
        }
        are_alike(times);
    }

    async fn a_link_is_good_for_what_it_was_mailed_for_alone(app) with to_a_folder; {
        let (ana, mail) = app.ana_has_mail().await;
        let browser = Browser::new(&app);
        let next = async || {
            browser.forgets("ana").await.location();
            mail.link(&app, "ana@example.com").await
        };
        for link in ["/forgot/new", "/forgot/new?token=", "/forgot/new?token=x", &format!("/forgot/new?token={}", "A".repeat(43))] {
            assert!(is_no_good(&browser.get(link).await), "{link}");
        }
        // It proves no address.
        let link = next().await;
        assert!(is_no_good(&browser.get(&link.replace("/forgot/new", "/verify")).await));
        // The password was changed, or the address, or somebody disabled the account: before it was opened, and after.
        let page = browser.get(&link).await;
        app.change_user(ana, Change::Password(heirloom::domain::secrets::Password::new(NEW.to_owned()).unwrap())).await;
        assert!(is_no_good(&browser.get(&link).await) && is_no_good(&browser.sets_anew(&page, "one that somebody else sets").await));
        let link = next().await;
        let page = browser.get(&link).await;
        app.give_email("ana", "ana@other.example").await;
        assert!(is_no_good(&browser.get(&link).await) && is_no_good(&browser.sets_anew(&page, "one that somebody else sets").await));
        app.give_email("ana", "ana@example.com").await;
        let link = next().await;
        let page = browser.get(&link).await;
        app.change_user(ana, Change::Disable).await;
        assert!(is_no_good(&browser.get(&link).await) && is_no_good(&browser.sets_anew(&page, "one that somebody else sets").await));
        app.change_user(ana, Change::Enable).await;
        // Too late.
        let link = next().await;
        let page = browser.get(&link).await;
        app.clock.advance(MINUTE * 30);
        assert!(is_no_good(&browser.get(&link).await) && is_no_good(&browser.sets_anew(&page, "one that somebody else sets").await));
        assert!(app.is_let_in_with(NEW).await);
        janitor::tidy(&app.core, 1, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM mailed_tokens").await, 0, "what has expired goes");
        assert_eq!(app.number("SELECT COUNT(*) FROM mail_requests").await, 0);
        let stale = browser.post(&link, &[("csrf", "x"), ("new_password", NEW), ("repeated", NEW)]).await;
        assert_eq!(stale.location(), link, "another site's form does nothing");
    }

    async fn of_two_links_pressed_at_once_one_wins(app) with to_a_folder; {
        let (_, mail) = app.ana_has_mail().await;
        let browser = Browser::new(&app);
        for _ in 0..2 {
            browser.forgets("ana").await.location();
        }
        let [one, other] = [mail.link(&app, "ana@example.com").await, mail.link(&app, "ana@example.com").await];
        assert_ne!(one, other);
        let (one, other) = (browser.get(&one).await, browser.get(&other).await);
        let sets = [browser.sets_anew(&one, "the first of them all"), browser.sets_anew(&one, "the second of them all"),
                    browser.sets_anew(&other, "the third of them all"), browser.sets_anew(&other, "the fourth of them all")];
        let all = futures_util::future::join_all(sets).await;
        assert_eq!(all.iter().filter(|seen| seen.status == 303).count(), 1, "{all:?}");
        assert_eq!(app.told("user.changed change=password_reset"), 1);
    }

    async fn nobody_who_is_called_like_an_address_gets_in_the_way_of_its_owner(app) with to_a_folder; {
        app.add_user("ana@example.com").await;
        let (_, mail) = app.ana_has_mail().await;
        app.give_email("ana@example.com", "mallory@example.com").await;
        Browser::new(&app).forgets("ana@example.com").await.location();
        let link = mail.link(&app, "ana@example.com").await;
        assert!(Browser::new(&app).get(&link).await.body.contains("for the account ana<"));
        assert_eq!(mail.rest().await, 0);
    }

    async fn so_many_wishes_of_one_network_are_taken(app) with |settings| {
        to_a_folder(settings);
        settings.limits.waiting_requests = 3;
    }; {
        let (_, _mail) = app.ana_has_mail().await;
        let browser = Browser::new(&app);
        let page = browser.get("/forgot").await;
        for _ in 0..3 {
            browser.asks_on(&page, "eva").await.location();
        }
        assert_eq!(browser.asks_on(&page, "eva").await.status, 429);
        assert_eq!(browser.asks_on(&page, "ana").await.status, 429);
    }

    async fn without_mail_there_is_none_of_it(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let sign_in = browser.authorize(&[]).await;
        assert!(!sign_in.body.contains("/forgot") && sign_in.body.contains(">Username<"), "{sign_in:?}");
        browser.sign_in(&sign_in, "ana").await.code();
        let account = browser.get("/account").await;
        assert!(account.status == 200 && !account.body.contains("/account/addresses"), "{account:?}");
        for place in ["/forgot", "/forgot/sent", "/forgot/new", "/forgot/done", "/verify", "/account/addresses"] {
            assert_eq!(browser.get(place).await.status, 404, "{place}");
        }
    }

    async fn an_operator_switches_it_off(app) with |settings: &mut Settings| {
        to_a_folder(settings);
        settings.accounts.forgotten_password = false;
    }; {
        let (_, _mail) = app.ana_has_mail().await;
        let browser = Browser::new(&app);
        assert!(!browser.authorize(&[]).await.body.contains("/forgot"));
        let (forgot, new) = join!(browser.get("/forgot"), browser.get("/forgot/new"));
        assert_eq!((forgot.status, new.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    }
}
