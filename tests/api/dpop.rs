//! Tokens that are bound to a key (DPoP, RFC 9449): what each grant gives with a proof, and what a bound login's
//! refresh tokens are worth with the key, without it, and with another.

use heirloom::domain::client::{ClientKind, GrantType, Party, TokenExchangePolicy};
use heirloom::domain::family::RotationPolicy;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::browser::*;
use crate::device::GRANT as DEVICE;
use crate::harness::*;
use crate::prover::*;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub const NO_PROOF: &str = "400 invalid_dpop_proof A DPoP proof is missing.";
pub const OTHER_KEY: &str = "400 invalid_dpop_proof The DPoP proof is not of the key that this is bound to.";

/// A proof gives DPoP, and none gives Bearer: never the other way round.
#[track_caller]
fn is_bound(answer: &Answer, key: Option<&Prover>) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.text("access_token").to_owned();
    assert_eq!(answer.text("token_type"), if key.is_some() { "DPoP" } else { "Bearer" });
    assert_eq!(claims(&token)["cnf"], key.map_or(Value::Null, |key| json!({ "jkt": key.thumbprint() })));
    token
}

/// Ana's devices, as she would see them, that are bound.
async fn bound_families(app: &TestApp) -> i64 {
    app.number("SELECT COUNT(*) FROM families WHERE key_thumbprint IS NOT NULL").await
}

