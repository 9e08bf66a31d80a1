//! What the server tells about itself.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETag, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom_verifier::dpop;
use serde_json::{Value, json};

use crate::domain::authentication::ContextClass;
use crate::domain::authorization::Prompt;
use crate::domain::client::{GrantType, JwtAlgorithm};
use crate::domain::pkce;
use crate::domain::registration::Mode;
use crate::domain::scope::USERINFO_SCOPES;
use crate::domain::standard_claims::CLAIMS;
use crate::domain::status_list;
use crate::domain::subject::SUBJECT_TYPES;
use crate::http::Web;
use crate::http::edge::Arrival;
use crate::http::oauth::{authorization_challenge, par, registration, token};
use crate::http::pages::language;
use crate::http::stop::MODES;
use crate::http::token_answer;

/// RFC 8414 §3.
pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery §4.
pub(crate) const OPENID: &str = "/.well-known/openid-configuration";
/// RFC 7517 §5.
pub(crate) const JWKS: &str = "/.well-known/jwks.json";

/// `GET /.well-known/oauth-authorization-server` and `GET /.well-known/openid-configuration`: the same for both, as
/// each may say what the other defines. Every site may read it.
pub(crate) async fn metadata(web: web::Data<Web>, Arrival(now): Arrival) -> HttpResponse {
    let issuer = web.core.issuer.as_str();
    let algorithms = web.core.keys.names(now);
    let signed_by_clients = JwtAlgorithm::NAMES;
    let allowed = &web.core.registrar.rules.allowed;
    let methods: Vec<&str> = allowed.auth_methods.iter().map(|method| method.as_str()).collect();
    let confidential: Vec<&&str> = methods.iter().filter(|method| **method != "none").collect();
    let claims: Vec<&str> =
        ["sub", "auth_time", "acr", "amr"].into_iter().chain(CLAIMS.map(|(claim, _)| claim)).collect();
    let mut content = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "device_authorization_endpoint": format!("{issuer}/oauth/device_authorization"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "jwks_uri": format!("{issuer}{JWKS}"),
        "userinfo_endpoint": format!("{issuer}/oauth/userinfo"),
        "end_session_endpoint": format!("{issuer}/oauth/logout"),
        "response_types_supported": ["code"],
        "response_modes_supported": MODES,
        "code_challenge_methods_supported": pkce::METHODS,
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": Prompt::VALUES,
        "scopes_supported": USERINFO_SCOPES,
        "claims_supported": claims,
        "acr_values_supported": ContextClass::ALL.map(ContextClass::as_str),
        "subject_types_supported": SUBJECT_TYPES,
        "id_token_signing_alg_values_supported": algorithms,
        "userinfo_signing_alg_values_supported": algorithms,
        // Back-Channel Logout §2.1, Front-Channel Logout §3: `sid` is always said.
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
        "ui_locales_supported": language::LANGUAGES,
        "claims_parameter_supported": true,
        "refresh_token_expiration_types_supported": token_answer::EXPIRATION_TYPES,
        "pushed_authorization_request_endpoint": format!("{issuer}{}", par::PATH),
        "require_pushed_authorization_requests": false,
        "request_parameter_supported": true,
        "request_object_signing_alg_values_supported": signed_by_clients,
        "require_signed_request_object": false,
        // OpenID Connect Discovery §3: true where nothing is said. Those that were pushed are no matter of it.
        "request_uri_parameter_supported": false,
        "grant_types_supported": token::GRANTS.map(GrantType::as_str),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_signing_alg_values_supported": signed_by_clients,
        "revocation_endpoint_auth_signing_alg_values_supported": signed_by_clients,
        "introspection_endpoint_auth_signing_alg_values_supported": signed_by_clients,
    });
    if let Some(members) = content.as_object_mut() {
        members.extend(further_members(&web).map(|(name, value)| (name.to_owned(), value)));
    }
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(content)
}

/// Those that one macro does not hold any more, and those that not every server has.
fn further_members(web: &Web) -> impl Iterator<Item = (&'static str, Value)> {
    let issuer = web.core.issuer.as_str();
    let rules = &web.core.registrar.rules;
    let registration = (rules.mode != Mode::Off).then(|| json!(format!("{issuer}{}", registration::PATH)));
    [
        // RFC 9449 §5.1.
        ("dpop_signing_alg_values_supported", Some(json!(dpop::ALGORITHMS))),
        // draft-ietf-oauth-first-party-apps-03.
        (
            "authorization_challenge_endpoint",
            Some(json!(format!("{issuer}{}", authorization_challenge::PATH))),
        ),
        // RFC 8705 §3.3.
        (
            "tls_client_certificate_bound_access_tokens",
            rules.allowed.sees_certificates().then_some(Value::Bool(true)),
        ),
        ("mtls_endpoint_aliases", web.mutual_tls_url.as_deref().map(mtls_endpoint_aliases)),
        // Token Status List §9.1.
        ("status_list_aggregation_endpoint", Some(json!(format!("{issuer}{}", status_list::PATH)))),
        ("registration_endpoint", registration),
        (
            "client_id_metadata_document_supported",
            web.core.clients.take_documents().then_some(Value::Bool(true)),
        ),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

/// RFC 8705 §5: where clients go that use a certificate. There is none of an endpoint at which nobody looks at it.
fn mtls_endpoint_aliases(url: &str) -> Value {
    json!({
        "token_endpoint": format!("{url}/oauth/token"),
        "device_authorization_endpoint": format!("{url}/oauth/device_authorization"),
        "revocation_endpoint": format!("{url}/oauth/revoke"),
        "introspection_endpoint": format!("{url}/oauth/introspect"),
        "userinfo_endpoint": format!("{url}/oauth/userinfo"),
        "pushed_authorization_request_endpoint": format!("{url}{}", par::PATH),
        "authorization_challenge_endpoint": format!("{url}{}", authorization_challenge::PATH),
    })
}

/// `GET /.well-known/jwks.json`
pub(crate) async fn jwks(web: web::Data<Web>, request: HttpRequest, Arrival(now): Arrival) -> HttpResponse {
    let jwks = web.core.keys.with_signing_keys(|keys| keys.jwks(now));
    let body = json!(jwks).to_string();
    let hash = digest::digest(&digest::SHA256, body.as_bytes());
    let tag = EntityTag::new_strong(URL_SAFE_NO_PAD.encode(hash));
    let max_age = format!("public, max-age={}", web.jwks_max_age.as_secs());
    if is_known(&request, &tag) {
        return HttpResponse::NotModified()
            .insert_header((CACHE_CONTROL, max_age))
            .insert_header(ETag(tag))
            .finish();
    }
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, max_age))
        .insert_header(ETag(tag))
        .insert_header((CONTENT_TYPE, "application/jwk-set+json"))
        .body(body)
}

/// RFC 9110 §13.1.2: `If-None-Match` compares weakly.
pub(crate) fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(given)) => given.iter().any(|given| given.weak_eq(tag)),
        Err(_) => false,
    }
}
