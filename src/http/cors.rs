//! Which sites' scripts may read an answer (Fetch Standard, CORS protocol): those of the client that the answer is for.
//!
//! No cookie is ever looked at behind these, so credentials are never allowed, and what a script sends can do no more
//! than what any program sends. A browser's question before that names no client: every site is told the same, out of
//! memory and at once. It is the answer itself that only the client's own sites may read.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue,
    ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};

use crate::domain::ids::ClientId;
use crate::http::Web;
use crate::http::edge::Arrival;

/// The client that a request speaks for, as its handler found out.
#[derive(Clone)]
struct Speaker(ClientId);

/// Notes whom an answer is for.
pub(crate) fn speaks_for(request: &HttpRequest, client: &ClientId) {
    request.extensions_mut().insert(Speaker(client.clone()));
}

/// Lets scripts of a client's own sites read what is answered to it.
pub(crate) async fn by_client(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    if is_preflight(&request) {
        return Ok(request.into_response(preflight()).map_into_right_body());
    }
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let web = request.app_data::<web::Data<Web>>().cloned();
    let arrival = request.extensions().get::<Arrival>().copied();
    let mut response = next.call(request).await?;
    let speaker = response.request().extensions().get::<Speaker>().cloned();
    if let (Some(web), Some(Arrival(now)), Some(Speaker(client))) = (web, arrival, speaker)
        && let Ok(text) = origin.to_str()
        && let Ok(Some(known)) = web.core.client(&client, now).await
        && known.client.has_site(text)
    {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        // The time, for machines whose clock is wrong: their proofs (RFC 9449 §11.1) go by this server's from then on.
        let exposed = HeaderValue::from_static("WWW-Authenticate, Retry-After, DPoP-Nonce, Date");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    Ok(response.map_into_left_body())
}

/// Lets every site's scripts send what needs no cookie, and read what is answered.
pub(crate) async fn by_anybody(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    if is_preflight(&request) {
        return Ok(request.into_response(preflight()).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response.map_into_left_body())
}

fn is_preflight(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What every site is told. Libraries send headers of their own (`traceparent`, `baggage`, `mcp-protocol-version`):
/// the star lets in all but Authorization, and browsers that do not know it are told the usual ones.
fn preflight() -> HttpResponse {
    let allowed = HeaderValue::from_static("Authorization, Content-Type, DPoP, *");
    let mut response = HttpResponse::NoContent().finish();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
