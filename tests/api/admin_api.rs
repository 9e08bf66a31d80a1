//! The admin API: who may use it, how lists are read, and how refusals are told. `/admin/v1/families` is here, too.

use heirloom::domain::client::ClientKind;
use heirloom::domain::ids::UserId;
use heirloom::service::admin;
use heirloom::service::admin::client_changes::ClientChanges;
use heirloom::service::admin::users::Change;
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::registration::tool;

pub const NO_SCOPE: &str = "403 insufficient_scope";

/// Whoever acts with an access token.
pub struct Operator<'a> {
    app: &'a TestApp,
    token: String,
}

impl TestApp {
    /// A client for operators' scripts that has these scopes, with a token of all of them.
    pub async fn operator(&self, scopes: &str) -> Operator<'_> {
        let secret = self.add_client("ops", |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.grants = [heirloom::domain::client::GrantType::ClientCredentials].into();
            it.scopes = scopes.parse().unwrap();
        });
        let secret = secret.await.unwrap().expose().to_owned();
        self.operator_with(&secret).await
    }

    /// The same with a token of now: its client has another secret.
    pub async fn operator_again(&self) -> Operator<'_> {
        let (id, now) = ("ops".parse().unwrap(), self.clock.now());
        let secret = admin::clients::rotate_secret(&self.core, &id, MINUTE, now).await.unwrap();
        self.clock.advance(SECOND * 2);
        self.operator_with(secret.expose()).await
    }

    async fn operator_with(&self, secret: &str) -> Operator<'_> {
        let form = [("grant_type", "client_credentials")];
        let issued = self.form_as("/oauth/token", ("ops", secret), &form).await;
        self.acting(issued.text("access_token"))
    }

    pub fn acting(&self, token: &str) -> Operator<'_> {
        Operator { app: self, token: token.to_owned() }
    }

    /// Ana's id.
    pub async fn ana(&self) -> UserId {
        let name = "ana".parse().unwrap();
        admin::users::find(&self.core, &name).await.unwrap().id
    }

    pub async fn change_scopes(&self, client: &str, scopes: &str) {
        let (id, now) = (client.parse().unwrap(), self.clock.now());
        let scopes = Some(scopes.parse().unwrap());
        let changes = ClientChanges { scopes, ..ClientChanges::default() };
        admin::clients::change(&self.core, &id, changes, now).await.unwrap();
        self.clock.advance(SECOND * 2);
    }

    async fn give_role(&self, user: UserId, role: &str) {
        self.change_user(user, Change::Roles(vec![role.to_owned()])).await;
    }
}

impl Operator<'_> {
    pub fn token(&self) -> &str {
        &self.token
    }

    pub async fn asks(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.asks_with(method, path, body, &[]).await
    }

    pub async fn asks_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = self.app.http.request(method, self.app.at(&format!("/admin/v1{path}")));
        let request = headers
            .iter()
            .fold(request.bearer_auth(&self.token), |it, (name, value)| it.header(*name, *value));
        self.app.send(body.into_iter().fold(request, reqwest::RequestBuilder::json)).await
    }

    pub async fn gets(&self, path: &str) -> Answer {
        self.asks(Method::GET, path, None).await
    }

    /// All items of a list, and how many parts it was read in.
    pub async fn reads_all(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut items, mut parts, mut after) = (Vec::new(), 0, None);
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let next = after.iter().fold(path.to_owned(), |path, after| format!("{path}{sign}after={after}"));
            let part = self.gets(&next).await;
            assert_eq!(part.status, 200, "{part:?}");
            items.extend(part.json["items"].as_array().unwrap().clone());
            parts += 1;
            match &part.json["next"] {
                Value::Null => return (items, parts),
                next => after = Some(next.as_str().unwrap().to_owned()),
            }
        }
    }
}

