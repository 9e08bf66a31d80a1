//! Wrong passwords slow a guesser down, and lock nobody out.

use serde_json::json;

use crate::browser::*;
use crate::harness::*;

/// Tries a password at the simple face, as from this address.
async fn guess(app: &TestApp, address: &str, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    app.send(app.http.post(app.at("/login")).header("x-forwarded-for", address).json(&body)).await
}

const TOO_MANY: &str =
    "429 too_many_attempts There were too many wrong passwords. Please wait, then try again.";

both_stores! {
    async fn a_guesser_waits_and_everybody_else_goes_on(app) with |settings| {
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    }; {
        app.add_user("ana").await;
        app.add_user("ben").await;
        for number in 0..10 {
            assert_eq!(guess(&app, "192.0.2.1", "ana", &format!("wrong guess {number}")).await.status, 401);
        }
        let refused = guess(&app, "192.0.2.1", "ana", PASSWORD).await;
        assert_eq!((refused.refusal().as_str(), refused.header("retry-after")), (TOO_MANY, Some("60")));
        assert_eq!(guess(&app, "192.0.2.1", "ANA", PASSWORD).await.status, 429, "the same account");
        assert_eq!(guess(&app, "192.0.2.2", "ana", PASSWORD).await.status, 200, "another address");
        assert_eq!(guess(&app, "192.0.2.1", "ben", PASSWORD).await.status, 200, "another account");
        app.clock.advance(MINUTE - SECOND);
        assert_eq!(guess(&app, "192.0.2.1", "ana", PASSWORD).await.status, 429);
        app.clock.advance(SECOND);
        for _ in 0..3 {
            assert_eq!(guess(&app, "192.0.2.1", "ana", PASSWORD).await.status, 200, "a right one counts not");
        }
        // Nobody learns which names there are.
        for number in 0..10 {
            assert_eq!(guess(&app, "192.0.2.1", "nobody", &format!("wrong guess {number}")).await.status, 401);
        }
        assert_eq!(guess(&app, "192.0.2.1", "nobody", PASSWORD).await.refusal(), TOO_MANY);
    }

    async fn guessing_from_everywhere_does_not_lock_the_owner_out(app) with |settings| {
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        settings.limits.account_attempts_everywhere = 20;
    }; {
        app.with_apps().await;
        guess(&app, "198.51.100.7", "ana", PASSWORD).await.tokens();
        let browser = Browser::new(&app).with_header("x-forwarded-for", "203.0.113.1");
        browser.ana_signs_in(&[]).await;
        for number in 0..20 {
            assert_eq!(guess(&app, &format!("192.0.2.{number}"), "ana", "a wrong guess").await.status, 401);
        }
        assert_eq!(guess(&app, "192.0.2.99", "ana", PASSWORD).await.refusal(), TOO_MANY);
        assert_eq!(guess(&app, "198.51.100.7", "ana", PASSWORD).await.status, 200, "at home");
        browser.ana_signs_in(&[("prompt", "login")]).await;
        let stranger = Browser::new(&app).with_header("x-forwarded-for", "192.0.2.99");
        let page = stranger.authorize(&[]).await;
        let refused = stranger.sign_in(&page, "ana").await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "30"));
        assert!(refused.body.contains("Please try again in 1 min."), "{refused:?}");
        assert!(refused.body.contains("role=\"alert\"") && refused.body.contains("value=\"ana\""));
        // Who is signed in as somebody else is nobody's known device.
        app.add_user("ben").await;
        stranger.sign_in(&page, "ben").await.code();
        let page = stranger.authorize(&[("prompt", "login")]).await;
        assert_eq!(stranger.sign_in(&page, "ana").await.status, 429);
        // Where the owner is at home, others may be, too.
        for number in 0..10 {
            assert_eq!(guess(&app, "198.51.100.7", "ana", &format!("wrong guess {number}")).await.status, 401);
        }
        assert_eq!(guess(&app, "198.51.100.7", "ana", PASSWORD).await.refusal(), TOO_MANY);
    }

    async fn an_address_tries_only_so_many_names(app) with |settings| {
        settings.limits.address_attempts = 20;
    }; {
        app.add_user("ana").await;
        for number in 0..20 {
            // Without a trusted proxy the header says nothing.
            assert_eq!(guess(&app, &format!("192.0.2.{number}"), &format!("user{number}"), "a wrong guess").await.status, 401);
        }
        assert_eq!(guess(&app, "192.0.2.99", "ana", PASSWORD).await.refusal(), TOO_MANY);
    }

    async fn the_present_password_cannot_be_guessed_at_the_account_page(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let csrf = browser.get("/account/password").await.hidden("csrf");
        let try_it = async |password| {
            let form = [("csrf", csrf.as_str()), ("password", password), ("new_password", "another one"), ("repeated", "another one")];
            browser.post("/account/password", &form).await
        };
        for _ in 0..10 {
            assert_eq!(try_it("a wrong guess").await.status, 403);
        }
        let refused = try_it(PASSWORD).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "60"));
        app.log_in("ana").await;
    }

    async fn of_many_wrong_passwords_at_once_no_more_are_looked_at_than_one_by_one(app) {
        app.add_user("ana").await;
        let guesses = (0..70).map(|number| {
            let app = &app;
            async move { guess(app, "192.0.2.1", "ana", &format!("wrong guess {number}")).await.status.as_u16() }
        });
        let statuses = futures_util::future::join_all(guesses).await;
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(401), count(429)), (10, 60), "{statuses:?}");
        let refused = guess(&app, "192.0.2.1", "ana", PASSWORD).await;
        assert_eq!((refused.refusal().as_str(), refused.header("retry-after")), (TOO_MANY, Some("60")));
    }

    async fn right_passwords_that_the_server_was_too_slow_for_are_not_counted(app) with |settings| {
        settings.passwords.memory_kib = 64 * 1024;
        settings.passwords.iterations = 4;
        settings.http.request_timeout = SECOND / 50;
    }; {
        app.add_user("ana").await;
        for round in 0..3 {
            let logins = (0..10).map(|_| guess(&app, "192.0.2.1", "ana", PASSWORD));
            let logins = futures_util::future::join_all(logins).await;
            assert!(logins.iter().all(|login| login.code() == "503 temporarily_unavailable"), "{logins:?}");
            // Whose password comes last in the queue: by then every verdict is known.
            app.add_user(&format!("user{round}")).await;
        }
    }

    async fn a_network_of_many_addresses_does_not_lock_the_owner_out(app) with |settings| {
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    }; {
        app.add_user("ana").await;
        let looked_at = async |address: &dyn Fn(u32) -> String, name: &str| {
            let mut looked_at = 0;
            for number in 0..120 {
                let answer = guess(&app, &address(number), name, "a wrong guess").await;
                looked_at += u32::from(answer.status == 401);
            }
            looked_at
        };
        let of_a_60 = |number| format!("2001:db8:0:{:x}::1", number % 16);
        assert_eq!(looked_at(&of_a_60, "ana").await, 20);
        assert_eq!(guess(&app, "2001:db8:7::1", "ana", PASSWORD).await.status, 200, "a new address");
        assert_eq!(looked_at(&|number| format!("2001:db8:1:{number:x}::1"), "ben").await, 20, "a /56");
        assert_eq!(looked_at(&|number| format!("2001:db8:2:{number:x}00::1"), "cleo").await, 40, "a /48");
        assert_eq!(looked_at(&|number| format!("2001:db8:{number:x}::1"), "dora").await, 100, "everywhere");
    }

    async fn an_honest_user_comes_in_on_many_devices_at_once(app) {
        app.add_user("ana").await;
        let logins = (0..30).map(|_| guess(&app, "192.0.2.1", "ana", PASSWORD));
        let logins = futures_util::future::join_all(logins).await;
        assert!(logins.iter().all(|login| login.status == 200), "{logins:?}");
    }
}
