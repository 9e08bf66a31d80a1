//! What a name may be, and the ways to type one.

use heirloom::service::admin::users;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;

async fn log_in(app: &TestApp, name: &str, password: &str) -> Answer {
    app.post("/login", &json!({ "username": name, "password": password })).await
}

both_stores! {
    async fn a_blank_at_an_end_of_a_typed_name_means_nothing(app) {
        app.with_apps().await;
        let ana = log_in(&app, "ana", PASSWORD).await.tokens().claims()["sub"].clone();
        for typed in ["ana ", "  Ana", "ana\u{a0}", "\u{3000}ANA\u{2003}", "\tana\r\n", &format!("ana{}", " ".repeat(300))] {
            assert_eq!(log_in(&app, typed, PASSWORD).await.tokens().claims()["sub"], ana, "{typed:?}");
            let browser = Browser::new(&app);
            let page = browser.authorize(&[]).await;
            browser.sign_in(&page, typed).await.code();
        }
        for other in ["a na", " ", "\t", "ana\u{200b}"] {
            assert_eq!(log_in(&app, other, PASSWORD).await.status, 401, "{other:?}");
        }
    }

    async fn blanks_do_not_give_more_tries(app) {
        app.add_user("ana").await;
        for number in 0..10 {
            assert_eq!(log_in(&app, &format!("ana{}", " ".repeat(number)), "a wrong guess").await.status, 401);
        }
        for typed in ["ana", "ana ", " ana", "ana\u{a0}"] {
            assert_eq!(log_in(&app, typed, PASSWORD).await.status, 429, "{typed:?}");
        }
    }

    async fn who_was_given_a_name_with_a_blank_still_comes_in(app) {
        let [with, without] = [app.add_user("anna").await, app.add_user("ana").await];
        app.sql("UPDATE users SET username = 'ana ', username_key = 'ana ' WHERE username = 'anna'").await;
        let sub = async |typed| log_in(&app, typed, PASSWORD).await.tokens().claims()["sub"].clone();
        assert_eq!(sub("ana ").await, with.to_string());
        assert_eq!(sub("Ana ").await, with.to_string());
        assert_eq!(sub("ana").await, without.to_string());
        assert_eq!(sub("ana  ").await, without.to_string());
        let found = users::find(&app.core, &"ana ".parse().unwrap()).await.unwrap();
        assert_eq!(found.id, with, "for an operator, too");
    }

    async fn a_new_name_shows_all_of_itself(app) {
        for name in [" ana", "ana ", "ana\u{a0}", "\u{3000}ana", " "] {
            assert_eq!(app.try_add_user(name).await, Err("a username must not begin or end with a blank".to_owned()), "{name:?}");
        }
        for (hidden, code) in [
            ('\u{200b}', "U+200B"), ('\u{202e}', "U+202E"), ('\u{2066}', "U+2066"), ('\u{ad}', "U+00AD"), ('\u{3164}', "U+3164"),
            ('\u{feff}', "U+FEFF"), ('\u{e0061}', "U+E0061"), ('\u{fe0f}', "U+FE0F"), ('\u{e000}', "U+E000"), ('\u{378}', "U+0378"),
        ] {
            let refused = app.try_add_user(&format!("a{hidden}na")).await.unwrap_err();
            assert_eq!(refused, format!("a username must not have characters that cannot be seen, such as {code}"));
        }
        for name in ["ana", "Ana María", "o'neil@example.com", "אנה", "安娜"] {
            assert_eq!(app.try_add_user(name).await.map(drop), Ok(()), "{name:?}");
            assert_eq!(log_in(&app, name, PASSWORD).await.status, 200);
        }
    }

    async fn a_device_is_called_by_what_can_be_seen(app) {
        app.add_user("ana").await;
        let named = async |device: &str| {
            let body = json!({ "username": "ana", "password": PASSWORD, "device": device });
            app.post("/login", &body).await
        };
        for device in ["laptop\u{202e}", "\u{2067}laptop", "lap\u{200b}top", "lap\u{ad}top", " laptop", "laptop\u{a0}", "\u{200d}", "l\u{e0041}"] {
            assert_eq!(named(device).await.refusal(), "400 invalid_request A device name has at most 255 bytes, \
                no blanks at its ends and no characters that cannot be seen.", "{device:?}");
        }
        assert_eq!(app.live_families().await, 0);
        for device in ["", "Ana's phone", "❤\u{fe0f}", "👩\u{200d}💻 at work", "אנה"] {
            assert_eq!(named(device).await.status, 200, "{device:?}");
        }
    }
}
