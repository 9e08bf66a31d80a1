//! For load balancers and orchestrators: does the process live, can it serve.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::http::Web;
use crate::service::readiness;

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({ "status": "ok" }))
}

/// `GET /readyz`: database, schema, clock and signing key are as they must be.
pub(crate) async fn readyz(web: web::Data<Web>) -> HttpResponse {
    let missing = if web.is_stopping() {
        Some("the server is about to stop")
    } else {
        readiness::missing(&web.core, web.clock.read()).await
    };
    let mut response = match missing {
        None => HttpResponse::Ok(),
        Some(_) => HttpResponse::ServiceUnavailable(),
    };
    response.insert_header((CACHE_CONTROL, "no-store"));
    match missing {
        None => response.json(json!({ "status": "ready" })),
        Some(what) => response.json(json!({ "status": "not ready", "reason": what })),
    }
}
