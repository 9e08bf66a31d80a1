//! What people do out of order, and where a page leads from there: to what they came for.

use crate::browser::*;
use crate::harness::*;

/// Where the page's links and forms lead.
fn ways_on(page: &Seen) -> usize {
    let main = page.body.split_once("<main>").unwrap().1;
    main.matches("href=\"").count() + main.matches("<form").count()
}

both_stores! {
    async fn a_second_click_goes_on_to_the_app(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        browser.sign_in(&page, "ana").await.code();
        // The same form once more; then one that another tab still shows; neither looks at the password.
        for password in [PASSWORD, "wrong"] {
            let form = [("csrf", page.hidden("csrf")), ("username", "ana".into()), ("password", password.into())];
            let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
            let stale = browser.post(&page.action(), &form).await;
            assert_eq!(stale.location(), page.action());
            browser.follow(stale).await.code();
        }
        assert_eq!(app.told("login.refused"), 0);
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 1);
    }

    async fn a_second_tab_agrees_to_nothing_and_asks_again(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let other = browser.authorize(&[("client_id", "other")]).await;
        let consent = browser.sign_in(&other, "ana").await;
        // Somebody else signs in elsewhere in the browser, and the page from before is looked at again.
        app.add_user("ben").await;
        browser.sign_in(&browser.authorize(&[("prompt", "login")]).await, "ben").await.code();
        let asked = browser.decide(&consent, "allow").await;
        assert!(asked.body.contains("value=\"allow\"") && asked.status == 200, "{asked:?}");
        assert_eq!(app.told("consent.given"), 0);
        browser.decide(&asked, "allow").await.code();
        // By now the page from before has nothing left to ask.
        browser.decide(&asked, "allow").await.code();
    }

    async fn a_stale_page_of_the_account_says_that_nothing_was_done(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.follow(browser.get("/account").await).await;
        let page = browser.sign_in(&page, "ana").await;
        let there = app.log_in("ana").await;
        app.add_user("ben").await;
        browser.sign_in(&browser.authorize(&[("prompt", "login")]).await, "ben").await.code();
        let form = [("csrf", page.hidden("csrf")), ("end", there.family())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let place = format!("/account?after={}", there.family());
        for (place, once_more) in [("/account", "/account?done=nothing"), (&place, &format!("{place}&done=nothing"))] {
            let stale = browser.post(place, &form).await;
            assert_eq!(stale.location(), once_more);
        }
        let shown = browser.get("/account?done=nothing").await;
        assert!(shown.body.contains("role=\"status\"") && shown.body.contains("Nothing was done"), "{shown:?}");
        app.rotate(&there).await;
    }

    async fn a_browser_without_our_cookie_is_told_and_led_back(app) {
        app.with_apps().await;
        let page = Browser::new(&app).authorize(&[]).await;
        let form = [("csrf", page.hidden("csrf")), ("username", "ana".into()), ("password", PASSWORD.into())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let refused = Browser::new(&app).post(&page.action(), &form).await;
        assert!(refused.status == 403 && refused.body.contains("allow this site to set cookies"), "{refused:?}");
        let again = unescaped(refused.body.split_once("<a href=\"").unwrap().1.split_once('"').unwrap().0);
        assert_eq!(again, page.action());
        assert_eq!(Browser::new(&app).get(&again).await.status, 200);
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 0);
    }

    async fn no_page_is_a_dead_end(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        for (changes, status) in [
            (&[("client_id", "nobody")][..], 400),
            (&[("redirect_uri", "https://evil.example/")], 400),
            (&[("scope", "openid"), ("scope", "openid")], 400),
            (&[], 200),
        ] {
            let page = browser.authorize(changes).await;
            assert_eq!(page.status, status, "{changes:?}");
            assert!(ways_on(&page) > 0, "{changes:?}: {page:?}");
        }
        let signed_out = browser.get("/oauth/logout").await;
        assert!(signed_out.body.contains("You are signed out") && ways_on(&signed_out) == 1, "{signed_out:?}");
        // What a form was posted to can be loaded again.
        browser.ana_signs_in(&[]).await;
        let asked = browser.get("/oauth/logout").await;
        assert_eq!(browser.get(&asked.action()).await.body, asked.body);
    }

    async fn signing_out_everywhere_is_asked_for_twice(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.sign_in(&browser.follow(browser.get("/account").await).await, "ana").await;
        let there = app.log_in("ana").await;
        let form = |page: &Seen| [("csrf", page.hidden("csrf")), ("end", "all".to_owned())];
        let pressed = form(&page);
        let asked = browser.post("/account", &pressed.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        assert!(asked.body.contains("Sign out everywhere?") && asked.body.contains("href=\"/account\""), "{asked:?}");
        let there = app.rotate(&there).await;
        let sure = [("csrf", asked.hidden("csrf")), ("sure", asked.hidden("sure")), ("end", "all".to_owned())];
        let gone = browser.post(&asked.action(), &sure.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        assert!(gone.body.contains("You are signed out"), "{gone:?}");
        assert_eq!(app.refresh(&there.refresh).await.refusal(), ENDED);
    }

    // RP-Initiated Logout §2: every parameter is optional; §3: nobody is sent where nobody registered.
    async fn a_sign_out_with_a_place_to_go_and_no_client_asks_and_goes_nowhere(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let asked = browser.get("/oauth/logout?post_logout_redirect_uri=https://app.example/bye&state=s").await;
        assert!(asked.status == 200 && asked.body.contains("Sign out?"), "{asked:?}");
        let csrf = asked.hidden("csrf");
        let done = browser.post(&asked.action(), &[("csrf", &csrf)]).await;
        assert!(done.status == 200 && done.body.contains("You are signed out"), "{done:?}");
        assert!(!done.body.contains("app.example/bye"), "{done:?}");
        assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
    }

    async fn a_browser_gets_an_icon_and_a_script(app) {
        let page = Browser::new(&app).get("/oauth/authorize").await;
        for (asset, kind) in [("icon.svg", "image/svg+xml"), ("page.js", "text/javascript; charset=utf-8")] {
            let (_, rest) = page.body.split_once(&format!("\"/assets/{asset}?")).unwrap();
            let version = rest.split_once('"').unwrap().0;
            let file = app.http.get(app.at(&format!("/assets/{asset}?{version}"))).send().await.unwrap();
            assert_eq!((file.status().as_u16(), file.headers()["content-type"].to_str().unwrap()), (200, kind));
        }
        let icon = Browser::new(&app).get("/favicon.ico").await;
        assert!(icon.status == 200 && icon.body.starts_with("<svg") && !icon.body.contains('{'), "{icon:?}");
    }
}
