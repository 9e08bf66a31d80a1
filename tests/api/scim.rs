//! `/scim/v2`: users that a directory provisions, in the words of Okta and of Microsoft Entra ID.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use heirloom::service::admin::janitor;
use heirloom::settings::Settings;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::browser::*;
use crate::harness::*;

pub const RIGHTS: &str = "heirloom:users.read heirloom:users.write";
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// A system that provisions users.
pub struct Directory<'a> {
    app: &'a TestApp,
    token: String,
}

impl TestApp {
    pub async fn directory(&self, client: &str) -> Directory<'_> {
        Directory { app: self, token: self.token_for(client, RIGHTS).await }
    }

    pub async fn token_for(&self, client: &str, scopes: &str) -> String {
        let secret = self.add_client(client, |it| {
            it.kind = heirloom::domain::client::ClientKind::Confidential(Vec::new());
            it.grants = [heirloom::domain::client::GrantType::ClientCredentials].into();
            it.scopes = scopes.parse().unwrap();
        });
        let secret = secret.await.unwrap().expose().to_owned();
        let grant = [("grant_type", "client_credentials")];
        self.form_as("/oauth/token", (client, &secret), &grant).await.text("access_token").to_owned()
    }

    pub fn provisioning(&self, token: &str) -> Directory<'_> {
        Directory { app: self, token: token.to_owned() }
    }
}

impl Directory<'_> {
    pub fn token(&self) -> &str {
        &self.token
    }

    pub async fn asks(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request =
            self.app.http.request(method, self.app.at(&format!("/scim/v2{path}"))).bearer_auth(&self.token);
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        let request = match body {
            Some(body) if !headers.iter().any(|(name, _)| *name == "content-type") => {
                request.header("content-type", "application/scim+json").body(body.to_string())
            }
            Some(body) => request.body(body.to_string()),
            None => request,
        };
        self.app.send(request).await
    }

    pub async fn gets(&self, path: &str) -> Answer {
        self.asks(Method::GET, path, None, &[]).await
    }

    pub async fn makes(&self, user: Value) -> Answer {
        self.asks(Method::POST, "/Users", Some(&with_schema(user, USER)), &[]).await
    }

    /// Makes a user who can be, and gives the id.
    pub async fn made(&self, user: Value) -> String {
        let made = self.makes(user).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.text("id").to_owned()
    }

    pub async fn patches(&self, id: &str, operations: Value) -> Answer {
        let body = with_schema(json!({ "Operations": operations }), PATCH);
        self.asks(Method::PATCH, &format!("/Users/{id}"), Some(&body), &[]).await
    }

    pub async fn replaces(&self, id: &str, user: Value) -> Answer {
        self.asks(Method::PUT, &format!("/Users/{id}"), Some(&with_schema(user, USER)), &[]).await
    }

    /// The names of those whom a query finds, and how many there are.
    async fn finds(&self, query: &str) -> (Vec<String>, i64) {
        let list = self.gets(&format!("/Users?{query}")).await;
        assert_eq!(list.status, 200, "{list:?}");
        let found = list.json["Resources"].as_array().unwrap();
        assert_eq!(list.json["itemsPerPage"], found.len());
        (
            found.iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect(),
            list.json["totalResults"].as_i64().unwrap(),
        )
    }
}

fn with_schema(mut body: Value, schema: &str) -> Value {
    body["schemas"] = json!([schema]);
    body
}

/// A resource without what the server says of every one.
fn said(user: &Value) -> Map<String, Value> {
    let mut said = user.as_object().unwrap().clone();
    said.retain(|name, _| !matches!(name.as_str(), "id" | "meta" | "schemas"));
    said
}

fn filter(text: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("filter", text).finish()
}

