//! Logins of an operator's own apps that are not enough by now: a refresh says so, and they are taken further.

use std::time::Duration;

use heirloom::domain::client::Party;
use heirloom::service::admin;
use heirloom::service::admin::client_changes::ClientChanges;
use serde_json::json;

use crate::browser::*;
use crate::first_party::*;
use crate::harness::*;
use crate::prover::*;

impl TestApp {
    async fn set_second_factor(&self, client: &str, policy: &str) {
        let metadata = json!({ "second_factor": policy }).as_object().cloned();
        let changes = ClientChanges { metadata, ..ClientChanges::default() };
        admin::clients::change(&self.core, &client.parse().unwrap(), changes, self.clock.now())
            .await
            .unwrap();
        // Clients are remembered for a moment.
        self.clock.advance(SECOND * 5);
    }

    pub async fn require_second_factor(&self, client: &str) {
        self.set_second_factor(client, "required").await;
    }

    async fn refreshes(&self, client: &str, token: &str) -> Answer {
        let parameters = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
        self.form("/oauth/token", &parameters).await
    }

    pub async fn rotate_with(&self, client: &str, tokens: &Tokens) -> Tokens {
        self.refreshes(client, &tokens.refresh).await.tokens()
    }

    /// Ana's login with an app that replays nothing.
    async fn log_in_strictly(&self, browser: &Browser<'_>) -> Tokens {
        self.add_app("careful", |it| {
            it.party = Party::First;
            it.lifetimes.leeway = Some(Duration::ZERO);
        })
        .await;
        let seen = browser.authorize(&[("client_id", "careful")]).await;
        let seen = if seen.status == 200 { browser.sign_in(&seen, "ana").await } else { seen };
        self.exchange(&seen.code(), &[("client_id", "careful")]).await.tokens()
    }

    /// What takes a login further that is not enough.
    async fn asked_for_more(&self, client: &str, token: &str) -> String {
        let wants = self.refreshes(client, token).await;
        assert_eq!(wants.code(), "400 insufficient_authorization", "{wants:?}");
        assert_eq!(
            (&wants.json["methods"], wants.header("cache-control")),
            (&json!(["totp", "recovery_code"]), Some("no-store"))
        );
        wants.text("auth_session").to_owned()
    }
}

const PKCE: [(&str, &str); 2] = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];

