//! `POST /oauth/revoke` (RFC 7009).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::Web;
use crate::http::body::{Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard};
use crate::http::oauth::client_auth;

pub(crate) async fn revoke(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Standard> {
    let form = Form::read(&request, body)?;
    let presenter = client_auth::presenter(&request, &form)?;
    // `token_type_hint` saves a search (RFC 7009 §2.1); a token's form tells us its kind.
    let token = form.get("token").ok_or(Problem::Malformed("The parameter token is missing."))?;
    crate::service::tokens::revoke::revoke(&web.core, token, &presenter, now).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}