both_stores! {
    async fn okta_has_a_user_come_change_and_go(app) {
        let okta = app.directory("okta").await;
        // It looks first.
        assert_eq!(okta.finds(&filter("userName eq \"ana@example.com\"")).await, (Vec::new(), 0));
        let sent = json!({
            "userName": "ana@example.com",
            "name": { "givenName": "Ana", "familyName": "Ortega", "formatted": "Ana Ortega" },
            "emails": [{ "primary": true, "value": "ana@example.com", "type": "work" }],
            "displayName": "Ana Ortega", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
            "groups": [], "password": PASSWORD, "active": true, "title": "",
        });
        let made = okta.makes(sent).await;
        assert_eq!((made.status.as_u16(), made.header("content-type")), (201, Some("application/scim+json")), "{made:?}");
        let id = made.text("id").to_owned();
        let place = app.at(&format!("/scim/v2/Users/{id}"));
        assert_eq!(made.header("location"), Some(place.as_str()));
        assert_eq!(Value::Object(said(&made.json)), json!({
            "userName": "ana@example.com", "name": { "givenName": "Ana", "familyName": "Ortega" },
            "emails": [{ "primary": true, "value": "ana@example.com", "type": "work" }],
            "displayName": "Ana Ortega", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7", "active": true,
        }));
        let meta = &made.json["meta"];
        assert_eq!((&meta["resourceType"], &meta["location"]), (&json!("User"), &json!(place)));
        assert_eq!((made.json["schemas"].clone(), meta["version"].as_str()), (json!([USER]), made.header("etag")));
        let seen = okta.gets(&format!("/Users/{id}")).await;
        assert_eq!((&seen.json, seen.header("etag")), (&made.json, made.header("etag")));
        assert_eq!(okta.finds(&filter("userName eq \"ANA@example.com\"")).await, (vec!["ana@example.com".to_owned()], 1));
        let tokens = app.log_in("ana@example.com").await;
        assert_eq!((&tokens.claims()["sub"], &tokens.claims()["email"]), (&json!(id), &Value::Null));
        let signed_in = okta.gets(&format!("/Users/{id}")).await;
        assert_eq!(signed_in.header("etag"), seen.header("etag"), "to sign in is no change");
        // The whole user is sent again when something changes; what was signed in goes on.
        let moved = okta.replaces(&id, json!({
            "id": id, "userName": "ana@example.com", "name": { "givenName": "Ana", "familyName": "Ruiz" },
            "emails": [{ "primary": true, "value": "ruiz@example.com", "type": "work" }], "active": true, "meta": meta,
        })).await;
        assert_eq!(Value::Object(said(&moved.json)), json!({
            "userName": "ana@example.com", "name": { "givenName": "Ana", "familyName": "Ruiz" },
            "emails": [{ "primary": true, "value": "ruiz@example.com", "type": "work" }], "active": true,
        }), "what is not told has no value");
        let tokens = app.rotate(&tokens).await;
        // It is deactivated, comes back, and is removed.
        let off = okta.patches(&id, json!([{ "op": "replace", "value": { "active": false } }])).await;
        assert_eq!((off.status.as_u16(), &off.json["active"]), (200, &json!(false)));
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        let login = json!({ "username": "ana@example.com", "password": PASSWORD });
        assert_eq!(app.post("/login", &login).await.status, 401);
        let still = okta.replaces(&id, json!({ "userName": "ana@example.com" })).await;
        assert_eq!(still.json["active"], false, "nobody is let in by what a message left out");
        assert_eq!(okta.replaces(&id, json!({ "userName": "ana@example.com", "active": true })).await.json["active"], true);
        app.post("/login", &login).await.tokens();
        assert_eq!(okta.asks(Method::DELETE, &format!("/Users/{id}"), None, &[]).await.status, 204);
        assert_eq!(app.live_families().await, 0);
        assert_eq!(app.number("SELECT COUNT(*) FROM provisioned_users").await, 0);
        let by: Vec<_> = app.whole_events().into_iter().filter(|it| it["event"] == "user.changed").collect();
        let changes: Vec<_> = by.iter().map(|it| it["change"].as_str().unwrap()).collect();
        assert_eq!(changes, ["added", "details", "disabled", "details", "enabled", "removed"]);
        assert_eq!(app.number("SELECT COUNT(*) FROM events WHERE name = 'user.changed' AND fields LIKE '%client okta%'").await, 6);
    }

    async fn entra_writes_in_its_own_way(app) {
        let entra = app.directory("entra").await;
        // The test of a connection.
        assert_eq!(entra.finds(&filter("userName eq \"3f7b2e6a-0000-4a8b-9d5f-7c1e2a9b4d60\"")).await, (Vec::new(), 0));
        let made = entra.makes(json!({
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "userName": "ben", "active": true, "displayName": "Ben",
            "emails": [{ "primary": true, "type": "work", "value": "ben@example.com" }], "name": { "formatted": "Ben B", "familyName": "B", "givenName": "Ben" },
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "Sales" }, "roles": [], "preferredLanguage": "en",
        })).await;
        let id = made.text("id").to_owned();
        for (operations, attribute, expected) in [
            (json!([{ "op": "Replace", "path": "active", "value": "False" }]), "active", json!(false)),
            (json!([{ "op": "Add", "path": "active", "value": "True" }]), "active", json!(true)),
            (json!([{ "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "b@example.com" }]), "emails", json!([{ "primary": true, "type": "work", "value": "b@example.com" }])),
            (json!([{ "op": "Remove", "path": "emails[type eq \"work\"]" }]), "emails", Value::Null),
            (json!([{ "op": "Add", "path": "emails[type eq \"work\"].value", "value": "c@example.com" }]), "emails", json!([{ "type": "work", "value": "c@example.com" }])),
            (json!([{ "op": "Replace", "value": { "displayName": "Benjamin", "name.givenName": "Benjamin", "emails[type eq \"work\"].value": "d@example.com", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "R&D" } }]), "displayName", json!("Benjamin")),
            (json!([{ "op": "Add", "path": "name.familyName", "value": "Bauer" }]), "name", json!({ "familyName": "Bauer", "givenName": "Benjamin" })),
            (json!([{ "op": "Replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:userName", "value": "benjamin" }]), "userName", json!("benjamin")),
            (json!([{ "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+43 1 234" }]), "phoneNumbers", json!([{ "type": "mobile", "value": "+43 1 234" }])),
            (json!([{ "op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Wien" }, { "op": "Add", "path": "addresses[type eq \"work\"].country", "value": "AT" }]), "addresses", json!([{ "type": "work", "locality": "Wien", "country": "AT" }])),
            (json!([{ "op": "Replace", "path": "addresses[type eq \"work\"].locality", "value": "" }]), "addresses", json!([{ "type": "work", "country": "AT" }])),
            (json!([{ "op": "Remove", "path": "name.familyName" }]), "name", json!({ "givenName": "Benjamin" })),
            (json!([{ "op": "Remove", "path": "name.givenName" }]), "name", Value::Null),
            (json!([{ "op": "Add", "path": "roles", "value": [{ "value": "buyer" }, { "value": "seller" }] }]), "roles", json!([{ "value": "buyer" }, { "value": "seller" }])),
            (json!([{ "op": "Add", "path": "roles", "value": [{ "value": "seller" }, { "value": "admin", "display": "Admin" }] }]), "roles", json!([{ "value": "buyer" }, { "value": "seller" }, { "value": "admin" }])),
            (json!([{ "op": "Remove", "path": "roles[value eq \"seller\"]" }]), "roles", json!([{ "value": "buyer" }, { "value": "admin" }])),
            (json!([{ "op": "Remove", "path": "externalId" }]), "externalId", Value::Null),
            (json!([{ "op": "Replace", "path": "externalId", "value": "x" }]), "externalId", json!("x")),
            (json!([{ "op": "Add", "path": "title", "value": "Boss" }, { "op": "Replace", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "value": "y" }]), "title", Value::Null),
        ] {
            let changed = entra.patches(&id, operations.clone()).await;
            assert_eq!(changed.status, 200, "{operations}: {changed:?}");
            assert_eq!(changed.json[attribute], expected, "{operations}");
            assert_eq!(entra.gets(&format!("/Users/{id}")).await.json, changed.json, "{operations}");
        }
        let user = heirloom::service::admin::users::get(&app.core, id.parse().unwrap()).await.unwrap();
        assert_eq!((user.email.as_deref(), user.roles), (Some("d@example.com"), vec!["buyer".to_owned(), "admin".to_owned()]));
    }

    async fn what_it_says_is_what_apps_are_told(app) {
        let directory = app.directory("directory").await;
        let id = directory.made(json!({
            "userName": "ana", "password": PASSWORD, "displayName": "Ana Ortega", "nickName": "An", "profileUrl": "https://ana.example",
            "name": { "givenName": "Ana", "familyName": "Ortega", "middleName": "M" }, "locale": "es", "timezone": "Europe/Madrid",
            "emails": [{ "value": "home@example.com", "type": "home" }, { "value": "ana@example.com", "type": "work", "primary": true }],
            "phoneNumbers": [{ "value": "+34 1" }], "roles": [{ "value": "buyer" }],
            "addresses": [{ "formatted": "Calle 1\nMadrid", "streetAddress": "Calle 1", "postalCode": "28001", "region": "M" }],
        })).await;
        let ops = app.acting(&directory.token);
        let user = ops.gets(&format!("/users/{id}")).await.json;
        let mut claims = user["claims"].clone();
        claims.as_object_mut().unwrap().remove("updated_at");
        assert_eq!(claims, json!({
            "name": "Ana Ortega", "nickname": "An", "profile": "https://ana.example/", "given_name": "Ana", "family_name": "Ortega",
            "middle_name": "M", "locale": "es", "zoneinfo": "Europe/Madrid", "phone_number": "+34 1",
            "address": { "formatted": "Calle 1\nMadrid", "street_address": "Calle 1", "postal_code": "28001", "region": "M" },
        }).as_object().cloned().map(|mut it| { it["profile"] = user["claims"]["profile"].clone(); Value::Object(it) }).unwrap());
        assert_eq!((&user["email"], &user["email_verified"], &user["roles"]), (&json!("ana@example.com"), &json!(false), &json!(["buyer"])));
        let seen = directory.gets(&format!("/Users/{id}")).await.json;
        assert_eq!(seen["emails"], json!([{ "value": "ana@example.com", "type": "work", "primary": true }]), "of several the primary one");
        assert_eq!(seen["phoneNumbers"], json!([{ "value": "+34 1" }]));
        assert_eq!(seen["password"], Value::Null, "it is never told");
        // What operators change, directories see.
        let change = json!({ "email": "ana@other.example", "email_verified": true, "claims": { "phone_number_verified": true, "name": null } });
        assert_eq!(ops.asks(Method::PATCH, &format!("/users/{id}"), Some(&change)).await.status, 200);
        let seen = directory.gets(&format!("/Users/{id}")).await.json;
        assert_eq!((&seen["emails"][0]["value"], &seen["displayName"]), (&json!("ana@other.example"), &Value::Null));
        // What is proved of an address or a number counts as long as that stays.
        directory.patches(&id, json!([{ "op": "replace", "value": { "nickName": "Anita" } }])).await;
        let kept = ops.gets(&format!("/users/{id}")).await.json;
        assert_eq!((&kept["email_verified"], &kept["claims"]["phone_number_verified"], &kept["claims"]["nickname"]), (&json!(true), &json!(true), &json!("Anita")));
        directory.patches(&id, json!([{ "op": "replace", "path": "emails.value", "value": "new@example.com" }, { "op": "replace", "path": "phoneNumbers.value", "value": "+34 2" }])).await;
        let other = ops.gets(&format!("/users/{id}")).await.json;
        assert_eq!((&other["email"], &other["email_verified"]), (&json!("new@example.com"), &json!(false)));
        assert_eq!((&other["claims"]["phone_number"], &other["claims"]["phone_number_verified"]), (&json!("+34 2"), &Value::Null));
        // A directory that knows nothing of roles takes none away.
        directory.replaces(&id, json!({ "userName": "ana" })).await;
        let left = ops.gets(&format!("/users/{id}")).await.json;
        assert_eq!((&left["roles"], &left["email"], &left["claims"]["given_name"]), (&json!(["buyer"]), &Value::Null, &Value::Null));
        app.log_in("ana").await;
        directory.patches(&id, json!([{ "op": "remove", "path": "roles" }])).await;
        assert_eq!(ops.gets(&format!("/users/{id}")).await.json["roles"], json!([]));
    }

    async fn a_new_password_ends_logins_and_nothing_else_does(app) {
        let directory = app.directory("directory").await;
        let id = app.add_user("ana").await.to_string();
        let tokens = app.log_in("ana").await;
        assert_eq!(directory.patches(&id, json!([{ "op": "add", "value": { "nickName": "An", "active": true } }])).await.status, 200);
        let tokens = app.rotate(&tokens).await;
        let changed = directory.patches(&id, json!([{ "op": "replace", "path": "password", "value": "another horse battery staple" }])).await;
        assert_eq!((changed.status.as_u16(), &changed.json["password"]), (200, &Value::Null));
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        let login = json!({ "username": "ana", "password": "another horse battery staple" });
        assert_eq!(app.post("/login", &login).await.status, 200);
        assert_eq!(app.told("user.changed change=password"), 1);
    }

    async fn each_directory_has_ids_of_its_own(app) {
        let (one, other) = (app.directory("one").await, app.directory("other").await);
        let id = one.made(json!({ "userName": "ana", "externalId": "1", "emails": [{ "value": "a@example.com", "type": "home" }] })).await;
        let place = format!("/Users/{id}");
        let seen = other.gets(&place).await.json;
        assert_eq!((&seen["externalId"], &seen["emails"]), (&Value::Null, &json!([{ "value": "a@example.com", "type": "work", "primary": true }])));
        assert_eq!(other.finds(&filter("externalId eq \"1\"")).await.1, 0);
        assert_eq!(other.patches(&id, json!([{ "op": "add", "path": "externalId", "value": "eins" }])).await.json["externalId"], "eins");
        assert_eq!(one.finds(&filter("externalId eq \"1\"")).await, (vec!["ana".to_owned()], 1));
        assert_eq!(other.finds(&filter("externalId eq \"eins\"")).await, (vec!["ana".to_owned()], 1));
        assert_eq!(one.gets(&place).await.json["emails"], json!([{ "value": "a@example.com", "type": "home" }]));
        // The server enforces nothing of them.
        app.clock.advance(SECOND);
        one.made(json!({ "userName": "bob", "externalId": "1" })).await;
        assert_eq!(one.finds(&filter("externalId eq \"1\"")).await, (vec!["ana".to_owned(), "bob".to_owned()], 2));
        assert_eq!(one.finds(&filter("externalId eq \"1\" and userName eq \"BOB\"")).await, (vec!["bob".to_owned()], 1));
        assert_eq!(one.finds(&format!("{}&startIndex=2&count=1", filter("externalId eq \"1\""))).await, (vec!["bob".to_owned()], 2));
        // What was kept for a client goes with it.
        let ops = app.acting(&app.token_for("ops", "heirloom:clients.write").await).asks(Method::DELETE, "/clients/one", None).await;
        assert_eq!(ops.status, 204);
        janitor::tidy(&app.core, 1, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM provisioned_users").await, 1);
        app.clock.advance(2 * SECOND);
        assert_eq!(one.gets(&place).await.status, 401);
    }

    async fn a_user_sees_what_a_directory_calls_the_own_account(app) {
        app.with_apps().await;
        let directory = app.directory("directory").await;
        let id = app.ana().await.to_string();
        directory.patches(&id, json!([{ "op": "add", "path": "externalId", "value": "00u1" }])).await;
        let browser = Browser::new(&app);
        let page = browser.opens_data("ana").await;
        assert_eq!(browser.downloads(&page).await.data()["provisioned_by"], json!([{ "client_id": "directory", "external_id": "00u1" }]));
    }

    async fn users_are_listed_in_parts_and_found(app) {
        let directory = app.directory("directory").await;
        for name in ["ana", "ben", "cleo", "dan", "eve"] {
            app.clock.advance(SECOND);
            directory.made(json!({ "userName": name, "externalId": format!("x-{name}"), "active": name != "ben" })).await;
        }
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        for (query, found) in [
            ("", &["ana", "ben", "cleo", "dan", "eve"][..]),
            ("startIndex=1&count=2", &["ana", "ben"]),
            ("startIndex=3&count=2", &["cleo", "dan"]),
            ("startIndex=5&count=2", &["eve"]),
            ("startIndex=6", &[]),
            ("startIndex=-3&count=1", &["ana"]),
            ("startIndex=0&count=1000000", &["ana", "ben", "cleo", "dan", "eve"]),
            ("count=0", &[]),
            ("count=-1", &[]),
            ("sortBy=userName&sortOrder=descending&count=1", &["ana"]),
        ] {
            assert_eq!(directory.finds(query).await, (names(found), 5), "{query}");
        }
        for (text, found) in [
            ("userName eq \"Ana\"", &["ana"][..]),
            ("externalId eq \"x-ben\"", &["ben"]),
            ("externalId eq \"X-BEN\"", &[]),
            ("userName eq \"ben\" and active eq true", &[]),
            ("userName eq \"ben\" and active eq false", &["ben"]),
            ("externalId eq \"x-ben\" and userName eq \"ana\"", &[]),
            ("id eq \"nobody\"", &[]),
            ("userName eq \" ana\"", &[]),
        ] {
            let expected = (names(found), i64::try_from(found.len()).unwrap());
            assert_eq!(directory.finds(&filter(text)).await, expected, "{text}");
        }
        let id = directory.gets(&format!("/Users?{}", filter("userName eq \"ana\""))).await.json["Resources"][0]["id"].clone();
        assert_eq!(directory.finds(&filter(&format!("id eq {id}"))).await, (names(&["ana"]), 1));
        let search = with_schema(json!({ "filter": "userName eq \"ana\"", "attributes": ["userName"], "startIndex": 1, "count": 10 }), SEARCH);
        for place in ["/.search", "/Users/.search"] {
            let found = directory.asks(Method::POST, place, Some(&search), &[]).await.json;
            assert_eq!(found["Resources"], json!([{ "id": id, "userName": "ana", "schemas": [USER] }]), "{place}");
        }
    }

    async fn a_client_gets_the_parts_that_it_asks_for(app) {
        let directory = app.directory("directory").await;
        let id = directory.made(json!({ "userName": "ana", "name": { "givenName": "Ana", "familyName": "O" }, "emails": [{ "value": "a@example.com", "type": "work" }] })).await;
        for (query, left) in [
            ("attributes=userName", json!({ "userName": "ana" })),
            ("attributes=USERNAME,name.givenName", json!({ "userName": "ana", "name": { "givenName": "Ana" } })),
            ("attributes=emails.value", json!({ "emails": [{ "value": "a@example.com" }] })),
            ("attributes=urn:ietf:params:scim:schemas:core:2.0:User:active", json!({ "active": true })),
            ("attributes=password", json!({})),
            ("excludedAttributes=name,emails,meta", json!({ "userName": "ana", "active": true })),
            ("excludedAttributes=name.givenName,emails.type,meta,id", json!({ "userName": "ana", "active": true, "name": { "familyName": "O" }, "emails": [{ "value": "a@example.com" }] })),
        ] {
            let mut expected = left;
            expected["id"] = json!(id);
            expected["schemas"] = json!([USER]);
            for path in [format!("/Users/{id}?{query}"), format!("/Users?{}&{query}", filter("userName eq \"ana\""))] {
                let told = directory.gets(&path).await.json;
                let told = told.get("Resources").map_or(told.clone(), |list| list[0].clone());
                assert_eq!(told, expected, "{path}");
            }
        }
    }

    async fn a_change_that_was_overtaken_is_refused(app) {
        let directory = app.directory("directory").await;
        let id = directory.made(json!({ "userName": "ana", "password": PASSWORD })).await;
        let place = format!("/Users/{id}");
        let version = directory.gets(&place).await.header("etag").unwrap().to_owned();
        let patch = |nick: &str| with_schema(json!({ "Operations": [{ "op": "add", "value": { "nickName": nick } }] }), PATCH);
        let known = directory.asks(Method::GET, &place, None, &[("if-none-match", &version)]).await;
        assert_eq!(known.status, 304);
        // Who signs in meanwhile changes nothing of it.
        app.log_in("ana").await;
        let changed = directory.asks(Method::PATCH, &place, Some(&patch("An")), &[("if-match", &version)]).await;
        assert_eq!(changed.status, 200);
        assert_ne!(changed.header("etag"), Some(version.as_str()));
        assert_eq!(directory.asks(Method::GET, &place, None, &[("if-none-match", &version)]).await.status, 200);
        let whole = with_schema(json!({ "userName": "ana" }), USER);
        for (method, body) in [(Method::PATCH, Some(patch("x"))), (Method::PUT, Some(whole)), (Method::DELETE, None)] {
            let stale = directory.asks(method, &place, body.as_ref(), &[("if-match", &version)]).await;
            assert_eq!(stale.scim(), "412  It was changed since you have looked at it.");
        }
        let external = with_schema(json!({ "Operations": [{ "op": "add", "path": "externalId", "value": "1" }] }), PATCH);
        let version = changed.header("etag").unwrap().to_owned();
        let weak = format!("W/{version}");
        let headers = [("if-match", weak.as_str())];
        let race = join_all((0..8).map(|_| directory.asks(Method::PATCH, &place, Some(&external), &headers))).await;
        let statuses: Vec<u16> = race.iter().map(|it| it.status.as_u16()).collect();
        assert_eq!((statuses.iter().filter(|it| **it == 200).count(), statuses.iter().filter(|it| **it == 412).count()), (1, 7), "{statuses:?}");
        let version = directory.gets(&place).await.header("etag").unwrap().to_owned();
        assert_eq!(directory.asks(Method::DELETE, &place, None, &[("if-match", &version)]).await.status, 204);
    }

    async fn of_changes_at_once_none_is_lost(app) {
        let directory = app.directory("directory").await;
        let id = directory.made(json!({ "userName": "ana" })).await;
        let changes = ["displayName", "nickName", "locale", "timezone", "name.givenName", "name.familyName", "name.middleName", "externalId"];
        let done = join_all(changes.iter().map(|path| directory.patches(&id, json!([{ "op": "add", "path": path, "value": "x" }])))).await;
        assert!(done.iter().all(|it| it.status == 200), "{done:?}");
        let user = directory.gets(&format!("/Users/{id}")).await.json;
        for path in changes {
            assert_eq!(user.pointer(&format!("/{}", path.replace('.', "/"))), Some(&json!("x")), "{path} in {user}");
        }
        let made = join_all((0..10).map(|_| directory.makes(json!({ "userName": "bob" })))).await;
        let statuses: BTreeSet<u16> = made.iter().map(|it| it.status.as_u16()).collect();
        assert_eq!((statuses, app.number("SELECT COUNT(*) FROM users WHERE username = 'bob'").await), ([201, 409].into(), 1));
    }

    async fn what_changes_nothing_is_no_event(app) {
        let directory = app.directory("directory").await;
        let sent = json!({ "userName": "ana", "displayName": "Ana", "emails": [{ "value": "a@example.com", "type": "work", "primary": true }], "active": true, "externalId": "1" });
        let id = directory.made(sent.clone()).await;
        let before = directory.gets(&format!("/Users/{id}")).await;
        assert_eq!(directory.replaces(&id, sent).await.json, before.json);
        directory.patches(&id, json!([{ "op": "replace", "value": { "active": true, "displayName": "Ana" } }])).await;
        let other = app.directory("other").await;
        other.patches(&id, json!([{ "op": "replace", "path": "active", "value": true }])).await;
        assert_eq!(app.told("user.changed"), 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM provisioned_users").await, 1);
    }

    async fn it_says_what_it_has_to_whoever_asks(app) {
        let at = |path: &str| app.http.get(app.at(&format!("/scim/v2{path}")));
        let config = app.send(at("/ServiceProviderConfig")).await;
        assert_eq!((config.status.as_u16(), config.header("content-type")), (200, Some("application/scim+json")));
        for (feature, has) in [("patch", true), ("bulk", false), ("filter", true), ("changePassword", true), ("sort", false), ("etag", true)] {
            assert_eq!(config.json[feature]["supported"], has, "{feature}");
        }
        assert_eq!(config.json["authenticationSchemes"][0]["type"], "oauthbearertoken");
        let types = app.send(at("/ResourceTypes")).await.json;
        assert_eq!((&types["totalResults"], &types["Resources"][0]["schema"]), (&json!(1), &json!(USER)));
        assert_eq!(app.send(at("/ResourceTypes/User")).await.json, types["Resources"][0]);
        let schemas = app.send(at("/Schemas")).await.json;
        assert_eq!(app.send(at(&format!("/Schemas/{USER}"))).await.json, schemas["Resources"][0]);
        let attributes = schemas["Resources"][0]["attributes"].as_array().unwrap();
        let names: Vec<_> = attributes.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["userName", "name", "displayName", "nickName", "profileUrl", "locale", "timezone", "active", "password", "emails", "phoneNumbers", "addresses", "roles"]);
        for location in [&config.json["meta"], &types["Resources"][0]["meta"], &schemas["Resources"][0]["meta"]] {
            let there = app.http.get(location["location"].as_str().unwrap());
            assert_eq!(app.send(there).await.json["meta"], *location);
        }
    }

    async fn it_is_where_the_administration_is(app) with |settings: &mut Settings| {
        settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
    }; {
        let directory = app.directory("directory").await;
        assert_eq!(directory.gets("/Users").await.status, 404);
        let there = app.admin_url.clone().unwrap();
        let request = |path: &str| app.http.get(format!("{there}/scim/v2{path}")).bearer_auth(&directory.token);
        assert_eq!(app.send(request("/Users")).await.json["totalResults"], 0);
        let config = app.send(request("/ServiceProviderConfig")).await.json;
        assert_eq!(config["meta"]["location"], format!("{there}/scim/v2/ServiceProviderConfig"));
    }

    async fn a_directory_may_have_tokens_of_a_day(app) {
        let secret = app.add_client("directory", |it| {
            it.kind = heirloom::domain::client::ClientKind::Confidential(Vec::new());
            it.grants = [heirloom::domain::client::GrantType::ClientCredentials].into();
            it.scopes = RIGHTS.parse().unwrap();
            it.lifetimes.access_ttl = Some(DAY);
        });
        let secret = secret.await.unwrap().expose().to_owned();
        let issued = app.form_as("/oauth/token", ("directory", &secret), &[("grant_type", "client_credentials")]).await;
        assert_eq!(issued.json["expires_in"], 86_400);
        let directory = app.provisioning(issued.text("access_token"));
        app.clock.advance(DAY - SECOND);
        assert_eq!(directory.gets("/Users").await.status, 200);
        app.clock.advance(SECOND);
        assert_eq!(directory.gets("/Users").await.status, 401);
    }
}

impl Answer {
    /// What was refused (RFC 7644 §3.12), as `status scimType detail`.
    pub fn scim(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/scim+json"), "{self:?}");
        assert_eq!(self.json["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]), "{self:?}");
        assert_eq!(self.json["status"], self.status.as_u16().to_string(), "{self:?}");
        format!(
            "{} {} {}",
            self.text("status"),
            self.json["scimType"].as_str().unwrap_or_default(),
            self.text("detail")
        )
    }
}
