//! Revocation (RFC 7009): what ends a login, and what ends a token alone.

use heirloom::service::admin::janitor;
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::harness::*;
use crate::rotation::token_of_client;
use crate::signer::Signer;

const KEPT: &str = "SELECT COUNT(*) FROM revoked_tokens";

impl TestApp {
    /// A public client, or whoever knows its name, revokes a token.
    async fn revoke_token(&self, client: &str, token: &str) -> Answer {
        self.form("/oauth/revoke", &[("client_id", client), ("token", token)]).await
    }

    /// Whether an access token for this server itself is good, which has to be the same everywhere.
    async fn is_good(&self, service: (&str, &str), access_token: &str) -> bool {
        let seen = self.form_as("/oauth/introspect", service, &[("token", access_token)]).await;
        let is_good = seen.json != json!({ "active": false });
        for path in ["/sessions", "/oauth/userinfo"] {
            let answer = self.get(path, access_token).await;
            if is_good {
                assert_eq!(answer.status, 200, "{path}: {answer:?}");
            } else {
                assert_eq!(answer.code(), "401 invalid_token", "{path}");
            }
        }
        is_good
    }

    /// Gives Ana's only login to another client, and gives its first refresh token.
    async fn login_of(&self, client: &str) -> String {
        self.ana_logged_in().await;
        self.sql(&format!("UPDATE families SET client_id = '{client}', scope = 'read'")).await;
        token_of_client(self, client, 1).await
    }
}