both_stores! {
    async fn every_grant_of_a_public_client_binds_to_the_key_that_is_proved(app) {
        app.with_television().await;
        let (key, browser) = (Prover::new(), Browser::new(&app));
        let place = "/oauth/token";
        // RFC 9449 §5: a code, and the refresh token that came with it.
        let code = browser.ana_signs_in(&[]).await;
        let answer = app.exchange_proving(&key.posting(&app, place), &code, &[]).await;
        is_bound(&answer, Some(&key));
        assert!(claims(answer.text("id_token")).get("cnf").is_none(), "an ID token opens nothing");
        let refresh = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", answer.text("refresh_token"))];
        is_bound(&app.form_proving(place, &key.posting(&app, place), &refresh).await, Some(&key));
        let code = browser.authorize(&[]).await.code();
        is_bound(&app.exchange(&code, &[]).await, None);
        assert_eq!(bound_families(&app).await, 1);
        // RFC 8628: bound where the device asks, not where it begins to wait.
        let waits = app.device_waits(&[]).await;
        let page = browser.get("/device").await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        let poll = [("grant_type", DEVICE), ("client_id", "tv"), ("device_code", waits.text("device_code"))];
        is_bound(&app.form_proving(place, &key.posting(&app, place), &poll).await, Some(&key));
        assert_eq!(bound_families(&app).await, 2);
        // The simple face.
        let login = json!({ "username": "ana", "password": PASSWORD });
        let answer = app.post_proving("/login", &key, &login).await;
        is_bound(&answer, Some(&key));
        is_bound(&app.refresh_proving(&key, answer.text("refresh_token")).await, Some(&key));
        is_bound(&app.post("/login", &login).await, None);
        assert_eq!(bound_families(&app).await, 3);
    }

    async fn a_client_that_authenticates_binds_its_access_tokens_alone(app) {
        app.with_apps().await;
        let secret = app.add_web_app("web", |it| {
            it.party = Party::First;
            it.grants.extend([GrantType::ClientCredentials, GrantType::TokenExchange]);
            it.metadata.token_exchange = Some(TokenExchangePolicy { audiences: Vec::new(), impersonation: true });
        }).await;
        let client = ("web", secret.as_str());
        let keys = [Prover::new(), Prover::of(Algorithm::EdDSA), Prover::of(Algorithm::RS256)];
        let proof = |key: &Prover| key.posting(&app, "/oauth/token");
        let code = Browser::new(&app).ana_signs_in(&[("client_id", "web")]).await;
        let exchange = code_exchange(&code, &[("client_id", "")]);
        let mut answer = app.form_proving_as(client, &proof(&keys[0]), &exchange).await;
        let token = is_bound(&answer, Some(&keys[0]));
        assert_eq!(bound_families(&app).await, 0, "RFC 9449 §5: it proves who it is by itself");
        for key in &keys {
            app.clock.advance(SECOND);
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", answer.text("refresh_token"))];
            answer = app.form_proving_as(client, &proof(key), &refresh).await;
            is_bound(&answer, Some(key));
        }
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", answer.text("refresh_token"))];
        is_bound(&app.form_as("/oauth/token", client, &refresh).await, None);
        let own = [("grant_type", "client_credentials")];
        for key in &keys {
            is_bound(&app.form_proving_as(client, &proof(key), &own).await, Some(key));
        }
        is_bound(&app.form_as("/oauth/token", client, &own).await, None);
        // RFC 8693: bound to the key of whoever is to use it, whatever the shown one is bound to.
        let swap = [("grant_type", EXCHANGE), ("subject_token", token.as_str()), ("subject_token_type", ACCESS_TOKEN)];
        is_bound(&app.form_proving_as(client, &proof(&keys[1]), &swap).await, Some(&keys[1]));
        is_bound(&app.form_as("/oauth/token", client, &swap).await, None);
    }

    async fn a_login_that_began_without_a_key_goes_on_without_it(app) {
        let tokens = app.ana_logged_in().await;
        let (key, other) = (Prover::new(), Prover::new());
        let first = app.refresh_proving(&key, &tokens.refresh).await;
        is_bound(&first, Some(&key));
        // Else a thief's key would shut its owner out, and nobody would ever see that two have the token.
        let second = app.refresh_proving(&other, first.text("refresh_token")).await;
        is_bound(&second, Some(&other));
        is_bound(&app.refresh(second.text("refresh_token")).await, None);
        assert_eq!(bound_families(&app).await, 0);
        // Each replay is what that request is given: other content never shares a name.
        app.clock.advance(SECOND);
        let current = app.refresh(second.text("refresh_token")).await;
        let proved = app.refresh_proving(&key, second.text("refresh_token")).await;
        assert_eq!(current.text("refresh_token"), proved.text("refresh_token"));
        let ids = [&current, &proved].map(|it| claims(it.text("access_token"))["jti"].clone());
        assert_ne!(ids[0], ids[1]);
    }

    async fn a_bound_login_of_a_public_client_may_keep_its_refresh_token(app) {
        app.add_client("kept", |it| it.metadata.refresh_token_rotation = RotationPolicy::Never).await;
        app.add_user("ana").await;
        let key = Prover::new();
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "kept" });
        let bound = app.post_proving("/login", &key, &login).await.tokens();
        let refresh = json!({ "refresh_token": bound.refresh, "client_id": "kept" });
        for _ in 0..3 {
            app.clock.advance(MINUTE);
            let answer = app.post_proving("/refresh", &key, &refresh).await;
            is_bound(&answer, Some(&key));
            assert_eq!(answer.text("refresh_token"), bound.refresh);
            assert_eq!(app.post("/refresh", &refresh).await.refusal(), NO_PROOF);
        }
        // Where neither client nor key is proved, it would be a password.
        let unbound = app.log_in_with("kept", "ana").await;
        assert_eq!(app.refresh_with("kept", &unbound.refresh).await.tokens().generation(), 2);
    }

    async fn a_client_can_be_one_that_gets_bound_tokens_alone(app) {
        app.with_television().await;
        let must = |it: &mut heirloom::domain::client::Client| it.metadata.dpop_bound_access_tokens = true;
        app.add_app("bound", |it| { it.party = Party::First; must(it); }).await;
        app.add_app("bound-tv", |it| { it.grants = [GrantType::DeviceCode, GrantType::RefreshToken].into(); must(it); }).await;
        app.add_client("bound-script", must).await;
        let secret = app.add_web_app("bound-web", |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.party = Party::First;
            it.grants.extend([GrantType::ClientCredentials, GrantType::TokenExchange]);
            it.metadata.token_exchange = Some(TokenExchangePolicy { audiences: Vec::new(), impersonation: true });
            must(it);
        }).await;
        let (client, key, browser) = (("bound-web", secret.as_str()), Prover::new(), Browser::new(&app));
        let proof = || key.posting(&app, "/oauth/token");
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "bound-script" });
        assert_eq!(app.post("/login", &login).await.refusal(), NO_PROOF);
        is_bound(&app.post_proving("/login", &key, &login).await, Some(&key));
        let named = [("client_id", "bound")];
        let code = browser.ana_signs_in(&named).await;
        assert_eq!(app.exchange(&code, &named).await.refusal(), NO_PROOF);
        is_bound(&app.exchange_proving(&proof(), &code, &named).await, Some(&key));
        app.clock.advance(MINUTE);
        assert_eq!(app.exchange(&code, &named).await.refusal(), NO_PROOF, "and ends nothing");
        let waits = app.device_waits(&[("client_id", "bound-tv")]).await;
        let page = browser.get("/device").await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        let poll = [("grant_type", DEVICE), ("client_id", "bound-tv"), ("device_code", waits.text("device_code"))];
        assert_eq!(app.form("/oauth/token", &poll).await.refusal(), NO_PROOF);
        is_bound(&app.form_proving("/oauth/token", &proof(), &poll).await, Some(&key));
        let code = browser.authorize(&[("client_id", "bound-web")]).await.code();
        let exchange = code_exchange(&code, &[("client_id", "")]);
        assert_eq!(app.form_as("/oauth/token", client, &exchange).await.refusal(), NO_PROOF);
        let tokens = app.form_proving_as(client, &proof(), &exchange).await.tokens();
        let swap = [("grant_type", EXCHANGE), ("subject_token", tokens.access.as_str()), ("subject_token_type", ACCESS_TOKEN)];
        for grant in [&[("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())][..], &[("grant_type", "client_credentials")], &swap] {
            assert_eq!(app.form_as("/oauth/token", client, grant).await.refusal(), NO_PROOF, "{grant:?}");
            is_bound(&app.form_proving_as(client, &proof(), grant).await, Some(&key));
        }
        assert_eq!(app.told("family.ended"), 0);
    }

    async fn what_is_stolen_from_a_client_that_gets_bound_tokens_alone_is_told_of(app) {
        app.add_user("ana").await;
        app.add_app("bound", |it| {
            it.party = Party::First;
            it.metadata.dpop_bound_access_tokens = true;
        }).await;
        let (key, named) = (Prover::new(), ("client_id", "bound"));
        let code = Browser::new(&app).ana_signs_in(&[named, ("dpop_jkt", &key.thumbprint())]).await;
        assert_eq!(app.exchange(&code, &[named]).await.refusal(), NO_PROOF);
        assert_eq!(app.told("code.refused client=bound"), 1, "{:?}", app.events());
        let tokens = app.exchange_proving(&key.posting(&app, "/oauth/token"), &code, &[named]).await.tokens();
        assert_eq!(app.refresh_with("bound", &tokens.refresh).await.refusal(), NO_PROOF);
        let told = format!("refresh.refused client=bound family={}", tokens.family());
        assert_eq!(app.told(&told), 1, "{:?}", app.events());
    }
}

