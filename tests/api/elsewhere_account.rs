//! Sign-in elsewhere, from the account's side: its links, and what a logout there ends. And a second Heirloom as the
//! provider.

use std::time::Duration;

use heirloom::domain::client::{GrantType, Party};
use heirloom::settings::ProviderTables;
use serde_json::{Value, json};

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::logout::sign_out;
use crate::pages::is_sound;
use crate::provider::*;

const LINKS: &str = "/account/links";

impl Browser<'_> {
    /// Ana, signed in with her password, at the page with her links.
    async fn opens_links(&self) -> Seen {
        let page = self.follow(self.get(LINKS).await).await;
        let is_in = !page.body.contains("name=\"password\"");
        if is_in { page } else { self.sign_in(&page, "ana").await }
    }

    async fn wants_link(&self, page: &Seen) -> Seen {
        self.post(LINKS, &[("csrf", &page.hidden("csrf")), ("link", "works")]).await
    }

    async fn unlinks(&self, page: &Seen) -> Seen {
        let form = ["csrf", "issuer", "subject"].map(|name| (name, page.hidden(name)));
        self.post(LINKS, &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await
    }

    /// Links Ana's account to Works & Sons.
    async fn links(&self, app: &TestApp, provider: &Provider, says: &Value) -> Seen {
        let page = self.opens_links().await;
        let sent = Sent::of(&self.wants_link(&page).await);
        provider.say(app, &sent, says);
        self.follow(self.comes_back(provider, &sent).await).await
    }
}

async fn started(store: Store, url: &str, provider: &Provider, table: &Value) -> (TestApp, Stop) {
    let (app, stop) = start(store, url, TestClock::new(), |it| provider.configure(it, table)).await;
    app.with_apps().await;
    (app, stop)
}

