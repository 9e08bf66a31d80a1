//! `/admin/v1`: what operators do, over HTTP. It opens with ordinary access tokens for this server, by their scopes
//! ([`crate::domain::right`]); what is wrong is told as RFC 9457 says.

mod clients;
mod consents;
mod document;
mod ended;
mod events;
mod families;
pub(super) mod guard;
mod imports;
mod jobs;
mod keys;
mod listing;
mod made;
mod naming;
pub(super) mod problem;
mod reading;
mod registration_tokens;
mod resource_servers;
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
            // Before what it would be an id for.
            .service(only("/users/import", "POST", [web::post().to(imports::import)]))
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
            .configure(configure_jobs)
            .configure(configure_clients)
            .configure(configure_resource_servers)
            .service(only("/keys", "GET", [web::get().to(keys::list)]))
            .service(only("/keys/rotate", "POST", [web::post().to(keys::rotate)]))
            .service(only("/keys/withdraw", "POST", [web::post().to(keys::withdraw)]))
            .service(only("/consents", "GET", [web::get().to(consents::list)]))
            .service(only("/consents/{user}/{client}", "DELETE", [web::delete().to(consents::withdraw)]))
            .service(only("/events", "GET", [web::get().to(events::list)]))
            .service(only("/statistics", "GET", [web::get().to(events::show_statistics)]))
            .default_service(web::to(|| ready(problem::not_found()))),
    );
}

fn configure_jobs(config: &mut ServiceConfig) {
    config
        .service(only("/jobs", "GET", [web::get().to(jobs::list)]))
        .service(only(
            "/jobs/{id}",
            "GET, DELETE",
            [web::get().to(jobs::show), web::delete().to(jobs::cancel)],
        ))
        .service(only("/jobs/{id}/refused-lines", "GET", [web::get().to(jobs::list_refused)]));
}

fn configure_clients(config: &mut ServiceConfig) {
    config
        .service(only(
            "/clients",
            "GET, POST",
            [web::get().to(clients::list), web::post().to(clients::create)],
        ))
        .service(only(
            "/clients/{id}",
            "GET, PATCH, DELETE",
            [
                web::get().to(clients::show),
                web::patch().to(clients::patch),
                web::delete().to(clients::remove),
            ],
        ))
        .service(only("/clients/{id}/rotate-secret", "POST", [web::post().to(clients::rotate_secret)]))
        .service(only(
            "/registration-tokens",
            "GET, POST",
            [web::get().to(registration_tokens::list), web::post().to(registration_tokens::create)],
        ))
        .service(only(
            "/registration-tokens/{id}",
            "DELETE",
            [web::delete().to(registration_tokens::remove)],
        ));
}

fn configure_resource_servers(config: &mut ServiceConfig) {
    config
        .service(only(
            "/resource-servers",
            "GET, POST",
            [web::get().to(resource_servers::list), web::post().to(resource_servers::create)],
        ))
        .service(only(
            "/resource-servers/{audience}",
            "GET, PATCH, DELETE",
            [
                web::get().to(resource_servers::show),
                web::patch().to(resource_servers::patch),
                web::delete().to(resource_servers::remove),
            ],
        ));
}
