//! Accounts by mail, second factors, passkeys: what an outsider can try at them.

use crate::browser::*;
use crate::harness::*;
use crate::mailed::{Mailbox, to_a_folder};
use crate::row::attacks;
use crate::victim::each_once;

/// Somebody with a proven address.
async fn with_mail(app: &TestApp) -> (String, String) {
    let name = app.somebody().await;
    let address = format!("{name}@example.com");
    app.give_email(&name, &address).await;
    (name, address)
}

impl TestApp {
    async fn give_email(&self, name: &str, email: &str) {
        use heirloom::service::admin::users::{self, DetailChanges};
        let changes = DetailChanges { email: Some((Some(email.to_owned()), true)), claims: None };
        users::change_details(&self.core, &name.parse().unwrap(), changes, self.clock.now()).await.unwrap();
    }
}

/// Asks for a new password for whoever this is.
async fn forgot(browser: &Browser<'_>, typed: &str) -> Seen {
    let page = browser.get("/forgot").await;
    let csrf = page.hidden("csrf");
    browser.post(&page.action(), &[("csrf", csrf.as_str()), ("username", typed)]).await
}

attacks! {
    with |settings| {
        to_a_folder(settings);
        settings.accounts.sign_up = heirloom::domain::account_rules::SignUp::Open;
        settings.limits.waiting_requests = 100;
        settings.pages.account_deletion = true;
    };
    "who has an account, by asking for a new password", "ASVS 6.3.8, CWE-204", "alike" => |app| {
        let (_, address) = with_mail(app).await;
        let mut both = Vec::new();
        for typed in [address.as_str(), "nobody@example.com", "nobody-at-all"] {
            let browser = Browser::new(app);
            let seen = forgot(&browser, typed).await;
            let page = browser.follow(seen).await;
            both.push((page.status, page.body.replace(typed, "TYPED")));
        }
        if both.windows(2).all(|two| two[0] == two[1]) { "alike".to_owned() } else { format!("{both:?}") }
    }
    "who has an account, by signing up", "ASVS 6.3.8, CWE-204", "alike" => |app| {
        let (_, address) = with_mail(app).await;
        let mut both = Vec::new();
        for typed in [address.as_str(), "new@example.com"] {
            let browser = Browser::new(app);
            let page = browser.get("/sign-up").await;
            let csrf = page.hidden("csrf");
            let seen = browser.post(&page.action(), &[("csrf", csrf.as_str()), ("email", typed)]).await;
            let page = browser.follow(seen).await;
            both.push((page.status, page.body.replace(typed, "TYPED")));
        }
        if both[0] == both[1] { "alike".to_owned() } else { format!("{both:?}") }
    }
    "a mailed link that a forged Host leads elsewhere", "CWE-640, CWE-644", "ours" => |app| {
        let (_, address) = with_mail(app).await;
        let mail = Mailbox::of(app);
        let browser = Browser::new(app);
        let page = browser.get("/forgot").await;
        let csrf = page.hidden("csrf");
        let evil = "evil.example";
        let request = app.http.post(app.at(&page.action())).header("host", evil).header("x-forwarded-host", evil)
            .header("x-forwarded-proto", "https").header("forwarded", "host=evil.example;proto=https").header("x-host", evil);
        browser.send(form(request, &[("csrf", csrf.as_str()), ("username", &address)])).await;
        let text = mail.next(&address).await;
        if text.contains(evil) || !text.contains(app.core.issuer.as_str()) { text } else { "ours".to_owned() }
    }
    "a link for a new password, used twice, bent, too late", "ASVS 6.4.3, 6.5.1", "once" => |app| {
        let (name, address) = with_mail(app).await;
        let mail = Mailbox::of(app);
        let browser = Browser::new(app);
        forgot(&browser, &address).await;
        let link = mail.link(app, &address).await;
        let set = async |link: &str, password: &str| {
            let page = browser.get(link).await;
            if !page.body.contains("new_password") {
                return;
            }
            let csrf = page.hidden("csrf");
            browser.post(&page.action(), &[("csrf", csrf.as_str()), ("new_password", password), ("repeated", password)]).await;
        };
        for bent in [link.replace("token=", "token=A"), link[..link.len() - 1].to_owned(), "/forgot/new?token=".to_owned(), "/forgot/new".to_owned()] {
            set(&bent, "a thief's own password").await;
        }
        set(&link, "the owner's new password").await;
        set(&link, "a thief's own password").await;
        match (app.tries(&name, "the owner's new password").await, app.tries(&name, "a thief's own password").await) {
            (200, 401) => "once".to_owned(),
            other => format!("{other:?}"),
        }
    }
    "a new password ends what a thief had open", "ASVS 7.4.3", "401 invalid_grant" => |app| {
        let (name, address) = with_mail(app).await;
        let thief = app.log_in(&name).await;
        let mail = Mailbox::of(app);
        let browser = Browser::new(app);
        forgot(&browser, &address).await;
        let page = browser.get(&mail.link(app, &address).await).await;
        let csrf = page.hidden("csrf");
        let new = "the owner's new password";
        browser.post(&page.action(), &[("csrf", csrf.as_str()), ("new_password", new), ("repeated", new)]).await;
        app.state_of(&thief.refresh).await
    }
    "a hundred wishes for mail to one victim", "CWE-799", "bounded" => |app| {
        let (_, address) = with_mail(app).await;
        let browser = Browser::new(app);
        let mut refused = 0;
        for _ in 0..120 {
            refused += u32::from(forgot(&browser, &address).await.status == 429);
        }
        if refused >= 20 { "bounded".to_owned() } else { format!("{refused} refused") }
    }
    "an address that is a header, a list, a command", "CWE-93", "no mail" => |app| {
        for typed in ["a@example.com\r\nBcc: b@evil.example", "a@example.com,b@evil.example", "a@example.com b@evil.example", "\"a\r\n\"@evil.example", "@evil.example"] {
            let browser = Browser::new(app);
            let page = browser.get("/sign-up").await;
            let csrf = page.hidden("csrf");
            browser.post(&page.action(), &[("csrf", csrf.as_str()), ("email", typed)]).await;
        }
        // What was wanted is seen to.
        while app.number("SELECT COUNT(*) FROM mail_requests").await > 0 {
            tokio::time::sleep(SECOND / 50).await;
        }
        let folder = app.settings.mail.folder.clone().unwrap();
        let mails = std::fs::read_dir(folder).unwrap().map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap_or_default());
        let evil = mails.filter(|mail| mail.contains("evil.example")).count();
        if evil == 0 { "no mail".to_owned() } else { format!("{evil}") }
    }
    "an account that is changed without a fresh sign-in", "ASVS 7.5.1", "asked for it" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[]).await;
        browser.sign_in(&page, &name).await.code();
        let csrf = browser.get("/account/addresses").await.hidden("csrf");
        app.clock.advance(MINUTE * 6);
        let mut back = Vec::new();
        for (place, field) in [("/account/addresses", "email"), ("/account/delete", "sure")] {
            let seen = browser.post(place, &[("csrf", csrf.as_str()), (field, "thief@evil.example")]).await;
            let asked = seen.header("location").contains("prompt=login") || seen.body.contains("type=\"password\"");
            back.push(if asked { "asked for it".to_owned() } else { format!("{place}: {} {}", seen.status, seen.header("location")) });
        }
        each_once(back)
    }
}
