//! Two pages behind an access token.

use std::time::UNIX_EPOCH;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use heirloom_verifier::actix::Protect;
use heirloom_verifier::{AccessToken, Verifier};

/// `/profile` opens to any good token, `/dashboard` to one with the scope `dashboard`, `/healthz` to everyone.
pub(crate) fn routes(config: &mut web::ServiceConfig, verifier: &Verifier) {
    config
        .app_data(web::Data::new(verifier.clone()))
        .route("/healthz", web::get().to(HttpResponse::Ok))
        .route("/profile", web::get().to(profile))
        .service(
            web::resource("/dashboard")
                .wrap(Protect::new(verifier).require_scope("dashboard"))
                .route(web::get().to(dashboard)),
        );
}

async fn profile(access: AccessToken) -> HttpResponse {
    let expires_at = access.expires_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    json(&serde_json::json!({
        "sub": access.subject,
        "client_id": access.client_id,
        "sid": access.session_id,
        "scopes": access.scopes,
        "roles": access.roles,
        "exp": expires_at,
    }))
}

async fn dashboard(access: AccessToken) -> HttpResponse {
    json(&serde_json::json!({ "message": "All is well.", "sub": access.subject }))
}

fn json(body: &serde_json::Value) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(body.to_string())
}
