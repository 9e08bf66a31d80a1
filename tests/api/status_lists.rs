//! The status lists as services read them: what they say, when, and in what form.

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::client::Party;
use heirloom::domain::family::RotationPolicy;
use heirloom::domain::ids::{FamilyId, UserId};
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::domain::secrets::Password;
use heirloom::service::admin::users::Change;
use heirloom::service::admin::{self, janitor};
use heirloom_verifier::{Verifier, VerifyError};

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

/// The default.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Where a token's login stands: its list's place on this server, and its index there.
pub fn place(access_token: &str) -> (String, usize) {
    let status = claims(access_token)["status"]["status_list"].clone();
    let uri = status["uri"].as_str().unwrap();
    let path = &uri[uri.find("/status-lists/").unwrap()..];
    (path.to_owned(), status["idx"].as_u64().unwrap().try_into().unwrap())
}

/// The bits that a list's token holds.
pub fn bits(jwt: &str) -> Vec<u8> {
    let claims = claims(jwt);
    assert_eq!(claims["status_list"]["bits"], 1);
    let lst = URL_SAFE_NO_PAD.decode(claims["status_list"]["lst"].as_str().unwrap()).unwrap();
    let mut bits = Vec::new();
    flate2::read::ZlibDecoder::new(lst.as_slice()).read_to_end(&mut bits).unwrap();
    bits
}

impl TestApp {
    pub async fn list_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.http.get(self.at(path));
        headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
            .send()
            .await
            .unwrap()
    }

    pub async fn list(&self, path: &str) -> String {
        let answer = self.list_with(path, &[]).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.text().await.unwrap()
    }

    /// Whether the list says that a token's login was ended.
    pub async fn is_ended(&self, access_token: &str) -> bool {
        let (path, index) = place(access_token);
        bits(&self.list(&path).await)[index / 8] >> (index % 8) & 1 == 1
    }

    async fn is_worth_something(&self, secret: &str, token: &str) -> bool {
        let answer = self.form_as("/oauth/introspect", ("looker", secret), &[("token", token)]).await;
        answer.json["active"] == true
    }
}

