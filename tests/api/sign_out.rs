//! Who may sign a browser out without a question (OpenID Connect RP-Initiated Logout 1.0 §2).

use crate::browser::*;
use crate::harness::*;

/// A visit to the place, made by a page of another site, of our own, or by nobody's, as browsers tell.
async fn visit(app: &TestApp, browser: &Browser<'_>, place: &str, site: Option<&str>) -> Seen {
    let request = app.http.get(app.at(place));
    browser.send(site.into_iter().fold(request, |it, site| it.header("sec-fetch-site", site))).await
}

fn is_question(seen: &Seen) -> bool {
    seen.status == 200 && seen.body.contains("Sign out?")
}

impl TestApp {
    /// What an app gets for Ana in this browser.
    async fn let_in(&self, browser: &Browser<'_>, client: &str) -> Answer {
        let mut seen = browser.authorize(&[("client_id", client)]).await;
        if seen.status == 200 && seen.body.contains("name=\"password\"") {
            seen = browser.sign_in(&seen, "ana").await;
        }
        if seen.status == 200 {
            seen = browser.decide(&seen, "allow").await;
        }
        self.exchange(&seen.code(), &[("client_id", client)]).await
    }
}

both_stores! {
    async fn a_browser_is_signed_out_without_a_question_by_its_own_login_only(app) {
        app.with_apps().await;
        let (browser, elsewhere) = (Browser::new(&app), Browser::new(&app));
        let of_another_sign_in = app.let_in(&elsewhere, "app").await;
        let ended = app.let_in(&browser, "app").await;
        app.form("/oauth/revoke", &[("client_id", "app"), ("token", &ended.tokens().refresh)]).await;
        let somebody_elses_app = app.let_in(&browser, "other").await;
        let ours = app.let_in(&browser, "app").await;
        let place = |answer: &Answer| format!("/oauth/logout?id_token_hint={}", answer.text("id_token"));
        for (what, answer, sites) in [
            ("another sign-in of the same user", &of_another_sign_in, &[Some("cross-site"), Some("same-origin"), None][..]),
            ("a login that has ended", &ended, &[Some("cross-site"), Some("same-origin"), None]),
            // A link in a mail is nobody's.
            ("somebody else's app, from another site", &somebody_elses_app, &[Some("cross-site"), Some("none"), None]),
        ] {
            for site in sites {
                let seen = visit(&app, &browser, &place(answer), *site).await;
                assert!(is_question(&seen), "{what}, {site:?}: {seen:?}");
            }
            browser.authorize(&[("prompt", "none")]).await.code();
        }
        assert_eq!(app.refresh_with("app", &of_another_sign_in.tokens().refresh).await.status, 200, "nothing ended");
        let gone = visit(&app, &browser, &place(&ours), Some("cross-site")).await;
        assert!(gone.body.contains("You are signed out"), "an app of our own: {gone:?}");
        assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
        for site in ["same-origin", "same-site"] {
            let theirs = app.let_in(&browser, "other").await;
            let gone = visit(&app, &browser, &place(&theirs), Some(site)).await;
            assert!(gone.body.contains("You are signed out"), "from our own site: {gone:?}");
            assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
        }
        elsewhere.authorize(&[("prompt", "none")]).await.code();
    }
}
