//! Sign-in elsewhere: who comes in, as whom, and what becomes of the account.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::pages::is_sound;
use crate::provider::*;

/// Ana, as Works & Sons has her.
fn ana() -> Value {
    json!({ "email": "ana@works.example", "email_verified": true, "preferred_username": "ana.works", "name": "Ana" })
}

impl TestApp {
    /// Ana has an account of old, with an address that somebody made sure of.
    async fn ana_has_an_address(&self, email: &str) {
        let details = heirloom::service::admin::users::DetailChanges {
            email: Some((Some(email.to_owned()), true)),
            claims: None,
        };
        let name = "ana".parse().unwrap();
        let changed =
            heirloom::service::admin::users::change_details(&self.core, &name, details, self.clock.now());
        changed.await.unwrap();
    }

    async fn links(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM upstream_links").await
    }

    async fn users_now(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM users").await
    }
}

impl Browser<'_> {
    async fn takes_name(&self, page: &Seen, name: &str) -> Seen {
        self.post(&page.action(), &[("csrf", &page.hidden("csrf")), ("username", name)]).await
    }

    async fn links_account(&self, page: &Seen) -> Seen {
        let (_, form) = page.body.split_once("<form").unwrap();
        let action = unescaped(form.split_once("action=\"").unwrap().1.split('"').next().unwrap());
        self.post(&action, &[("csrf", &page.hidden("csrf")), ("link", "yes")]).await
    }
}

