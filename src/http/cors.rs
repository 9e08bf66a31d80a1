//! Which sites' scripts may read an answer (Fetch §3.2): those of the client that the answer is for.
//!
//! No cookie is ever looked at behind these, so credentials are never allowed.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};

use crate::domain::ids::ClientId;
use crate::domain::redirect_uri;
use crate::http::Web;
use crate::http::edge::Arrival;

/// The client that a request speaks for, as its handler found out.
#[derive(Clone)]
struct Speaker(ClientId);

/// Notes whom an answer is for.
pub(crate) fn speaks_for(request: &HttpRequest, client: &ClientId) {
    request.extensions_mut().insert(Speaker(client.clone()));
}

/// Lets scripts of a client's own sites read what is answered to it: sites are those of its redirect URIs. A browser's
/// question before that names no client, so any client's site will do.
pub(crate) async fn by_client(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let origin = request.headers().get(ORIGIN).cloned();
    let web = request.app_data::<web::Data<Web>>().cloned();
    let arrival = request.extensions().get::<Arrival>().copied();
    let (Some(origin), Some(web), Some(Arrival(now))) = (origin, web, arrival) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let text = origin.to_str().unwrap_or_default().to_owned();
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight {
        let known = web.core.clients.sites(&web.core.db, now).await.is_ok_and(|sites| sites.contains(&text));
        let mut response = HttpResponse::NoContent().finish();
        if known {
            allow(response.headers_mut(), origin);
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
            let allowed = HeaderValue::from_static("Authorization, Content-Type");
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        return Ok(request.into_response(response).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    let speaker = response.request().extensions().get::<Speaker>().cloned();
    if let Some(Speaker(client)) = speaker
        && let Ok(Some(known)) = web.core.client(&client, now).await
        && known.client.redirect_uris.iter().any(|uri| redirect_uri::source_of(uri).as_ref() == Some(&text))
    {
        allow(response.headers_mut(), origin);
    }
    Ok(response.map_into_left_body())
}

/// Lets every site's scripts send what needs no cookie, and read what is answered.
pub(crate) async fn by_anybody(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let anybody = HeaderValue::from_static("*");
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight {
        let mut response = HttpResponse::NoContent().finish();
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        // Fetch §4.8: all but Authorization. MCP clients send a header of their own.
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        return Ok(request.into_response(response).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    Ok(response.map_into_left_body())
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}
