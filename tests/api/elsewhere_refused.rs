//! Providers that deviate: whatever is wrong lets nobody in, and is told on the sign-in page and in an event.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::provider::*;
use crate::signer::Signer;

type Forger = Box<dyn Fn(&Value) -> String>;

const UNPROVEN: &str = "cannot be trusted";

/// A server that makes accounts, and Ana, who is linked.
async fn with_ana_linked(store: Store, url: &str, provider: &Provider) -> (TestApp, Stop) {
    with_ana_linked_within(store, url, provider, Duration::from_secs(5)).await
}

/// The same that waits so long for the provider.
async fn with_ana_linked_within(
    store: Store,
    url: &str,
    provider: &Provider,
    timeout: Duration,
) -> (TestApp, Stop) {
    let (app, stop) = start(store, url, TestClock::new(), |it| {
        provider.configure(it, &json!({ "create": true }));
        it.outbound.timeout = timeout;
    })
    .await;
    app.with_apps().await;
    let browser = Browser::new(&app);
    let page = browser.authorize(&[]).await;
    let new = browser.signs_in_at(&app, provider, &page, &json!({})).await;
    let form = [("csrf", new.hidden("csrf")), ("username", "ana.works".to_owned())];
    let made =
        browser.post(&new.action(), &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    browser.follow(made).await.code();
    (app, stop)
}

/// A browser that has set out, and the provider's usual word for it.
async fn set_out<'a>(app: &'a TestApp, provider: &Provider) -> (Browser<'a>, Sent) {
    let browser = Browser::new(app);
    let sent = browser.sets_out(&browser.authorize(&[]).await).await;
    provider.say(app, &sent, &json!({}));
    (browser, sent)
}

/// Whether nobody is in, and the sign-in page says so once.
async fn is_told(browser: &Browser<'_>, seen: Seen, told: &str, what: &str) {
    let page = browser.follow(seen).await;
    assert!(page.status == 200 && page.body.contains("role=\"alert\""), "{what}: {page:?}");
    assert!(page.body.contains(told), "{what}: {page:?}");
    assert_eq!(browser.cookie("heirloom-session"), None, "{what}");
    assert!(page.action().contains("/sign-in"), "{what}: it goes on from there");
}

