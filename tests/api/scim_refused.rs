//! What `/scim/v2` does not take, and how that is told.

use heirloom::domain::client::GrantType;
use heirloom::service::admin::users::Change;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::*;
use crate::scim::{RIGHTS, USER};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

both_stores! {
    async fn it_opens_to_those_who_have_the_right(app) {
        let reader = app.provisioning(&app.token_for("reader", "heirloom:users.read").await);
        let id = app.add_user("ana").await;
        let refused = reader.makes(json!({ "userName": "bob" })).await;
        assert_eq!(refused.scim(), "403  The access token lacks the scope heirloom:users.write.");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope") && challenge.contains("heirloom:users.write"), "{challenge}");
        for (method, body) in [(Method::PUT, true), (Method::PATCH, true), (Method::DELETE, false)] {
            let body = body.then(|| json!({}));
            let refused = reader.asks(method, &format!("/Users/{id}"), body.as_ref(), &[]).await;
            assert_eq!(refused.scim(), "403  The access token lacks the scope heirloom:users.write.");
        }
        let writer = app.provisioning(&app.token_for("writer", "heirloom:users.write").await);
        assert_eq!(writer.gets("/Users").await.scim(), "403  The access token lacks the scope heirloom:users.read.");
        let other = app.provisioning(&app.token_for("other", "heirloom:clients.read").await);
        assert_eq!(other.gets("/Users").await.scim(), "403  The access token lacks the scope heirloom:users.read.");
        assert_eq!(app.provisioning("nonsense").gets("/Users").await.status, 401);
        let none = app.send(app.http.get(app.at("/scim/v2/Users"))).await;
        assert!(none.scim().starts_with("401  Send an access token"), "{none:?}");
        assert!(none.header("www-authenticate").unwrap().starts_with("Bearer "));
        // A person needs the role of administrators beside.
        app.add_client("console", |it| it.scopes = "openid heirloom:users.read".parse().unwrap()).await;
        app.change_user(id, Change::Roles(vec!["heirloom-admin".to_owned()])).await;
        let tokens = app.log_in_with("console", "ana").await;
        assert_eq!(app.provisioning(&tokens.access).gets("/Users").await.status, 200);
        app.change_user(id, Change::Roles(Vec::new())).await;
        assert_eq!(app.provisioning(&tokens.access).gets("/Users").await.status, 403);
    }

    async fn who_cannot_be_is_refused_and_nothing_is_kept(app) {
        let directory = app.directory("directory").await;
        let ana = json!({ "userName": "ana", "emails": [{ "value": "ana@example.com" }] });
        let id = directory.made(ana).await;
        let ops = app.acting(&app.token_for("ops", RIGHTS).await);
        ops.asks(Method::PATCH, &format!("/users/{id}"), Some(&json!({ "email_verified": true }))).await;
        let bob = directory.made(json!({ "userName": "bob" })).await;
        let before = directory.gets(&format!("/Users/{bob}")).await.json;
        let long = "x".repeat(1025);
        for (user, expected) in [
            (json!({ "userName": "ANA" }), "409 uniqueness There already is a user with the name ANA."),
            (json!({ "userName": "ana@example.com" }), "409 uniqueness Ana@example.com is the verified address of another user, who signs in by it."),
            (json!({}), "400 invalidValue userName is missing."),
            (json!({ "userName": "" }), "400 invalidValue userName is missing."),
            (json!({ "userName": null }), "400 invalidValue userName is missing."),
            (json!({ "userName": "a\tb" }), "400 invalidValue userName must have 1,024 bytes at most, and no control characters."),
            (json!({ "userName": "x".repeat(256) }), "400 invalidValue userName: a username must have 1 to 255 bytes and must not have control characters."),
            (json!({ "userName": " cleo" }), "400 invalidValue A username must not begin or end with a blank."),
            (json!({ "userName": 5 }), "400 invalidValue userName is a text."),
            (json!({ "userName": "cleo", "active": "perhaps" }), "400 invalidValue active is true or false."),
            (json!({ "userName": "cleo", "active": 1 }), "400 invalidValue active is true or false."),
            (json!({ "userName": "cleo", "emails": [{ "value": "cleo" }] }), "400 invalidValue A mail address must be like ana@example.com, with 254 bytes at most."),
            (json!({ "userName": "cleo", "emails": ["cleo@example.com"] }), "400 invalidValue emails consists of parts: send an object."),
            (json!({ "userName": "cleo", "emails": vec![json!({ "value": "a@example.com" }); 101] }), "400 invalidValue emails has 100 elements at most."),
            (json!({ "userName": "cleo", "name": "Cleo" }), "400 invalidValue name consists of parts: send an object."),
            (json!({ "userName": "cleo", "nickName": long }), "400 invalidValue nickName must have 1,024 bytes at most, and no control characters."),
            (json!({ "userName": "cleo", "roles": [{ "value": " x" }] }), "400 invalidValue A role must have 1 to 255 bytes, no blanks at its ends and no characters that cannot be seen."),
            (json!({ "userName": "cleo", "shoeSize": 42 }), "400 invalidSyntax There is no attribute shoeSize."),
            (json!({ "userName": "cleo", "name": { "shoeSize": "42" } }), "400 invalidSyntax name has no part shoeSize."),
            (json!({ "userName": "cleo", "name.givenName": "Cleo" }), "400 invalidSyntax There is no attribute name.givenName."),
            (json!({ "userName": "cleo", "USERNAME": "cleo" }), "400 invalidSyntax userName is sent twice."),
            (json!({ "userName": "cleo", "urn:example:schema": {} }), "400 invalidSyntax There is no schema of urn:example:schema."),
        ] {
            let made = directory.makes(user.clone()).await;
            let replaced = directory.replaces(&bob, user.clone()).await;
            assert_eq!(made.scim(), expected, "{user}");
            assert_eq!(replaced.scim(), expected, "{user}");
        }
        for user in [
            json!({ "userName": "cleo", "password": "short" }),
            json!({ "userName": "cleo", "profileUrl": "nowhere" }),
            json!({ "userName": "cleo", "locale": "\u{7}" }),
        ] {
            assert!(directory.makes(user.clone()).await.scim().starts_with("400 invalidValue "), "{user}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 2);
        assert_eq!(app.number("SELECT COUNT(*) FROM provisioned_users").await, 2);
        assert_eq!(directory.gets(&format!("/Users/{bob}")).await.json, before);
    }

    async fn what_is_no_user_is_told_what_it_lacks(app) {
        let directory = app.directory("directory").await;
        let posts = async |body: &str, content_type: &str| {
            let request = app.http.post(app.at("/scim/v2/Users")).bearer_auth(directory.token());
            app.send(request.header("content-type", content_type.to_owned()).body(body.to_owned())).await.scim()
        };
        let scim = "application/scim+json; charset=utf-8";
        for (body, expected) in [
            ("", "400 invalidSyntax The body is not well-formed JSON."),
            ("{", "400 invalidSyntax The body is not well-formed JSON."),
            ("[]", "400 invalidSyntax Send a JSON object."),
            ("{\"userName\":\"a\\u0000\"}", "400 invalidSyntax A text holds the character U+0000."),
            ("{\"userName\":\"cleo\"}", &format!("400 invalidSyntax schemas must have {USER} in it.")),
            ("{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"userName\":\"cleo\"}", &format!("400 invalidSyntax schemas must have {USER} in it.")),
        ] {
            assert_eq!(posts(body, scim).await, expected, "{body}");
        }
        let cleo = json!({ "schemas": [USER], "userName": "cleo" }).to_string();
        let unread = "400 invalidSyntax Send JSON, with Content-Type: application/scim+json.";
        assert_eq!(posts(&cleo, "text/plain").await, unread);
        let long = json!({ "schemas": [USER], "userName": "cleo", "nickName": "x".repeat(app.settings.http.body_limit) }).to_string();
        assert_eq!(posts(&long, scim).await, "413  The request body is too long.");
        let created = app.http.post(app.at("/scim/v2/Users")).bearer_auth(directory.token()).header("content-type", "application/json").body(cleo);
        assert_eq!(app.send(created).await.status, 201, "it is JSON all the same");
    }

    async fn a_change_that_cannot_be_made_makes_none(app) {
        let directory = app.directory("directory").await;
        let id = directory.made(json!({ "userName": "ana", "displayName": "Ana", "emails": [{ "value": "a@example.com", "type": "work" }] })).await;
        directory.made(json!({ "userName": "bob" })).await;
        let before = directory.gets(&format!("/Users/{id}")).await;
        for (operation, expected) in [
            (json!({ "op": "replace", "path": "userName", "value": "bob" }), "409 uniqueness There already is a user with the name bob."),
            (json!({ "op": "replace", "path": "id", "value": "x" }), "400 mutability id is the server's own to say."),
            (json!({ "op": "add", "path": "meta.created", "value": "x" }), "400 mutability meta is the server's own to say."),
            (json!({ "op": "remove", "path": "userName" }), "400 mutability userName always has a value."),
            (json!({ "op": "replace", "path": "userName", "value": null }), "400 mutability userName always has a value."),
            (json!({ "op": "replace", "path": "userName", "value": "" }), "400 mutability userName always has a value."),
            (json!({ "op": "remove", "path": "active" }), "400 mutability active always has a value."),
            (json!({ "op": "remove", "path": "password" }), "400 mutability password always has a value."),
            (json!({ "op": "remove" }), "400 noTarget What is removed needs a path that leads to it."),
            (json!({ "op": "remove", "path": "emails[type eq \"home\"]" }), "400 noTarget No element of emails is so."),
            (json!({ "op": "remove", "path": "phoneNumbers[type eq \"home\"].value" }), "400 noTarget No element of phoneNumbers is so."),
            (json!({ "op": "replace", "path": "shoeSize", "value": 42 }), "400 invalidPath There is no attribute shoeSize."),
            (json!({ "op": "replace", "path": "name.shoeSize", "value": 42 }), "400 invalidPath name has no part shoeSize."),
            (json!({ "op": "replace", "path": "userName.value", "value": "x" }), "400 invalidPath userName has no part value."),
            (json!({ "op": "replace", "path": "emails[type eq \"work\"", "value": "x" }), "400 invalidPath A path is like active, name.givenName or emails[type eq \"work\"].value."),
            (json!({ "op": "replace", "path": "displayName[type eq \"work\"]", "value": "x" }), "400 invalidPath displayName is no list: nothing in brackets stands behind it."),
            (json!({ "op": "replace", "path": 5, "value": "x" }), "400 invalidPath path is a text."),
            (json!({ "op": "replace", "path": "urn:example:x", "value": "x" }), "400 invalidPath There is no schema of urn:example:x."),
            (json!({ "op": "replace", "path": "emails[type co \"w\"].value", "value": "x" }), "400 invalidFilter There is no co here: compare by eq."),
            (json!({ "op": "replace", "path": "emails[display eq \"w\"].value", "value": "x" }), "400 invalidFilter emails.display is not kept."),
            (json!({ "op": "replace", "path": "emails[colour eq \"w\"].value", "value": "x" }), "400 invalidFilter emails has no part colour."),
            (json!({ "op": "replace", "path": "emails[primary eq \"w\"].value", "value": "x" }), "400 invalidFilter primary is true or false."),
            (json!({ "op": "replace", "path": "displayName" }), "400 invalidValue The operation needs a value."),
            (json!({ "op": "replace", "value": "Ana" }), "400 invalidValue Without a path the value is an object of attributes."),
            (json!({ "op": "add" }), "400 invalidValue Without a path the value is an object of attributes."),
            (json!({ "op": "replace", "path": "active", "value": "no" }), "400 invalidValue active is true or false."),
            (json!({ "op": "replace", "path": "emails[type eq \"work\"]", "value": "x" }), "400 invalidValue emails consists of parts: send an object."),
            (json!({ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "x" }), "400 invalidValue A mail address must be like ana@example.com, with 254 bytes at most."),
            (json!({ "op": "replace", "value": { "shoeSize": 42 } }), "400 invalidPath There is no attribute shoeSize."),
            (json!({ "op": "move", "path": "displayName" }), "400 invalidSyntax op is add, replace or remove."),
            (json!({ "path": "displayName", "value": "x" }), "400 invalidSyntax op is add, replace or remove."),
            (json!({ "op": "add", "path": "displayName", "value": "x", "from": "y" }), "400 invalidSyntax There is no member from here: send op, path and value."),
            (json!("add"), "400 invalidSyntax An operation is an object."),
        ] {
            let good = json!({ "op": "replace", "path": "displayName", "value": "changed" });
            let refused = directory.patches(&id, json!([good, operation])).await;
            assert_eq!(refused.scim(), expected, "{operation}");
        }
        for (body, expected) in [
            (json!({ "Operations": [] }), format!("400 invalidSyntax schemas must have {PATCH} in it.")),
            (json!({ "schemas": [PATCH] }), "400 invalidSyntax Operations is a list of changes.".to_owned()),
            (json!({ "schemas": [PATCH], "Operations": {} }), "400 invalidSyntax Operations is a list of changes.".to_owned()),
            (json!({ "schemas": [PATCH], "Operations": [] }), "400 invalidSyntax Operations are 1 to 100 changes.".to_owned()),
            (json!({ "schemas": [PATCH], "Operations": vec![json!({ "op": "remove", "path": "title" }); 101] }), "400 invalidSyntax Operations are 1 to 100 changes.".to_owned()),
            (json!({ "schemas": [PATCH], "Operations": [{ "op": "remove", "path": "title" }], "x": 1 }), "400 invalidSyntax There is no member x here: send schemas and Operations.".to_owned()),
        ] {
            let refused = directory.asks(Method::PATCH, &format!("/Users/{id}"), Some(&body), &[]).await;
            assert_eq!(refused.scim(), expected, "{body}");
        }
        assert_eq!(directory.gets(&format!("/Users/{id}")).await.json, before.json, "all or nothing");
    }

    async fn whom_there_is_not_is_told_so(app) {
        let directory = app.directory("directory").await;
        let nobody = "0190a6f0-0000-7000-8000-000000000000";
        let user = json!({ "schemas": [USER], "userName": "ana" });
        let patch = json!({ "schemas": [PATCH], "Operations": [{ "op": "add", "path": "nickName", "value": "x" }] });
        for (id, expected) in [
            (nobody, format!("404  There is no user with the id {nobody}.")),
            ("nobody", "404  There is no such user.".to_owned()),
        ] {
            for (method, body) in
                [(Method::GET, None), (Method::DELETE, None), (Method::PUT, Some(&user)), (Method::PATCH, Some(&patch))]
            {
                let refused = directory.asks(method.clone(), &format!("/Users/{id}"), body, &[]).await;
                assert_eq!(refused.scim(), expected, "{method}");
            }
        }
        for place in ["/Nobody", "/Groups", "/Bulk", "/Me", "/Schemas/x", "/ResourceTypes/Group", ""] {
            assert_eq!(directory.gets(place).await.scim(), "404  There is nothing here.", "{place}");
        }
        for (method, place, allowed) in [
            (Method::DELETE, "/Users", "GET, POST"),
            (Method::POST, "/Users/x", "GET, PUT, PATCH, DELETE"),
            (Method::GET, "/.search", "POST"),
            (Method::POST, "/ServiceProviderConfig", "GET"),
            (Method::PUT, "/Schemas", "GET"),
            (Method::DELETE, "/ResourceTypes/User", "GET"),
        ] {
            let refused = directory.asks(method.clone(), place, None, &[]).await;
            assert_eq!(refused.scim(), "405  This place is not asked by this method.", "{method} {place}");
            assert_eq!(refused.header("allow"), Some(allowed));
        }
    }

    async fn a_query_that_cannot_be_is_named(app) {
        let directory = app.directory("directory").await;
        for (query, expected) in [
            ("filter=userName%20co%20%22a%22", "400 invalidFilter There is no co here: compare by eq."),
            ("filter=title%20eq%20%22a%22", "400 invalidFilter Users are not found by title: filter by userName, externalId or id."),
            ("filter=active%20eq%20true", "400 invalidFilter Filter by userName, externalId or id; active may stand beside."),
            ("filter=userName%20eq%20%22a%22%20or%20userName%20eq%20%22b%22", "400 invalidFilter Between comparisons stands and, nothing else."),
            ("filter=userName%20eq", "400 invalidFilter A comparison ends with a text in quotation marks, true or false."),
            ("startIndex=one", "400 invalidValue startIndex is a number."),
            ("count=1.5", "400 invalidValue count is a number."),
            ("attributes=userName&excludedAttributes=name", "400 invalidValue Send attributes or excludedAttributes, not both."),
            ("count=1&count=2", "400 invalidSyntax A parameter is sent twice."),
        ] {
            assert_eq!(directory.gets(&format!("/Users?{query}")).await.scim(), expected, "{query}");
        }
        for (place, body, expected) in [
            ("/.search", json!({ "filter": "userName eq \"a\"" }), "400 invalidSyntax schemas must have urn:ietf:params:scim:api:messages:2.0:SearchRequest in it."),
            ("/.search", json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": "x" }), "400 invalidValue count is a number."),
        ] {
            let refused = directory.asks(Method::POST, place, Some(&body), &[]).await;
            assert_eq!(refused.scim(), expected, "{body}");
        }
        for place in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/ResourceTypes/User"] {
            let refused = directory.gets(&format!("{place}?filter=name%20eq%20%22User%22")).await;
            assert_eq!(refused.scim(), "403  What describes the server is not filtered.", "{place}");
        }
        let id = directory.made(json!({ "userName": "ana" })).await;
        for bad in ["ana", "\"a\", \"b\"", "W/a", "\""] {
            let refused = directory.asks(Method::DELETE, &format!("/Users/{id}"), None, &[("if-match", bad)]).await;
            assert_eq!(refused.scim(), "400 invalidSyntax If-Match and If-None-Match are one entity tag with its quotes, or *.", "{bad}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 1);
    }

    async fn what_opens_nothing_else_opens_nothing_here(app) {
        // A token for a service, by a client that has the right.
        let secret = app.add_client("elsewhere", |it| {
            it.kind = heirloom::domain::client::ClientKind::Confidential(Vec::new());
            it.grants = [GrantType::ClientCredentials].into();
            it.scopes = RIGHTS.parse().unwrap();
            it.audiences = vec!["https://api.example".parse().unwrap()];
        });
        let secret = secret.await.unwrap().expose().to_owned();
        let form = [("grant_type", "client_credentials"), ("resource", "https://api.example")];
        let issued = app.form_as("/oauth/token", ("elsewhere", &secret), &form).await;
        let refused = app.provisioning(issued.text("access_token")).gets("/Users").await;
        assert_eq!((refused.status.as_u16(), &refused.json["scimType"]), (401, &Value::Null));
    }
}
