//! Places, and by which methods they are asked.

use std::future::ready;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::{FromRequest, Handler, Resource, Responder, Route};

use crate::http::{cors, error};

/// A place that is only looked at (RFC 9110 §9.3.2: HEAD is GET without the content).
pub(super) fn looked_at<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    only(path, "GET, HEAD", [web::get().to(handler.clone()), web::head().to(handler)])
}

/// A place that is only looked at, by every site's scripts too.
pub(super) fn told_to_all<F, Args>(path: &str, handler: F) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    looked_at(path, handler).wrap(from_fn(cors::by_anybody))
}

/// A place that answers other methods with 405.
pub(super) fn only<const N: usize>(path: &str, allowed: &'static str, routes: [Route; N]) -> Resource {
    let other = web::to(move || ready(error::method_not_allowed(allowed)));
    routes.into_iter().fold(web::resource(path), Resource::route).default_service(other)
}
