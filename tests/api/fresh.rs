//! Ending other logins is for who has just shown to be this user (ASVS 7.5.2; RFC 9470 at the simple face).

use std::time::Duration;

use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

const STALE: &str = "401 insufficient_user_authentication";
const FRESH: Duration = Duration::from_mins(5);

impl TestApp {
    async fn revoke(&self, access: &str, body: &Value) -> Answer {
        self.send(self.http.post(self.at("/sessions/revoke")).bearer_auth(access).json(body)).await
    }

    async fn with_a_login_elsewhere(&self) -> Tokens {
        self.with_apps().await;
        self.log_in("ana").await
    }
}

impl Browser<'_> {
    async fn ana_at_her_account(&self) -> Seen {
        self.ana_signs_in(&[]).await;
        self.get("/account").await
    }

    /// Presses a button; gives where that leads, or what it shows.
    async fn ends(&self, page: &Seen, (name, value): (&str, &str)) -> Seen {
        let pressed = self.post(&page.action(), &[("csrf", &page.hidden("csrf")), (name, value)]).await;
        if pressed.status == 303 { self.follow(pressed).await } else { pressed }
    }

    async fn signs_in_with(&self, page: &Seen, name: &str, password: &str) -> Seen {
        let csrf = page.hidden("csrf");
        let typed = [("csrf", csrf.as_str()), ("username", name), ("password", password)];
        self.post(&page.action(), &typed).await
    }
}

fn asks_again(seen: &Seen) -> bool {
    seen.status == 200
        && seen.body.contains("please show once more that it is you")
        && seen.body.contains("name=\"username\" value=\"ana\"")
}

