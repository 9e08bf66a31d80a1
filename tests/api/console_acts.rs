//! What an administrator does at the console: the same as by the API, and told by whom.

use heirloom::domain::ids::UserId;
use heirloom::service::admin;
use heirloom::service::admin::users::Change;
use serde_json::json;

use crate::browser::*;
use crate::console::ADMINISTRATOR;
use crate::harness::*;
use crate::keys::{kid, published};

impl TestApp {
    async fn root(&self) -> UserId {
        let name = ADMINISTRATOR.parse().unwrap();
        admin::users::find(&self.core, &name).await.unwrap().id
    }
}

both_stores! {
    async fn a_user_is_made_and_changed(app) {
        let browser = app.at_the_console().await;
        let form = browser.clicks(&browser.get("/admin/users").await, "Add a user").await;
        let typed = [("username", "ben"), ("email", "ben@example.com"), ("email_verified", "yes"), ("roles", "editor\r\n buyer \r\n"), ("new_password", PASSWORD)];
        let user = browser.sends_on(&form, &typed).await;
        for text in ["The user was added.", "ben@example.com <span class=\"badge\">verified", ">editor<", ">buyer<"] {
            user.says(text);
        }
        let tokens = app.log_in("ben").await;
        assert_eq!(tokens.claims()["roles"], json!(["editor", "buyer"]));
        let form = browser.clicks(&user, "Change name, address and roles").await;
        form.says("value=\"ben@example.com\"");
        form.says(" checked");
        form.says("editor\nbuyer</textarea>");
        let user = browser.sends_on(&form, &[("username", "benjamin"), ("email", ""), ("roles", "reader"), ("seen", &form.hidden("seen"))]).await;
        user.says("The user was changed.");
        assert!(!user.body.contains("ben@example.com") && !user.body.contains(">editor<"), "{user:?}");
        assert_eq!(app.rotate(&tokens).await.claims()["roles"], json!(["reader"]));
        assert_eq!(app.done_by(app.root().await, "user.changed").await, 3, "added, details with the name, roles");
        // It was changed meanwhile.
        let stale = browser.sends_on(&form, &[("username", "ben"), ("email", ""), ("roles", "x"), ("seen", &form.hidden("seen"))]).await;
        assert_eq!(stale.status, 400);
        stale.says("Somebody else changed it");
        stale.says("value=\"ben\"");
    }

    async fn what_does_not_fit_is_told_beside_its_field(app) {
        app.add_user("ana").await;
        let browser = app.at_the_console().await;
        let form = browser.get("/admin/users/new").await;
        for (typed, field, text) in [
            (("username", "ANA"), "username", "There already is a user with this name."),
            (("username", "a\u{200b}na"), "username", "A name has 1 to 255 characters that can be seen"),
            (("username", ""), "username", "A name has 1 to 255 characters that can be seen"),
            (("email", "nowhere"), "email", "Write an address such as ana@example.com."),
            (("roles", "a\u{200b}"), "roles", "A role has 1 to 255 characters"),
            (("new_password", "short"), "new_password", "characters"),
            (("new_password", "password1234"), "new_password", "one of the most common"),
        ] {
            let usual = [("username", "new"), ("email", "new@example.com"), ("roles", "kept"), ("new_password", PASSWORD)];
            let typed: Vec<(&str, &str)> = usual.into_iter().filter(|(name, _)| *name != typed.0).chain([typed]).collect();
            let seen = browser.sends_on(&form, &typed).await;
            assert_eq!(seen.status, 400, "{typed:?}");
            let (_, beside) = seen.body.split_once(&format!("<label for=\"{field}\"")).unwrap();
            let (beside, _) = beside.split_once("<label ").unwrap_or((beside, ""));
            assert!(beside.contains("aria-invalid=\"true\"") && beside.contains("id=\"problem\""), "{field}: {seen:?}");
            assert!(beside.contains(text), "{field}: {text}: {seen:?}");
            assert_eq!(seen.body.matches("id=\"problem\"").count(), 1);
            if field != "roles" {
                seen.says("kept</textarea>");
            }
            assert!(!seen.body.contains(PASSWORD) && !seen.body.contains("value=\"short\""), "{seen:?}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 2);
    }

    async fn a_user_is_kept_out_let_in_and_removed(app) {
        let ana = app.add_user("ana").await;
        let browser = app.at_the_console().await;
        let root = app.root().await;
        let place = format!("/admin/users/{ana}");
        let press = async |page: &Seen, link: &str, typed: &[(&str, &str)]| {
            let question = browser.clicks(page, link).await;
            browser.sends_on(&question, typed).await
        };
        let tokens = app.log_in("ana").await;
        let page = press(&browser.get(&place).await, "End all logins", &[]).await;
        page.says("All logins have ended.");
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        let page = press(&page, "Disable the account", &[]).await;
        page.says("The account is disabled");
        page.says("<span class=\"badge\">disabled");
        assert_eq!(app.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await.status, 401);
        let page = press(&page, "Enable the account", &[]).await;
        page.says("The account is open again.");
        let tokens = app.log_in("ana").await;
        let refused = press(&page, "Set a new password", &[("new_password", "ana")]).await;
        assert_eq!(refused.status, 400);
        refused.says("id=\"problem\"");
        let page = press(&page, "Set a new password", &[("new_password", "another good password")]).await;
        page.says("The password is set");
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        assert_eq!(app.post("/login", &json!({ "username": "ana", "password": "another good password" })).await.status, 200);
        let page = press(&page, "Remove the second factors", &[]).await;
        page.says("are gone");
        let page = press(&page, "Remove the user", &[]).await;
        page.says("The user was removed.");
        assert_eq!(browser.get(&place).await.status, 404);
        assert_eq!(app.done_by(root, "user.changed").await, 6, "each is told by whom");
    }

    async fn a_lost_second_factor_is_taken_away(app) {
        let here = Browser::new(&app);
        app.ana_with_an_app(&here).await;
        let browser = app.at_the_console().await;
        let ana = app.ana().await;
        let page = browser.get(&format!("/admin/users/{ana}")).await;
        page.says("Authenticator app");
        let question = browser.clicks(&page, "Remove the second factors").await;
        assert_eq!(app.log_in_as_ana().await.status, 403);
        browser.sends_on(&question, &[]).await.says("nothing");
        assert_eq!(app.log_in_as_ana().await.status, 200);
    }

    async fn an_administrator_is_warned_of_the_own_account(app) {
        let browser = app.at_the_console().await;
        let root = app.root().await;
        let question = browser.get(&format!("/admin/users/{root}/disable")).await;
        question.says("This is your own account");
        let away = browser.sends_on(&question, &[]).await;
        away.says("<h1>Sign in");
    }

    async fn a_web_app_is_registered_and_gets_lines_to_paste(app) {
        let browser = app.at_the_console().await;
        let kinds = browser.clicks(&browser.get("/admin/clients").await, "Register a client").await;
        let form = browser.clicks(&kinds, "A web app with a server").await;
        let typed = [("client_id", "shop"), ("name", "The Shop"), ("redirect_uris", REDIRECT_URI), ("scope", "openid profile"), ("audiences", "https://orders.example")];
        let made = browser.sends_on(&form, &typed).await;
        made.says("It is shown here and never again.");
        let secret = made.body.split_once("<p><code>").unwrap().1.split_once('<').unwrap().0.to_owned();
        for language in ["curl", "JavaScript", "Python", "Go", "Java"] {
            made.says(&format!("<summary>{language}</summary>"));
        }
        assert_eq!(made.body.matches(&secret).count(), 1, "the lines take it from a variable");
        let lines = unescaped(&made.body);
        for line in [format!("client.discovery(\n  new URL(\"{}\"),\n  \"shop\",", app.url), format!("RedirectURL:  \"{REDIRECT_URI}\""), "[]string{\"openid\", \"profile\"}".to_owned()] {
            assert!(lines.contains(&line), "{line}: {lines}");
        }
        // It works with what was typed.
        app.add_user("ana").await;
        let user = Browser::new(&app);
        let asked = [("client_id", "shop"), ("scope", "openid profile"), ("prompt", "consent")];
        let consent = user.sign_in(&user.authorize(&asked).await, "ana").await;
        consent.says("The Shop");
        let code = user.decide(&consent, "allow").await.code();
        let tokens = app.exchange(&code, &[("client_id", "shop"), ("client_secret", &secret)]).await.tokens();
        let page = browser.get("/admin/clients/shop").await;
        assert!(!page.body.contains(&secret));
        browser.clicks(&page, "Logins of this client").await.says("ana, shop</a>");
        // Another secret; the first goes on for a day.
        let renewed = browser.sends_on(&browser.clicks(&page, "Make a new secret").await, &[]).await;
        let next = renewed.body.split_once("<p><code>").unwrap().1.split_once('<').unwrap().0.to_owned();
        app.clock.advance(SECOND * 3);
        let refresh = async |secret: &str, token: &str| {
            app.form("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "shop"), ("client_secret", secret)]).await
        };
        let tokens = refresh(&secret, &tokens.refresh).await.tokens();
        let tokens = refresh(&next, &tokens.refresh).await.tokens();
        let page = browser.sends_on(&browser.clicks(&page, "End all logins of the client").await, &[]).await;
        page.says("All logins of the client have ended");
        assert_eq!(refresh(&next, &tokens.refresh).await.code(), "400 invalid_grant");
        let gone = browser.sends_on(&browser.clicks(&page, "Remove the client").await, &[]).await;
        gone.says("The client was removed.");
        assert_eq!(browser.get("/admin/clients/shop").await.status, 404);
        let again = browser.sends_on(&form, &typed).await;
        assert_eq!(again.status, 400);
        again.says("An id is never given out twice.");
        again.says("value=\"The Shop\"");
        assert_eq!(app.done_by(app.root().await, "client.changed").await, 3);
    }

    async fn what_a_user_agreed_to_is_seen_and_taken_back(app) {
        app.with_apps().await;
        let user = Browser::new(&app);
        let asked = [("client_id", "other"), ("resource", "https://api.example")];
        let consent = user.sign_in(&user.authorize(&asked).await, "ana").await;
        let code = user.decide(&consent, "allow").await.code();
        let tokens = app.exchange(&code, &[("client_id", "other")]).await.tokens();
        let browser = app.at_the_console().await;
        let ana = app.ana().await;
        let page = browser.clicks(&browser.get(&format!("/admin/users/{ana}")).await, "What the user agreed to").await;
        for text in ["<h2 id=\"c1\">other</h2>", "openid profile", "https://api.example"] {
            assert!(unescaped(&page.body).contains(text), "{text}: {page:?}");
        }
        let question = browser.clicks(&page, "Take back…").await;
        question.says("<dt>User</dt><dd>ana</dd>");
        assert_eq!(app.live_families().await, 1, "it asks first");
        let done = browser.sends_on(&question, &[]).await;
        done.says("It is taken back");
        done.says("The user did not agree to anything.");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), ("client_id", "other")];
        assert_eq!(app.form("/oauth/token", &refresh).await.code(), "400 invalid_grant");
        assert_eq!(app.done_by(app.root().await, "consent.withdrawn").await, 1);
        assert_eq!(user.authorize(&asked).await.status, 200, "the user is asked again");
        assert_eq!(browser.sends_on(&question, &[]).await.status, 404, "a second click");
        for place in ["/admin/users/018f0000-0000-7000-8000-000000000000/consents", "/admin/users/x/consents"] {
            assert_eq!(browser.get(place).await.status, 404, "{place}");
        }
        assert_eq!(browser.get(&format!("/admin/users/{ana}/consents?ui_locales=de")).await.body.matches("nichts zugestimmt").count(), 1);
    }

    async fn a_registration_token_is_made_and_removed(app) with |settings: &mut heirloom::settings::Settings| {
        settings.registration.mode = heirloom::domain::registration::Mode::InitialAccessToken;
    }; {
        let browser = app.at_the_console().await;
        let list = browser.clicks(&browser.get("/admin/clients").await, "Registration tokens").await;
        list.says("There are no tokens.");
        let form = browser.clicks(&list, "Make a registration token").await;
        for (typed, field, text) in [
            ([("uses", "0"), ("expires", "1h")], "uses", "Write a number from 1 to 1000000."),
            ([("uses", "many"), ("expires", "1h")], "uses", "Write a number from 1 to 1000000."),
            ([("uses", "2"), ("expires", "soon")], "expires", "Write a duration from 1s to 3650d"),
            ([("uses", "2"), ("expires", "0s")], "expires", "Write a duration from 1s to 3650d"),
            ([("uses", "2"), ("expires", "3651d")], "expires", "Write a duration from 1s to 3650d"),
        ] {
            let refused = browser.sends_on(&form, &typed).await;
            assert_eq!(refused.status, 400, "{typed:?}");
            let (_, beside) = refused.body.split_once(&format!("<label for=\"{field}\"")).unwrap();
            assert!(beside.split("<label").next().unwrap().contains(text), "{refused:?}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM registration_tokens").await, 0);
        let made = browser.sends_on(&form, &[("uses", "2"), ("expires", "1h")]).await;
        made.says("It is shown here and never again.");
        made.says("Clients that it still registers: 2");
        let token = made.body.split_once("<p><code>").unwrap().1.split_once('<').unwrap().0.to_owned();
        let registers = async || {
            let metadata = json!({ "redirect_uris": ["https://app.example/cb"] });
            app.send(app.http.post(app.at("/oauth/register")).bearer_auth(&token).json(&metadata)).await.status.as_u16()
        };
        assert_eq!(registers().await, 201);
        let list = browser.get("/admin/registration-tokens").await;
        list.says("Clients that it still registers: 1");
        assert!(!list.body.contains(&token), "{list:?}");
        let question = browser.clicks(&list, "Remove…").await;
        let done = browser.sends_on(&question, &[]).await;
        done.says("The token is removed");
        done.says("There are no tokens.");
        assert_eq!(registers().await, 401);
        assert_eq!(browser.sends_on(&question, &[]).await.status, 404, "a second click");
        let root = app.root().await;
        for event in ["registration_token.added", "registration_token.removed"] {
            assert_eq!(app.done_by(root, event).await, 1, "{event}");
        }
    }

    async fn an_app_and_a_program_are_registered(app) {
        let browser = app.at_the_console().await;
        let form = browser.get("/admin/clients/new?kind=app").await;
        let typed = [("client_id", "phone"), ("redirect_uris", "com.example.phone:/callback"), ("scope", "openid")];
        let made = browser.sends_on(&form, &typed).await;
        assert!(!made.body.contains("never again"), "{made:?}");
        made.says("oidc-client-ts");
        made.says("This client has no secret.");
        assert!(!made.body.contains("CLIENT_SECRET"), "{made:?}");
        let form = browser.get("/admin/clients/new?kind=service").await;
        assert!(!form.body.contains("redirect_uris"), "{form:?}");
        let typed = [("client_id", "job"), ("scope", "orders:read"), ("audiences", "https://orders.example")];
        let made = browser.sends_on(&form, &typed).await;
        made.says("clientcredentials");
        let secret = made.body.split_once("<p><code>").unwrap().1.split_once('<').unwrap().0.to_owned();
        let granted = app.form("/oauth/token", &[("grant_type", "client_credentials"), ("client_id", "job"), ("client_secret", &secret),
            ("scope", "orders:read"), ("resource", "https://orders.example")]).await;
        assert_eq!(granted.status, 200, "{granted:?}");
    }

    async fn a_client_that_does_not_fit_is_told_beside_its_field(app) {
        app.with_apps().await;
        let browser = app.at_the_console().await;
        let form = browser.get("/admin/clients/new?kind=web").await;
        let usual = [("client_id", "new"), ("redirect_uris", REDIRECT_URI), ("scope", "openid")];
        let change = browser.get("/admin/clients/app/change").await;
        let seen = change.hidden("seen");
        let known = [("seen", seen.as_str()), ("redirect_uris", REDIRECT_URI), ("scope", "openid"), ("first_party", "yes")];
        for (page, usual, typed, text) in [
            (&form, &usual[..], ("client_id", "a b"), "Use 1 to 255 letters"),
            (&form, &usual[..], ("client_id", "app"), "There is, or was, a client with this id."),
            (&form, &usual[..], ("redirect_uris", ""), "Say where people come back to."),
            (&form, &usual[..], ("redirect_uris", "https://a.example/#x"), "One of the addresses cannot be used."),
            (&form, &usual[..], ("redirect_uris", "nowhere"), "nowhere"),
            (&form, &usual[..], ("scope", "openid, profile"), "Write scopes with spaces between"),
            (&form, &usual[..], ("audiences", "https://orders.example/#x"), "This is not the address of a service"),
            (&form, &usual[..], ("name", "a\u{200b}"), "The name must not begin"),
            (&change, &known[..], ("access_ttl", "15"), "Write a duration such as"),
            (&change, &known[..], ("access_ttl", "100d"), "These durations do not fit each other."),
        ] {
            let typed: Vec<(&str, &str)> = usual.iter().copied().filter(|(name, _)| *name != typed.0).chain([typed]).collect();
            let refused = browser.sends_on(page, &typed).await;
            assert_eq!(refused.status, 400, "{typed:?}: {refused:?}");
            refused.says(text);
            assert_eq!(refused.body.matches("aria-invalid").count(), 1, "{typed:?}: {refused:?}");
        }
        let done = browser.sends_on(&change, &[&known[..], &[("access_ttl", "5m"), ("name", "Renamed")]].concat()).await;
        for text in ["The client was changed.", "<h1>Renamed", "<dd>5m"] {
            done.says(text);
        }
    }

    async fn signing_keys_are_rotated_and_withdrawn(app) {
        app.add_user("ana").await;
        let browser = app.at_the_console().await;
        let root = app.root().await;
        let before = published(&app).await;
        let page = browser.get("/admin/keys").await;
        page.says(&before[0]);
        page.says("<span class=\"badge\">signs");
        let page = browser.sends_on(&browser.clicks(&page, "Rotate the signing key").await, &[]).await;
        page.says("The next key is published.");
        page.says("<span class=\"badge\">next");
        assert_eq!(published(&app).await.len(), 2);
        let tokens = app.log_in("ana").await;
        assert_eq!(kid(&tokens), before[0]);
        let page = browser.sends_on(&browser.clicks(&page, "A key leaked: withdraw all").await, &[]).await;
        page.says("all earlier ones are withdrawn");
        assert!(!published(&app).await.contains(&before[0]));
        assert_eq!(app.get("/sessions", &tokens.access).await.status, 401);
        assert_eq!((app.done_by(root, "key.rotated").await, app.done_by(root, "key.replaced").await), (2, 1));
    }
}

/// What a user is changed to while somebody looks at the form is not lost.
#[test]
fn two_administrators_do_not_overwrite_each_other() {
    run(
        Store::Sqlite,
        |_| (),
        async |app| {
            let ana = app.add_user("ana").await;
            let browser = app.at_the_console().await;
            let form = browser.get(&format!("/admin/users/{ana}/change")).await;
            app.change_user(ana, Change::Roles(vec!["fresh".to_owned()])).await;
            let typed = [("username", "ana"), ("roles", "old"), ("seen", &form.hidden("seen"))];
            let refused = browser.sends_on(&form, &typed).await;
            assert_eq!(refused.status, 400);
            assert_eq!(admin::users::get(&app.core, ana).await.unwrap().roles, ["fresh"]);
        },
    );
}
