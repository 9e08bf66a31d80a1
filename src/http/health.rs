//! For load balancers and orchestrators: does the process live, can it serve.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::http::Web;
use crate::http::edge::Arrival;
use crate::store::migrate::{self, Schema};

/// Replicas whose clocks are further apart than this would disagree about the leeway.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({ "status": "ok" }))
}

/// `GET /readyz`: database, schema, clock and signing key are as they must be.
pub(crate) async fn readyz(web: web::Data<Web>, Arrival(now): Arrival) -> HttpResponse {
    let missing = missing(&web, now).await;
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

async fn missing(web: &Web, now: DateTime<Utc>) -> Option<&'static str> {
    let Ok(database_time) = web.core.db.time().await else { return Some("the database does not answer") };
    if database_time.is_some_and(|time| (time - now).abs() > CLOCK_TOLERANCE) {
        return Some("this machine's clock and the database's differ by more than 5 seconds");
    }
    match migrate::schema(&web.core.db).await {
        Ok(Schema::Current) => {}
        Ok(Schema::TooOld { .. } | Schema::TooNew { .. } | Schema::Damaged { .. }) => {
            return Some("the database's schema is not the one that this version knows");
        }
        Err(_) => return Some("the database does not answer"),
    }
    let signs = web.core.keys.with_signing_keys(|keys| keys.signer(now).is_some());
    if signs { None } else { Some("there is no signing key") }
}
