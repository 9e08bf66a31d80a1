//! `GET /status-lists` and `GET /status-lists/{n}` (draft-ietf-oauth-status-list §8, §9).

use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETag, Encoding, EntityTag, Header as _,
    VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::http::Web;
use crate::http::edge::Arrival;
use crate::http::error::{self, Standard};
use crate::http::oauth::well_known::is_known;

const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// All lists (§9.3).
pub(crate) async fn aggregation(
    web: web::Data<Web>,
    Arrival(now): Arrival,
) -> Result<HttpResponse, Standard> {
    let lists = &web.core.status_lists;
    let addresses = lists.addresses(&web.core.db, now).await?;
    let max_age = format!("public, max-age={}", lists.max_age(now));
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, max_age)).json(json!({ "status_lists": addresses })))
}

/// One list, as it is now.
pub(crate) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    number: web::Path<String>,
) -> Result<HttpResponse, Standard> {
    // §8.4: nothing is remembered of how it was.
    let asked = |wanted: &str| {
        let mut query = form_urlencoded::parse(request.query_string().as_bytes());
        query.find(|(name, _)| name == wanted).map(|(_, value)| value)
    };
    if asked("time").is_some() {
        return Ok(error::not_implemented());
    }
    // All services read the same lists, and some of them know one algorithm alone.
    let Ok(algorithm) = asked("alg").map(|name| name.parse()).transpose() else {
        return Ok(error::not_found());
    };
    let Ok(number) = number.parse() else { return Ok(error::not_found()) };
    let (core, lists) = (&web.core, &web.core.status_lists);
    let Some(token) = lists.token((&core.db, &core.keys), (number, algorithm), now).await? else {
        return Ok(error::not_found());
    };
    // Weak: it is the same with every encoding, and from every replica.
    let tag = EntityTag::new_weak(token.tag.clone());
    let known = is_known(&request, &tag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((CACHE_CONTROL, format!("public, max-age={}", lists.max_age(now))))
        .insert_header((VARY, "Accept-Encoding"))
        .insert_header(ETag(tag));
    if known {
        return Ok(response.finish());
    }
    response.insert_header((CONTENT_TYPE, MEDIA_TYPE));
    if takes_gzip(&request) {
        return Ok(response.insert_header((CONTENT_ENCODING, "gzip")).body(token.gzip.clone()));
    }
    Ok(response.body(token.jwt.clone()))
}

/// RFC 9110 §12.5.3.
fn takes_gzip(request: &HttpRequest) -> bool {
    let served = [Encoding::gzip(), Encoding::identity()];
    let accepted = AcceptEncoding::parse(request).ok();
    accepted.is_some_and(|it| !it.is_empty() && it.negotiate(served.iter()) == Some(Encoding::gzip()))
}