impl Answer {
    /// What was refused (RFC 9457), as `status code`.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json["status"], self.status.as_u16(), "{self:?}");
        format!("{} {}", self.status.as_u16(), self.text("code"))
    }

    /// The same with the sentence for people.
    pub fn whole_problem(&self) -> String {
        format!("{} {}", self.problem(), self.text("detail"))
    }
}

both_stores! {
    async fn a_client_may_do_what_its_scopes_say_and_is_told_which_one_it_lacks(app) {
        let family = app.ana_logged_in().await.family();
        let ops = app.operator("heirloom:users.read heirloom:families.write").await;
        assert_eq!(ops.gets("/users").await.json["items"][0]["username"], "ana");
        let refused = ops.asks(Method::POST, "/users", Some(&json!({ "username": "bob" }))).await;
        assert_eq!(refused.whole_problem(), "403 insufficient_scope The access token lacks the scope heirloom:users.write.");
        assert_eq!(refused.json["scope"], "heirloom:users.write");
        assert_eq!(refused.json["title"], "Forbidden");
        let challenge = refused.header("www-authenticate").unwrap();
        assert_eq!(challenge, r#"Bearer realm="heirloom", error="insufficient_scope", scope="heirloom:users.write""#);
        assert_eq!(ops.gets("/families").await.problem(), NO_SCOPE, "to change is not to look");
        assert_eq!(ops.asks(Method::DELETE, &format!("/families/{family}"), None).await.status, 204);
        assert_eq!(app.live_families().await, 0);
        assert_eq!(ops.asks(Method::DELETE, &format!("/families/{family}"), None).await.problem(), "404 not_found");
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 1);
    }

    async fn a_token_opens_no_more_than_it_was_asked_for(app) {
        let secret = app.add_client("ops", |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.grants = [heirloom::domain::client::GrantType::ClientCredentials].into();
            it.scopes = "heirloom:users.read heirloom:users.write".parse().unwrap();
        });
        let secret = secret.await.unwrap().expose().to_owned();
        let form = [("grant_type", "client_credentials"), ("scope", "heirloom:users.read")];
        let issued = app.form_as("/oauth/token", ("ops", &secret), &form).await;
        let ops = app.acting(issued.text("access_token"));
        assert_eq!(ops.gets("/users").await.status, 200);
        let refused = ops.asks(Method::POST, "/users", Some(&json!({ "username": "bob" }))).await;
        assert_eq!((refused.problem().as_str(), &refused.json["scope"]), (NO_SCOPE, &json!("heirloom:users.write")));
    }

    async fn nothing_else_opens_it(app) {
        let ana = app.add_user("ana").await;
        app.give_role(ana, "heirloom-admin").await;
        app.add_client("other", |it| {
            it.scopes = "openid heirloom:users.read".parse().unwrap();
            it.audiences = vec!["https://api.example".parse().unwrap()];
        })
        .await;
        let plain = app.log_in("ana").await.access;
        assert_eq!(app.acting(&plain).gets("/users").await.problem(), NO_SCOPE);
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "other", "resource": "https://api.example" });
        let elsewhere = app.post("/login", &login).await.tokens().access;
        assert_eq!(app.acting(&elsewhere).gets("/users").await.problem(), "401 invalid_token");
        assert_eq!(app.acting("nonsense").gets("/users").await.problem(), "401 invalid_token");
        let none = app.send(app.http.get(app.at("/admin/v1/users"))).await;
        assert_eq!(none.problem(), "401 invalid_token");
        assert!(none.header("www-authenticate").unwrap().starts_with("Bearer "));
        let twice = format!("/admin/v1/users?access_token={plain}");
        assert_eq!(app.send(app.http.get(app.at(&twice))).await.problem(), "401 invalid_token");
        assert_eq!(app.acting(&plain).gets("/nothing").await.problem(), "404 not_found");
        assert_eq!(app.acting(&plain).asks(Method::DELETE, "/users", None).await.status, 405);
    }

    async fn an_administrator_acts_as_long_as_the_role_and_the_login_last(app) {
        let ana = app.add_user("ana").await;
        let console = |it: &mut heirloom::domain::client::Client| it.scopes = "openid heirloom:users.read".parse().unwrap();
        app.add_client("console", console).await;
        let before = app.log_in_with("console", "ana").await;
        assert_eq!(before.claims()["scope"], "openid", "who is no administrator gets no rights");
        assert_eq!(app.acting(&before.access).gets("/users").await.problem(), "403 access_denied");
        app.give_role(ana, "heirloom-admin").await;
        let still = app.refresh_with("console", &before.refresh).await.tokens();
        assert_eq!(still.claims()["scope"], "openid", "rights are had by signing in");
        let tokens = app.log_in_with("console", "ana").await;
        assert_eq!(tokens.claims()["scope"], "heirloom:users.read openid");
        let admin = app.acting(&tokens.access);
        assert_eq!(admin.gets("/users").await.status, 200);
        app.give_role(ana, "editor").await;
        assert_eq!(admin.gets("/users").await.problem(), "403 access_denied", "at once");
        app.give_role(ana, "heirloom-admin").await;
        assert_eq!(admin.gets("/users").await.status, 200);
        app.post("/logout", &json!({ "refresh_token": tokens.refresh, "client_id": "console" })).await;
        assert_eq!(admin.gets("/users").await.problem(), "401 invalid_token");
    }

    async fn a_code_gives_rights_to_administrators_alone_whose_role_a_setting_names(app) with |settings| {
        "root".clone_into(&mut settings.admin.role);
    }; {
        app.with_apps().await;
        app.change_scopes("app", "openid heirloom:families.read").await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        for (role, granted) in [("heirloom-admin", "openid"), ("root", "heirloom:families.read openid")] {
            let ana = app.ana().await;
            app.give_role(ana, role).await;
            let page = browser.authorize(&[("scope", "openid heirloom:families.read")]).await;
            let tokens = app.exchange(&page.code(), &[]).await.tokens();
            assert_eq!(tokens.claims()["scope"], granted, "{role}");
        }
    }

    async fn a_scope_that_its_client_has_lost_counts_no_more(app) {
        let ops = app.operator("heirloom:users.read heirloom:users.write").await;
        assert_eq!(ops.gets("/users").await.status, 200);
        app.change_scopes("ops", "heirloom:users.write").await;
        assert_eq!(ops.gets("/users").await.problem(), NO_SCOPE);
    }

    async fn no_client_registers_itself_for_it(app) with |settings| {
        crate::registration::open(settings);
        settings.registration.scopes = "openid heirloom:users.read".parse().unwrap();
    }; {
        for asked in [json!(null), json!("openid heirloom:users.read")] {
            let mut members = tool();
            members["scope"] = asked;
            assert_eq!(app.register(&members).await.text("scope"), "openid");
        }
        let mut members = tool();
        members["scope"] = json!("heirloom:users.read");
        assert_eq!(app.register(&members).await.code(), "400 invalid_client_metadata");
    }

    async fn families_are_listed_in_parts_and_ended_by_user_by_client_or_all(app) {
        app.add_user("ana").await;
        app.add_user("bob").await;
        app.add_client("shop", |_| ()).await;
        for _ in 0..3 {
            app.log_in("ana").await;
            app.log_in_with("shop", "bob").await;
        }
        app.clock.advance(SECOND);
        let shopping = app.log_in_with("shop", "ana").await.family();
        let ops = app.operator("heirloom:families.read heirloom:families.write").await;
        let (all, parts) = ops.reads_all("/families?limit=3").await;
        assert_eq!((all.len(), parts), (7, 3));
        let ids: Vec<&str> = all.iter().map(|family| family["id"].as_str().unwrap()).collect();
        assert!(ids.is_sorted_by(|one, next| one > next), "the newest first: {ids:?}");
        assert_eq!(ops.reads_all("/families?user=ana&limit=2").await.0.len(), 4);
        assert_eq!(ops.reads_all(&format!("/families?user={}", app.ana().await)).await.0.len(), 4);
        let (of_shop, _) = ops.reads_all("/families?client=shop&limit=1").await;
        assert_eq!(of_shop.len(), 4);
        assert_eq!(of_shop[0]["username"], "ana");
        assert_eq!(of_shop[1]["username"], "bob");
        let (of_both, _) = ops.reads_all("/families?client=shop&user=ana").await;
        assert_eq!((of_both.len(), of_both[0]["id"].as_str().unwrap()), (1, shopping.as_str()));
        assert_eq!(ops.gets(&format!("/families/{shopping}")).await.json, of_both[0]);
        for (whose, ended, left) in [
            (json!({ "client": "shop" }), 4, 3),
            (json!({ "user": "bob" }), 0, 3),
            (json!({ "user": "ana" }), 3, 0),
        ] {
            let answer = ops.asks(Method::POST, "/families/end", Some(&whose)).await;
            assert_eq!((answer.status.as_u16(), &answer.json), (200, &json!({ "ended": ended })), "{whose}");
            assert_eq!(app.live_families().await, left, "{whose}");
        }
        app.log_in("ana").await;
        let everybody = ops.asks(Method::POST, "/families/end", Some(&json!({ "all": true }))).await;
        assert_eq!(everybody.json, json!({ "ended": 1 }));
        assert_eq!(app.live_families().await, 0);
        assert_eq!(ops.gets(&format!("/families/{shopping}")).await.json["state"], "ended: operator");
    }

    async fn what_is_done_by_it_is_told_with_who_did_it(app) {
        let ana = app.add_user("ana").await;
        app.log_in("ana").await;
        let ops = app.operator("heirloom:families.write").await;
        ops.asks(Method::POST, "/families/end", Some(&json!({ "user": "ana" }))).await;
        let by_ops = |name: &str| {
            let said = r#"%"by":"client ops"%"#;
            format!("SELECT COUNT(*) FROM events WHERE name = '{name}' AND fields LIKE '{said}'")
        };
        assert_eq!(app.number(&by_ops("family.ended")).await, 1);
        assert_eq!(app.number(&by_ops("user.changed")).await, 1);
        app.change_user(ana, Change::Disable).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM events WHERE name = 'user.changed'").await, 3);
        assert_eq!(app.number(&by_ops("user.changed")).await, 1, "not what others do");
    }

    async fn what_is_asked_wrongly_is_told_in_a_sentence_and_nothing_is_done(app) {
        app.ana_logged_in().await;
        let ops = app.operator("heirloom:families.read heirloom:families.write heirloom:users.read").await;
        let nobody = "01890000-0000-7000-8000-000000000000";
        for (path, expected) in [
            ("/families?limit=0", "400 invalid_request limit is a number from 1 to 200."),
            ("/families?limit=201", "400 invalid_request limit is a number from 1 to 200."),
            ("/families?limit=many", "400 invalid_request limit is a number from 1 to 200."),
            ("/families?after=*", "400 invalid_request Send as after what the part before gave as next."),
            ("/families?after=YW5h", "400 invalid_request Send as after what the part before gave as next."),
            ("/families?after=AA", "400 invalid_request Send as after what the part before gave as next."),
            ("/families?usr=ana", "400 invalid_request There is no parameter usr here; there are limit, after, user, client."),
            ("/families?user=ana&user=bob", "400 invalid_request A parameter is sent twice."),
            ("/families?user=nobody", "404 not_found There is no user with the name nobody."),
            ("/families?user=01890000-0000-7000-8000-000000000000", "404 not_found There is no user with the id 01890000-0000-7000-8000-000000000000."),
            ("/families?client=%C3%A4", "404 not_found There is no such client."),
            ("/families/ana", "404 not_found There is no such family."),
            ("/users/ana", "404 not_found There is no such user."),
        ] {
            assert_eq!(ops.gets(path).await.whole_problem(), expected, "{path}");
        }
        assert_eq!(ops.gets(&format!("/families/{nobody}")).await.problem(), "404 not_found");
        assert_eq!(ops.gets(&format!("/users/{nobody}")).await.problem(), "404 not_found");
        for (body, expected) in [
            (json!({}), "400 invalid_request Send one of user, client, or all, which is true."),
            (json!({ "all": false }), "400 invalid_request Send one of user, client, or all, which is true."),
            (json!({ "user": "ana", "all": true }), "400 invalid_request Send one of user, client, or all, which is true."),
            (json!({ "user": 1 }), "400 invalid_request The JSON object does not fit: invalid type: integer `1`, expected a string."),
            (json!({ "usr": "ana" }), "400 invalid_request The JSON object does not fit: unknown field `usr`, expected one of `user`, `client`, `all`."),
            (json!([]), "400 invalid_request Send a JSON object."),
            (json!({ "client": "nobody" }), "404 not_found There is no client nobody."),
            (json!({ "user": "nobody" }), "404 not_found There is no user with the name nobody."),
        ] {
            let refused = ops.asks(Method::POST, "/families/end", Some(&body)).await;
            assert_eq!(refused.whole_problem(), expected, "{body}");
        }
        for (text, expected) in [
            ("{", "400 invalid_request The body is not well-formed JSON."),
            (r#"{"user": "a\u0000"}"#, "400 invalid_request A text holds the character U+0000."),
            (r#"{"user": "ana", "user": "ana"}"#, "400 invalid_request The JSON object does not fit: duplicate field `user`."),
        ] {
            let request = app.http.post(app.at("/admin/v1/families/end")).bearer_auth(&ops.token);
            let refused = app.send(request.header("content-type", "application/json").body(text)).await;
            assert_eq!(refused.whole_problem(), expected, "{text}");
        }
        let request = app.http.post(app.at("/admin/v1/families/end")).bearer_auth(&ops.token);
        let refused = app.send(form(request, &[("user", "ana")])).await;
        assert_eq!(refused.whole_problem(), "400 invalid_request Send JSON, with Content-Type: application/json.");
        let long = app.http.post(app.at("/admin/v1/families/end")).bearer_auth(&ops.token);
        let refused = app.send(long.json(&json!({ "user": "a".repeat(70_000) }))).await;
        assert_eq!(refused.problem(), "413 invalid_request");
        assert_eq!(app.live_families().await, 1);
    }

    async fn it_has_a_listener_of_its_own_where_a_setting_says_so(app) with |settings| {
        settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
    }; {
        let ops = app.operator("heirloom:users.read").await;
        assert_eq!(ops.gets("/users").await.status, 404, "not where everybody comes");
        let at = |path: &str| format!("{}{path}", app.admin_url.as_deref().unwrap());
        let users = app.send(app.http.get(at("/admin/v1/users")).bearer_auth(&ops.token)).await;
        assert_eq!(users.status, 200);
        for path in ["/login", "/oauth/token", "/account", "/.well-known/openid-configuration"] {
            assert_eq!(app.send(app.http.get(at(path))).await.status, 404, "{path}");
        }
        for path in ["/healthz", "/readyz"] {
            assert_eq!(app.send(app.http.get(at(path))).await.status, 200, "{path}");
        }
    }

    async fn what_it_is_said_to_be_it_is(app) {
        let served = app.http.get(app.at("/admin/v1/openapi.json")).send().await.unwrap();
        assert_eq!(served.headers()["content-type"], "application/json");
        let served = served.text().await.unwrap();
        let kept = include_str!("../../docs/admin-api.json");
        assert!(served == kept, "docs/admin-api.json must be what `heirloom admin-api` prints");
        let document: Value = serde_json::from_str(&served).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let request = app.http.request(method.clone(), app.at(&path.replace(['{', '}'], "")));
                assert_eq!(app.send(request).await.problem(), "401 invalid_token", "{method} {path}");
            }
        }
    }
}
