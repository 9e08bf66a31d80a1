//! The HTTP front door: parse at the edge, call one service, answer at the edge.

mod account;
mod address;
mod assets;
mod authorize;
mod body;
mod client_auth;
mod consent;
mod cookies;
mod cors;
mod device;
mod device_authorization;
mod edge;
mod error;
mod health;
mod introspect;
mod language;
pub(crate) mod pages;
mod par;
mod refresh_cookie;
mod registration;
mod revoke;
mod sessions;
mod sign_in;
mod sign_out;
mod simple;
mod token;
mod userinfo;
mod visit;
mod well_known;
mod wrong_password;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route, middleware};
use ipnet::IpNet;

use crate::clock::Clock;
use crate::domain::registration::Mode;
use crate::http::pages::Pages;
use crate::http::visit::{Show, Take};
use crate::service::Core;

pub(crate) use edge::edge;

/// What every request handler can ask for.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    /// The pages that people see.
    pub(crate) pages: Arc<Pages>,
    /// The issuer's path, below which everything is served; empty for most.
    pub(crate) base: String,
    /// The services' world.
    pub(crate) core: Arc<Core>,
    /// The time of a request's arrival comes from here.
    pub(crate) clock: Clock,
    /// The longest body that is read, in bytes.
    pub(crate) body_limit: usize,
    /// How long a request may take: shorter than clients wait.
    pub(crate) deadline: Duration,
    /// How long a JWKS may be kept by whoever fetched it.
    pub(crate) jwks_max_age: Duration,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl Web {
    /// Whether browsers reach this server by https: cookies are for that alone then.
    pub(crate) fn is_https(&self) -> bool {
        self.core.issuer.as_str().starts_with("https://")
    }
}

/// Adds every route, all but the health checks below the issuer's path.
pub(crate) fn configure(config: &mut ServiceConfig, web: &web::Data<Web>) {
    let base = web.base.as_str();
    config
        .app_data(web.clone())
        .app_data(web::PayloadConfig::new(web.body_limit))
        .service(looked_at("/healthz", health::healthz))
        .service(looked_at("/readyz", health::readyz));
    if !base.is_empty() {
        // RFC 8414 §3.1: the well-known part stands before the issuer's path.
        for place in [well_known::METADATA, well_known::OPENID] {
            config.service(told_to_all(&format!("{place}{base}"), well_known::metadata));
        }
    }
    let mode = web.core.registrar.rules.mode;
    config.service(routes(base, mode)).default_service(web::to(not_found));
}

fn routes(base: &str, registration: Mode) -> impl HttpServiceFactory + use<> {
    web::scope(base)
        .wrap(middleware::DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
        .service(only("/login", "POST", [web::post().to(simple::login)]))
        .service(only("/refresh", "POST", [web::post().to(simple::refresh)]))
        .service(only("/logout", "POST", [web::post().to(simple::logout)]))
        .service(only(
            "/sessions",
            "GET, DELETE",
            [web::get().to(sessions::list), web::delete().to(sessions::end_others)],
        ))
        .service(only("/sessions/{id}", "DELETE", [web::delete().to(sessions::end)]))
        .configure(pages_routes)
        .service(only("/oauth/token", "POST", [web::post().to(token::token)]).wrap(from_fn(cors::by_client)))
        .service(
            only("/oauth/revoke", "POST", [web::post().to(revoke::revoke)]).wrap(from_fn(cors::by_client)),
        )
        .service(
            only(
                "/oauth/userinfo",
                "GET, HEAD, POST",
                [web::get(), web::head(), web::post()].map(|route| route.to(userinfo::userinfo)),
            )
            .wrap(from_fn(cors::by_client)),
        )
        .service(only(
            "/oauth/device_authorization",
            "POST",
            [web::post().to(device_authorization::device_authorization)],
        ))
        .service(only(par::PATH, "POST", [web::post().to(par::push)]).wrap(from_fn(cors::by_client)))
        .service(only("/oauth/introspect", "POST", [web::post().to(introspect::introspect)]))
        .configure(move |config| registration::configure(config, registration))
        .service(told_to_all(well_known::METADATA, well_known::metadata))
        .service(told_to_all(well_known::OPENID, well_known::metadata))
        .service(told_to_all(well_known::JWKS, well_known::jwks))
}

/// Where browsers go.
fn pages_routes(config: &mut ServiceConfig) {
    config
        .service(looked_at("", account::home))
        .service(looked_at("/", account::home))
        .service(page("/oauth/authorize", authorize::show, authorize::take))
        .service(page("/sign-in", sign_in::show, sign_in::take))
        .service(page("/consent", consent::show, consent::take))
        .service(page("/device", device::show, device::take))
        .service(page("/oauth/logout", sign_out::show, sign_out::take))
        .service(only("/sign-out", "POST", [web::post().to(visit::taking(sign_out::confirm))]))
        .service(page("/account", account::show, account::take))
        .service(page("/account/apps", account::show_apps, account::take_apps))
        .service(page("/account/password", account::show_password, account::take_password))
        .service(looked_at("/assets/style.css", assets::style))
        .service(looked_at("/assets/submit.js", assets::script))
        .service(looked_at("/assets/onward.js", assets::onward))
        .service(looked_at("/assets/logo", assets::logo));
}

/// A place that a browser looks at and sends forms to.
fn page(path: &str, show: impl Show, take: impl Take) -> Resource {
    let show = visit::showing(show);
    let routes = [web::get().to(show.clone()), web::head().to(show), web::post().to(visit::taking(take))];
    only(path, "GET, HEAD, POST", routes)
}

/// A place that is only looked at (RFC 9110 §9.3.2: HEAD is GET without the content).
fn looked_at<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    only(path, "GET, HEAD", [web::get().to(handler.clone()), web::head().to(handler)])
}

/// A place that is only looked at, by every site's scripts too.
fn told_to_all<F, Args>(path: &str, handler: F) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    looked_at(path, handler).wrap(from_fn(cors::by_anybody))
}

/// A place that answers other methods with 405.
fn only<const N: usize>(path: &str, allowed: &'static str, routes: [Route; N]) -> Resource {
    let other = web::to(move || ready(error::method_not_allowed(allowed)));
    routes.into_iter().fold(web::resource(path), Resource::route).default_service(other)
}

async fn not_found() -> HttpResponse {
    error::not_found()
}