both_stores_both_ways! {
    async fn a_bound_login_is_refreshed_by_its_key_alone_and_harmed_by_no_other(app) {
        app.add_user("ana").await;
        let (key, thief) = (Prover::new(), Prover::new());
        let mut tokens = app.ana_bound_to(&key).await;
        assert_eq!(bound_families(&app).await, 1);
        for told in [2, 4, 6] {
            app.clock.advance(SECOND);
            let before = app.last_write().await;
            assert_eq!(app.refresh(&tokens.refresh).await.refusal(), NO_PROOF);
            assert_eq!(app.refresh_proving(&thief, &tokens.refresh).await.refusal(), OTHER_KEY);
            assert_eq!(app.last_write().await, before, "nothing was written");
            let family = tokens.family();
            assert_eq!(app.told(&format!("refresh.refused client=heirloom family={family}")), told, "{:?}", app.events());
            let next = app.refresh_proving(&key, &tokens.refresh).await;
            assert_eq!(bound_to(&next.tokens().access), Some(key.thumbprint()));
            assert_eq!(next.tokens().generation(), tokens.generation() + 1);
            tokens = next.tokens();
        }
        assert_eq!(app.told("family."), 0, "{:?}", app.events());
    }

    async fn a_lost_answer_of_a_bound_login_is_given_again_to_its_key_alone(app) {
        app.add_user("ana").await;
        let (key, thief) = (Prover::new(), Prover::new());
        let tokens = app.ana_bound_to(&key).await;
        app.clock.advance(SECOND);
        let first = app.refresh_proving(&key, &tokens.refresh).await.tokens();
        app.clock.advance(SECOND * 5);
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), NO_PROOF);
        assert_eq!(app.refresh_proving(&thief, &tokens.refresh).await.refusal(), OTHER_KEY);
        let again = app.refresh_proving(&key, &tokens.refresh).await.tokens();
        assert_eq!((again.claims(), &again.refresh), (first.claims(), &first.refresh), "the very same grant");
        app.clock.advance(MINUTE);
        let late = app.refresh_proving(&key, &tokens.refresh).await.tokens();
        assert_eq!((late.generation(), app.told("family.recovered")), (3, 1));
    }

    async fn a_spent_token_with_its_key_is_theft_and_without_it_is_nothing(app) {
        app.add_user("ana").await;
        let (key, thief) = (Prover::new(), Prover::new());
        let first = app.ana_bound_to(&key).await;
        let second = app.refresh_proving(&key, &first.refresh).await.tokens();
        let third = app.refresh_proving(&key, &second.refresh).await.tokens();
        assert_eq!(app.refresh(&first.refresh).await.refusal(), NO_PROOF);
        assert_eq!(app.refresh_proving(&thief, &first.refresh).await.refusal(), OTHER_KEY);
        assert_eq!((app.live_families().await, app.told("family.")), (1, 0));
        // Key and token have two holders.
        assert_eq!(app.refresh_proving(&key, &first.refresh).await.refusal(), REUSED);
        assert_eq!(app.refresh_proving(&key, &third.refresh).await.refusal(), REUSED);
        assert_eq!((app.live_families().await, app.told("family.reused")), (0, 1));
    }

    async fn a_crowd_with_the_token_gets_nothing_that_its_key_does_not(app) {
        app.add_user("ana").await;
        let (key, thief) = (Prover::new(), Prover::new());
        let mut tokens = app.ana_bound_to(&key).await;
        for _ in 0..5 {
            app.clock.advance(SECOND);
            let crowd = (0..24).map(async |number: usize| match number % 3 {
                0 => (true, app.refresh_proving(&key, &tokens.refresh).await),
                1 => (false, app.refresh_proving(&thief, &tokens.refresh).await),
                _ => (false, app.refresh(&tokens.refresh).await),
            });
            let answers = futures_util::future::join_all(crowd).await;
            let (served, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(has_key, _)| *has_key);
            assert!(refused.iter().all(|(_, answer)| answer.code() == "400 invalid_dpop_proof"), "{refused:?}");
            let served: Vec<Tokens> = served.iter().map(|(_, answer)| answer.tokens()).collect();
            assert!(served.iter().all(|it| it.refresh == served[0].refresh && it.claims() == served[0].claims()));
            assert_eq!(served[0].generation(), tokens.generation() + 1);
            tokens = served[0].clone();
        }
        assert_eq!(app.told("family.ended"), 0);
    }
}