both_databases! {
    async fn somebody_new_gets_an_account_and_comes_back_to_it(store, url) {
        let provider = Provider::start().await;
        let clock = TestClock::new();
        let (app, stop) =
            start(store, &url, clock, |it| provider.configure(it, &json!({ "create": true }))).await;
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        assert!(page.body.contains("Sign in with Works &amp; Sons"), "{page:?}");
        let sent = browser.sets_out(&page).await;
        assert_eq!(sent.place, format!("{}/authorize", provider.url));
        let back = format!("{}/sign-in/back/works", app.url);
        for (name, value) in [
            ("response_type", "code"), ("client_id", CLIENT), ("redirect_uri", back.as_str()),
            ("scope", "openid email profile"), ("code_challenge_method", "S256"),
        ] {
            assert_eq!(sent.get(name), value, "{name}");
        }
        assert!(!sent.parameters.contains_key("prompt"));
        provider.say(&app, &sent, &ana());
        let new = browser.follow(browser.comes_back(&provider, &sent).await).await;
        is_sound(&new, "sign-in refused");
        for text in ["You are new here", "ana@works.example", "value=\"ana.works\""] {
            assert!(new.body.contains(text), "{text}: {new:?}");
        }
        // PKCE, and the client's secret, are what the code is worth.
        let asked = provider.asked("/token").remove(0);
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        let form: std::collections::BTreeMap<String, String> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
        assert_eq!(URL_SAFE_NO_PAD.encode(digest), sent.get("code_challenge"));
        assert_eq!((form["code"].as_str(), &form["redirect_uri"]), ("c-1", &back));
        let basic = format!("Basic {}", STANDARD.encode("heirloom:a+secret+of+Heirloom%27s"));
        assert!(head.contains(&basic), "{head}");
        let taken = browser.takes_name(&new, "ANA").await;
        assert!(taken.status == 403 && taken.body.contains("This name is taken"), "{taken:?}");
        assert!(taken.body.contains("value=\"ANA\""), "what was typed is kept");
        let unfit = browser.takes_name(&taken, "a\u{200b}na").await;
        assert!(unfit.status == 403 && unfit.body.contains("Please choose another one"), "{unfit:?}");
        assert_eq!(app.users_now().await, 1);
        let code = browser.follow(browser.takes_name(&new, "ana.works").await).await.code();
        let answer = app.exchange(&code, &[]).await;
        let told = claims(answer.text("id_token"));
        assert_eq!((&told["amr"], &told["acr"]), (&json!(["fed"]), &json!("1")));
        assert_eq!(app.get("/oauth/userinfo", answer.text("access_token")).await.json["preferred_username"], "ana.works");
        let stored = app.number("SELECT COUNT(*) FROM users WHERE username = 'ana.works' AND password_hash = '!' \
             AND email = 'ana@works.example' AND email_verified").await;
        assert_eq!(stored, 1);
        assert_eq!((app.told("user.changed change=linked"), app.told("sign_in.succeeded")), (1, 1));
        // The form is used up, and the next time nothing is asked.
        assert_eq!(browser.takes_name(&new, "ana.again").await.status, 303);
        assert_eq!(app.users_now().await, 2);
        let other = Browser::new(&app);
        let page = other.authorize(&[]).await;
        let code = other.signs_in_at(&app, &provider, &page, &ana()).await.code();
        assert_eq!(claims(app.exchange(&code, &[]).await.text("id_token"))["sub"], told["sub"]);
        stop.end().await;
    }

    async fn an_account_with_the_same_address_is_linked_by_its_owner_alone(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), |it| {
            provider.configure(it, &json!({ "create": true }));
        }).await;
        app.with_apps().await;
        app.ana_has_an_address("Ana@works.example").await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        let new = browser.signs_in_at(&app, &provider, &page, &ana()).await;
        assert!(new.body.contains("There is an account with the same address"), "{new:?}");
        assert!(!new.body.contains("name=\"username\""), "no second account has it: {new:?}");
        assert_eq!(app.links().await, 0, "never by the address");
        let place = new.body.split("href=\"").find(|rest| rest.contains("&amp;attempt=")).unwrap();
        let sign_in = browser.get(&unescaped(place.split('"').next().unwrap())).await;
        let offer = browser.sign_in(&sign_in, "ana").await;
        assert!(offer.body.contains("Link to ana"), "{offer:?}");
        assert_eq!(app.links().await, 0, "not without a click");
        let linked = browser.links_account(&offer).await;
        browser.follow(linked).await.code();
        assert_eq!((app.links().await, app.told("user.changed change=linked")), (1, 1));
        let other = Browser::new(&app);
        let page = other.authorize(&[]).await;
        let code = other.signs_in_at(&app, &provider, &page, &ana()).await.code();
        assert_eq!(app.exchange(&code, &[]).await.status, 200);
        assert_eq!(app.users_now().await, 1);
        stop.end().await;
    }

    async fn an_offer_to_link_is_for_who_has_just_signed_in(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), |it| provider.configure(it, &json!({}))).await;
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let page = browser.get("/sign-in?to=/account&prompt=login").await;
        let offer = browser.signs_in_at(&app, &provider, &page, &ana()).await;
        assert!(offer.body.contains("Link to ana"), "{offer:?}");
        app.clock.advance(6 * MINUTE);
        let again = browser.links_account(&offer).await;
        assert!(again.location().starts_with("/sign-in?to=/sign-in/new&prompt=login&attempt="), "{again:?}");
        assert_eq!(app.links().await, 0);
        stop.end().await;
    }

    async fn nobody_gets_an_account_where_none_are_made_or_the_domain_is_another(store, url) {
        let provider = Provider::start().await;
        for (table, says, told, reason) in [
            (json!({}), ana(), "No account that you could use here", "no_account"),
            (json!({ "create": true, "mail_domains": ["other.example"] }), ana(), "Only addresses of certain", "mail_domain"),
            (
                json!({ "create": true, "mail_domains": ["works.example"] }),
                json!({ "email": "ana@works.example", "email_verified": false }), "Only addresses of certain", "mail_domain",
            ),
        ] {
            let (app, stop) = start(store, &url, TestClock::new(), |it| provider.configure(it, &table)).await;
            let browser = Browser::new(&app);
            let page = browser.get("/sign-in?to=/account").await;
            let new = browser.signs_in_at(&app, &provider, &page, &says).await;
            assert!(new.body.contains(told) && !new.body.contains("name=\"username\""), "{new:?}");
            assert_eq!(app.told(&format!("upstream.refused provider=works reason={reason}")), 1);
            let place = new.body.split("href=\"").find(|rest| rest.contains("attempt=")).unwrap();
            let attempt = unescaped(place.split("attempt=").nth(1).unwrap().split('"').next().unwrap());
            let forced = [("csrf", new.body.clone()), ("username", "eve".to_owned())].map(|(name, value)| {
                if name == "csrf" { (name, page.hidden("csrf")) } else { (name, value) }
            });
            let forced = forced.each_ref().map(|(name, value)| (*name, value.as_str()));
            browser.post(&format!("/sign-in/new?attempt={attempt}"), &forced).await;
            assert_eq!((app.users_now().await, app.links().await), (0, 0), "{reason}");
            stop.end().await;
        }
    }

    async fn roles_follow_the_provider_at_each_sign_in(store, url) {
        let provider = Provider::start().await;
        let table = json!({
            "create": true, "roles_claim": "groups", "roles": { "staff": "writer", "chiefs": ["admin", "writer"] },
        });
        let (app, stop) = start(store, &url, TestClock::new(), |it| provider.configure(it, &table)).await;
        app.with_apps().await;
        let tokens = async |groups: Value| {
            let browser = Browser::new(&app);
            let page = browser.authorize(&[("scope", "openid roles")]).await;
            let says = crate::signer::changed(&ana(), &json!({ "groups": groups }));
            let seen = browser.signs_in_at(&app, &provider, &page, &says).await;
            let seen = if seen.status == 200 {
                browser.follow(browser.takes_name(&seen, "ana.works").await).await
            } else { seen };
            app.exchange(&seen.code(), &[]).await.tokens()
        };
        let first = tokens(json!(["chiefs", "others"])).await;
        assert_eq!(first.claims()["roles"], json!(["admin", "writer"]));
        app.sql("UPDATE users SET roles = '[\"own\",\"admin\",\"writer\"]' WHERE username = 'ana.works'").await;
        let second = tokens(json!(["staff"])).await;
        assert_eq!(second.claims()["roles"], json!(["own", "writer"]), "an operator's own stays");
        let first = app.refresh_with("app", &first.refresh).await.tokens();
        assert_eq!(first.claims()["roles"], json!(["own", "writer"]), "and logins from before follow");
        assert_eq!(app.told("user.changed change=roles"), 1);
        stop.end().await;
    }

    async fn github_is_asked_in_its_own_way(store, url) {
        let provider = Provider::start().await;
        let table = json!({ "kind": "github", "api": format!("{}/api", provider.url), "create": true });
        let (app, stop) = start(store, &url, TestClock::new(), |it| provider.configure(it, &table)).await;
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        let sent = browser.sets_out(&page).await;
        assert_eq!(sent.place, format!("{}/login/oauth/authorize", provider.url));
        assert_eq!(sent.get("scope"), "read:user user:email");
        assert!(!sent.parameters.contains_key("nonce"));
        let back = [("code", "c-1"), ("state", sent.get("state"))];
        let new = browser.follow(browser.comes_back_with(&back).await).await;
        assert!(new.body.contains("ana@works.example") && new.body.contains("value=\"octo-ana\""), "{new:?}");
        assert!(provider.asked("/api/user").remove(0).contains("authorization: Bearer gho"));
        browser.follow(browser.takes_name(&new, "ana.works").await).await.code();
        let subject = "SELECT COUNT(*) FROM upstream_links WHERE subject = '583231'";
        assert_eq!(app.number(subject).await, 1, "a login can become somebody else's");
        // Errors come with status 200.
        provider.state().token = Some((200, json!({ "error": "bad_verification_code" })));
        let other = Browser::new(&app);
        let sent = other.sets_out(&other.authorize(&[]).await).await;
        let back = [("code", "c-1"), ("state", sent.get("state"))];
        let refused = other.follow(other.comes_back_with(&back).await).await;
        assert!(refused.body.contains("did not accept this server"), "{refused:?}");
        stop.end().await;
    }
}
