use serde_json::{Map, Value, json};

use super::*;

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn members(changes: &Value) -> Map<String, Value> {
    let mut members = json!({ "redirect_uris": ["https://app.example/cb"] });
    let members = members.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.clone()
}

fn read_with(changes: &Value) -> Result<Registration, InvalidRegistration> {
    let scopes = "openid profile offline_access".parse().unwrap();
    let allowed = Allowed {
        scopes,
        auth_methods: AuthMethod::ALL.to_vec(),
        redirect_schemes: vec!["cursor".parse().unwrap()],
        longest_rotation_period: Duration::from_hours(1),
    };
    read_registration(&members(changes), AuthMethod::ClientSecretBasic, &allowed)
}

fn redirect_uri(uri: &str, application: Option<&str>) -> Result<Registration, InvalidRegistration> {
    read_with(&json!({ "redirect_uris": [uri], "application_type": application }))
}

#[test]
fn what_is_left_out_is_as_rfc_7591_has_it() {
    let read = read_with(&json!({})).unwrap();
    assert_eq!(read.grants, [GrantType::AuthorizationCode].into());
    assert_eq!((read.auth, read.name), (AuthMethod::ClientSecretBasic, None));
    assert_eq!(read.scopes.to_string(), "openid profile", "offline_access has to be named");
    assert_eq!(read.told["application_type"], "web");
}

#[test]
fn a_device_needs_no_redirect_uri() {
    for types in [json!([]), json!(null)] {
        let device = json!({ "redirect_uris": null, "grant_types": [DEVICE], "response_types": types });
        let read = read_with(&device).unwrap();
        assert_eq!((read.grants, read.redirect_uris), ([GrantType::DeviceCode].into(), Vec::new()));
        assert_eq!(read.told["application_type"], "native");
    }
    let both = json!({ "redirect_uris": null, "grant_types": [DEVICE, "authorization_code"] });
    assert!(matches!(read_with(&both), Err(InvalidRegistration::RedirectUri(_))), "RFC 7591 §2");
}

#[test]
fn a_scope_is_cut_down_to_what_may_be_had() {
    for (asked, had) in [("profile admin", "profile"), ("offline_access openid", "offline_access openid")] {
        assert_eq!(read_with(&json!({ "scope": asked })).unwrap().scopes.to_string(), had);
    }
}

