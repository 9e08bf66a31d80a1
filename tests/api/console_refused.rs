//! Who does not come to the console, and what it does not do.

use heirloom::domain::second_factor_policy::SecondFactorPolicy;
use heirloom::service::admin::users::Change;
use heirloom::settings::Settings;

use crate::browser::*;
use crate::console::ADMINISTRATOR;
use crate::harness::*;

const AWAY: std::time::Duration = std::time::Duration::from_mins(6);

/// Where something is done after one more question.
async fn acts(app: &TestApp) -> Vec<String> {
    let (ana, family) = (app.ana().await, app.log_in("ana").await.family());
    let of_users = ["consents/app", "end-logins", "password", "reset-factors", "disable", "enable", "remove"];
    let of_users = of_users.map(|act| format!("/admin/users/{ana}/{act}"));
    let others = [
        "/admin/clients/app/end-logins",
        "/admin/clients/app/remove",
        "/admin/keys/rotate",
        "/admin/keys/withdraw",
        "/admin/registration-tokens/018f0000-0000-7000-8000-000000000000/remove",
    ];
    let login = format!("/admin/logins/{family}/end");
    of_users.into_iter().chain(others.map(ToOwned::to_owned)).chain([login]).collect()
}

/// Everything that acts would change.
async fn state(app: &TestApp) -> Vec<i64> {
    let mut all = Vec::new();
    for sql in [
        "SELECT COUNT(*) FROM families WHERE ended_at IS NULL",
        "SELECT COUNT(*) FROM users WHERE disabled_at IS NULL",
        "SELECT COUNT(*) FROM clients WHERE removed_at IS NULL",
        "SELECT COUNT(*) FROM signing_keys",
        "SELECT COUNT(*) FROM events WHERE name = 'user.changed'",
    ] {
        all.push(app.number(sql).await);
    }
    all
}

