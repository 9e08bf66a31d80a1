//! What outside bytes may cost: lists are bounded, and what is longer is refused before it is looked at.

use heirloom::domain::client::ClientKind;
use heirloom::service::admin;
use heirloom::service::admin::client_changes::ClientChanges;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::registration::{open, web_app};
use crate::remote::Remote;
use crate::signer::{Signer, changed};

const TOO_MANY: &str = "There are more than 64 parameters.";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// The parameters `p0`, `p1` and so on: a form that has nothing to be read, in as few bytes as may be.
fn parameters(count: usize) -> String {
    (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>().join("&")
}

both_stores! {
    async fn nothing_reads_on_past_64_parameters(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let full = parameters(10_000);
        assert!((57_000..65_536).contains(&full.len()), "nearly the longest body: {}", full.len());
        for path in [
            "/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/par", "/oauth/device_authorization",
            "/oauth/userinfo",
        ] {
            let send = async |body: &str| {
                let request = app.http.post(app.at(path)).header("content-type", "application/x-www-form-urlencoded");
                app.send(request.body(body.to_owned())).await
            };
            for count in [65, 10_000] {
                let refused = send(&parameters(count)).await.refusal();
                assert_eq!(refused, format!("400 invalid_request {TOO_MANY}"), "{path} {count}");
            }
            let told = send(&parameters(64)).await;
            assert_ne!(told.json["error_description"], TOO_MANY, "{path}");
        }
        for path in ["/oauth/authorize", "/sign-in", "/device", "/oauth/logout", "/consent", "/account"] {
            let send = async |body: &str| {
                let request = app.http.post(app.at(path)).header("content-type", "application/x-www-form-urlencoded");
                browser.send(request.body(body.to_owned())).await
            };
            let seen = send(&full).await;
            assert!(seen.status == 400 && seen.body.contains(TOO_MANY), "{path} {seen:?}");
            assert!(!send(&parameters(64)).await.body.contains(TOO_MANY), "{path}");
        }
        for path in ["/oauth/authorize", "/sign-in", "/device", "/oauth/logout"] {
            let seen = browser.get(&format!("{path}?{}", parameters(65))).await;
            assert!(seen.status == 400 && seen.body.contains(TOO_MANY), "{path} {seen:?}");
            assert!(!browser.get(&format!("{path}?{}", parameters(64))).await.body.contains(TOO_MANY), "{path}");
        }
    }

    async fn what_stands_twice_is_found_wherever_it_stands(app) {
        for form in ["a=1&b=2&a=1", "a&a", "a=1&%61=2", "client_id=x&p=&client_id="] {
            let request = app.http.post(app.at("/oauth/token")).header("content-type", "application/x-www-form-urlencoded");
            let refused = app.send(request.body(form)).await.refusal();
            assert_eq!(refused, "400 invalid_request A parameter is sent twice.", "{form}");
        }
    }

    async fn lists_of_scopes_and_resources_end(app) {
        let secret = app.add_service("service", &["https://a.example"]).await;
        let ask = async |more: &[(&str, &str)]| {
            app.form_as("/oauth/token", ("service", &secret), &[&[GRANT][..], more].concat()).await
        };
        let scopes = "read ".repeat(1638);
        assert_eq!(ask(&[("scope", &scopes)]).await.status, 200, "{}", scopes.len());
        assert_eq!(ask(&[("scope", &"read ".repeat(1639))]).await.code(), "400 invalid_scope");
        let resource = ("resource", "https://a.example");
        assert_eq!(ask(&[resource; 63]).await.status, 200);
        app.add_user("ana").await;
        let log_in = async |resources: usize| {
            let list = vec![app.core.issuer.as_str(); resources];
            app.post("/login", &json!({ "username": "ana", "password": PASSWORD, "resource": list })).await
        };
        assert_eq!(log_in(64).await.status, 200);
        assert_eq!(log_in(65).await.code(), "400 invalid_target");
    }

    async fn a_client_registers_no_keys_that_are_never_accepted(app) with open; {
        let good = Signer::new(Algorithm::ES256, "k1").public();
        let weak = json!({ "kty": "RSA", "n": "_".repeat(171), "e": "AQAB" });
        let set = |keys: &[Value]| json!({ "keys": keys });
        let method = json!({ "token_endpoint_auth_method": "private_key_jwt" });
        for (keys, sentence) in [
            (set(&[good.clone(), weak.clone()]), "A key in jwks is broken"),
            (set(&[json!({ "kty": "EC", "crv": "P-384" })]), "None of the keys in jwks is for signatures"),
            (set(&vec![good.clone(); 5]), "More than four keys in jwks"),
            (set(&vec![good.clone(); 21]), "There are more than 20 keys in jwks"),
        ] {
            let members = changed(&changed(&web_app(), &method), &json!({ "jwks": keys }));
            let refused = app.register(&members).await.refusal();
            assert!(refused.starts_with(&format!("400 invalid_client_metadata {sentence}")), "{refused}");
            // At an operator's door, too.
            let id = "service".parse().unwrap();
            let metadata = changed(&method, &json!({ "jwks": keys })).as_object().unwrap().clone();
            let said = ClientChanges { metadata: Some(metadata), ..ClientChanges::default() };
            let kind = ClientKind::Confidential(Vec::new());
            let refused = admin::clients::register(&app.core, id, kind, said, app.clock.now()).await.unwrap_err();
            assert!(refused.to_string().contains(sentence), "{refused}");
        }
        let other = json!({ "jwks": set(&[good.clone()]), "token_endpoint_auth_signing_alg": "PS256" });
        let refused = app.register(&changed(&changed(&web_app(), &method), &other)).await.refusal();
        assert!(refused.contains("None of the keys in jwks is for the algorithm"), "{refused}");
        let kept = json!({ "jwks": set(&[good, json!({ "kty": "EC", "crv": "P-384" })]) });
        assert_eq!(app.register(&changed(&changed(&web_app(), &method), &kept)).await.status, 201);
    }

    async fn what_a_client_says_of_itself_is_short(app) with open; {
        let long = format!("https://app.example/{}", "x".repeat(2048));
        for member in ["client_uri", "policy_uri", "tos_uri", "jwks_uri", "backchannel_logout_uri"] {
            let refused = app.register(&changed(&web_app(), &json!({ member: long }))).await.code();
            assert_eq!(refused, "400 invalid_client_metadata", "{member}");
        }
    }

    async fn a_signature_without_a_kid_is_tried_with_four_keys(app) with |settings| {
        settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    }; {
        let remote = Remote::start().await;
        let signers: Vec<Signer> = (0..6).map(|number| Signer::new(Algorithm::ES256, &number.to_string())).collect();
        let keys: Vec<Value> = signers.iter().map(Signer::public).collect();
        let weak = json!({ "kty": "RSA", "n": "_".repeat(171), "e": "AQAB" });
        let all = [&[weak][..], &keys].concat();
        remote.give(&json!({ "keys": all }), "cache-control: max-age=3600\r\n");
        app.add_key_client("service", &json!({ "jwks_uri": remote.at("/jwks") })).await;
        for (number, signer) in signers.iter().enumerate() {
            let unnamed = Header { kid: None, ..signer.header() };
            let jwt = signer.sign_under(&unnamed, &app.assertion("service", &format!("unnamed {number}")));
            let answer = app.form_asserted("/oauth/token", &jwt, &[GRANT]).await;
            assert_eq!(answer.status == 200, number < 4, "{number} {answer:?}");
            let jwt = signer.sign(&app.assertion("service", &format!("named {number}")));
            assert_eq!(app.form_asserted("/oauth/token", &jwt, &[GRANT]).await.status, 200, "{number}");
        }
    }

    async fn an_assertion_of_more_than_32_kib_is_refused(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("service", &json!({ "jwks": signer.jwks() })).await;
        for (length, status) in [(23_000, 200), (24_600, 401)] {
            let padded = changed(&app.assertion("service", &length.to_string()), &json!({ "x": "x".repeat(length) }));
            let jwt = signer.sign(&padded);
            assert_eq!(app.form_asserted("/oauth/token", &jwt, &[GRANT]).await.status, status, "{}", jwt.len());
        }
    }
}
