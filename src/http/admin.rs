//! `/admin/v1`: what operators do, over HTTP. It opens with ordinary access tokens for this server, by their scopes
//! ([`crate::domain::right`]); what is wrong is told as RFC 9457 says.

mod document;
mod families;
mod guard;
mod listing;
mod problem;
mod reading;
mod users;

use std::future::ready;

use actix_web::web;
use actix_web::web::ServiceConfig;

use crate::http::routing::only;

pub(crate) use document::document;

/// Adds the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(
        web::scope("/admin/v1")
            .service(only("/openapi.json", "GET", [web::get().to(document::show)]))
            .service(only("/users", "GET, POST", [web::get().to(users::list), web::post().to(users::create)]))
            .service(only(
                "/users/{id}",
                "GET, PATCH, DELETE",
                [web::get().to(users::show), web::patch().to(users::patch), web::delete().to(users::remove)],
            ))
            .service(only("/users/{id}/password", "PUT", [web::put().to(users::set_password)]))
            .service(only("/users/{id}/reset-factors", "POST", [web::post().to(users::reset_factors)]))
            .service(only("/families", "GET", [web::get().to(families::list)]))
            .service(only("/families/end", "POST", [web::post().to(families::end_many)]))
            .service(only(
                "/families/{id}",
                "GET, DELETE",
                [web::get().to(families::show), web::delete().to(families::end)],
            ))
            .default_service(web::to(|| ready(problem::not_found()))),
    );
}