both_stores! {
    async fn an_ended_login_shows_within_the_interval_and_at_introspection_at_once(app) {
        let issuer = app.core.issuer.as_str().to_owned();
        let looker = app.add_service("looker", &[&issuer]).await;
        let (ana, other) = (app.ana_logged_in().await, app.log_in("ana").await);
        assert!(!app.is_ended(&ana.access).await && !app.is_ended(&other.access).await);
        app.clock.advance(SECOND);
        app.post("/logout", &json!({ "refresh_token": ana.refresh })).await;
        assert!(!app.is_worth_something(&looker, &ana.access).await && app.is_worth_something(&looker, &other.access).await);
        app.clock.advance(INTERVAL);
        assert!(app.is_ended(&ana.access).await && !app.is_ended(&other.access).await);
    }

    async fn the_token_is_what_the_draft_says(app) {
        let ana = app.ana_logged_in().await;
        let claim = ana.claims()["status"].clone();
        let issuer = app.core.issuer.as_str();
        let uri = format!("{issuer}/status-lists/1");
        let index = claim["status_list"]["idx"].as_u64().unwrap();
        assert_eq!(claim, json!({ "status_list": { "idx": index, "uri": uri } }));
        let jwt = app.list("/status-lists/1").await;
        let header = jwt_header(&jwt);
        assert_eq!(header["typ"], "statuslist+jwt");
        let said = claims(&jwt);
        let (iat, now) = (said["iat"].as_i64().unwrap(), app.clock.now().timestamp());
        assert!(iat <= now && now - iat < 5 && iat % 5 == 0, "{iat} at {now}");
        assert_eq!((&said["sub"], &said["iss"]), (&json!(uri), &json!(issuer)));
        assert_eq!((&said["ttl"], &said["exp"]), (&json!(5), &json!(iat + 15 * 60)));
        assert_eq!(said["status_list"]["aggregation_uri"], format!("{issuer}/status-lists"));
        assert_eq!(bits(&jwt), vec![0; 131_072 / 8]);
        let jwks = app.get("/.well-known/jwks.json", "").await;
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks.json).unwrap();
        let key = jwks.find(header["kid"].as_str().unwrap()).unwrap();
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
        let algorithm = jsonwebtoken::Algorithm::ES256;
        assert!(jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, algorithm).unwrap());
    }

    async fn a_service_with_our_verifier_refuses_what_was_ended(app) with |it| it.status_lists.interval = SECOND; {
        let issuer = app.core.issuer.as_str();
        let verifier = Verifier::builder(issuer).audience(issuer).jwks_url(app.at("/.well-known/jwks.json"));
        let verifier = verifier.build().await.unwrap();
        let (ana, other) = (app.ana_logged_in().await, app.log_in("ana").await);
        verifier.verify(&ana.access).await.unwrap();
        app.post("/logout", &json!({ "refresh_token": ana.refresh })).await;
        app.clock.advance(SECOND);
        // The verifier has a clock of its own.
        let refused = async {
            loop {
                match verifier.verify(&ana.access).await {
                    Ok(_) => tokio::time::sleep(SECOND / 20).await,
                    Err(error) => return error,
                }
            }
        };
        let refused = tokio::time::timeout(SECOND * 20, refused).await.unwrap();
        assert!(matches!(refused, VerifyError::Revoked { .. }), "{refused:?}");
        verifier.verify(&other.access).await.unwrap();
    }

    async fn whatever_ends_a_login_shows(app) with |it| it.limits.logins_per_user = 9; {
        let ana = app.add_user("ana").await;
        app.add_user("bob").await;
        let bob = app.log_in("bob").await;
        let now = || app.clock.now();
        let mut ended = Vec::new();
        let id = |tokens: &Tokens| tokens.family().parse::<FamilyId>().unwrap();

        let reused = app.log_in("ana").await;
        let second = app.rotate(&app.rotate(&reused).await).await;
        assert_eq!(app.refresh(&reused.refresh).await.refusal(), REUSED);
        ended.push(("reuse", second));
        let revoked = app.log_in("ana").await;
        app.form("/oauth/revoke", &[("client_id", "heirloom"), ("token", &revoked.refresh)]).await;
        ended.push(("its client", revoked));
        app.add_app("app", |it| it.party = Party::First).await;
        let code = Browser::new(&app).ana_signs_in(&[]).await;
        let stolen = app.exchange(&code, &[]).await.tokens();
        assert_eq!(app.exchange(&code, &[]).await.code(), "400 invalid_grant");
        ended.push(("a code that came twice", stolen));
        let (phone, laptop) = (app.log_in("ana").await, app.log_in("ana").await);
        app.delete(&format!("/sessions/{}", phone.family()), &laptop.access).await;
        ended.push(("the owner", phone));
        let killed = app.log_in("ana").await;
        admin::families::end(&app.core, id(&killed), now()).await.unwrap();
        ended.push(("an operator", killed));
        app.add_client("shop", |_| ()).await;
        let sold = app.log_in_with("shop", "ana").await;
        admin::clients::remove(&app.core, &"shop".parse().unwrap(), 10, now()).await.unwrap();
        ended.push(("the removal of its client", sold));
        app.clock.advance(SECOND);
        let mut many = Vec::new();
        for _ in 0..10 {
            app.clock.advance(SECOND);
            many.push(app.log_in("ana").await);
        }
        janitor::tidy(&app.core, 100, now()).await.unwrap();
        ended.push(("too many", many.remove(0)));
        let password = Password::new("another horse battery".to_owned()).unwrap();
        app.change_user(ana, Change::Password(password)).await;
        ended.push(("a new password", many.remove(8)));
        app.clock.advance(INTERVAL);
        for (by, tokens) in &ended {
            assert!(app.is_ended(&tokens.access).await, "{by}");
        }
        assert!(!app.is_ended(&bob.access).await);
        app.change_user(UserId(bob.claims()["sub"].as_str().unwrap().parse().unwrap()), Change::Disable).await;
        app.clock.advance(INTERVAL);
        assert!(app.is_ended(&bob.access).await);
        let (path, _) = place(&bob.access);
        let set: u32 = bits(&app.list(&path).await).iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(i64::from(set), app.number("SELECT COUNT(*) FROM families WHERE ended_at IS NOT NULL").await);
    }

    async fn it_is_signed_once_a_change_however_many_ask(app) {
        let ana = app.ana_logged_in().await;
        let ask = async || {
            let answers = (0..50).map(|_| app.list("/status-lists/1"));
            let mut answers = futures_util::future::join_all(answers).await;
            answers.dedup();
            assert_eq!(answers.len(), 1, "one signature");
            answers.remove(0)
        };
        let first = ask().await;
        for _ in 0..3 {
            app.clock.advance(INTERVAL);
            assert_eq!(ask().await, first, "nothing has changed");
        }
        app.post("/logout", &json!({ "refresh_token": ana.refresh })).await;
        assert_eq!(ask().await, first, "at most once an interval");
        app.clock.advance(INTERVAL);
        let second = ask().await;
        assert_ne!(second, first);
        // Who polls never holds one of which less than half is left.
        app.clock.advance(MINUTE * 7);
        assert_eq!(ask().await, second);
        app.clock.advance(MINUTE);
        let third = ask().await;
        assert_ne!(third, second);
        assert_eq!(claims(&third)["exp"].as_i64().unwrap() - claims(&third)["iat"].as_i64().unwrap(), 15 * 60);
        app.clock.turn_back(MINUTE * 3);
        assert!(claims(&ask().await)["iat"].as_i64().unwrap() <= app.clock.now().timestamp(), "a clock was set back");
    }

    async fn other_keys_and_longer_lives_are_taken_up(app) {
        app.ana_logged_in().await;
        let first = app.list("/status-lists/1").await;
        admin::keys::replace(&app.core, None, app.clock.now()).await.unwrap();
        app.clock.advance(INTERVAL);
        let second = app.list("/status-lists/1").await;
        assert_ne!(jwt_header(&second)["kid"], jwt_header(&first)["kid"], "the old key is withdrawn");
        app.clock.advance(DAY * 2);
        app.core.keys.forget_retired(&app.core.db, app.clock.now()).await.unwrap();
        app.core.keys.reload(&app.core.db).await.unwrap();
        app.add_client("long", |it| {
            it.lifetimes = LifetimeOverrides { access_ttl: Some(MINUTE * 60), ..it.lifetimes };
        }).await;
        app.core.keys.reload(&app.core.db).await.unwrap();
        app.clock.advance(MINUTE * 10);
        let third = claims(&app.list("/status-lists/1").await);
        assert_eq!(third["exp"].as_i64().unwrap() - third["iat"].as_i64().unwrap(), 60 * 60);
    }

    async fn it_is_cached_compressed_and_read_from_every_site(app) {
        let ana = app.ana_logged_in().await;
        let (plain, zipped) = (
            app.list_with("/status-lists/1", &[("origin", "https://app.example")]).await,
            app.list_with("/status-lists/1", &[("accept-encoding", "br, gzip;q=0.5")]).await,
        );
        let header = |answer: &Response, name: &str| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let left = 5 - app.clock.now().timestamp() % 5;
        for answer in [&plain, &zipped] {
            assert_eq!(answer.status(), 200);
            assert_eq!(header(answer, "content-type").unwrap(), "application/statuslist+jwt");
            assert_eq!(header(answer, "cache-control").unwrap(), format!("public, max-age={left}"));
            assert_eq!(header(answer, "vary").unwrap(), "Accept-Encoding");
            assert_eq!(header(answer, "access-control-allow-origin").unwrap(), "*");
        }
        assert_eq!((header(&plain, "content-encoding"), header(&zipped, "content-encoding")), (None, Some("gzip".to_owned())));
        let tag = header(&plain, "etag").unwrap();
        assert_eq!(header(&zipped, "etag").unwrap(), tag);
        let (plain, zipped) = (plain.text().await.unwrap(), zipped.bytes().await.unwrap());
        let mut unzipped = String::new();
        flate2::read::GzDecoder::new(&zipped[..]).read_to_string(&mut unzipped).unwrap();
        assert_eq!(unzipped, plain);
        for encodings in ["identity", "gzip;q=0", "br", ""] {
            let answer = app.list_with("/status-lists/1", &[("accept-encoding", encodings)]).await;
            assert_eq!((answer.status().as_u16(), header(&answer, "content-encoding")), (200, None), "{encodings}");
        }
        let known = app.list_with("/status-lists/1", &[("if-none-match", &tag), ("accept-encoding", "gzip")]).await;
        assert_eq!((known.status().as_u16(), header(&known, "etag")), (304, Some(tag.clone())));
        assert!(known.headers().contains_key("vary") && known.headers().contains_key("cache-control"));
        assert_eq!(known.bytes().await.unwrap().len(), 0);
        app.post("/logout", &json!({ "refresh_token": ana.refresh })).await;
        app.clock.advance(INTERVAL);
        let changed = app.list_with("/status-lists/1", &[("if-none-match", &tag)]).await;
        assert_eq!(changed.status(), 200, "another content has another tag");
        let head = app.http.head(app.at("/status-lists/1")).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
        let preflight = app.http.request(Method::OPTIONS, app.at("/status-lists/1"))
            .header("origin", "https://app.example").header("access-control-request-method", "GET")
            .header("access-control-request-headers", "if-none-match").send().await.unwrap();
        assert_eq!(header(&preflight, "access-control-allow-origin").unwrap(), "*");
    }

    async fn what_is_not_there_is_told_exactly(app) {
        app.ana_logged_in().await;
        assert_eq!(app.get("/status-lists/1?time=1686925000", "").await.code(), "501 invalid_request");
        assert_eq!(app.get("/status-lists/1?%74ime=", "").await.code(), "501 invalid_request");
        assert_eq!(app.list_with("/status-lists/1?other=1", &[]).await.status(), 200);
        for number in ["0", "-1", "01", "+1", "1.0", "x", "3", "9223372036854775807", "99999999999999999999", "1/2", "%31%20"] {
            assert_eq!(app.get(&format!("/status-lists/{number}"), "").await.code(), "404 not_found", "{number}");
        }
        for path in ["/status-lists", "/status-lists/1"] {
            assert_eq!(app.post(path, &json!({})).await.code(), "405 invalid_request");
        }
        // Another server may just have opened it.
        assert_eq!(bits(&app.list("/status-lists/2").await), vec![0; 131_072 / 8]);
        let all = app.get("/status-lists", "").await;
        let issuer = app.core.issuer.as_str();
        assert_eq!(all.json, json!({ "status_lists": [format!("{issuer}/status-lists/1")] }), "which is no list yet");
        assert_eq!(all.header("content-type"), Some("application/json"));
        assert_eq!(all.header("access-control-allow-origin"), Some("*"));
        for place in ["oauth-authorization-server", "openid-configuration"] {
            let metadata = app.get(&format!("/.well-known/{place}"), "").await;
            assert_eq!(metadata.text("status_list_aggregation_endpoint"), format!("{issuer}/status-lists"));
        }
    }

    async fn what_strangers_ask_costs_a_question_an_interval(app) {
        app.ana_logged_in().await;
        app.list("/status-lists/1").await;
        app.sql("ALTER TABLE status_lists RENAME TO gone").await;
        app.sql("ALTER TABLE families RENAME TO gone_too").await;
        for number in 0..300 {
            let expected = if number == 1 { 200 } else { 404 };
            // The second is the next one, which nobody has asked for yet.
            if number != 2 {
                assert_eq!(app.list_with(&format!("/status-lists/{number}"), &[]).await.status(), expected, "{number}");
            }
        }
        assert_eq!(app.list_with("/status-lists", &[]).await.status(), 200);
        app.clock.advance(INTERVAL);
        assert!(app.list_with("/status-lists/1", &[]).await.status().is_server_error(), "nothing old is passed for new");
        app.sql("ALTER TABLE gone RENAME TO status_lists").await;
        app.sql("ALTER TABLE gone_too RENAME TO families").await;
        assert_eq!(app.list_with("/status-lists/1", &[]).await.status(), 200, "and it comes back");
    }

    async fn every_token_of_a_login_names_its_one_place(app) {
        app.add_client("shared", |it| {
            it.metadata.refresh_token_rotation = RotationPolicy::Every(MINUTE * 20);
        }).await;
        app.add_strict_client().await;
        let first = app.ana_logged_in().await;
        let here = place(&first.access);
        let second = app.rotate(&first).await;
        assert_eq!(app.rotate(&first).await.claims(), second.claims(), "a replay");
        let narrowed = json!({ "refresh_token": second.refresh, "scope": "openid" });
        let third = app.post("/refresh", &narrowed).await.tokens();
        app.clock.advance(MINUTE);
        let recovered = app.rotate(&second).await;
        for tokens in [&second, &third, &recovered] {
            assert_eq!(place(&tokens.access), here);
        }
        for client in ["shared", "strict"] {
            let first = app.log_in_with(client, "ana").await;
            assert_ne!(place(&first.access), here);
            let second = app.refresh_with(client, &first.refresh).await.tokens();
            assert_eq!(place(&second.access), place(&first.access), "{client}");
        }
        let logins = futures_util::future::join_all((0..20).map(|_| app.log_in("ana"))).await;
        let rotated = futures_util::future::join_all(logins.iter().map(|tokens| app.rotate(tokens))).await;
        for (before, after) in logins.iter().zip(&rotated) {
            assert_eq!(place(&before.access), place(&after.access), "rotated together");
        }
    }

    async fn a_login_from_before_there_were_lists_goes_on_without_one(app) {
        let first = app.ana_logged_in().await;
        app.sql("UPDATE families SET status_list = NULL, status_index = NULL").await;
        let second = app.rotate(&first).await;
        assert_eq!(second.claims().get("status"), None::<&Value>);
        app.post("/logout", &json!({ "refresh_token": second.refresh })).await;
        app.clock.advance(INTERVAL);
        assert!(!app.is_ended(&first.access).await, "it has no bit");
    }
}
