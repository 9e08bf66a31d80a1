//! `/scim/v2`: users whom other systems provision (RFC 7644). It opens with the same access tokens as `/admin/v1`.

mod discovery;
mod reading;
mod refusal;
mod telling;
mod users;

use std::future::ready;

use actix_web::web;
use actix_web::web::ServiceConfig;
use actix_web::{Resource, Route};

use refusal::ScimProblem;

/// Adds the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("/scim/v2")
            .service(at("/Users", "GET, POST", [web::get().to(users::list), web::post().to(users::create)]))
            .service(at("/Users/.search", "POST", [web::post().to(users::search)]))
            .service(at("/.search", "POST", [web::post().to(users::search)]))
            .service(at(
                "/Users/{id}",
                "GET, PUT, PATCH, DELETE",
                [
                    web::get().to(users::show),
                    web::put().to(users::replace),
                    web::patch().to(users::patch),
                    web::delete().to(users::remove),
                ],
            ))
            .service(at("/ServiceProviderConfig", "GET", [web::get().to(discovery::provider)]))
            .service(at("/Schemas", "GET", [web::get().to(discovery::schemas)]))
            .service(at("/Schemas/{id}", "GET", [web::get().to(discovery::schema)]))
            .service(at("/ResourceTypes", "GET", [web::get().to(discovery::resource_types)]))
            .service(at("/ResourceTypes/{id}", "GET", [web::get().to(discovery::resource_type)]))
            .default_service(web::to(|| ready(ScimProblem::NoPlace.into_response()))),
    );
}

/// A place that answers other methods with 405.
fn at<const N: usize>(path: &str, allowed: &'static str, routes: [Route; N]) -> Resource {
    let other = web::to(move || ready(ScimProblem::Method(allowed).into_response()));
    routes.into_iter().fold(web::resource(path), Resource::route).default_service(other)
}