#[test]
fn each_kind_of_application_has_its_redirect_uris() {
    for (uri, application, kind) in [
        ("https://app.example/cb?x=1", None, "web"),
        ("https://app.example:8443/cb", Some("web"), "web"),
        ("http://127.0.0.1/cb", None, "native"),
        ("http://[::1]:8080/cb", Some("native"), "native"),
        ("http://localhost:3000/callback", None, "native"),
        ("com.example.app:/cb", None, "native"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", None, "native"),
        ("https://app.example/claimed", Some("native"), "native"),
    ] {
        assert_eq!(redirect_uri(uri, application).unwrap().told["application_type"], kind, "{uri}");
    }
}

#[test]
fn redirect_uris_that_nobody_may_register() {
    for (section, uri, application) in [
        ("RFC 6749 §3.1.2: absolute", "/cb", None),
        ("RFC 6749 §3.1.2: absolute", "app.example/cb", None),
        ("RFC 6749 §3.1.2: no fragment", "https://app.example/cb#a", None),
        ("RFC 6749 §3.1.2: no fragment", "https://app.example/cb#", None),
        ("RFC 9700 §4.1: no user", "https://app.example@evil.example/", None),
        ("RFC 9700 §2.6: https", "http://app.example/cb", None),
        ("RFC 8252 §7.3: loopback only", "http://127.0.0.1.evil.example/cb", None),
        ("RFC 8252 §7.3: loopback only", "http://10.0.0.1/cb", Some("native")),
        ("RFC 8252 §7.1: a scheme with a dot", "javascript:alert(1)", None),
        ("RFC 8252 §7.1: a scheme with a dot", "data:text/html,x", None),
        ("RFC 8252 §7.1: a scheme with a dot", "myapp:/cb", Some("native")),
        ("RFC 8252 §7.1: a scheme with a dot", "vscode://app.example/cb", None),
        ("RFC 9700 §4.1.3: no wildcard", "https://*.app.example/cb", None),
        ("OIDC Registration §2: web is https", "cursor://app.example/cb", Some("web")),
        ("OIDC Registration §2: web is https", "com.example.app:/cb", Some("web")),
        ("OIDC Registration §2: web is not localhost", "https://localhost/cb", Some("web")),
        ("OIDC Registration §2: web is https", "http://127.0.0.1/cb", Some("web")),
        ("RFC 3986 §2: no spaces", "https://app.example/a b", None),
        ("RFC 3986 §2: no backslash", "https://app.example\\@evil.example/", None),
        ("RFC 3986 §2: ASCII", "https://äpp.example/cb", None),
    ] {
        let refused = redirect_uri(uri, application).unwrap_err();
        assert!(matches!(refused, InvalidRegistration::RedirectUri(_)), "{uri}: {section}: {refused}");
    }
}

#[test]
fn metadata_that_nobody_may_register() {
    for (section, changes) in [
        ("RFC 7591 §2.1", json!({ "grant_types": ["implicit"], "response_types": ["token"] })),
        ("RFC 7591 §2.1", json!({ "grant_types": ["authorization_code"], "response_types": ["token"] })),
        ("RFC 7591 §2.1", json!({ "grant_types": ["authorization_code"], "response_types": [] })),
        ("RFC 7591 §2.1", json!({ "grant_types": ["refresh_token"] })),
        ("RFC 7591 §2.1", json!({ "grant_types": [] })),
        ("RFC 7591 §2", json!({ "grant_types": ["client_credentials"] })),
        ("RFC 7591 §2", json!({ "grant_types": ["password"] })),
        ("RFC 7591 §2", json!({ "grant_types": "authorization_code" })),
        ("RFC 7591 §2", json!({ "response_types": ["code", "code id_token"] })),
        ("RFC 7591 §2", json!({ "token_endpoint_auth_method": "client_secret_jwt" })),
        ("RFC 7591 §2", json!({ "token_endpoint_auth_method": 1 })),
        ("RFC 7591 §2", json!({ "jwks": { "keys": [] }, "jwks_uri": "https://app.example/jwks" })),
        ("RFC 7591 §2", json!({ "token_endpoint_auth_method": "private_key_jwt" })),
        ("RFC 7591 §2", json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AA" }] } })),
        ("RFC 7591 §2", json!({ "jwks_uri": "nowhere" })),
        ("RFC 9101 §9", json!({ "request_object_signing_alg": "none" })),
        ("OIDC Registration §2", json!({ "userinfo_signed_response_alg": "none" })),
        ("OIDC Registration §2", json!({ "userinfo_signed_response_alg": "HS256" })),
        ("RFC 9101 §10.5", json!({ "require_signed_request_object": true })),
        ("FAPI 2.0 Message Signing §5.3.1", json!({ "require_single_use_request_object": true })),
        ("RFC 7591 §2", json!({ "client_uri": "javascript:alert(1)" })),
        ("RFC 7591 §2", json!({ "logo_uri": "data:image/png,x" })),
        ("RFC 7591 §2", json!({ "policy_uri": 7 })),
        ("RFC 7591 §2", json!({ "tos_uri": "nowhere" })),
        ("Back-Channel Logout §2.2", json!({ "backchannel_logout_uri": "https://app.example/bye#x" })),
        ("Back-Channel Logout §2.2", json!({ "backchannel_logout_session_required": "yes" })),
        ("Front-Channel Logout §2", json!({ "frontchannel_logout_uri": "/bye" })),
        ("OIDC Registration §2: https", json!({ "initiate_login_uri": "http://app.example/login" })),
        ("OIDC Registration §2", json!({ "initiate_login_uri": ["https://app.example/login"] })),
        ("RFC 3986 §2", json!({ "initiate_login_uri": "https://app.example/log in" })),
        ("RFC 9700 §4.1", json!({ "initiate_login_uri": "https://app.example@evil.example/" })),
        ("RFC 7591 §2", json!({ "contacts": "ana@example.com" })),
        ("RFC 7591 §2", json!({ "client_name": ["The App"] })),
        ("RFC 7591 §2", json!({ "client_name": "a\nb" })),
        ("RFC 7591 §2", json!({ "client_name": "\u{202e}knab" })),
        ("RFC 7591 §2", json!({ "client_name": "The \u{200b}App" })),
        ("RFC 7591 §2", json!({ "client_name": "a".repeat(200) })),
        ("RFC 7591 §2", json!({ "scope": "a\"b" })),
        ("RFC 7591 §2", json!({ "scope": "admin root" })),
        ("OIDC Registration §2", json!({ "application_type": "desktop" })),
        ("OIDC Registration §2", json!({ "subject_type": "secret" })),
        ("OIDC Registration §2", json!({ "subject_type": ["pairwise"] })),
        ("OIDC Registration §2", json!({ "sector_identifier_uri": "nowhere" })),
        ("OIDC Registration §2: https", json!({ "sector_identifier_uri": "http://app.example/sector.json" })),
        ("RFC 7591 §2.1", json!({ "grant_types": [DEVICE], "response_types": ["code"] })),
        ("RFC 7591 §2.1", json!({ "grant_types": [DEVICE, "authorization_code"], "response_types": [] })),
        ("RFC 7591 §2.1", json!({ "grant_types": ["refresh_token"], "response_types": [] })),
        ("OIDC RP-Initiated Logout §3.1", json!({ "post_logout_redirect_uris": ["http://app.example/"] })),
        ("OIDC RP-Initiated Logout §3.1", json!({ "post_logout_redirect_uris": ["javascript:alert(1)"] })),
        ("OIDC RP-Initiated Logout §3.1", json!({ "post_logout_redirect_uris": ["https://*.app.example/"] })),
        ("OIDC RP-Initiated Logout §3.1", json!({ "post_logout_redirect_uris": ["vscode://app.example/"] })),
    ] {
        let refused = read_with(&changes).map(|read| read.told);
        assert!(
            matches!(refused, Err(InvalidRegistration::Metadata(_))),
            "{section}: {changes}: {refused:?}"
        );
    }
    for uris in [json!([]), json!(null), json!("https://app.example/cb"), json!([1])] {
        let refused = read_with(&json!({ "redirect_uris": uris })).unwrap_err();
        assert!(matches!(refused, InvalidRegistration::RedirectUri(_)), "RFC 7591 §2: {uris}");
    }
}

#[test]
fn a_rotation_policy_is_at_most_what_an_operator_allows() {
    for (asked, had) in [
        ("always", None),
        ("every:15m", Some("every:15m")),
        ("every:2h", Some("every:1h")),
        ("never", Some("every:1h")),
    ] {
        let read = read_with(&json!({ "refresh_token_rotation": asked })).unwrap();
        assert_eq!(read.told.get("refresh_token_rotation"), had.map(|had| json!(had)).as_ref(), "{asked}");
        assert_eq!(read.metadata.refresh_token_rotation.to_string(), had.unwrap_or("always"));
    }
    for wrong in [json!("sometimes"), json!("every:"), json!("every:1x"), json!("every:-1h"), json!(3600)] {
        let refused = read_with(&json!({ "refresh_token_rotation": wrong }));
        assert!(matches!(refused, Err(InvalidRegistration::Metadata(_))), "{wrong}");
    }
}
