//! What other sites, and links of another kind, do with what is mailed: nothing.

use heirloom::domain::account_rules::{MailedSignIn, SignUp};
use heirloom::settings::Settings;

use crate::browser::*;
use crate::harness::*;
use crate::mailed::*;

fn with_all_of_it(settings: &mut Settings) {
    to_a_folder(settings);
    settings.accounts.sign_up = SignUp::Open;
    settings.accounts.mailed_sign_in = MailedSignIn::Link;
}

impl Browser<'_> {
    /// Fills in a page's last form.
    async fn fills_in(&self, page: &Seen, typed: &[(&str, &str)]) -> Seen {
        let csrf = page.hidden("csrf");
        let form: Vec<(&str, &str)> = typed.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post(&page.action(), &form).await
    }
}

/// A link of each kind for Ana, and one for somebody who is new: to verify, to sign in, to set a password, to sign up.
async fn links(app: &TestApp, browser: &Browser<'_>, mail: &Mailbox) -> [String; 4] {
    let page = browser.sign_in(&browser.follow(browser.get("/account/addresses").await).await, "ana").await;
    browser.fills_in(&page, &[("email", "new@example.com")]).await.location();
    let verify = mail.link(app, "new@example.com").await;
    let mut links = vec![verify];
    for (place, field, typed) in [
        ("/sign-in/mail?to=/account", "username", "ana@example.com"),
        ("/forgot", "username", "ana@example.com"),
        ("/sign-up", "email", "eva@example.com"),
    ] {
        browser.fills_in(&browser.get(place).await, &[(field, typed)]).await.location();
        links.push(mail.link(app, typed).await);
    }
    links.try_into().unwrap()
}

both_stores! {
    async fn a_form_of_another_site_does_nothing(app) with with_all_of_it; {
        app.with_apps().await;
        app.give_email("ana", "ana@example.com").await;
        let (browser, mail) = (Browser::new(&app), Mailbox::of(&app));
        let links = links(&app, &browser, &mail).await;
        let (told, sessions) = (app.events().len(), app.number("SELECT COUNT(*) FROM sign_in_sessions").await);
        let filled = [
            ("username", "eva"), ("email", "eve@example.com"), ("new_password", PASSWORD), ("repeated", PASSWORD),
        ];
        let places = ["/forgot", "/sign-up", "/sign-in/mail?to=/account"].map(ToOwned::to_owned);
        for place in links.iter().chain(&places) {
            for csrf in ["", "x"] {
                let form: Vec<(&str, &str)> = filled.into_iter().chain([("csrf", csrf)]).collect();
                let seen = browser.post(place, &form).await;
                assert_eq!(seen.location(), place, "back to the page, which asks its user");
                // A browser that was never here has no cookie that a form could fit.
                assert_eq!(Browser::new(&app).post(place, &form).await.status, 403, "{place}");
            }
        }
        assert_eq!(app.events().len(), told, "{:?}", app.events());
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, sessions);
        assert_eq!(app.number("SELECT COUNT(*) FROM mailed_tokens WHERE used_at IS NOT NULL").await, 0);
        assert_eq!(mail.rest().await, 0);
        assert_eq!(app.email_of("ana").await.0.as_deref(), Some("ana@example.com"));
        app.log_in("ana").await;
    }

    async fn a_link_opens_no_other_door(app) with with_all_of_it; {
        app.with_apps().await;
        app.give_email("ana", "ana@example.com").await;
        let (browser, mail) = (Browser::new(&app), Mailbox::of(&app));
        let links = links(&app, &browser, &mail).await;
        for link in &links {
            let (own, token) = link.split_once("?token=").unwrap();
            for door in ["/verify", "/sign-in/link", "/forgot/new", "/sign-up/finish"] {
                let seen = browser.get(&format!("{door}?token={token}")).await;
                let is_good = seen.status == 200 && seen.body.contains("<form");
                assert_eq!(is_good, door == own, "{own} at {door}: {seen:?}");
            }
        }
    }

    async fn an_account_is_gone_to_on_another_device_than_the_one_that_wanted_it_for_an_app(app)
    with with_all_of_it; {
        app.with_apps().await;
        let (browser, mail) = (Browser::new(&app), Mailbox::of(&app));
        let sign_in = browser.authorize(&[]).await;
        let (_, link) = sign_in.body.split_once("href=\"/sign-up?").expect("a link to it");
        let page = browser.get(&unescaped(&format!("/sign-up?{}", link.split_once('"').unwrap().0))).await;
        browser.fills_in(&page, &[("email", "eva@example.com")]).await.location();
        let link = mail.link(&app, "eva@example.com").await;
        let phone = Browser::new(&app);
        let page = phone.get(&link).await;
        let differ = [("username", "eva"), ("new_password", PASSWORD), ("repeated", "another of hers")];
        let page = phone.fills_in(&page, &differ).await;
        assert!(page.status == 403 && page.body.contains("do not match"), "{page:?}");
        let form = [("username", "eva"), ("new_password", PASSWORD), ("repeated", PASSWORD)];
        let done = phone.follow(phone.fills_in(&page, &form).await).await;
        assert!(done.body.contains("Your account is ready") && !done.body.contains("client_id"), "{done:?}");
        assert!(done.body.contains("href=\"&#x2f;account\""), "{done:?}");
    }

    async fn whoever_is_called_like_an_address_has_it_no_more_than_others(app) with with_all_of_it; {
        app.add_user("eva@example.com").await;
        let (browser, mail) = (Browser::new(&app), Mailbox::of(&app));
        browser.fills_in(&browser.get("/sign-up").await, &[("email", "eva@example.com")]).await.location();
        assert!(mail.link(&app, "eva@example.com").await.starts_with("/sign-up/finish?"));
    }
}