both_databases! {
    async fn an_owner_links_and_unlinks(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = started(store, &url, &provider, &json!({})).await;
        let browser = Browser::new(&app);
        let none = browser.opens_links().await;
        is_sound(&none, LINKS);
        assert!(none.body.contains("None is linked yet") && none.body.contains("Link Works &amp; Sons"), "{none:?}");
        let linked = browser.links(&app, &provider, &json!({})).await;
        is_sound(&linked, LINKS);
        for text in ["is now linked to your account", "ana@works.example", "Unlink Works &amp; Sons"] {
            assert!(linked.body.contains(text), "{text}: {linked:?}");
        }
        assert_eq!(app.told("user.changed change=linked"), 1);
        let data = browser.get("/account/data").await;
        let form = [("csrf", data.hidden("csrf"))];
        let data = browser.post("/account/data", &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        let data: Value = serde_json::from_str(&data.body).unwrap();
        assert_eq!(data["upstream_links"][0]["subject"], "works-1");
        // It opens the account from then on.
        let other = Browser::new(&app);
        let page = other.authorize(&[]).await;
        other.signs_in_at(&app, &provider, &page, &json!({})).await.code();
        // It is nobody else's.
        app.add_user("ben").await;
        let bens = Browser::new(&app);
        let page = bens.sign_in(&bens.follow(bens.get(LINKS).await).await, "ben").await;
        let sent = Sent::of(&bens.wants_link(&page).await);
        provider.say(&app, &sent, &json!({}));
        let refused = bens.follow(bens.comes_back(&provider, &sent).await).await;
        assert!(refused.body.contains("linked to another account here"), "{refused:?}");
        app.clock.advance(6 * MINUTE);
        let again = "/sign-in?to=/account/links&prompt=login";
        assert_eq!(browser.unlinks(&linked).await.location(), again, "ASVS 7.5.2");
        assert_eq!(browser.wants_link(&linked).await.location(), again);
        let page = browser.sign_in(&browser.get(again).await, "ana").await;
        let gone = browser.follow(browser.unlinks(&page).await).await;
        assert!(gone.body.contains("no longer linked") && gone.body.contains("None is linked yet"), "{gone:?}");
        assert_eq!(app.told("user.changed change=unlinked"), 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_links").await, 0);
        stop.end().await;
    }

    async fn the_last_way_in_is_not_unlinked(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = started(store, &url, &provider, &json!({})).await;
        let browser = Browser::new(&app);
        let page = browser.links(&app, &provider, &json!({})).await;
        app.sql("UPDATE users SET password_hash = '!'").await;
        let refused = browser.unlinks(&page).await;
        assert!(refused.status == 403 && refused.body.contains("the only way in"), "{refused:?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_links").await, 1);
        // With a second one it may go.
        let sent = Sent::of(&browser.wants_link(&page).await);
        provider.state().userinfo = json!({ "sub": "works-2" });
        provider.say(&app, &sent, &json!({ "sub": "works-2" }));
        let both = browser.follow(browser.comes_back(&provider, &sent).await).await;
        let one = browser.unlinks(&both).await;
        assert!(one.location().contains("done=unlinked"), "{one:?}");
        let last = browser.follow(one).await;
        assert_eq!(browser.unlinks(&last).await.status, 403);
        stop.end().await;
    }

    async fn whoever_signs_in_once_more_is_asked_there_too(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = started(store, &url, &provider, &json!({})).await;
        let browser = Browser::new(&app);
        browser.links(&app, &provider, &json!({})).await;
        app.clock.advance(6 * MINUTE);
        let then = app.clock.now().timestamp() - 360;
        let again = "/sign-in?to=/account/links&prompt=login";
        let sent = browser.sets_out(&browser.get(again).await).await;
        assert_eq!((sent.get("prompt"), sent.get("max_age")), ("login", "0"));
        for stale in [json!(then), json!(null)] {
            let sent = browser.sets_out(&browser.get(again).await).await;
            provider.say(&app, &sent, &json!({ "auth_time": stale }));
            let told = browser.follow(browser.comes_back(&provider, &sent).await).await;
            assert!(told.body.contains("did not ask you to show once more"), "{told:?}");
        }
        assert_eq!(app.told("upstream.refused provider=works reason=not_asked"), 2);
        let page = browser.get(again).await;
        let fresh = browser.signs_in_at(&app, &provider, &page, &json!({})).await;
        assert!(browser.unlinks(&fresh).await.location().contains("done=unlinked"), "{fresh:?}");
        stop.end().await;
    }

    async fn a_browser_is_handed_over_where_the_settings_want_it(store, url) {
        let provider = Provider::start().await;
        let table = json!({ "hand_over": true, "home_domains": ["Works.example"] });
        let (app, stop) = started(store, &url, &provider, &table).await;
        let silent = Browser::new(&app);
        let sent = Sent::of(&silent.follow(silent.get(&format!("/oauth/authorize?{}", query(&[]))).await).await);
        assert_eq!((sent.place.as_str(), sent.get("prompt")), (format!("{}/authorize", provider.url).as_str(), "none"));
        let back = [("error", "login_required"), ("state", sent.get("state")), ("iss", provider.url.as_str())];
        let page = silent.follow(silent.comes_back_with(&back).await).await;
        assert!(page.body.contains("name=\"password\"") && !page.body.contains("role=\"alert\""), "{page:?}");
        assert_eq!(app.told("upstream.refused"), 0, "it was only a question");
        let linked = silent.sign_in(&page, "ana").await;
        linked.code();
        let page = silent.get(LINKS).await;
        let asked = Sent::of(&silent.wants_link(&page).await);
        provider.say(&app, &asked, &json!({}));
        silent.follow(silent.comes_back(&provider, &asked).await).await;
        // Who is signed in there is signed in here without a page.
        let other = Browser::new(&app);
        let sent = Sent::of(&other.follow(other.get(&format!("/oauth/authorize?{}", query(&[]))).await).await);
        provider.say(&app, &sent, &json!({}));
        other.follow(other.comes_back(&provider, &sent).await).await.code();
        // An address of the provider's domain goes there, whatever is typed beside it.
        let third = Browser::new(&app);
        let sent = Sent::of(&third.authorize(&[("login_hint", "ben@WORKS.example")]).await);
        assert_eq!((sent.parameters.get("prompt"), sent.get("login_hint")), (None, "ben@WORKS.example"));
        let page = third.get("/sign-in?to=/account&prompt=login").await;
        assert!(!page.body.contains("type=\"password\" autocomplete=\"current-password\" required"), "{page:?}");
        let typed = [("csrf", page.hidden("csrf")), ("username", " ben@works.example".to_owned())];
        let typed = third.post("/sign-in?to=/account&prompt=login", &typed.each_ref().map(|(n, v)| (*n, v.as_str()))).await;
        assert_eq!(Sent::of(&typed).get("login_hint"), "ben@works.example");
        assert_eq!(app.told("sign_in.refused"), 0);
        stop.end().await;
    }

    async fn a_logout_there_ends_what_it_opened_here(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = started(store, &url, &provider, &json!({})).await;
        Browser::new(&app).links(&app, &provider, &json!({})).await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        let code = browser.signs_in_at(&app, &provider, &page, &json!({})).await.code();
        let here = app.exchange(&code, &[]).await.tokens();
        let elsewhere = Browser::new(&app);
        let page = elsewhere.authorize(&[]).await;
        let code = elsewhere.signs_in_at(&app, &provider, &page, &json!({ "sid": "other" })).await.code();
        let other = app.exchange(&code, &[]).await.tokens();
        let own = app.log_in("ana").await;
        let place = "/sign-in/back-channel/works";
        let now = app.clock.now().timestamp();
        for (section, changes) in [
            ("§2.6, 2: iss", json!({ "iss": "https://other.example" })),
            ("§2.6, 3: aud", json!({ "aud": "another client" })),
            ("§2.6, 3: exp", json!({ "exp": now - 61 })),
            ("§2.6, 3: iat", json!({ "iat": now + 61 })),
            ("§2.4: exp", json!({ "exp": now + 7200 })),
            ("§2.6, 4: sub or sid", json!({ "sub": null, "sid": null })),
            ("§2.6, 5: events", json!({ "events": {} })),
            ("§2.6, 5: events", json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": 1 } })),
            ("§2.6, 6: nonce", json!({ "nonce": "n" })),
            ("§2.4: jti", json!({ "jti": "" })),
            ("§2.4: jti", json!({ "jti": null })),
        ] {
            let token = provider.logout_token(&app, "x", &changes);
            let refused = app.form(place, &[("logout_token", &token)]).await;
            assert_eq!(refused.code(), "400 invalid_request", "{section} {changes}");
        }
        let stranger = crate::signer::Signer::new(jsonwebtoken::Algorithm::ES256, "first");
        let forged = stranger.sign(&json!({ "iss": provider.url, "aud": CLIENT, "sub": "works-1" }));
        for token in [forged, unsigned(&json!({ "iss": provider.url })), "x".to_owned()] {
            let refused = app.form(place, &[("logout_token", &token)]).await;
            assert_eq!(refused.code(), "400 invalid_request", "{token}");
        }
        assert_eq!(app.form(place, &[]).await.code(), "400 invalid_request");
        assert_eq!(app.form("/sign-in/back-channel/others", &[]).await.code(), "400 invalid_request");
        let here = app.refresh_with("app", &here.refresh).await.tokens();
        let token = provider.logout_token(&app, "one", &json!({}));
        assert_eq!(app.form(place, &[("logout_token", &token)]).await.status, 200);
        assert_eq!(app.refresh_with("app", &here.refresh).await.refusal(), ENDED);
        assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(app.told("upstream.logout provider=works"), 1);
        // The same token again is nobody's logout; another session's, and a password's, go on.
        assert_eq!(app.form(place, &[("logout_token", &token)]).await.code(), "400 invalid_request");
        let other = app.refresh_with("app", &other.refresh).await.tokens();
        let own = app.rotate(&own).await;
        // Without a session's name it is all of the user's there.
        let token = provider.logout_token(&app, "two", &json!({ "sid": null }));
        assert_eq!(app.form(place, &[("logout_token", &token)]).await.status, 200);
        assert_eq!(app.refresh_with("app", &other.refresh).await.refusal(), ENDED);
        app.rotate(&own).await;
        assert_eq!(elsewhere.authorize(&[("prompt", "none")]).await.error(), "login_required");
        stop.end().await;
    }

    async fn another_heirloom_is_a_provider_like_others(store, url) {
        let clock = TestClock::new();
        let (idp, stop_idp) = start(Store::Sqlite, "sqlite::memory:", clock.clone(), |it| {
            it.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        }).await;
        idp.add_user("ana").await;
        let table = json!({ "id": "works", "issuer": idp.url, "client_id": "rp", "create": true });
        let (app, stop) = start(store, &url, clock, |it| {
            it.sign_in.providers = ProviderTables::new(vec![table]);
            it.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        }).await;
        let (back, bye) = ("/sign-in/back/works", "/sign-in/back-channel/works");
        idp.add_client("rp", |it| {
            it.party = Party::First;
            it.grants = [GrantType::AuthorizationCode].into();
            it.scopes = "openid profile email".parse().unwrap();
            it.redirect_uris = vec![app.at(back)];
            it.metadata = serde_json::from_value(json!({ "backchannel_logout_uri": app.at(bye) })).unwrap();
        }).await;
        app.with_apps().await;
        let (browser, there) = (Browser::new(&app), Browser::new(&idp));
        let page = browser.authorize(&[]).await;
        let pressed = browser.sets_out_for(&page, "works").await;
        let place = pressed.location().strip_prefix(&idp.url).unwrap().to_owned();
        let sign_in = there.follow(there.get(&place).await).await;
        // Who is at the loopback address may be anybody: it asks.
        let consent = there.sign_in(&sign_in, "ana").await;
        let back = there.decide(&consent, "allow").await;
        let place = back.location().strip_prefix(&app.url).unwrap().to_owned();
        let new = browser.follow(browser.get(&place).await).await;
        assert!(new.body.contains("value=\"ana\""), "{new:?}");
        let form = [("csrf", new.hidden("csrf")), ("username", "ana.works".to_owned())];
        let made = browser.post(&new.action(), &form.each_ref().map(|(n, v)| (*n, v.as_str()))).await;
        let tokens = app.exchange(&browser.follow(made).await.code(), &[]).await.tokens();
        sign_out(&there).await;
        // The server that was started delivers by itself, too: it may have taken it already.
        idp.deliver().await;
        for _ in 0..500 {
            if app.told("upstream.logout") > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(app.refresh_with("app", &tokens.refresh).await.refusal(), ENDED);
        assert_eq!(app.told("upstream.logout provider=works"), 1);
        stop.end().await;
        stop_idp.end().await;
    }
}