both_stores! {
    async fn an_access_token_alone_ends_itself_and_not_its_login(app) {
        let secret = app.add_service("service", &[app.url.as_str()]).await;
        let service = ("service", secret.as_str());
        let first = app.ana_logged_in().await;
        // Of one second they would be one token.
        app.clock.advance(SECOND);
        let second = app.rotate(&first).await;
        assert!(app.is_good(service, &first.access).await);
        let before = app.events().len();
        let answer = app.revoke_token("heirloom", &first.access).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")));
        assert!(!app.is_good(service, &first.access).await);
        assert_eq!(app.revoke_token("heirloom", &first.access).await.status, 200, "it is revoked already");
        let text = |name: &str| first.claims()[name].as_str().unwrap().to_owned();
        let told = format!("token.revoked client=heirloom family={} jti={}", text("sid"), text("jti"));
        assert_eq!(app.events()[before..], [told]);
        assert!(app.is_good(service, &second.access).await, "another one of the same login");
        assert!(app.is_good(service, &app.rotate(&second).await.access).await);
        assert_eq!(app.live_families().await, 1);
    }

    async fn a_refresh_token_ends_its_login_whichever_it_is(app) {
        app.add_user("ana").await;
        for is_current in [true, false] {
            let first = app.log_in("ana").await;
            let third = app.rotate(&app.rotate(&first).await).await;
            let token = if is_current { &third.refresh } else { &first.refresh };
            assert_eq!(app.revoke_token("heirloom", token).await.status, 200);
            assert_eq!(app.refresh(&third.refresh).await.refusal(), ENDED);
        }
        assert_eq!(app.number(KEPT).await, 0);
    }

    async fn a_replay_gives_the_revoked_token_again_and_does_not_revive_it(app) {
        let secret = app.add_service("service", &[app.url.as_str()]).await;
        let service = ("service", secret.as_str());
        let first = app.ana_logged_in().await;
        let second = app.rotate(&first).await;
        app.revoke_token("heirloom", &second.access).await;
        app.clock.advance(SECOND * 29);
        let again = app.rotate(&first).await;
        assert_eq!(again.claims(), second.claims());
        assert!(!app.is_good(service, &again.access).await, "the same jti");
        assert!(app.is_good(service, &app.rotate(&second).await.access).await);
    }

    async fn a_secret_makes_an_access_token_end_the_login(app) {
        let secret = app.add_service("service", &[]).await;
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", &app.login_of("service").await)];
        let tokens = app.form_as("/oauth/token", ("service", &secret), &refresh).await.tokens();
        assert_eq!(app.revoke_token("service", &tokens.access).await.code(), "401 invalid_client", "RFC 7009 §2.2.1");
        let token = [("token", tokens.access.as_str())];
        assert_eq!(app.form_as("/oauth/revoke", ("service", "wrong"), &token).await.code(), "401 invalid_client");
        assert_eq!((app.live_families().await, app.number(KEPT).await), (1, 0));
        assert_eq!(app.form_as("/oauth/revoke", ("service", &secret), &token).await.status, 200);
        assert_eq!((app.live_families().await, app.number(KEPT).await), (0, 0));
        assert_eq!(app.told("family.ended client=service"), 1, "{:?}", app.events());
        assert!(app.events().last().unwrap().contains("reason=client_revoked"));
    }

    async fn an_assertion_makes_an_access_token_end_the_login(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("keyed", &json!({ "jwks": signer.jwks() })).await;
        let sign = |jti: &str| signer.sign(&app.assertion("keyed", jti));
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", &app.login_of("keyed").await)];
        let tokens = app.form_asserted("/oauth/token", &sign("1"), &refresh).await.tokens();
        assert_eq!(app.revoke_token("keyed", &tokens.access).await.code(), "401 invalid_client");
        assert_eq!(app.live_families().await, 1);
        let token = [("token", tokens.access.as_str())];
        assert_eq!(app.form_asserted("/oauth/revoke", &sign("2"), &token).await.status, 200);
        assert_eq!((app.live_families().await, app.number(KEPT).await), (0, 0));
    }

    async fn a_client_that_acts_for_itself_revokes_one_token(app) {
        let secret = app.add_service("service", &[]).await;
        let client = ("service", secret.as_str());
        let mut tokens = Vec::new();
        for _ in 0..2 {
            let answer = app.form_as("/oauth/token", client, &[("grant_type", "client_credentials")]).await;
            tokens.push(answer.text("access_token").to_owned());
        }
        assert_eq!(app.form_as("/oauth/revoke", client, &[("token", &tokens[0])]).await.status, 200);
        let told = format!("token.revoked client=service jti={}", claims(&tokens[0])["jti"].as_str().unwrap());
        assert_eq!(app.told(&told), 1, "{:?}", app.events());
        for (token, active) in tokens.iter().zip([false, true]) {
            let seen = app.form_as("/oauth/introspect", client, &[("token", token)]).await;
            assert_eq!(seen.json["active"], active);
        }
    }

    async fn what_is_foreign_forged_or_expired_ends_nothing_and_is_not_kept(app) {
        let tokens = app.ana_logged_in().await;
        app.add_client("app", |_| ()).await;
        let secret = app.add_service("service", &[]).await;
        for token in [tokens.access.as_str(), &tokens.refresh, "rubbish", "hrt1_x", "a.b.c"] {
            assert_eq!(app.revoke_token("app", token).await.status, 200);
            let answer = app.form_as("/oauth/revoke", ("service", &secret), &[("token", token)]).await;
            assert_eq!(answer.status, 200);
            let answer = app.form_as("/oauth/revoke", ("service", "wrong"), &[("token", token)]).await;
            assert_eq!(answer.code(), "401 invalid_client");
        }
        assert_eq!(app.revoke_token("heirloom", &format!("{}x", tokens.access)).await.status, 200);
        app.clock.advance(MINUTE * 15);
        assert_eq!(app.revoke_token("heirloom", &tokens.access).await.status, 200);
        assert_eq!((app.live_families().await, app.number(KEPT).await), (1, 0));
        assert_eq!(app.form("/oauth/revoke", &[("client_id", "heirloom")]).await.code(), "400 invalid_request");
        app.rotate(&tokens).await;
    }

    async fn a_token_that_is_revoked_by_many_at_once_is_kept_once(app) {
        let tokens = app.ana_logged_in().await;
        let racing = (0..20).map(|_| app.revoke_token("heirloom", &tokens.access));
        for answer in futures_util::future::join_all(racing).await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        assert_eq!((app.number(KEPT).await, app.told("token.revoked")), (1, 1));
    }

    async fn a_revoked_token_is_kept_until_it_has_expired_by_every_clock(app) {
        app.add_user("ana").await;
        for _ in 0..5 {
            app.revoke_token("heirloom", &app.log_in("ana").await.access).await;
        }
        let tidy = async || janitor::tidy(&app.core, 2, app.clock.now()).await.unwrap().deleted;
        // Clocks of replicas may differ a little.
        app.clock.advance(MINUTE * 16 - SECOND);
        assert_eq!(tidy().await, 0);
        app.clock.advance(SECOND);
        assert_eq!(tidy().await, 5);
        assert_eq!(app.number(KEPT).await, 0);
    }
}
