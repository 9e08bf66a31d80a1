//! Logging in with a password.

use heirloom::domain::client::{ClientKind, GrantType, Party};
use heirloom::service::admin::users::Change;
use heirloom::settings::Settings;
use serde_json::{Value, json};

use crate::harness::*;

const WRONG: &str = "401 invalid_grant The username or the password is wrong.";

async fn try_password(app: &TestApp, name: &str, password: &str) -> Answer {
    app.post("/login", &json!({ "username": name, "password": password })).await
}

both_stores! {
    async fn an_access_token_says_what_rfc_9068_wants(app) {
        let user = app.add_user("Ana").await;
        let login = app.post("/login", &json!({ "username": "Ana", "password": PASSWORD })).await;
        assert_eq!((&login.json["token_type"], &login.json["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(login.json["refresh_expires_in"], 7 * 86_400);
        assert_eq!(login.json["scope"], "email openid profile roles");
        assert_eq!(login.header("cache-control"), Some("no-store"));
        let claims = login.tokens().claims();
        let now = app.clock.now().timestamp();
        let sid = claims["sid"].as_str().unwrap();
        let index = claims["status"]["status_list"]["idx"].as_u64().unwrap();
        assert_eq!(claims, json!({
            "iss": app.url, "sub": user.to_string(), "aud": app.url, "client_id": "heirloom", "iat": now,
            "exp": now + 900, "jti": claims["jti"], "scope": "email openid profile roles", "sid": sid, "auth_time": now,
            "acr": "1",
            "roles": ["editor"],
            "status": { "status_list": { "idx": index, "uri": format!("{}/status-lists/1", app.url) } },
        }));
        assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    }

    async fn names_differ_in_more_than_case(app) {
        app.add_user("Ana").await;
        for name in ["ana", "ANA", "aNa"] {
            assert_eq!(try_password(&app, name, PASSWORD).await.status, 200);
        }
        let taken = heirloom::service::admin::users::NewUser {
            username: "aNA".parse().unwrap(),
            password: heirloom::domain::secrets::Password::new(PASSWORD.to_owned()).ok(),
            email: None,
            email_verified: false,
            claims: heirloom::domain::standard_claims::StandardClaims::default(),
            roles: Vec::new(),
        };
        let added = heirloom::service::admin::users::add(&app.core, taken, app.clock.now()).await;
        assert!(added.is_err());
    }

    async fn whoever_is_wrong_gets_the_same_answer(app) {
        let ana = app.add_user("ana").await;
        for (name, password) in [
            ("ana", "wrong horse battery staple"),
            ("ana", "correct horse battery staple "),
            ("ana", ""),
            ("ana", "short"),
            ("bob", PASSWORD),
            ("", PASSWORD),
            ("a\u{1}na", PASSWORD),
            (&"x".repeat(300), PASSWORD),
            ("ana", &"x".repeat(1025)),
        ] {
            assert_eq!(try_password(&app, name, password).await.refusal(), WRONG, "{name} {password}");
        }
        app.change_user(ana, Change::Disable).await;
        assert_eq!(try_password(&app, "ana", PASSWORD).await.refusal(), WRONG);
        app.change_user(ana, Change::Enable).await;
        assert_eq!(try_password(&app, "ana", PASSWORD).await.status, 200);
    }

    async fn any_characters_make_a_password(app) {
        let ana = app.add_user("ana").await;
        for password in ["8 signs!", "pässwörter", "\u{1}\u{2}\u{7f}\r\n\t  ", "🦀🦑🦀🦑🦀🦑🦀🦑", "   e\u{301} é  ", &"ü".repeat(512)] {
            let new = heirloom::domain::secrets::Password::new(password.to_owned()).unwrap();
            app.change_user(ana, Change::Password(new)).await;
            assert_eq!(try_password(&app, "ana", password).await.status, 200, "{password:?}");
            assert_eq!(try_password(&app, "ana", &password.replace('e', "E")).await.status.as_u16(),
                if password.contains('e') { 401 } else { 200 });
        }
    }

    async fn scopes_are_those_of_the_client_or_fewer(app) {
        app.add_user("ana").await;
        let login = async |scope: Value| {
            app.post("/login", &json!({ "username": "ana", "password": PASSWORD, "scope": scope })).await
        };
        assert_eq!(login(json!("profile openid")).await.json["scope"], "openid profile");
        assert_eq!(login(Value::Null).await.json["scope"], "email openid profile roles");
        assert_eq!(login(json!("")).await.json["scope"], "email openid profile roles");
        for beyond in ["admin", "profile admin", "pro\"file", "é"] {
            assert_eq!(login(json!(beyond)).await.code(), "400 invalid_scope", "{beyond}");
        }
        assert_eq!(app.live_families().await, 3);
    }

    async fn the_resource_chooses_among_the_registered_audiences(app) {
        let (api, other) = ("https://api.example.com", "https://other.example.com");
        app.add_client("app", |it| it.audiences = vec![api.parse().unwrap(), other.parse().unwrap()]).await;
        app.add_user("ana").await;
        let login = async |resource: Value| {
            let body = json!({ "username": "ana", "password": PASSWORD, "client_id": "app", "resource": resource });
            app.post("/login", &body).await
        };
        assert_eq!(login(Value::Null).await.tokens().claims()["aud"], app.url.as_str());
        assert_eq!(login(json!(api)).await.tokens().claims()["aud"], api);
        assert_eq!(login(json!([api, other, api])).await.tokens().claims()["aud"], json!([api, other]));
        assert_eq!(login(json!([app.url, api])).await.tokens().claims()["aud"], json!([app.url, api]));
        for no_text in [json!(5), json!({}), json!([1]), json!(true)] {
            assert_eq!(login(no_text.clone()).await.code(), "400 invalid_request", "{no_text}");
        }
        for unknown in ["https://evil.example.com", "https://api.example.com/", "https://api.example.com#x", "x y"] {
            assert_eq!(login(json!(unknown)).await.code(), "400 invalid_target", "{unknown}");
        }
        let narrowed = login(json!(api)).await.tokens();
        assert_eq!(app.refresh_with("app", &narrowed.refresh).await.tokens().claims()["aud"], api);
    }

    async fn only_public_first_party_clients_may_take_passwords(app) {
        app.add_user("ana").await;
        app.add_client("third", |it| it.party = Party::Third).await;
        app.add_client("service", |it| it.kind = ClientKind::Confidential(Vec::new())).await;
        app.add_client("no-refresh", |it| it.grants = [GrantType::AuthorizationCode].into()).await;
        let login = async |client: &str| {
            let body = json!({ "username": "ana", "password": PASSWORD, "client_id": client });
            app.post("/login", &body).await
        };
        assert_eq!(login("third").await.code(), "400 unauthorized_client");
        assert_eq!(login("service").await.code(), "400 unauthorized_client");
        for unknown in ["nobody", "", "with space", "bell\u{7}"] {
            let answer = login(unknown).await;
            assert_eq!(answer.code(), "401 invalid_client", "{unknown:?}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="));
        }
        let tokens = login("no-refresh").await.tokens();
        assert_eq!(app.refresh_with("no-refresh", &tokens.refresh).await.code(), "400 unauthorized_client");
    }

    async fn a_family_remembers_where_it_is_used(app) {
        app.add_user("ana").await;
        let body = json!({ "username": "ana", "password": PASSWORD, "device": "Ana's phone" });
        let request = app.http.post(app.at("/login")).json(&body).header("user-agent", "Browser/1");
        let spoofed = request.header("x-forwarded-for", "203.0.113.7");
        let tokens = app.send(spoofed).await.tokens();
        let session = app.get("/sessions", &tokens.access).await.json["sessions"][0].clone();
        assert_eq!((&session["device"], &session["user_agent"]), (&json!("Ana's phone"), &json!("Browser/1")));
        assert_eq!(session["address"], "127.0.0.1", "nobody is believed who is not trusted");
        for device in ["", &"x".repeat(255), "Änne's 🦀"] {
            let body = json!({ "username": "ana", "password": PASSWORD, "device": device });
            assert_eq!(app.post("/login", &body).await.status, 200, "{device}");
        }
        for device in ["x".repeat(256), "tab\t".to_owned(), "bell\u{7}".to_owned()] {
            let body = json!({ "username": "ana", "password": PASSWORD, "device": device });
            assert_eq!(app.post("/login", &body).await.code(), "400 invalid_request");
        }
    }

    async fn a_trusted_proxy_tells_the_address(app) with |settings| {
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    }; {
        app.add_user("ana").await;
        let address = async |forwarded: &str| {
            app.clock.advance(SECOND);
            let body = json!({ "username": "ana", "password": PASSWORD });
            let request = app.http.post(app.at("/login")).json(&body).header("x-forwarded-for", forwarded);
            let tokens = app.send(request).await.tokens();
            app.get("/sessions", &tokens.access).await.json["sessions"][0]["address"].clone()
        };
        assert_eq!(address("203.0.113.7").await, "203.0.113.7");
        assert_eq!(address("198.51.100.1, 203.0.113.7, 10.1.1.1").await, "203.0.113.7", "what it says of itself is nothing");
        assert_eq!(address("203.0.113.7, rubbish").await, "127.0.0.1");
        assert_eq!(address("2001:db8::1").await, "2001:db8::1");
        assert_eq!(address("::ffff:203.0.113.7").await, "203.0.113.7", "one address, one spelling");
        assert_eq!(address("10.1.1.1").await, "10.1.1.1", "where only proxies are, the farthest of them");
        assert_eq!(address("").await, "127.0.0.1");
        // As proxies write it that tell the port, too.
        for (forwarded, client) in [
            ("198.51.100.7:51234", "198.51.100.7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("\"198.51.100.7:51234\"", "198.51.100.7"),
            ("198.51.100.7,", "198.51.100.7"),
            (", 198.51.100.7:1 , , 10.1.1.1:2 ,", "198.51.100.7"),
            ("198.51.100.7, unknown", "127.0.0.1"),
            ("\"unknown, 198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(address(forwarded).await, client, "{forwarded}");
        }
        let body = json!({ "username": "ana", "password": PASSWORD });
        let request = app.http.post(app.at("/login")).json(&body);
        let twice = request.header("x-forwarded-for", "198.51.100.1").header("x-forwarded-for", "203.0.113.7, 10.1.1.1");
        app.clock.advance(SECOND);
        let tokens = app.send(twice).await.tokens();
        let address = app.get("/sessions", &tokens.access).await.json["sessions"][0]["address"].clone();
        assert_eq!(address, "203.0.113.7", "headers that stand twice are one list");
    }

    async fn a_trusted_proxy_may_tell_the_address_in_the_standard_header(app) with |settings| {
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    }; {
        app.add_user("ana").await;
        for (forwarded, usual, client) in [
            ("for=198.51.100.7", None, "198.51.100.7"),
            ("by=10.1.1.1;For=\"[2001:db8::7]:443\";proto=https", None, "2001:db8::7"),
            ("for=192.0.2.1, for=198.51.100.7:99;proto=http, for=10.1.1.1,", None, "198.51.100.7"),
            ("for=192.0.2.1;x=\", for=198.51.100.7", None, "198.51.100.7"),
            ("for=unknown", None, "127.0.0.1"),
            ("proto=https", None, "127.0.0.1"),
            ("for=192.0.2.1", Some("198.51.100.7"), "198.51.100.7"),
        ] {
            app.clock.advance(SECOND);
            let request = app.http.post(app.at("/login")).json(&json!({ "username": "ana", "password": PASSWORD }));
            let request = request.header("forwarded", forwarded);
            let tokens = app.send(usual.into_iter().fold(request, |it, usual| it.header("x-forwarded-for", usual))).await.tokens();
            let sessions = app.get("/sessions", &tokens.access).await.json["sessions"].clone();
            assert_eq!(sessions[0]["address"], client, "{forwarded} {usual:?}");
        }
    }

    async fn an_old_hash_is_replaced_at_login(app) with |settings| settings.passwords.memory_kib = 16; {
        app.ana_logged_in().await;
        let old = "$argon2id$v=19$m=8,t=1,p=1$";
        let count = format!("SELECT COUNT(*) FROM users WHERE password_hash LIKE '{old}%'");
        let weak = argon2_hash(PASSWORD);
        app.sql(&format!("UPDATE users SET password_hash = '{weak}'")).await;
        assert_eq!(app.number(&count).await, 1);
        assert_eq!(try_password(&app, "ana", "wrong horse battery").await.refusal(), WRONG);
        assert_eq!(app.number(&count).await, 1);
        // Several at once: each is right, whichever of them stores the new hash.
        let logins = futures_of(4, || try_password(&app, "ana", PASSWORD)).await;
        assert!(logins.iter().all(|login| login.status == 200), "{logins:?}");
        assert_eq!(app.number(&count).await, 0);
        assert_eq!(try_password(&app, "ana", PASSWORD).await.status, 200);
    }

    async fn an_unknown_user_takes_a_place_in_the_queue_like_a_known_one(app) with slow_passwords; {
        let answers = futures_of(12, || try_password(&app, "nobody", PASSWORD)).await;
        let refused = answers.iter().filter(|answer| answer.status == 401).count();
        let busy = answers.iter().filter(|answer| answer.code() == "503 temporarily_unavailable").count();
        assert!(refused >= 1 && busy >= 1 && refused + busy == 12, "{refused} refused, {busy} busy");
    }

    async fn a_full_queue_asks_to_come_back(app) with slow_passwords; {
        app.add_user("ana").await;
        let answers = futures_of(12, || try_password(&app, "ana", PASSWORD)).await;
        let (mut right, mut busy) = (0, 0);
        for answer in answers {
            if answer.status == 200 {
                right += 1;
            } else {
                assert_eq!(answer.code(), "503 temporarily_unavailable");
                assert_eq!(answer.header("retry-after"), Some("1"));
                busy += 1;
            }
        }
        assert!(right >= 1 && busy >= 1, "{right} right, {busy} busy");
    }
}

/// One is checked, one waits, and the rest come long before that is over, however busy the machine is.
fn slow_passwords(settings: &mut Settings) {
    settings.passwords.queue = 1;
    settings.passwords.memory_kib = 64 * 1024;
    settings.passwords.iterations = 12;
    // Wrong ones are counted elsewhere.
    settings.limits.account_attempts = 1000;
}

fn argon2_hash(password: &str) -> String {
    use argon2::PasswordHasher as _;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password(password.as_bytes()).unwrap().to_string()
}

/// Runs so many at once.
async fn futures_of<F: Future<Output = Answer>>(count: usize, make: impl Fn() -> F) -> Vec<Answer> {
    futures_util::future::join_all((0..count).map(|_| make())).await
}
