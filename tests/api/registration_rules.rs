//! What a client may register: redirect URIs, and algorithms that it wants the server to use.

use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;
use crate::registration::{open, to_be_changed, tool, web_app};
use crate::signer::{Signer, changed};

both_stores! {
    async fn a_scheme_without_a_dot_registers_where_an_operator_lets_it_in(app) with |settings| {
        open(settings);
        settings.registration.redirect_schemes = vec!["cursor".parse().unwrap()];
    }; {
        let cursor = "cursor://anysphere.cursor-mcp/oauth/callback";
        let mut members = tool();
        members["redirect_uris"] = json!([cursor]);
        let registered = app.register(&members).await;
        assert_eq!((registered.status.as_u16(), registered.text("application_type")), (201, "native"));
        app.add_user("ana").await;
        let browser = Browser::new(&app);
        let own = [("client_id", registered.text("client_id")), ("redirect_uri", cursor)];
        let page = browser.authorize(&own).await;
        let page = browser.sign_in(&page, "ana").await;
        assert_eq!(browser.decide(&page, "allow").await.answer().0, cursor);
        for other in ["vscode://vscode.dev/cb", "https://*.tool.example/cb", "https://tool.example/a b"] {
            members["redirect_uris"] = json!([other]);
            assert_eq!(app.register(&members).await.code(), "400 invalid_redirect_uri", "{other}");
            let changed = to_be_changed(&registered, &json!({ "redirect_uris": [other] }));
            let refused = app.manage("PUT", &registered, Some(&changed)).await;
            assert_eq!(refused.code(), "400 invalid_redirect_uri", "{other}");
        }
    }

    async fn a_client_that_wants_an_algorithm_that_the_server_does_not_have_is_told_so(app) with open; {
        let registered = app.register(&web_app()).await;
        let rows = [
            json!({ "id_token_signed_response_alg": "ES384" }),
            json!({ "id_token_signed_response_alg": "none" }),
            json!({ "id_token_signed_response_alg": 1 }),
            json!({ "userinfo_signed_response_alg": "PS256" }),
            json!({ "introspection_signed_response_alg": "HS256" }),
            json!({ "introspection_signed_response_alg": "none" }),
            json!({ "token_endpoint_auth_signing_alg": "ES512" }),
            json!({ "request_object_signing_alg": "HS256" }),
            json!({ "id_token_encrypted_response_alg": "RSA-OAEP" }),
            json!({ "userinfo_encrypted_response_enc": "A128GCM" }),
            json!({ "request_object_encryption_alg": "RSA-OAEP" }),
            json!({ "authorization_signed_response_alg": "ES256" }),
        ];
        for wanted in rows {
            let refused = app.register(&changed(&web_app(), &wanted)).await;
            assert_eq!(refused.code(), "400 invalid_client_metadata", "RFC 7591 §3.2.2: {wanted}");
            let refused = app.manage("PUT", &registered, Some(&to_be_changed(&registered, &wanted))).await;
            assert_eq!(refused.code(), "400 invalid_client_metadata", "RFC 7592 §2.2: {wanted}");
        }
        let ours = json!({ "id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "EdDSA" });
        assert_eq!(app.register(&changed(&web_app(), &ours)).await.status, 201);
    }

    async fn ed25519_is_another_name_of_the_algorithm_that_the_server_has(app) with open; {
        for name in ["EdDSA", "Ed25519"] {
            let wanted = json!({ "id_token_signed_response_alg": name, "request_object_signing_alg": name });
            let keys = json!({ "jwks": Signer::new(Algorithm::EdDSA, "k").jwks() });
            let members = changed(&changed(&web_app(), &wanted), &keys);
            let registered = app.register(&members).await;
            assert_eq!(registered.status, 201, "{registered:?}");
            for member in ["id_token_signed_response_alg", "request_object_signing_alg"] {
                assert_eq!(registered.text(member), "EdDSA", "RFC 9864 §2.2: {name}");
            }
        }
    }
}
