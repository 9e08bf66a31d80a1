//! Signing in by what is mailed, without the password.

use heirloom::domain::account_rules::MailedSignIn;
use heirloom::service::admin::users::{Change, find};
use heirloom::settings::Settings;

use crate::browser::*;
use crate::harness::*;
use crate::mailed::*;
use crate::pages::is_sound;

fn by_link(settings: &mut Settings) {
    to_a_folder(settings);
    settings.accounts.mailed_sign_in = MailedSignIn::Link;
}

fn by_code(settings: &mut Settings) {
    to_a_folder(settings);
    settings.accounts.mailed_sign_in = MailedSignIn::Code;
}

impl Browser<'_> {
    /// Asks for a mail on the way to an app; gives what is answered.
    async fn wants_mail(&self, typed: &str) -> Seen {
        let sign_in = self.authorize(&[]).await;
        let (_, link) = sign_in.body.split_once("href=\"/sign-in/mail?").expect("a link to it");
        let place = unescaped(&format!("/sign-in/mail?{}", link.split_once('"').unwrap().0));
        let page = self.get(&place).await;
        is_sound(&page, "sign-in by mail");
        let csrf = page.hidden("csrf");
        let sent = self.post(&page.action(), &[("csrf", csrf.as_str()), ("username", typed)]).await;
        self.follow(sent).await
    }

    async fn presses_link(&self, page: &Seen) -> Seen {
        let csrf = page.hidden("csrf");
        self.follow(self.post(&page.action(), &[("csrf", csrf.as_str())]).await).await
    }

    async fn types_code(&self, page: &Seen, code: &str) -> Seen {
        let csrf = page.hidden("csrf");
        self.follow(self.post(&page.action(), &[("csrf", csrf.as_str()), ("code", code)]).await).await
    }
}

async fn ana_has_mail(app: &TestApp) -> Mailbox {
    app.with_apps().await;
    app.give_email("ana", "ana@example.com").await;
    Mailbox::of(app)
}

const WRONG: &str = "The code is wrong, too old, or was tried too often.";

