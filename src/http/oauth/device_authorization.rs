//! `POST /oauth/device_authorization` (RFC 8628 §3.1).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::http::body::{Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::Standard;
use crate::http::oauth::client_auth;
use crate::http::{Web, address, headers};
use crate::service::tokens::device::{self, Asking};

pub(crate) async fn device_authorization(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Standard> {
    let form = Form::read(&request, body)?;
    let presenter = client_auth::presenter(&request, &form)?;
    let address = address::of_client(&request, &web.trusted_proxies);
    let agent = headers::user_agent_info(&request, None, address);
    let asking = Asking { presenter: &presenter, wanted: form.wanted()?, agent, address };
    let begun = device::begin(&web.core, asking, now).await?;
    let issuer = web.core.issuer.as_str();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({
        "device_code": begun.device_code.expose(),
        "user_code": begun.user_code.to_string(),
        "verification_uri": format!("{issuer}/device"),
        "verification_uri_complete": format!("{issuer}/device?user_code={}", begun.user_code),
        "expires_in": begun.expires_in.as_secs(),
        "interval": begun.interval.as_secs(),
    })))
}
