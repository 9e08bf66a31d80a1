//! `/admin/v1/openapi.json`: what there is, made of the handlers and their types. `docs/admin-api.json` is the same.

use std::future::{Ready, ready};

use actix_web::HttpResponse;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, SecurityRequirement};

use crate::http::admin::{
    clients, consents, events, families, imports, jobs, keys, problem, registration_tokens, resource_servers,
    users,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Heirloom's admin API",
        description = "Opens with access tokens for the issuer; their scopes say what for.",
    ),
    paths(
        users::list,
        users::create,
        users::show,
        users::patch,
        users::remove,
        users::set_password,
        users::reset_factors,
        imports::import,
        jobs::list,
        jobs::show,
        jobs::cancel,
        jobs::list_refused,
        families::list,
        families::end_many,
        families::show,
        families::end,
        clients::list,
        clients::create,
        clients::show,
        clients::patch,
        clients::remove,
        clients::rotate_secret,
        registration_tokens::list,
        registration_tokens::create,
        registration_tokens::remove,
        resource_servers::list,
        resource_servers::create,
        resource_servers::show,
        resource_servers::patch,
        resource_servers::remove,
        keys::list,
        keys::rotate,
        keys::withdraw,
        consents::list,
        consents::withdraw,
        events::list,
        events::show_statistics,
    ),
    components(schemas(problem::ProblemDetails))
)]
struct Api;

/// The description of the API (OpenAPI 3.1), as it is served and as `docs/admin-api.json` has it.
#[must_use]
pub(crate) fn document() -> String {
    let mut api = Api::openapi();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = api.components.get_or_insert_with(Components::new);
    components.add_security_scheme("access_token", SecurityScheme::Http(scheme));
    api.security = Some(vec![SecurityRequirement::new("access_token", Vec::<String>::new())]);
    api.to_pretty_json().unwrap_or_default() + "\n"
}

/// `GET /admin/v1/openapi.json`: it says nothing about this server that is not public.
pub(super) fn show() -> Ready<HttpResponse> {
    ready(HttpResponse::Ok().content_type("application/json").body(document()))
}