both_stores! {
    async fn a_link_signs_in_where_it_is_pressed(app) with by_link; {
        let mail = ana_has_mail(&app).await;
        let (browser, phone) = (Browser::new(&app), Browser::new(&app));
        let sent = browser.wants_mail("Ana@example.com").await;
        is_sound(&sent, "sign-in mail sent");
        let link = mail.link(&app, "ana@example.com").await;
        for _ in 0..3 {
            phone.get(&link).await;
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 0, "opening it does nothing");
        // In the browser that asked, the app goes on.
        let page = browser.get(&link).await;
        assert!(page.body.contains("Sign in as ana?"), "{page:?}");
        let code = browser.presses_link(&page).await.code();
        let answer = app.exchange(&code, &[]).await;
        let told = claims(answer.text("id_token"));
        assert_eq!((&told["amr"], &told["acr"]), (&serde_json::json!(["otp"]), &serde_json::json!("1")));
        // A second click, and another device with the same link.
        assert_eq!(browser.post(&page.action(), &[("csrf", &browser.get("/account").await.hidden("csrf"))]).await.location(), "/account");
        let late = phone.get(&link).await;
        assert!(late.body.contains("This link was used already"), "{late:?}");
        // On another device than the one that asked, the account is what there is.
        browser.get("/oauth/logout").await;
        let other = Browser::new(&app);
        other.wants_mail("ana").await;
        let link = mail.link(&app, "ana@example.com").await;
        let account = phone.presses_link(&phone.get(&link).await).await;
        assert!(account.body.contains("You are signed in as ana."), "{account:?}");
    }

    async fn a_code_signs_in_the_browser_that_asked_and_no_other(app) with by_code; {
        let mail = ana_has_mail(&app).await;
        let (browser, other) = (Browser::new(&app), Browser::new(&app));
        let page = browser.wants_mail("ana").await;
        is_sound(&page, "sign-in");
        assert!(page.body.contains("autocomplete=\"one-time-code\""), "{page:?}");
        let code = mail.code("ana@example.com").await;
        let theirs = other.wants_mail("nobody@example.com").await;
        let refused = other.types_code(&theirs, &code).await;
        assert!(refused.status == 403 && refused.body.contains(WRONG), "{refused:?}");
        browser.types_code(&page, &format!(" {} {}", &code[..3], &code[3..])).await.code();
        assert_eq!(app.told("sign_in.succeeded"), 1);
        let again = browser.types_code(&page, &code).await;
        assert!(again.status == 200 && again.body.contains("name=\"code\""), "a form from before: {again:?}");
    }

    async fn a_code_is_tried_a_few_times_whether_there_is_an_account_or_not(app) with by_code; {
        let mail = ana_has_mail(&app).await;
        let mut all = Vec::new();
        for typed in ["ana@example.com", "nobody@example.com"] {
            let browser = Browser::new(&app);
            let mut page = browser.wants_mail(typed).await;
            let mut seen = vec![(page.status, page.body.contains(WRONG))];
            let code = if typed.starts_with("ana") { mail.code("ana@example.com").await } else { "000000".to_owned() };
            let wrong = if code == "123456" { "654321" } else { "123456" };
            for _ in 0..5 {
                page = browser.types_code(&page, wrong).await;
                seen.push((page.status, page.body.contains(WRONG)));
            }
            // Too late: even the right one.
            page = browser.types_code(&page, &code).await;
            seen.push((page.status, page.body.contains(WRONG)));
            all.push(seen);
            app.clock.advance(MINUTE * 10);
        }
        assert_eq!(all[0], all[1]);
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 0);
        assert_eq!(app.told("sign_in.refused"), 12);
        assert_eq!(app.number("SELECT MAX(wrong_tries) FROM mailed_tokens").await, 5);
    }

    async fn wrong_codes_count_as_wrong_passwords_do(app) with |settings| {
        by_code(settings);
        settings.limits.account_attempts = 3;
    }; {
        let mail = ana_has_mail(&app).await;
        let browser = Browser::new(&app);
        let mut page = browser.wants_mail("ana").await;
        let code = mail.code("ana@example.com").await;
        for _ in 0..3 {
            page = browser.types_code(&page, if code == "123456" { "654321" } else { "123456" }).await;
        }
        let held = browser.types_code(&page, &code).await;
        assert!(held.status == 429 && !held.header("retry-after").is_empty(), "{held:?}");
    }

    async fn what_was_mailed_is_worth_nothing_once_the_password_or_the_address_has_changed(app) with by_code; {
        let mail = ana_has_mail(&app).await;
        let ana = find(&app.core, &"ana".parse().unwrap()).await.unwrap();
        for round in 0..3 {
            let browser = Browser::new(&app);
            let page = browser.wants_mail("ana").await;
            let code = mail.code("ana@").await;
            match round {
                0 => app.give_email("ana", "ana@other.example").await,
                1 => app.change_user(ana.id, Change::Password(heirloom::domain::secrets::Password::new("another one of hers".to_owned()).unwrap())).await,
                _ => app.clock.advance(MINUTE * 10),
            }
            let refused = browser.types_code(&page, &code).await;
            assert!(refused.body.contains(WRONG), "{round}: {refused:?}");
        }
    }

    async fn of_two_presses_at_once_one_signs_in(app) with by_link; {
        let mail = ana_has_mail(&app).await;
        let browser = Browser::new(&app);
        browser.wants_mail("ana").await;
        let page = browser.get(&mail.link(&app, "ana@example.com").await).await;
        let csrf = page.hidden("csrf");
        let form = [("csrf", csrf.as_str())];
        let place = page.action();
        let all = futures_util::future::join_all((0..4).map(|_| browser.post(&place, &form))).await;
        let opened = all.iter().filter(|seen| seen.set_cookies().iter().any(|it| it.contains("session"))).count();
        assert_eq!((opened, app.told("sign_in.succeeded")), (1, 1), "{all:?}");
    }

    async fn known_and_unknown_take_the_same_time(app) with |settings| {
        by_code(settings);
        settings.limits.waiting_requests = 1_000_000;
    }; {
        let _mail = ana_has_mail(&app).await;
        let browser = Browser::new(&app);
        let page = browser.get("/sign-in/mail?to=/account").await;
        let csrf = page.hidden("csrf");
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..220 {
            for which in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let typed = ["ana@example.com", "eva@example.com"][which];
                let form = [("csrf", csrf.as_str()), ("username", typed)];
                let asked = async { assert_eq!(browser.post(&page.action(), &form).await.status, 303) };
                times[which].push(took(asked).await);
            }
        }
        are_alike(times);
    }

    async fn it_is_off_unless_an_operator_wants_it(app) with to_a_folder; {
        let _mail = ana_has_mail(&app).await;
        let browser = Browser::new(&app);
        assert!(!browser.authorize(&[]).await.body.contains("/sign-in/mail"));
        for place in ["/sign-in/mail", "/sign-in/code", "/sign-in/link", "/sign-up", "/sign-up/finish"] {
            assert_eq!(browser.get(&format!("{place}?to=/account")).await.status, 404, "{place}");
        }
    }
}
