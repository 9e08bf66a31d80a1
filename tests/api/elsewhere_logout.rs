//! What a logout at a provider ends here: what came from there last, and by whatever further factor it went on.

use serde_json::{Value, json};

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::provider::*;
use crate::second_factors::recovery_codes;

const PLACE: &str = "/sign-in/back-channel/works";

/// Ana, whose account is linked.
async fn with_ana_linked(store: Store, url: &str, provider: &Provider) -> (TestApp, Stop) {
    let (app, stop) = start(store, url, TestClock::new(), |it| provider.configure(it, &json!({}))).await;
    app.with_apps().await;
    let browser = Browser::new(&app);
    let links = browser.sign_in(&browser.follow(browser.get("/account/links").await).await, "ana").await;
    let asked = browser.post("/account/links", &[("csrf", &links.hidden("csrf")), ("link", "works")]).await;
    let sent = Sent::of(&asked);
    provider.say(&app, &sent, &json!({}));
    browser.follow(browser.comes_back(provider, &sent).await).await;
    assert_eq!(app.told("user.changed change=linked"), 1);
    (app, stop)
}

impl Browser<'_> {
    async fn comes_in_by(
        &self,
        app: &TestApp,
        provider: &Provider,
        more: &[(&str, &str)],
        says: &Value,
    ) -> Seen {
        let page = self.authorize(more).await;
        self.signs_in_at(app, provider, &page, says).await
    }

    async fn is_in(&self) -> bool {
        self.authorize(&[("prompt", "none")]).await.answer().1.contains_key("code")
    }
}

both_databases! {
    async fn a_sign_in_that_went_on_with_a_second_factor_ends_too(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        let here = Browser::new(&app);
        here.ana_signs_in(&[]).await;
        let (_, page) = here.sets_up_an_app(&app).await;
        let codes = recovery_codes(&page);
        let browser = Browser::new(&app);
        let second = browser.comes_in_by(&app, &provider, &[], &json!({})).await;
        let seen = browser.sends(&second, &[("recovery_code", &codes[0])]).await;
        let tokens = app.exchange(&browser.follow(seen).await.code(), &[]).await.tokens();
        assert!(browser.is_in().await);
        let token = provider.logout_token(&app, "one", &json!({}));
        assert_eq!(app.form(PLACE, &[("logout_token", &token)]).await.status, 200);
        assert!(!browser.is_in().await && here.is_in().await);
        assert_eq!(app.refresh_with("app", &tokens.refresh).await.refusal(), ENDED);
        stop.end().await;
    }

    async fn of_two_sign_ins_of_one_browser_the_last_one_counts(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        let browser = Browser::new(&app);
        browser.comes_in_by(&app, &provider, &[], &json!({ "sid": "first" })).await.code();
        browser.comes_in_by(&app, &provider, &[("prompt", "login")], &json!({ "sid": "second" })).await.code();
        let token = provider.logout_token(&app, "one", &json!({ "sid": "first" }));
        assert_eq!(app.form(PLACE, &[("logout_token", &token)]).await.status, 200, "it is over there");
        assert!(browser.is_in().await, "and is not what this browser's sign-in rests on");
        let token = provider.logout_token(&app, "two", &json!({ "sid": "second" }));
        assert_eq!(app.form(PLACE, &[("logout_token", &token)]).await.status, 200);
        assert!(!browser.is_in().await);
        stop.end().await;
    }

    async fn a_token_of_another_type_ends_nothing_and_a_newer_key_is_fetched(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = with_ana_linked(store, &url, &provider).await;
        let browser = Browser::new(&app);
        browser.comes_in_by(&app, &provider, &[], &json!({})).await.code();
        let now = app.clock.now().timestamp();
        let told = json!({
            "iss": provider.url, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": "one", "sub": "works-1",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        for typ in ["at+jwt", "id_token+jwt", "secevent+jwt"] {
            let header = json!({ "alg": "ES256", "kid": "first", "typ": typ });
            let token = provider.state().signer.sign_raw(&header, &told);
            let refused = app.form(PLACE, &[("logout_token", &token)]).await;
            assert_eq!(refused.code(), "400 invalid_request", "{typ}");
        }
        assert!(browser.is_in().await);
        // §2.4 asks for a type of no token of old.
        app.clock.advance(10 * SECOND);
        provider.state().rotate("second");
        let token = provider.state().signer.sign_raw(&json!({ "alg": "ES256", "kid": "second", "typ": "JWT" }), &told);
        assert_eq!(app.form(PLACE, &[("logout_token", &token)]).await.status, 200);
        assert!(!browser.is_in().await);
        stop.end().await;
    }
}
