//! `POST /oauth/revoke` (RFC 7009).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::http::Web;
use crate::http::body::needed;
use crate::http::edge::Arrival;
use crate::http::error::Standard;
use crate::http::oauth::client_auth::ClientForm;

pub(crate) async fn revoke(
    web: web::Data<Web>,
    Arrival(now): Arrival,
    ClientForm { form, client }: ClientForm,
) -> Result<HttpResponse, Standard> {
    // `token_type_hint` saves a search (RFC 7009 §2.1); a token's form tells us its kind.
    let token = needed!(form, "token")?;
    crate::service::tokens::revoke::revoke(&web.core, token, &client, now).await?;
    // RFC 7009 §2.2: clients pass over the content. Some take an answer without any for a failure.
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({})))
}
