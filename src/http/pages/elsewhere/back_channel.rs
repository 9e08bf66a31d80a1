//! `POST /sign-in/back-channel/{provider}`: a provider tells of a logout there (Back-Channel Logout §2.5, 2.8).

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::http::Web;
use crate::http::body::{Body, Form, needed};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard};
use crate::service::upstream::logout::{LoggedOutThere, log_out};

pub(crate) async fn take(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Standard> {
    const UNKNOWN: Problem = Problem::Malformed("There is no such provider.");
    let id = request.match_info().get("provider").unwrap_or_default();
    let provider = web.core.providers.find(id).ok_or(UNKNOWN)?;
    let form = Form::read(&request, body)?;
    let token = needed!(form, "logout_token")?;
    let (status, answer) = match log_out(&web.core, provider, token, now).await? {
        LoggedOutThere::Ended => (StatusCode::OK, json!({})),
        LoggedOutThere::Refused => (
            StatusCode::BAD_REQUEST,
            json!({ "error": "invalid_request", "error_description": "The logout token is not accepted." }),
        ),
        LoggedOutThere::Unknown => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({
                "error": "temporarily_unavailable",
                "error_description": "The provider's keys cannot be fetched at the moment.",
            }),
        ),
    };
    Ok(HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(answer))
}