both_stores! {
    async fn who_is_not_signed_in_comes_back_to_the_very_page(app) {
        let ana = app.add_user("ana").await;
        app.add_administrator(ADMINISTRATOR).await;
        for place in [format!("/admin/users/{ana}"), "/admin/events?name=login.*&user=ana".to_owned(), "/admin".to_owned()] {
            let browser = Browser::new(&app);
            let sign_in = browser.follow(browser.get(&place).await).await;
            sign_in.says("Sign in for the console.");
            let seen = browser.get(&place).await;
            assert!(seen.location().starts_with("/sign-in?to=%2Fadmin"), "{seen:?}");
            let there = browser.sign_in(&sign_in, ADMINISTRATOR).await;
            assert_eq!(there.status, 200, "{there:?}");
            let again = browser.get(&place).await;
            let same = |seen: &Seen| seen.body.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.to_owned();
            assert_eq!(same(&there), same(&again), "{place}");
        }
        for (place, shown) in [("/admin", "24 hours"), ("/admin?period=week", "7 days"), ("/admin?period=month&ui_locales=de", "30 Tage")] {
            let there = Browser::new(&app).comes_to(place, ADMINISTRATOR).await;
            there.says(&format!(" aria-current=\"true\">{shown}</a>"));
        }
        let browser = Browser::new(&app);
        browser.comes_to("/admin", ADMINISTRATOR).await;
        for at in ["//evil.example", "https://evil.example", "/../oauth/logout", "/\\evil.example", "@evil.example"] {
            let at: String = form_urlencoded::byte_serialize(at.as_bytes()).collect();
            let seen = browser.get(&format!("/admin?at={at}")).await;
            let stays = seen.status == 200 || seen.location().starts_with("/admin//");
            assert!(stays, "{at}: {seen:?}");
        }
    }

    async fn it_is_for_the_role_as_it_is_now(app) {
        let (ana, root) = (app.add_user("ana").await, app.add_administrator(ADMINISTRATOR).await);
        let browser = Browser::new(&app);
        let denied = browser.comes_to("/admin/users", "ana").await;
        assert_eq!(denied.status, 403);
        denied.says("This is for administrators");
        assert!(!denied.body.contains(ADMINISTRATOR), "{denied:?}");
        for place in acts(&app).await {
            let before = state(&app).await;
            let form = [("csrf", "x"), ("new_password", PASSWORD)];
            assert_eq!((browser.get(&place).await.status.as_u16(), browser.post(&place, &form).await.status.as_u16()), (403, 403), "{place}");
            assert_eq!(state(&app).await, before, "{place}");
        }
        app.change_user(ana, Change::Roles(vec!["heirloom-admin".to_owned()])).await;
        assert_eq!(browser.get("/admin/users").await.status, 200, "it was given");
        let as_root = Browser::new(&app);
        let page = as_root.comes_to("/admin/users/new", ADMINISTRATOR).await;
        app.change_user(root, Change::Roles(Vec::new())).await;
        let refused = as_root.sends_on(&page, &[("username", "eve")]).await;
        assert_eq!(refused.status, 403, "it was taken away");
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 2);
    }

    async fn who_has_a_second_factor_has_shown_it(app) {
        let early = Browser::new(&app);
        app.add_administrator(ADMINISTRATOR).await;
        early.comes_to("/admin", ADMINISTRATOR).await;
        let here = Browser::new(&app);
        let page = here.follow(here.get("/account/sign-in-methods/app").await).await;
        here.sign_in(&page, ADMINISTRATOR).await;
        let (authenticator, _) = here.sets_up_an_app(&app).await;
        app.clock.advance(MINUTE);
        assert_eq!(here.get("/admin/users").await.status, 200);
        // The sign-in from before shows one factor: it is asked for the other, and nothing else.
        let asked = early.follow(early.get("/admin/users").await).await;
        asked.says("autocomplete=\"one-time-code\"");
        assert!(!asked.body.contains("type=\"password\""), "{asked:?}");
        let wrong = early.sends_on(&asked, &[("code", "000000")]).await;
        assert_eq!(wrong.status, 403);
        assert_eq!(early.get("/admin/users").await.status, 303);
        let in_again = early.sends_on(&asked, &[("code", &authenticator.code(app.clock.now()))]).await;
        in_again.says("<h1>Users</h1>");
    }

    async fn where_two_factors_are_required_one_is_set_up_first(app) with |settings: &mut Settings| {
        settings.sign_in.second_factor = SecondFactorPolicy::Required;
    }; {
        app.add_administrator(ADMINISTRATOR).await;
        let browser = Browser::new(&app);
        let offer = browser.comes_to("/admin/keys", ADMINISTRATOR).await;
        offer.says("id=\"key\"");
        assert!(!browser.get("/admin/keys").await.body.contains("<h1>Keys"), "not yet");
    }

    async fn what_cannot_be_undone_wants_a_sign_in_of_now(app) {
        app.with_apps().await;
        let browser = app.at_the_console().await;
        for place in acts(&app).await {
            let question = browser.get(&place).await;
            assert_eq!(question.status, 200, "{place}: {question:?}");
            app.clock.advance(AWAY);
            let before = state(&app).await;
            let away = browser.sends(&question, &[("new_password", "another good password")]).await;
            assert!(away.location().contains("prompt=login"), "{place}: {away:?}");
            assert_eq!(browser.get(&place).await.location(), away.location(), "{place}");
            assert_eq!(state(&app).await, before, "{place}");
            // Looking is for an older sign-in, too.
            assert_eq!(browser.get("/admin/users").await.status, 200);
            let sign_in = browser.follow(away).await;
            let back = browser.sign_in(&sign_in, ADMINISTRATOR).await;
            assert_eq!(back.action(), question.action(), "{place}");
        }
    }

    async fn nothing_is_done_by_looking_or_without_the_forms_own_token(app) {
        app.with_apps().await;
        let browser = app.at_the_console().await;
        let other = Browser::new(&app);
        let theirs = other.comes_to("/admin/keys/rotate", ADMINISTRATOR).await.hidden("csrf");
        let acts = acts(&app).await;
        let before = state(&app).await;
        for place in &acts {
            let page = browser.get(&format!("{place}?sure=yes&csrf=x")).await;
            assert_eq!(page.status, 200, "{place}");
            let head = browser.send(app.http.head(app.at(place))).await;
            assert_eq!(head.status, 200, "{place}");
            for csrf in ["", "x", theirs.as_str()] {
                let form = [("csrf", csrf), ("new_password", "another good password")];
                assert_eq!(browser.post(place, &form).await.location(), place, "{place}: {csrf}");
            }
            let good = page.hidden("csrf");
            let elsewhere = Browser::new(&app).with_header("sec-fetch-site", "cross-site");
            for name in ["heirloom-browser", "heirloom-session"] {
                elsewhere.set_cookie(name, &browser.cookie(name).unwrap());
            }
            let form = [("csrf", good.as_str()), ("new_password", "another good password")];
            assert_eq!(elsewhere.post(place, &form).await.status, 403, "{place} from another site");
            for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH] {
                assert_eq!(browser.send(app.http.request(method, app.at(place))).await.status, 405, "{place}");
            }
        }
        assert_eq!(state(&app).await, before);
        for place in ["/admin", "/admin/users", "/admin/logins", "/admin/clients", "/admin/keys", "/admin/events", "/admin/settings"] {
            assert_eq!(browser.post(place, &[("csrf", "x")]).await.status, 405, "{place}");
        }
        for (place, typed) in [("/admin/users/new", ("username", "eve")), ("/admin/clients/new?kind=service", ("client_id", "eve"))] {
            assert_eq!(browser.post(place, &[("csrf", theirs.as_str()), typed]).await.location(), place);
        }
        assert_eq!(state(&app).await, before);
    }

    async fn what_is_not_there_is_told_so(app) {
        let browser = app.at_the_console().await;
        let nobody = "018f3b3a-0000-7000-8000-000000000000";
        for place in [format!("/users/{nobody}"), format!("/users/{nobody}/change"), format!("/users/{nobody}/remove"), "/users/x".to_owned(),
            format!("/logins/{nobody}"), format!("/logins/{nobody}/end"), "/logins/x".to_owned(), "/clients/nobody".to_owned(),
            "/clients/nobody/change".to_owned(), "/clients/heirloom/new-secret".to_owned(), "/clients/heirloom/nothing".to_owned(), "/keys/burn".to_owned()] {
            let page = browser.get(&format!("/admin{place}")).await;
            assert_eq!(page.status, 404, "{place}: {page:?}");
            page.says("There is nothing here");
            assert!(unescaped(&page.body).contains("href=\"/admin\""), "{page:?}");
        }
        let root = app.number("SELECT COUNT(*) FROM users").await;
        for place in ["/users?q=%00", "/logins?user=%00", "/clients?q=%00", "/events?user=%00", "/users?a=1&a=2"] {
            let page = browser.get(&format!("/admin{place}")).await;
            assert_eq!(page.status, 400, "{place}: {page:?}");
        }
        let form = browser.get("/admin/users/new").await;
        assert_eq!(browser.sends_on(&form, &[("username", "eve"), ("roles", "a\0")]).await.status, 400);
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, root);
    }

    async fn with_a_listener_of_its_own_it_is_there_and_nowhere_else(app) with |settings: &mut Settings| {
        settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
        settings.issuer = Some("http://127.0.0.1:1".parse().unwrap());
    }; {
        app.with_apps().await;
        app.add_administrator(ADMINISTRATOR).await;
        let url = app.admin_url.clone().unwrap();
        let outside = Browser::new(&app);
        for place in ["/admin", "/admin/users", "/assets/console.css"] {
            let expected = if place.starts_with("/assets") { 200 } else { 404 };
            assert_eq!(outside.get(place).await.status, expected, "{place}");
        }
        // One signs in at the listener itself,
        let browser = Browser::new(&app).at(&url);
        assert_eq!(browser.get("/").await.location(), "/admin");
        let sign_in = browser.follow(browser.get("/admin/users").await).await;
        for elsewhere in ["/forgot", "/sign-up", "/sign-in/with/", "class=\"passkey\""] {
            assert!(!sign_in.body.contains(elsewhere), "{elsewhere}: {sign_in:?}");
        }
        let users = browser.sign_in(&sign_in, ADMINISTRATOR).await;
        users.says("<h1>Users</h1>");
        for asset in ["/assets/console.css", "/assets/page.js", "/assets/icon.svg"] {
            assert_eq!(browser.get(asset).await.status, 200, "{asset}");
        }
        for place in ["/account", "/oauth/authorize", "/oauth/token", "/login", "/consent"] {
            assert_eq!(browser.get(place).await.status, 404, "{place}");
        }
        let question = browser.get("/oauth/logout").await;
        browser.sends_on(&question, &[]).await;
        assert_eq!(browser.get("/admin").await.status, 303, "signed out");
        // or at the issuer's, if both have one host: cookies know no ports.
        outside.ana_signs_in(&[]).await;
        let ana = app.ana().await;
        app.change_user(ana, Change::Roles(vec!["heirloom-admin".to_owned()])).await;
        outside.at(&url).get("/admin").await.says("<h1>Console</h1>");
    }
}
