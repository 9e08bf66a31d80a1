//! `POST /oauth/device_authorization` (RFC 8628 §3.1).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::http::Web;
use crate::http::edge::Arrival;
use crate::http::error::Standard;
use crate::http::oauth::client_auth::ClientForm;
use crate::service::tokens::device;

pub(crate) async fn device_authorization(
    web: web::Data<Web>,
    Arrival(now): Arrival,
    ClientForm { form, client }: ClientForm,
) -> Result<HttpResponse, Standard> {
    let begun = device::begin(&web.core, &client, form.wanted()?, now).await?;
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