both_stores! {
    async fn a_token_ends_other_logins_for_five_minutes(app) {
        let other = app.ana_logged_in().await;
        let here = app.log_in("ana").await;
        let one = format!("/sessions/{}", other.family());
        app.clock.advance(FRESH);
        // A refresh makes a new token, and nobody more awake.
        let here = app.rotate(&here).await;
        for path in ["/sessions", &one, "/sessions/00000000-0000-0000-0000-000000000000"] {
            let refused = app.delete(path, &here.access).await;
            assert_eq!(refused.code(), STALE, "{path}");
            let challenge = refused.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer ") && challenge.contains(r#"max_age="300""#), "RFC 9470 §3: {challenge}");
            assert!(challenge.contains(r#"error="insufficient_user_authentication""#), "{challenge}");
            assert_eq!(refused.header("cache-control"), Some("no-store"));
        }
        assert_eq!(app.live_families().await, 2);
        let anew = app.log_in("ana").await;
        app.clock.advance(FRESH - SECOND);
        assert_eq!(app.delete(&one, &anew.access).await.status, 204);
        assert_eq!(app.delete("/sessions", &anew.access).await.status, 204);
        assert_eq!(app.live_families().await, 1);
    }

    async fn a_login_may_end_itself_at_any_time(app) {
        app.ana_logged_in().await;
        let here = app.log_in("ana").await;
        app.clock.advance(FRESH + MINUTE);
        assert_eq!(app.delete(&format!("/sessions/{}", here.family()), &here.access).await.status, 204);
        assert_eq!(app.refresh(&here.refresh).await.refusal(), ENDED);
        assert_eq!(app.live_families().await, 1);
    }

    async fn the_password_ends_other_logins_however_old_the_token_is(app) {
        let (first, second) = (app.ana_logged_in().await, app.log_in("ana").await);
        let here = app.log_in("ana").await;
        app.add_user("bob").await;
        let bob = app.log_in("bob").await;
        app.clock.advance(FRESH + MINUTE);
        for (body, code) in [
            (json!({ "password": "wrong password" }), "401 invalid_grant"),
            (json!({ "password": "" }), "401 invalid_grant"),
            (json!({ "password": "wrong password", "id": first.family() }), "401 invalid_grant"),
            (json!({ "password": PASSWORD, "id": bob.family() }), "404 not_found"),
            (json!({ "password": PASSWORD, "id": "x" }), "404 not_found"),
            (json!({ "id": first.family() }), "400 invalid_request"),
            (json!({ "password": 1 }), "400 invalid_request"),
        ] {
            assert_eq!(app.revoke(&here.access, &body).await.code(), code, "{body}");
        }
        assert_eq!(app.revoke("x", &json!({ "password": PASSWORD })).await.code(), "401 invalid_token");
        assert_eq!(app.live_families().await, 4);
        let done = app.revoke(&here.access, &json!({ "password": PASSWORD, "id": first.family() })).await;
        assert_eq!((done.status.as_u16(), done.header("cache-control")), (204, Some("no-store")));
        assert_eq!(app.refresh(&first.refresh).await.refusal(), ENDED);
        app.rotate(&second).await;
        assert_eq!(app.revoke(&here.access, &json!({ "password": PASSWORD })).await.status, 204);
        assert_eq!(app.refresh(&second.refresh).await.refusal(), ENDED);
        app.rotate(&here).await;
        app.rotate(&bob).await;
        assert_eq!(app.get("/sessions/revoke", &here.access).await.header("allow"), Some("POST"));
    }

    async fn wrong_passwords_at_a_login_count_there_and_for_all_of_its_users(app) with |it| {
        it.limits.account_attempts = 2;
        it.limits.account_attempts_everywhere = 3;
    }; {
        let (one, other) = (app.ana_logged_in().await, app.log_in("ana").await);
        let (wrong, right) = (json!({ "password": "wrong password" }), json!({ "password": PASSWORD }));
        for _ in 0..5 {
            assert_eq!(app.revoke(&one.access, &right).await.status, 204, "a right one does not count");
        }
        let other = { drop(other); app.log_in("ana").await };
        for _ in 0..2 {
            assert_eq!(app.revoke(&one.access, &wrong).await.code(), "401 invalid_grant");
        }
        let refused = app.revoke(&one.access, &right).await;
        assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("429 too_many_attempts", Some("300")));
        // Nor does another token of the same login, or of the same user, open a way round that.
        let one = app.rotate(&one).await;
        assert_eq!(app.revoke(&one.access, &right).await.code(), "429 too_many_attempts");
        assert_eq!(app.revoke(&other.access, &wrong).await.code(), "401 invalid_grant");
        assert_eq!(app.revoke(&other.access, &right).await.code(), "429 too_many_attempts");
        assert_eq!(app.told("attempts.limited"), 3);
        // Whoever logs in is not held back by that.
        app.log_in("ana").await;
        app.clock.advance(MINUTE * 10);
        let one = app.rotate(&one).await;
        assert_eq!(app.revoke(&one.access, &right).await.status, 204);
    }

    async fn the_account_page_ends_other_logins_for_five_minutes(app) {
        let there = app.with_a_login_elsewhere().await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_her_account().await;
        app.clock.advance(FRESH - SECOND);
        let done = browser.ends(&page, ("end", &there.family())).await;
        assert!(done.body.contains("The app on that device is now signed out."), "{done:?}");
        let there = app.log_in("ana").await;
        app.clock.advance(SECOND);
        let asked = browser.ends(&page, ("end", "others")).await;
        assert!(asks_again(&asked), "{asked:?}");
        app.rotate(&there).await;
    }

    async fn what_was_asked_for_is_done_after_signing_in_once_more(app) {
        let there = app.with_a_login_elsewhere().await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_her_account().await;
        let here = app.exchange(&browser.authorize(&[]).await.code(), &[]).await.tokens();
        app.clock.advance(FRESH);
        let asked = browser.ends(&page, ("end", "others")).await;
        let wrong = browser.signs_in_with(&asked, "ana", "wrong password").await;
        assert!(wrong.status == 403 && wrong.body.contains("is wrong"), "{wrong:?}");
        let there = app.rotate(&there).await;
        let done = browser.follow(browser.signs_in_with(&wrong, "ana", PASSWORD).await).await;
        assert!(done.body.contains("You are now signed out everywhere else."), "{done:?}");
        assert_eq!(app.refresh(&there.refresh).await.refusal(), ENDED);
        app.refresh_with("app", &here.refresh).await.tokens();
        browser.authorize(&[("prompt", "none")]).await.code();
        // One of many, in the same part of the list.
        let there = app.log_in("ana").await;
        app.clock.advance(FRESH);
        let place = format!("/account?after={}", there.family());
        let csrf = page.hidden("csrf");
        let asked = browser.follow(browser.post(&place, &[("csrf", &csrf), ("end", &there.family())]).await).await;
        let done = browser.signs_in_with(&asked, "ana", PASSWORD).await;
        assert_eq!(done.location(), format!("/account?done=ended&after={}", there.family()));
        assert_eq!(app.refresh(&there.refresh).await.refusal(), ENDED);
        // All of them, this browser's too.
        app.clock.advance(FRESH);
        let sure = [("csrf", page.hidden("csrf")), ("end", "all".to_owned()), ("sure", "yes".to_owned())];
        let sure = sure.each_ref().map(|(name, value)| (*name, value.as_str()));
        let asked = browser.follow(browser.post("/account", &sure).await).await;
        assert!(asks_again(&asked), "{asked:?}");
        let gone = browser.signs_in_with(&asked, "ana", PASSWORD).await;
        assert!(gone.body.contains("You are signed out"), "{gone:?}");
        assert_eq!((app.live_families().await, browser.cookie("heirloom-session")), (0, None));
        assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
    }

    async fn an_app_loses_its_access_after_signing_in_once_more(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "other")]).await;
        let consent = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&consent, "allow").await.code();
        let theirs = app.exchange(&code, &[("client_id", "other")]).await.tokens();
        app.clock.advance(FRESH);
        let page = browser.get("/account/apps").await;
        let asked = browser.ends(&page, ("withdraw", "other")).await;
        assert!(asks_again(&asked), "{asked:?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM consents").await, 1);
        let done = browser.follow(browser.signs_in_with(&asked, "ana", PASSWORD).await).await;
        assert!(done.body.contains("The app no longer has access"), "{done:?}");
        let form = [("grant_type", "refresh_token"), ("client_id", "other"), ("refresh_token", &theirs.refresh)];
        assert_eq!(app.form("/oauth/token", &form).await.code(), "400 invalid_grant");
    }

    async fn a_browsers_own_logins_end_without_a_password(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_her_account().await;
        let here = app.exchange(&browser.authorize(&[]).await.code(), &[]).await.tokens();
        app.clock.advance(FRESH * 2);
        let done = browser.ends(&page, ("end", &here.family())).await;
        assert!(done.body.contains("The app on that device is now signed out."), "{done:?}");
        assert_eq!(app.refresh_with("app", &here.refresh).await.refusal(), ENDED);
    }

    async fn nobodys_link_ends_anything(app) {
        let there = app.with_a_login_elsewhere().await;
        app.add_user("bob").await;
        let bobs = app.log_in("bob").await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_her_account().await;
        app.clock.advance(FRESH);
        let asked = browser.ends(&page, ("end", "others")).await;
        let action = asked.action();
        let (before, proof) = action.split_once("proof=").unwrap();
        let of_one = browser.ends(&page, ("end", &there.family())).await.action();
        let of_one = of_one.split_once("proof=").unwrap().1;
        // A link that somebody made, and one that was made of another page's.
        for proof in ["", "x", of_one] {
            let link = format!("{before}proof={proof}");
            let sign_in = browser.get(&link).await;
            assert_eq!(sign_in.status, 200);
            let after = browser.signs_in_with(&sign_in, "ana", PASSWORD).await;
            assert!(after.location().starts_with("/account"), "{after:?}");
            app.clock.advance(FRESH);
        }
        // Ana asked, and Bob signs in.
        let link = format!("{before}proof={proof}");
        let sign_in = browser.get(&link).await;
        let after = browser.signs_in_with(&sign_in, "bob", PASSWORD).await;
        assert_eq!(after.location(), "/account");
        let there = app.rotate(&there).await;
        app.rotate(&bobs).await;
        // It was for that sign-in alone, which has ended.
        let after = browser.signs_in_with(&browser.get(&link).await, "ana", PASSWORD).await;
        assert_eq!(after.location(), "/account");
        app.rotate(&there).await;
        // And for this browser alone.
        let another = Browser::new(&app);
        another.ana_signs_in(&[]).await;
        let after = another.signs_in_with(&another.get(&link).await, "ana", PASSWORD).await;
        assert_eq!(after.location(), "/account");
        app.rotate(&there).await;
    }
}