both_databases! {
    async fn an_id_token_that_is_not_what_it_must_be_lets_nobody_in(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        let now = app.clock.now().timestamp();
        for (changes, reason) in [
            (json!({ "iss": "https://other.example" }), "issuer"),
            (json!({ "aud": "another client" }), "audience"),
            (json!({ "aud": [CLIENT, "another client"] }), "audience"),
            (json!({ "azp": "another client" }), "audience"),
            (json!({ "nonce": "another" }), "nonce"),
            (json!({ "nonce": null }), "nonce"),
            (json!({ "exp": now - 61 }), "time"),
            (json!({ "iat": now + 61 }), "time"),
            (json!({ "iat": now - 3600 }), "time"),
            (json!({ "auth_time": now + 3600 }), "time"),
            (json!({ "sub": null }), "malformed"),
            (json!({ "sub": "somebody else" }), "subject"),
        ] {
            let (browser, sent) = set_out(&app, &provider).await;
            provider.say(&app, &sent, &changes);
            let before = app.told(&format!("upstream.refused provider=works reason={reason}"));
            let seen = browser.comes_back(&provider, &sent).await;
            is_told(&browser, seen, UNPROVEN, &changes.to_string()).await;
            let after = app.told(&format!("upstream.refused provider=works reason={reason}"));
            assert_eq!(after, before + 1, "{changes} is {reason}: {:?}", app.events());
        }
        // A clock that is a little off is no forger's.
        for changes in [json!({ "exp": now - 59 }), json!({ "iat": now + 59 })] {
            let (browser, sent) = set_out(&app, &provider).await;
            provider.say(&app, &sent, &changes);
            browser.follow(browser.comes_back(&provider, &sent).await).await.code();
        }
        stop.end().await;
    }

    async fn an_id_token_that_the_provider_did_not_sign_lets_nobody_in(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        let hmac = |claims: &Value| {
            let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
            jsonwebtoken::encode(&jsonwebtoken::Header::new(Algorithm::HS256), claims, &key).unwrap()
        };
        let stranger = Signer::new(Algorithm::ES256, "first");
        let forgers: [(&str, Forger); 4] = [
            ("unsigned", Box::new(unsigned)),
            ("unsigned", Box::new(hmac)),
            ("signature", Box::new(move |claims: &Value| stranger.sign(claims))),
            ("malformed", Box::new(|_: &Value| "no.token".to_owned())),
        ];
        for (reason, forge) in forgers {
            let (browser, sent) = set_out(&app, &provider).await;
            let forged = forge(&provider.claims(&app, &sent, &json!({})));
            provider.state().id_token = Some(forged);
            let seen = browser.comes_back(&provider, &sent).await;
            is_told(&browser, seen, UNPROVEN, reason).await;
            assert!(app.told(&format!("upstream.refused provider=works reason={reason}")) > 0, "{reason}");
        }
        stop.end().await;
    }

    async fn keys_that_change_on_the_way_are_fetched_anew(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        app.clock.advance(10 * SECOND);
        let (browser, sent) = set_out(&app, &provider).await;
        provider.state().rotate("second");
        let before = provider.asked("/jwks").len();
        browser.follow(browser.comes_back(&provider, &sent).await).await.code();
        assert_eq!(provider.asked("/jwks").len(), before + 1);
        // Whoever sends what no key made gets the keys fetched no more often than every few seconds.
        provider.state().signer = Signer::new(Algorithm::ES256, "third");
        for _ in 0..3 {
            let (browser, sent) = set_out(&app, &provider).await;
            let seen = browser.comes_back(&provider, &sent).await;
            is_told(&browser, seen, UNPROVEN, "a key that is not published").await;
        }
        assert_eq!(provider.asked("/jwks").len(), before + 1);
        stop.end().await;
    }

    async fn an_answer_of_another_issuer_is_not_looked_at(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        let asked = provider.asked("/token").len();
        for iss in [None, Some("https://other.example")] {
            for what in ["code", "error"] {
                let (browser, sent) = set_out(&app, &provider).await;
                let mut back = vec![(what, "access_denied"), ("state", sent.get("state"))];
                back.extend(iss.map(|iss| ("iss", iss)));
                let seen = browser.comes_back_with(&back).await;
                is_told(&browser, seen, UNPROVEN, "RFC 9207 §2.4").await;
            }
        }
        assert_eq!(app.told("upstream.refused provider=works reason=issuer"), 4);
        assert_eq!(provider.asked("/token").len(), asked, "no code goes anywhere");
        stop.end().await;
    }

    async fn what_the_provider_says_is_wrong_is_told(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        for (error, reason, told) in [
            ("access_denied", "access_denied", "did not let you in"),
            ("server_error", "server_error", "a problem of its own"),
            ("temporarily_unavailable", "server_error", "a problem of its own"),
            ("invalid_scope", "refused", "did not accept this server"),
            ("login_required", "refused", "did not accept this server"),
        ] {
            let (browser, sent) = set_out(&app, &provider).await;
            let back = [("error", error), ("state", sent.get("state")), ("iss", provider.url.as_str())];
            let seen = browser.comes_back_with(&back).await;
            is_told(&browser, seen, told, error).await;
            assert!(app.told(&format!("upstream.refused provider=works reason={reason}")) > 0, "{error}");
        }
        for (status, answer, told) in [
            (400, json!({ "error": "invalid_grant" }), "did not accept this server"),
            (401, json!({ "error": "invalid_client" }), "did not accept this server"),
            (500, json!({ "error": "server_error" }), "a problem of its own"),
            (200, json!({ "access_token": "at" }), UNPROVEN),
        ] {
            provider.state().token = Some((status, answer));
            let (browser, sent) = set_out(&app, &provider).await;
            let seen = browser.comes_back(&provider, &sent).await;
            is_told(&browser, seen, told, &status.to_string()).await;
        }
        let german = Browser::new(&app).with_header("accept-language", "de");
        let sent = german.sets_out(&german.authorize(&[]).await).await;
        let back = [("error", "access_denied"), ("state", sent.get("state")), ("iss", provider.url.as_str())];
        let seen = german.comes_back_with(&back).await;
        is_told(&german, seen, "hat Sie hier nicht eingelassen", "in German").await;
        // It is told once.
        let again = german.authorize(&[]).await;
        assert!(!again.body.contains("role=\"alert\""), "{again:?}");
        stop.end().await;
    }

    async fn a_provider_that_does_not_answer_keeps_nobody_waiting_for_long(store, url) {
        let provider = Provider::start().await;
        let timeout = Duration::from_secs(2);
        let (app, stop) = with_ana_linked_within(store, &url, &provider, timeout).await;
        provider.state().delay = Duration::from_secs(30);
        let (browser, sent) = set_out(&app, &provider).await;
        let seen = browser.comes_back(&provider, &sent).await;
        is_told(&browser, seen, "does not answer at the moment", "late").await;
        assert_eq!(app.told("upstream.refused provider=works reason=unreachable"), 1);
        provider.state().delay = Duration::ZERO;
        let (browser, sent) = set_out(&app, &provider).await;
        browser.follow(browser.comes_back(&provider, &sent).await).await.code();
        stop.end().await;
    }

    async fn a_provider_that_speaks_for_another_issuer_is_not_gone_to(store, url) {
        let provider = Provider::start().await;
        provider.state().metadata = json!({ "issuer": "https://other.example" });
        let (app, stop) = start(store, &url, TestClock::new(), |it| provider.configure(it, &json!({}))).await;
        app.with_apps().await;
        let browser = Browser::new(&app);
        let pressed = browser.sets_out_for(&browser.authorize(&[]).await, "works").await;
        assert!(pressed.location().starts_with("/sign-in?"), "{pressed:?}");
        is_told(&browser, pressed, UNPROVEN, "Discovery §4.3").await;
        stop.end().await;
    }

    async fn a_way_back_is_good_once_in_its_browser_and_for_a_while(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        let late = "took too long, or was used before";
        let (browser, sent) = set_out(&app, &provider).await;
        let stranger = Browser::new(&app);
        stranger.authorize(&[]).await;
        let seen = stranger.comes_back(&provider, &sent).await;
        is_told(&stranger, seen, late, "another browser").await;
        browser.follow(browser.comes_back(&provider, &sent).await).await.code();
        // The button for back, and a double click: who is in stays in.
        assert_eq!(browser.comes_back(&provider, &sent).await.location(), "/account");
        let (browser, sent) = set_out(&app, &provider).await;
        app.clock.advance(10 * MINUTE);
        provider.say(&app, &sent, &json!({}));
        let seen = browser.comes_back(&provider, &sent).await;
        is_told(&browser, seen, late, "ten minutes").await;
        for state in ["", "x", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"] {
            let browser = Browser::new(&app);
            browser.authorize(&[]).await;
            let seen = browser.comes_back_with(&[("code", "c-1"), ("state", state)]).await;
            is_told(&browser, seen, late, state).await;
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_attempts").await, 0, "none is good twice");
        stop.end().await;
    }

    async fn a_form_from_elsewhere_sends_nobody_away(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), |it| provider.configure(it, &json!({}))).await;
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        let place = "/sign-in/with/works?to=/account";
        assert!(browser.post(place, &[("csrf", "x")]).await.location().starts_with("/sign-in/with/works"));
        assert_eq!(Browser::new(&app).post(place, &[("csrf", &page.hidden("csrf"))]).await.status, 403);
        let unknown = browser.post("/sign-in/with/others?to=/account", &[("csrf", &page.hidden("csrf"))]).await;
        assert_eq!(unknown.status, 400);
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_attempts").await, 0);
        stop.end().await;
    }
}