both_stores! {
    async fn a_login_that_is_not_enough_by_now_is_taken_further(app) {
        app.with_apps().await;
        let here = Browser::new(&app);
        let early = app.exchange(&here.ana_signs_in(&[]).await, &[]).await.tokens();
        let (authenticator, _) = here.sets_up_an_app(&app).await;
        app.clock.advance(MINUTE);
        let early = app.rotate_with("app", &early).await;
        app.require_second_factor("app").await;
        let session = app.asked_for_more("app", &early.refresh).await;
        let typed = authenticator.code(app.clock.now());
        let refused = app.goes_on(&session, &[("otp", &typed)]).await;
        assert_eq!(refused.refusal(), "400 invalid_request The parameter code_challenge is missing.");
        let narrower = [PKCE.as_slice(), &[("scope", "openid"), ("otp", &typed)]].concat();
        assert_eq!(app.goes_on(&session, &narrower).await.code(), "400 invalid_request", "it is what the login has");
        let answer = app.goes_on(&session, &[PKCE.as_slice(), &[("nonce", "n-2"), ("otp", &typed)]].concat()).await;
        let tokens = app.exchange_own(code(&answer)).await;
        let told = claims(tokens.text("id_token"));
        assert_eq!((&told["amr"], &told["acr"], &told["nonce"]), (&json!(["pwd", "otp", "mfa"]), &json!("2"), &json!("n-2")));
        assert_eq!(told["auth_time"], json!(app.clock.now().timestamp()));
        assert_eq!(claims(tokens.text("access_token"))["scope"], "openid profile", "as the login before");
        app.rotate_with("app", &tokens.tokens()).await;
        assert_eq!(app.told("family.ended"), 0);
    }

    async fn a_login_is_taken_further_so_often(app) with |it| it.limits.waiting_requests = 3; {
        app.with_apps().await;
        let here = Browser::new(&app);
        let early = app.exchange(&here.ana_signs_in(&[]).await, &[]).await.tokens();
        here.sets_up_an_app(&app).await;
        app.clock.advance(MINUTE);
        app.require_second_factor("app").await;
        for _ in 0..3 {
            app.asked_for_more("app", &early.refresh).await;
        }
        assert_eq!(app.refreshes("app", &early.refresh).await.code(), "429 temporarily_unavailable");
    }

    async fn nobody_is_logged_out_by_being_asked(app) {
        app.with_apps().await;
        let here = Browser::new(&app);
        let early = app.exchange(&here.ana_signs_in(&[]).await, &[]).await.tokens();
        let strict = app.log_in_strictly(&here).await;
        here.sets_up_an_app(&app).await;
        for client in ["app", "careful"] {
            app.require_second_factor(client).await;
        }
        for _ in 0..3 {
            app.asked_for_more("app", &early.refresh).await;
            app.asked_for_more("careful", &strict.refresh).await;
            app.clock.advance(MINUTE);
        }
        let generation = app.number("SELECT generation FROM families WHERE client_id = 'careful'").await;
        assert_eq!(generation, 1, "in strict mode nothing is consumed");
        for client in ["app", "careful"] {
            app.set_second_factor(client, "optional").await;
        }
        app.rotate_with("app", &early).await;
        app.rotate_with("careful", &strict).await;
        assert_eq!(app.told("family.ended"), 0);
    }

    async fn a_spent_token_ends_its_login_whatever_that_lacks(app) {
        app.with_apps().await;
        let here = Browser::new(&app);
        let first = app.log_in_strictly(&here).await;
        app.rotate_with("careful", &first).await;
        app.require_second_factor("careful").await;
        let reused = app.refreshes("careful", &first.refresh).await;
        assert_eq!(reused.code(), "400 invalid_grant");
        assert_eq!(app.number("SELECT COUNT(*) FROM families WHERE end_reason = 'reuse'").await, 1);
    }

    async fn others_go_on_as_they_were(app) {
        app.with_apps().await;
        let here = Browser::new(&app);
        let page = here.authorize(&[("client_id", "other")]).await;
        let page = here.sign_in(&page, "ana").await;
        let seen = here.decide(&page, "allow").await;
        let third = app.exchange(&seen.code(), &[("client_id", "other")]).await.tokens();
        let simple = app.log_in_with("app", "ana").await;
        here.sets_up_an_app(&app).await;
        for client in ["app", "other"] {
            app.require_second_factor(client).await;
        }
        app.rotate_with("other", &third).await;
        // At the simple face there is nothing to go on with but another login.
        let answer = app.refresh_with("app", &simple.refresh).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn who_has_nothing_that_an_app_can_ask_for_is_sent_to_the_pages(app) {
        app.with_apps().await;
        let early = app.exchange(&Browser::new(&app).ana_signs_in(&[]).await, &[]).await.tokens();
        app.require_second_factor("app").await;
        let wants = app.refreshes("app", &early.refresh).await;
        assert_eq!((wants.code().as_str(), &wants.json["methods"]), ("400 insufficient_authorization", &json!([])));
        assert_eq!(wants.json.get("auth_session"), None);
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_attempts").await, 0);
    }

    async fn what_would_be_taken_further_ends_with_its_login(app) {
        app.with_apps().await;
        let here = Browser::new(&app);
        let early = app.exchange(&here.ana_signs_in(&[]).await, &[]).await.tokens();
        let (authenticator, _) = here.sets_up_an_app(&app).await;
        app.clock.advance(MINUTE);
        app.require_second_factor("app").await;
        let session = app.asked_for_more("app", &early.refresh).await;
        let old = [PKCE.as_slice(), &[("max_age", "30"), ("otp", "000000")]].concat();
        let refused = app.goes_on(&session, &old).await;
        assert_eq!(refused.code(), "400 invalid_session", "the password is older than that");
        app.form("/oauth/revoke", &[("client_id", "app"), ("token", &early.refresh)]).await;
        let typed = authenticator.code(app.clock.now());
        let late = app.goes_on(&session, &[PKCE.as_slice(), &[("otp", &typed)]].concat()).await;
        assert_eq!(late.code(), "400 invalid_session");
    }

    async fn a_bound_login_is_taken_further_by_who_holds_its_key(app) {
        app.with_apps().await;
        let (here, key) = (Browser::new(&app), Prover::new());
        let given = here.ana_signs_in(&[]).await;
        let early = app.exchange_proving(&key.posting(&app, "/oauth/token"), &given, &[]).await.tokens();
        let (authenticator, _) = here.sets_up_an_app(&app).await;
        app.clock.advance(MINUTE);
        app.require_second_factor("app").await;
        let parameters = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", early.refresh.as_str())];
        let wants = app.form_proving("/oauth/token", &key.posting(&app, "/oauth/token"), &parameters).await;
        assert_eq!(wants.code(), "400 insufficient_authorization");
        let session = wants.text("auth_session").to_owned();
        let typed = authenticator.code(app.clock.now());
        let shown = [PKCE.as_slice(), &[("client_id", "app"), ("auth_session", &session), ("otp", &typed)]].concat();
        assert_eq!(app.form(CHALLENGE_PLACE, &shown).await.code(), "400 invalid_dpop_proof");
        let answer = app.form_proving(CHALLENGE_PLACE, &key.posting(&app, CHALLENGE_PLACE), &shown).await;
        let given = code(&answer).to_owned();
        let proof = key.posting(&app, "/oauth/token");
        let tokens = app.exchange_proving(&proof, &given, &[("redirect_uri", "")]).await;
        assert_eq!(bound_to(tokens.text("access_token")), Some(key.thumbprint()));
    }
}
