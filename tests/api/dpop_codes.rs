//! Codes that are bound to a key before there is a token: `dpop_jkt` at the authorization endpoint, a proof where the
//! request is pushed (RFC 9449 §10).

use heirloom::domain::client::Party;
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::browser::*;
use crate::dpop::{NO_PROOF, OTHER_KEY};
use crate::harness::*;
use crate::prover::*;
use crate::signer::Signer;

/// Pushes a request that is right, with a proof and changes.
async fn push(app: &TestApp, proof: &str, changes: &[(&str, &str)]) -> Answer {
    let request = app.http.post(app.at("/oauth/par")).header("dpop", proof);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    app.send(request.body(query(changes))).await
}

/// The code that the browser, in which Ana is signed in, gets for a pushed request.
async fn code_of(browser: &Browser<'_>, pushed: &Answer) -> String {
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let parameters = [("client_id", "app"), ("request_uri", pushed.text("request_uri"))];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    browser.come(&query).await.code()
}

/// A code that is bound to `key` is of use with that alone, and no other request consumes it.
async fn is_bound_to(app: &TestApp, code: &str, key: &Prover) {
    let (place, thief) = ("/oauth/token", Prover::new());
    let refused = app.told("code.refused client=app");
    assert_eq!(app.exchange(code, &[]).await.refusal(), NO_PROOF);
    assert_eq!(app.exchange_proving(&thief.posting(app, place), code, &[]).await.refusal(), OTHER_KEY);
    assert_eq!(app.told("code.refused client=app"), refused + 2, "{:?}", app.events());
    let tokens = app.exchange_proving(&key.posting(app, place), code, &[]).await.tokens();
    assert_eq!(bound_to(&tokens.access), Some(key.thumbprint()));
    // Nor does anybody without the key end what it gave.
    app.clock.advance(MINUTE);
    assert_eq!(app.exchange(code, &[]).await.refusal(), NO_PROOF);
    assert_eq!(app.exchange_proving(&thief.posting(app, place), code, &[]).await.refusal(), OTHER_KEY);
    assert_eq!(app.told("family."), 0, "{:?}", app.events());
    let again = app.exchange_proving(&key.posting(app, place), code, &[]).await;
    assert_eq!((again.code().as_str(), app.told("family.reused")), ("400 invalid_grant", 1));
}

both_stores! {
    async fn a_code_is_bound_to_the_key_that_its_request_names(app) {
        app.with_apps().await;
        let key = Prover::of(Algorithm::EdDSA);
        let code = Browser::new(&app).ana_signs_in(&[("dpop_jkt", &key.thumbprint())]).await;
        is_bound_to(&app, &code, &key).await;
    }

    async fn a_code_is_bound_to_the_key_that_is_proved_where_its_request_is_pushed(app) {
        app.with_apps().await;
        let (key, browser) = (Prover::new(), Browser::new(&app));
        browser.ana_signs_in(&[]).await;
        let pushed = push(&app, &key.posting(&app, "/oauth/par"), &[]).await;
        is_bound_to(&app, &code_of(&browser, &pushed).await, &key).await;
    }

    async fn a_pushed_request_may_name_its_key_and_prove_it(app) {
        app.with_apps().await;
        let (key, other, browser) = (Prover::new(), Prover::new(), Browser::new(&app));
        browser.ana_signs_in(&[]).await;
        let named = [("dpop_jkt", key.thumbprint())].map(|(name, value)| (name, value.leak() as &str));
        assert_eq!(push(&app, &other.posting(&app, "/oauth/par"), &named).await.refusal(), OTHER_KEY);
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 0);
        let named_alone = app.push(&named).await;
        is_bound_to(&app, &code_of(&browser, &named_alone).await, &key).await;
        let both = push(&app, &key.posting(&app, "/oauth/par"), &named).await;
        code_of(&browser, &both).await;
        // What the browser says on its way changes nothing.
        let pushed = push(&app, &key.posting(&app, "/oauth/par"), &[]).await;
        let uri = pushed.text("request_uri");
        let way = [("client_id", "app"), ("request_uri", uri), ("dpop_jkt", &other.thumbprint())];
        let way = form_urlencoded::Serializer::new(String::new()).extend_pairs(way).finish();
        let code = browser.come(&way).await.code();
        let refused = app.exchange_proving(&other.posting(&app, "/oauth/token"), &code, &[]).await;
        assert_eq!(refused.refusal(), OTHER_KEY);
    }

    async fn a_key_named_in_a_signed_request_binds_its_code(app) {
        app.add_user("ana").await;
        let (key, signer) = (Prover::new(), Signer::new(Algorithm::ES256, "requests"));
        app.add_app("app", |it| {
            it.party = Party::First;
            it.metadata.jwks = serde_json::from_value(signer.jwks()).unwrap();
        }).await;
        let now = app.clock.now().timestamp();
        let object = signer.sign(&json!({
            "iss": "app", "aud": app.core.issuer.as_str(), "client_id": "app", "redirect_uri": REDIRECT_URI,
            "response_type": "code", "scope": "openid", "state": "s", "code_challenge": CHALLENGE,
            "code_challenge_method": "S256", "dpop_jkt": key.thumbprint(), "iat": now, "nbf": now, "exp": now + 60,
        }));
        let browser = Browser::new(&app);
        let page = browser.come(&format!("client_id=app&request={object}&dpop_jkt={}", Prover::new().thumbprint())).await;
        let code = browser.sign_in(&page, "ana").await.code();
        is_bound_to(&app, &code, &key).await;
    }

    async fn what_is_no_thumbprint_is_refused_wherever_it_stands(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let key = Prover::new().thumbprint();
        for bad in [&key[1..], &format!("{key}="), &format!("{}+", &key[1..]), "rubbish", "0"] {
            let (_, answer) = browser.authorize(&[("dpop_jkt", bad)]).await.answer();
            let told = (answer["error"].as_str(), answer["error_description"].as_str());
            assert_eq!(told, ("invalid_request", "The dpop_jkt is not the base64url of a SHA-256 thumbprint."), "{bad}");
            assert_eq!(app.push(&[("dpop_jkt", bad)]).await.code(), "400 invalid_request", "{bad}");
        }
        let twice = browser.authorize(&[("dpop_jkt", &key), ("dpop_jkt", &key)]).await;
        assert_eq!(twice.status, 400, "a parameter that stands twice");
    }

    async fn a_confidential_clients_code_is_bound_and_its_refresh_tokens_are_not(app) {
        app.with_apps().await;
        let secret = app.add_web_app("web", |it| it.party = Party::First).await;
        let (client, key, other) = (("web", secret.as_str()), Prover::new(), Prover::new());
        let named = [("client_id", "web"), ("dpop_jkt", &key.thumbprint())];
        let code = Browser::new(&app).ana_signs_in(&named).await;
        let exchange = code_exchange(&code, &[("client_id", "")]);
        let proof = |key: &Prover| key.posting(&app, "/oauth/token");
        assert_eq!(app.form_as("/oauth/token", client, &exchange).await.refusal(), NO_PROOF);
        assert_eq!(app.form_proving_as(client, &proof(&other), &exchange).await.refusal(), OTHER_KEY);
        let tokens = app.form_proving_as(client, &proof(&key), &exchange).await.tokens();
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let next = app.form_proving_as(client, &proof(&other), &refresh).await.tokens();
        assert_eq!(bound_to(&next.access), Some(other.thumbprint()));
    }
}
