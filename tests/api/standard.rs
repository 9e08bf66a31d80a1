//! The standard face: who the client is, what is refused, what the server tells of itself.

use heirloom::domain::ids::ClientId;
use heirloom::service::admin;
use serde_json::json;

use crate::harness::*;

both_stores! {
    async fn a_public_client_refreshes_by_its_name(app) {
        let tokens = app.ana_logged_in().await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh), ("client_id", "heirloom")];
        let answer = app.form("/oauth/token", &form).await;
        assert_eq!(answer.tokens().generation(), 2);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.json["token_type"], "Bearer");
        let spent = app.rotate(&answer.tokens()).await;
        assert_eq!(app.form("/oauth/token", &form).await.code(), "400 invalid_grant");
        assert_eq!(app.refresh(&spent.refresh).await.refusal(), REUSED);
    }

    async fn clients_authenticate_in_exactly_one_way(app) {
        let secret = app.add_service("service:1", &[]).await;
        let grant = ("grant_type", "client_credentials");
        let good = app.form_as("/oauth/token", ("service%3A1", &secret), &[grant]).await;
        assert_eq!(good.status, 200, "{good:?}");
        let posted = [grant, ("client_id", "service:1"), ("client_secret", secret.as_str())];
        assert_eq!(app.form("/oauth/token", &posted).await.status, 200);
        let same_name = [grant, ("client_id", "service:1")];
        assert_eq!(app.form_as("/oauth/token", ("service%3A1", &secret), &same_name).await.status, 200);
        let twice = app.form_as("/oauth/token", ("service%3A1", &secret), &posted).await;
        assert_eq!(twice.code(), "400 invalid_request");
        let other_name = [grant, ("client_id", "heirloom")];
        let answer = app.form_as("/oauth/token", ("service%3A1", &secret), &other_name).await;
        assert_eq!(answer.code(), "400 invalid_request");
        let refused = [
            app.form("/oauth/token", &[grant]).await,
            app.form("/oauth/token", &[grant, ("client_id", "service:1")]).await,
            app.form("/oauth/token", &[grant, ("client_id", "nobody")]).await,
            app.form("/oauth/token", &[grant, ("client_id", "service:1"), ("client_secret", "wrong")]).await,
            app.form("/oauth/token", &[grant, ("client_id", "heirloom"), ("client_secret", "public")]).await,
            app.form_as("/oauth/token", ("service%3A1", "wrong"), &[grant]).await,
            app.form_as("/oauth/token", ("nobody", &secret), &[grant]).await,
            app.send(form(app.http.post(app.at("/oauth/token")).header("authorization", "Basic !"), &[grant])).await,
            app.send(form(app.http.post(app.at("/oauth/token")).bearer_auth("x"), &[grant])).await,
        ];
        for answer in refused {
            assert_eq!(answer.code(), "401 invalid_client");
            assert_eq!(answer.header("www-authenticate"), Some(r#"Basic realm="heirloom", charset="UTF-8""#));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }

    async fn a_header_that_is_not_a_clients_is_passed_over(app) {
        let service = app.add_service("service", &[]).await;
        let mut tokens = app.ana_logged_in().await;
        for header in ["Bearer x.y.z", "bearer", "DPoP x", "Negotiate YII=", "Digest username=\"ana\"", "Basically x"] {
            let post = async |path: &str, parameters: &[(&str, &str)]| {
                app.send(form(app.http.post(app.at(path)).header("authorization", header), parameters)).await
            };
            let own = ("client_id", "heirloom");
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), own];
            tokens = post("/oauth/token", &refresh).await.tokens();
            assert_eq!(post("/oauth/revoke", &[("token", "unknown"), own]).await.status, 200, "{header}");
            let posted = [("client_id", "service"), ("client_secret", service.as_str()), ("token", tokens.access.as_str())];
            assert_eq!(post("/oauth/introspect", &posted).await.status, 200, "{header}");
            // It proves nothing either.
            let unproven = post("/oauth/introspect", &[("client_id", "service"), ("token", "x")]).await;
            assert_eq!(unproven.code(), "401 invalid_client", "{header}");
        }
        for header in ["Basic", "Basic ", "basic !", "BASIC eA=="] {
            let request = app.http.post(app.at("/oauth/revoke")).header("authorization", header);
            let refused = app.send(form(request, &[("token", "x"), ("client_id", "heirloom")])).await;
            assert_eq!(refused.code(), "401 invalid_client", "{header}");
        }
    }

    async fn a_revocation_is_answered_with_json(app) {
        let tokens = app.ana_logged_in().await;
        for token in [tokens.refresh.as_str(), tokens.access.as_str(), "unknown"] {
            let answer = app.form("/oauth/revoke", &[("token", token), ("client_id", "heirloom")]).await;
            assert_eq!((answer.status.as_u16(), &answer.json), (200, &json!({})), "{token}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }

    async fn a_wrong_secret_is_told_before_a_wrong_token(app) {
        app.add_service("service", &[]).await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", "rubbish")];
        assert_eq!(app.form_as("/oauth/token", ("service", "wrong"), &form).await.code(), "401 invalid_client");
    }

    async fn secrets_change_without_a_gap(app) {
        let old = app.add_service("service", &[]).await;
        let id: ClientId = "service".parse().unwrap();
        let new = admin::clients::rotate_secret(&app.core, &id, DAY, app.clock.now()).await.unwrap();
        let works = async |secret: &str| {
            let grant = [("grant_type", "client_credentials")];
            app.form_as("/oauth/token", ("service", secret), &grant).await.status == 200
        };
        app.clock.advance(SECOND * 2);
        assert!(works(&old).await && works(new.expose()).await);
        app.clock.advance(DAY);
        assert!(!works(&old).await && works(new.expose()).await);
        let newest = admin::clients::rotate_secret(&app.core, &id, SECOND, app.clock.now()).await.unwrap();
        app.clock.advance(SECOND * 2);
        assert!(!works(new.expose()).await && works(newest.expose()).await);
        assert_eq!(app.number("SELECT COUNT(*) FROM client_secrets").await, 2, "what ended is forgotten");
    }

    async fn malformed_requests_are_told_so(app) {
        let tokens = app.ana_logged_in().await;
        let secret = app.add_service("service", &[]).await;
        let refresh = ("refresh_token", tokens.refresh.as_str());
        let client = ("client_id", "heirloom");
        let rows: [(&[(&str, &str)], &str); 9] = [
            (&[client], "400 invalid_request"),
            (&[client, ("grant_type", "")], "400 invalid_request"),
            (&[client, ("grant_type", "refresh_token")], "400 invalid_request"),
            (&[client, ("grant_type", "refresh_token"), ("refresh_token", "")], "400 invalid_request"),
            (&[client, ("grant_type", "refresh_token"), refresh, refresh], "400 invalid_request"),
            (&[client, client, ("grant_type", "refresh_token"), refresh], "400 invalid_request"),
            (&[client, ("grant_type", "password")], "400 unsupported_grant_type"),
            (&[("client_id", "nobody"), ("grant_type", "password")], "401 invalid_client"),
            (&[client, ("grant_type", "client_credentials")], "400 unauthorized_client"),
        ];
        for (parameters, code) in rows {
            let answer = app.form("/oauth/token", parameters).await;
            assert_eq!(answer.code(), code, "{parameters:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        let json = app.post("/oauth/token", &json!({ "grant_type": "refresh_token" })).await;
        assert_eq!(json.code(), "400 invalid_request");
        let raw = |body: &'static [u8]| {
            let request = app.http.post(app.at("/oauth/token")).basic_auth("service", Some(&secret));
            request.header("content-type", "application/x-www-form-urlencoded").body(body)
        };
        assert_eq!(app.send(raw(b"grant_type=%ff%fe")).await.code(), "400 invalid_request");
        assert_eq!(app.send(raw(b"")).await.code(), "400 invalid_request");
        assert_eq!(app.send(raw(b"&&&=&grant_type=client_credentials&")).await.status, 200);
        assert_eq!(app.number("SELECT generation FROM families").await, 1, "nothing was consumed");
    }

    async fn the_metadata_tells_exactly_what_is_on(app) {
        let mut answer = app.send(app.http.get(app.at("/.well-known/oauth-authorization-server"))).await;
        let at = |path: &str| app.at(path);
        let confidential = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
        let methods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
        let signed_by_clients = ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"];
        // The macro takes so many members and not one more.
        let mut take = |member: &str| answer.json.as_object_mut().unwrap().remove(member).unwrap();
        assert_eq!(take("status_list_aggregation_endpoint"), at("/status-lists"));
        assert_eq!(take("authorization_challenge_endpoint"), at("/oauth/authorization_challenge"));
        let proofs = ["ES256", "EdDSA", "Ed25519", "ES384", "PS256", "RS256"];
        assert_eq!(take("dpop_signing_alg_values_supported"), json!(proofs));
        assert_eq!(answer.json, json!({
            "issuer": app.url,
            "token_endpoint": at("/oauth/token"),
            "device_authorization_endpoint": at("/oauth/device_authorization"),
            "revocation_endpoint": at("/oauth/revoke"),
            "introspection_endpoint": at("/oauth/introspect"),
            "jwks_uri": at("/.well-known/jwks.json"),
            "authorization_endpoint": at("/oauth/authorize"),
            "userinfo_endpoint": at("/oauth/userinfo"),
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "frontchannel_logout_supported": true,
            "frontchannel_logout_session_supported": true,
            "end_session_endpoint": at("/oauth/logout"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "scopes_supported": ["openid", "profile", "email", "phone", "address", "roles", "offline_access"],
            "claims_supported": [
                "sub", "auth_time", "acr", "amr", "preferred_username", "name", "given_name", "family_name",
                "middle_name", "nickname", "profile", "picture", "website", "gender", "birthdate", "locale", "zoneinfo",
                "updated_at", "email", "email_verified", "phone_number",
                "phone_number_verified", "address", "roles",
            ],
            "acr_values_supported": ["1", "2", "phr"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["ES256", "EdDSA", "RS256"],
            "userinfo_signing_alg_values_supported": ["ES256", "EdDSA", "RS256"],
            "ui_locales_supported": ["en", "de"],
            "claims_parameter_supported": true,
            "refresh_token_expiration_types_supported": ["authorization", "token_timeout"],
            "pushed_authorization_request_endpoint": at("/oauth/par"),
            "require_pushed_authorization_requests": false,
            "request_parameter_supported": true,
            "request_object_signing_alg_values_supported": signed_by_clients,
            "require_signed_request_object": false,
            "request_uri_parameter_supported": false,
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_methods_supported": confidential,
            "introspection_signing_alg_values_supported": ["ES256", "EdDSA", "RS256"],
            "token_endpoint_auth_signing_alg_values_supported": signed_by_clients,
            "revocation_endpoint_auth_signing_alg_values_supported": signed_by_clients,
            "introspection_endpoint_auth_signing_alg_values_supported": signed_by_clients,
        }));
    }

    async fn an_issuer_with_a_path_has_all_of_it_below(app) with |settings| {
        settings.issuer = Some("https://login.example.com/tenant".parse().unwrap());
    }; {
        app.add_user("ana").await;
        let body = json!({ "username": "ana", "password": PASSWORD });
        assert_eq!(app.post("/login", &body).await.code(), "404 not_found");
        let tokens = app.post("/tenant/login", &body).await.tokens();
        assert_eq!(tokens.claims()["iss"], "https://login.example.com/tenant");
        assert_eq!(app.get("/tenant/sessions", &tokens.access).await.status, 200);
        for place in ["/tenant/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/tenant",
            "/tenant/.well-known/openid-configuration", "/.well-known/openid-configuration/tenant"] {
            let metadata = app.send(app.http.get(app.at(place))).await;
            assert_eq!(metadata.json["token_endpoint"], "https://login.example.com/tenant/oauth/token", "{place}");
        }
        assert_eq!(app.send(app.http.get(app.at("/healthz"))).await.status, 200);
    }
}
