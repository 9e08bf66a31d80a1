//! `/admin/v1/users`

use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_api::Operator;
use crate::browser::*;
use crate::harness::*;

const RIGHTS: &str = "heirloom:users.read heirloom:users.write";

impl Operator<'_> {
    async fn makes(&self, user: &Value) -> Answer {
        self.asks(Method::POST, "/users", Some(user)).await
    }

    async fn changes(&self, id: &str, changes: &Value) -> Answer {
        self.asks(Method::PATCH, &format!("/users/{id}"), Some(changes)).await
    }

    /// A user's representation, and what its version is known by.
    async fn sees(&self, id: &str) -> (Value, String) {
        let seen = self.gets(&format!("/users/{id}")).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        let tag = seen.header("etag").unwrap().to_owned();
        (seen.json, tag)
    }
}

/// How many logins a change says that it has ended.
pub fn ended(answer: &Answer) -> Option<&str> {
    answer.header("heirloom-ended-logins")
}

both_stores! {
    async fn a_user_is_made_seen_changed_and_removed(app) {
        let ops = app.operator(RIGHTS).await;
        let made = ops
            .makes(&json!({
                "username": "Ana", "password": PASSWORD, "email": "ana@example.com", "email_verified": true,
                "claims": { "name": "Ana Ortega" }, "roles": ["editor"],
            }))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.text("id").to_owned();
        assert_eq!(made.header("location").unwrap(), app.at(&format!("/admin/v1/users/{id}")));
        let (seen, tag) = ops.sees(&id).await;
        assert_eq!((&seen, tag.as_str()), (&made.json, made.header("etag").unwrap()));
        assert_eq!(seen["claims"]["name"], "Ana Ortega");
        let logged_in = app.log_in("ana").await;
        assert_eq!(logged_in.claims()["sub"], id.as_str());
        let changed = ops
            .changes(&id, &json!({ "username": "anna", "claims": { "name": null, "nickname": "An" }, "roles": [] }))
            .await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!((&changed.json["username"], &changed.json["roles"]), (&json!("anna"), &json!([])));
        assert_eq!((&changed.json["claims"]["name"], &changed.json["claims"]["nickname"]), (&Value::Null, &json!("An")));
        assert_eq!(changed.json["email"], "ana@example.com", "what is absent stays");
        assert_eq!(changed.json["email_verified"], true);
        app.rotate(&logged_in).await;
        assert_eq!(app.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await.status, 401);
        app.log_in("anna").await;
        let gone = ops.asks(Method::DELETE, &format!("/users/{id}"), None).await;
        assert_eq!(gone.status, 204);
        assert_eq!(app.live_families().await, 0);
        assert_eq!(ops.gets(&format!("/users/{id}")).await.problem(), "404 not_found");
        assert_eq!(ops.asks(Method::DELETE, &format!("/users/{id}"), None).await.problem(), "404 not_found");
        assert_eq!(ops.changes(&id, &json!({ "roles": ["editor"] })).await.problem(), "404 not_found");
    }

    async fn an_address_that_changes_is_verified_only_if_that_is_told(app) {
        let ops = app.operator(RIGHTS).await;
        let user = json!({ "username": "ana", "email": "ana@example.com", "email_verified": true });
        let id = ops.makes(&user).await.text("id").to_owned();
        for (changes, email, is_verified) in [
            (json!({ "email": "ana@example.com" }), json!("ana@example.com"), true),
            (json!({ "email": "an@example.com" }), json!("an@example.com"), false),
            (json!({ "email_verified": true }), json!("an@example.com"), true),
            (json!({ "email": "ana@example.com", "email_verified": true }), json!("ana@example.com"), true),
            (json!({ "email": null }), Value::Null, false),
            (json!({ "email_verified": true }), Value::Null, false),
        ] {
            let changed = ops.changes(&id, &changes).await.json;
            assert_eq!((&changed["email"], &changed["email_verified"]), (&email, &json!(is_verified)), "{changes}");
        }
    }

    async fn what_takes_rights_away_ends_logins(app) {
        let ops = app.operator(RIGHTS).await;
        let id = app.add_user("ana").await.to_string();
        let tokens = app.log_in("ana").await;
        app.log_in("ana").await;
        let disabled = ops.changes(&id, &json!({ "disabled": true })).await;
        assert_eq!((disabled.status.as_u16(), ended(&disabled)), (200, Some("2")));
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        assert_eq!(app.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await.status, 401);
        let enabled = ops.changes(&id, &json!({ "disabled": false })).await;
        assert_eq!((&enabled.json["disabled_at"], ended(&enabled)), (&Value::Null, Some("0")));
        let tokens = app.log_in("ana").await;
        let password = json!({ "password": "another horse battery staple" });
        let set = ops.asks(Method::PUT, &format!("/users/{id}/password"), Some(&password)).await;
        assert_eq!((set.status.as_u16(), ended(&set)), (204, Some("1")));
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        let login = json!({ "username": "ana", "password": "another horse battery staple" });
        assert_eq!(app.post("/login", &login).await.status, 200);
        let weak = ops.asks(Method::PUT, &format!("/users/{id}/password"), Some(&json!({ "password": "short" }))).await;
        assert_eq!(weak.problem(), "400 invalid_request");
        assert_eq!(app.post("/login", &login).await.status, 200);
        let removed = ops.asks(Method::DELETE, &format!("/users/{id}"), None).await;
        assert_eq!((removed.status.as_u16(), ended(&removed)), (204, Some("2")));
    }

    async fn a_change_that_was_overtaken_is_refused(app) {
        let ops = app.operator(RIGHTS).await;
        let id = app.add_user("ana").await.to_string();
        let (_, tag) = ops.sees(&id).await;
        let place = format!("/users/{id}");
        let change = |roles: Value| json!({ "roles": roles });
        let with = |tag: &str| [("if-match", tag.to_owned())];
        let first = change(json!(["one"]));
        let [(name, value)] = with(&tag);
        let done = ops.asks_with(Method::PATCH, &place, Some(&first), &[(name, &value)]).await;
        assert_eq!(done.status, 200);
        let stale = ops.asks_with(Method::PATCH, &place, Some(&change(json!(["two"]))), &[(name, &value)]).await;
        assert_eq!(stale.whole_problem(), "412 stale It was changed since you have looked at it.");
        let stale = ops.asks_with(Method::DELETE, &place, None, &[(name, &value)]).await;
        assert_eq!(stale.problem(), "412 stale");
        let (seen, tag) = ops.sees(&id).await;
        assert_eq!((&seen["roles"], done.header("etag").unwrap()), (&json!(["one"]), tag.as_str()));
        for bad in ["ana", "W/\"a\"", "\"a\", \"b\""] {
            let refused = ops.asks_with(Method::PATCH, &place, Some(&first), &[("if-match", bad)]).await;
            assert_eq!(refused.problem(), "400 invalid_request", "{bad}");
        }
        let any = ops.asks_with(Method::PATCH, &place, Some(&change(json!(["two"]))), &[("if-match", "*")]).await;
        assert_eq!(any.json["roles"], json!(["two"]));
        assert_eq!(ops.asks_with(Method::DELETE, &place, None, &[("if-match", any.header("etag").unwrap())]).await.status, 204);
    }

    async fn of_changes_at_once_none_is_lost(app) {
        let ops = app.operator(RIGHTS).await;
        let id = app.add_user("ana").await.to_string();
        let members = ["name", "nickname", "given_name", "family_name", "middle_name", "zoneinfo", "gender", "locale"];
        let changes = members.map(|member| json!({ "claims": { (member): "x" } }));
        let done = futures_util::future::join_all(changes.iter().map(|change| ops.changes(&id, change))).await;
        assert!(done.iter().all(|answer| answer.status == 200), "{done:?}");
        let (seen, _) = ops.sees(&id).await;
        for member in members {
            assert_eq!(seen["claims"][member], "x", "{member} in {seen}");
        }
        // Each has seen the same: one is carried out.
        let (_, tag) = ops.sees(&id).await;
        let place = format!("/users/{id}");
        let race = members.map(|member| json!({ "roles": [member] }));
        let headers = [("if-match", tag.as_str())];
        let done = race.iter().map(|change| ops.asks_with(Method::PATCH, &place, Some(change), &headers));
        let done = futures_util::future::join_all(done).await;
        assert_eq!(done.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(done.iter().filter(|answer| answer.status == 412).count(), members.len() - 1);
    }

    async fn users_are_listed_in_parts_and_found_by_how_they_begin(app) {
        let ops = app.operator(RIGHTS).await;
        for name in ["ana", "Anatol", "bob", "ANNA", "Ünal", "an_a", "a%"] {
            ops.makes(&json!({ "username": name, "email": format!("{}@example.com", name.len()), "email_verified": false })).await;
        }
        let verified = json!({ "username": "zoe", "email": "Anastasia@example.com", "email_verified": true });
        ops.makes(&verified).await;
        let names = |items: &[Value]| {
            let mut names: Vec<_> = items.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        let (all, parts) = ops.reads_all("/users?limit=3").await;
        assert_eq!((names(&all), parts), (["ANNA", "Anatol", "a%", "an_a", "ana", "bob", "zoe", "Ünal"].map(ToOwned::to_owned).to_vec(), 3));
        for (query, found) in [
            ("ana", &["Anatol", "ana"][..]),
            ("ANA", &["Anatol", "ana"]),
            ("an", &["ANNA", "Anatol", "an_a", "ana"]),
            ("an_", &["an_a"]),
            ("a%25", &["a%"]),
            ("%C3%BC", &["Ünal"]),
            ("anastasia@example.com", &["zoe"]),
            ("nobody", &[]),
        ] {
            for limit in [1, 50] {
                let (listed, _) = ops.reads_all(&format!("/users?q={query}&limit={limit}")).await;
                assert_eq!(names(&listed), found, "{query} by {limit}");
            }
        }
    }

    async fn a_user_who_cannot_be_is_refused_and_nothing_is_kept(app) {
        let ops = app.operator(RIGHTS).await;
        let ana = json!({ "username": "ana", "email": "ana@example.com", "email_verified": true });
        let id = ops.makes(&ana).await.text("id").to_owned();
        for (user, expected) in [
            (json!({ "username": "ANA" }), "409 conflict There already is a user with the name ANA."),
            (json!({ "username": "bob", "email": "ANA@example.com", "email_verified": true }), "409 conflict The address ANA@example.com is verified as another user's."),
            (json!({ "username": "ana@example.com" }), "409 conflict Ana@example.com is the verified address of another user, who signs in by it."),
            (json!({ "email": "x@example.com" }), "400 invalid_request The JSON object does not fit: missing field `username`."),
            (json!({ "username": "" }), "400 invalid_request username: a username must have 1 to 255 bytes and must not have control characters."),
            (json!({ "username": "bob", "shoe_size": 42 }), "400 invalid_request The JSON object does not fit: unknown field `shoe_size`, expected one of `username`, `password`, `email`, `email_verified`, `claims`, `roles`."),
        ] {
            assert_eq!(ops.makes(&user).await.whole_problem(), expected, "{user}");
        }
        for user in [
            json!({ "username": " bob" }),
            json!({ "username": "bob", "email": "bob" }),
            json!({ "username": "bob", "roles": [""] }),
            json!({ "username": "bob", "password": "short" }),
            json!({ "username": "bob", "claims": { "shoe_size": 42 } }),
        ] {
            assert_eq!(ops.makes(&user).await.problem(), "400 invalid_request", "{user}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 1);
        let bob = app.add_user("bob").await.to_string();
        let before = ops.sees(&bob).await;
        for (changes, expected) in [
            (json!({ "username": "Ana" }), "409 conflict There already is a user with the name Ana."),
            (json!({ "username": "ana@example.com" }), "409 conflict Ana@example.com is the verified address of another user, who signs in by it."),
            (json!({ "email": "ana@example.com", "email_verified": true, "roles": ["x"] }), "409 conflict The address ana@example.com is verified as another user's."),
            (json!({ "password": "x" }), "400 invalid_request The JSON object does not fit: unknown field `password`, expected one of `username`, `email`, `email_verified`, `claims`, `roles`, `disabled`."),
        ] {
            assert_eq!(ops.changes(&bob, &changes).await.whole_problem(), expected, "{changes}");
        }
        assert_eq!(ops.changes(&bob, &json!({ "roles": ["x"], "claims": { "shoe_size": 1 } })).await.problem(), "400 invalid_request");
        assert_eq!(ops.sees(&bob).await, before, "all or nothing");
        assert_eq!(ops.changes(&id, &json!({ "username": "ANA@example.com" })).await.status, 200, "the address is the user's own");
    }

    async fn second_factors_are_reset(app) {
        let ops = app.operator(RIGHTS).await;
        let browser = Browser::new(&app);
        app.ana_with_an_app(&browser).await;
        let login = json!({ "username": "ana", "password": PASSWORD });
        assert_eq!(app.post("/login", &login).await.code(), "403 mfa_required");
        let reset = ops.asks(Method::POST, &format!("/users/{}/reset-factors", app.ana().await), None).await;
        assert_eq!(reset.status, 204);
        assert_eq!(app.post("/login", &login).await.status, 200);
    }
}
