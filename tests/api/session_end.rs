//! Logins of browser apps that end with the sign-in that they came from (RFC 10017 §6.3.2.3).

use heirloom::domain::client::Party;
use heirloom::settings::Settings;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;
use crate::logout::sign_out;

impl TestApp {
    /// Two that are bound: one asks to go on while the user is away.
    async fn with_bound_apps(&self) {
        self.with_apps().await;
        for (id, scopes) in [("spa", "openid"), ("away", "openid offline_access")] {
            self.add_app(id, |it| {
                it.party = Party::First;
                it.scopes = scopes.parse().unwrap();
                it.metadata =
                    serde_json::from_value(json!({ "refresh_tokens_end_with_session": true })).unwrap();
            })
            .await;
        }
    }

    /// A browser whose user signed in then, and the apps.
    async fn signed_in_a_day_ago(&self) -> Browser<'_> {
        self.with_bound_apps().await;
        let browser = Browser::new(self);
        self.lets_in(&browser, "app", "openid").await;
        self.clock.advance(DAY);
        browser
    }
}

/// Sign-ins last so long.
fn of_three_days(settings: &mut Settings) {
    settings.sign_in.absolute_ttl = DAY * 3;
    settings.sign_in.idle_ttl = DAY * 3;
}

both_stores! {
    async fn a_sign_out_ends_what_is_bound_to_it_and_nothing_else(app) {
        app.with_bound_apps().await;
        let (browser, elsewhere) = (Browser::new(&app), Browser::new(&app));
        let bound = app.lets_in(&browser, "spa", "openid").await.tokens();
        let away = app.lets_in(&browser, "away", "openid offline_access").await.tokens();
        let unbound = app.lets_in(&browser, "app", "openid").await.tokens();
        let other = app.lets_in(&elsewhere, "spa", "openid").await.tokens();
        sign_out(&browser).await;
        let refused = app.refresh_with("spa", &bound.refresh).await;
        assert!(refused.status == 401 && refused.text("error_description").contains("ended"), "{refused:?}");
        for (client, tokens) in [("away", &away), ("app", &unbound), ("spa", &other)] {
            assert_eq!(app.refresh_with(client, &tokens.refresh).await.status, 200, "{client}");
        }
    }

    async fn a_bound_login_does_not_outlast_its_sign_in(app) with of_three_days; {
        let browser = app.signed_in_a_day_ago().await;
        let mut bound = app.lets_in(&browser, "spa", "openid").await;
        assert_eq!(bound.json["authorization_expires_in"], 2 * 86_400, "what is left is told");
        let mut away = app.lets_in(&browser, "away", "openid offline_access").await.tokens();
        for _ in 0..2 {
            app.clock.advance(DAY - SECOND);
            bound = app.refresh_with("spa", &bound.tokens().refresh).await;
            away = app.refresh_with("away", &away.refresh).await.tokens();
            assert_eq!(bound.status, 200, "{bound:?}");
        }
        assert_eq!(bound.json["expires_in"], 2, "nor does an access token");
        app.clock.advance(SECOND * 2);
        let refused = app.refresh_with("spa", &bound.tokens().refresh).await;
        assert!(refused.status == 401 && refused.text("error_description").contains("expired"), "{refused:?}");
        assert_eq!(app.refresh_with("away", &away.refresh).await.status, 200);
    }

    async fn who_proves_again_who_it_is_has_the_whole_time_again(app) with of_three_days; {
        let browser = app.signed_in_a_day_ago().await;
        let form = browser.authorize(&[("client_id", "spa"), ("scope", "openid"), ("prompt", "login")]).await;
        let seen = browser.sign_in(&form, "ana").await;
        let bound = app.exchange(&seen.code(), &[("client_id", "spa")]).await;
        assert_eq!(bound.json["authorization_expires_in"], 3 * 86_400);
        sign_out(&browser).await;
        assert_eq!(app.refresh_with("spa", &bound.tokens().refresh).await.status, 401);
    }
}
