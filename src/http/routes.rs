//! Which place is answered by whom, and to whose scripts.

use std::future::ready;

use actix_web::dev::HttpServiceFactory;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, middleware};

use crate::domain::account_rules::{MailedSignIn, SignUp};
use crate::domain::registration::Mode;
use crate::domain::status_list;
use crate::http::oauth::{
    authorization_challenge, device_authorization, introspect, par, registration, revoke, status_lists,
    token, userinfo, well_known,
};
use crate::http::pages::back::see_other;
use crate::http::pages::elsewhere::{self, arrival, back_channel, links};
use crate::http::pages::handlers::{self, Show, Take};
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::sign_in::{mailed, second};
use crate::http::pages::visit::Visit;
use crate::http::pages::{
    account, activity, addresses, assets, authorize, consent, data, device, forgot, passkeys, removal,
    sign_in, sign_in_methods, sign_out, sign_up,
};
use crate::http::routing::{looked_at, only, told_to_all};
use crate::http::simple::{login, sessions};
use crate::http::stop::Stop;
use crate::http::web::Entrance;
use crate::http::{Web, admin, console, cors, edge, error, health, metrics, scim};

/// A scope that answers in good time only, and whose answers nobody keeps: what may be kept says so itself.
macro_rules! guarded {
    ($base:expr) => {
        web::scope($base).wrap(from_fn(edge::in_good_time)).wrap(
            middleware::DefaultHeaders::new()
                .add(("X-Content-Type-Options", "nosniff"))
                .add((CACHE_CONTROL, "no-store")),
        )
    };
}

/// Adds the routes of a listener, all but the health checks below the path of its URL.
pub(crate) fn configure(config: &mut ServiceConfig, web: &web::Data<Web>) {
    config
        .app_data(web.clone())
        .service(looked_at("/healthz", health::healthz))
        .service(looked_at("/readyz", health::readyz));
    match &web.entrance {
        Entrance::Main { has_admin, .. } => configure_all(config, web, *has_admin),
        Entrance::Admin => {
            config
                .service(
                    guarded!("")
                        .configure(admin::configure)
                        .configure(scim::configure)
                        .configure(console::configure)
                        .configure(sign_in_routes)
                        .configure(asset_routes)
                        .service(looked_at("/", handlers::showing(to_console))),
                )
                .default_service(web::to(|| ready(error::not_found())));
        }
        Entrance::Metrics => {
            config
                .service(guarded!("").service(looked_at("/metrics", metrics::show)))
                .default_service(web::to(|| ready(error::not_found())));
        }
        Entrance::MutualTls => {
            config
                .service(routes(&web.base, |_| {}))
                .default_service(web::to(|| ready(error::not_found_by_certificate())));
        }
    }
}

fn configure_all(config: &mut ServiceConfig, web: &web::Data<Web>, has_admin: bool) {
    let base = web.base.as_str();
    if !base.is_empty() {
        // RFC 8414 §3.1: the well-known part stands before the issuer's path.
        for place in [well_known::METADATA, well_known::OPENID] {
            config.service(told_to_all(&format!("{place}{base}"), well_known::metadata));
        }
        // Nobody who looks for it knows of a path.
        config.service(looked_at(account::CHANGE_PASSWORD, account::to_password));
        config.configure(passkey_places);
    }
    let mode = web.core.registrar.rules.mode;
    let may_delete = web.account_deletion;
    let (has_mail, resets_passwords) = (web.core.mail.is_on(), web.core.resets_passwords());
    let (mailed_sign_in, sign_up) = (web.core.mailed_sign_in(), web.core.sign_up());
    let others = move |config: &mut ServiceConfig| {
        config
            .service(
                web::scope(status_list::PATH)
                    .service(told_to_all("", status_lists::aggregation))
                    .service(told_to_all("/{number}", status_lists::show)),
            )
            .configure(|config| admin_routes(config, has_admin))
            .configure(pages_routes)
            .configure(passkey_places)
            .configure(|config| removal_routes(config, may_delete))
            .configure(|config| mail_routes(config, has_mail, resets_passwords))
            .configure(|config| mailed_sign_in_routes(config, mailed_sign_in))
            .configure(|config| sign_up_routes(config, sign_up))
            .configure(|config| registration_routes(config, mode))
            .service(told_to_all(well_known::METADATA, well_known::metadata))
            .service(told_to_all(well_known::OPENID, well_known::metadata))
            .service(told_to_all(well_known::JWKS, well_known::jwks));
    };
    config.service(routes(base, others)).default_service(web::to(|| ready(error::not_found())));
}

/// What a certificate may open, and `others`.
fn routes<F: FnOnce(&mut ServiceConfig)>(base: &str, others: F) -> impl HttpServiceFactory + use<F> {
    guarded!(base)
        // They are tried in their order, and one with a part that varies costs a regular expression: first what is
        // asked for most, last those.
        .service(only("/refresh", "POST", [web::post().to(login::refresh)]))
        .service(only("/oauth/token", "POST", [web::post().to(token::token)]).wrap(from_fn(cors::by_client)))
        .service(only("/login", "POST", [web::post().to(login::login)]))
        .service(only("/login/mfa", "POST", [web::post().to(login::login_mfa)]))
        .service(only("/logout", "POST", [web::post().to(login::logout)]))
        .service(only(
            "/sessions",
            "GET, DELETE",
            [web::get().to(sessions::list), web::delete().to(sessions::end_others)],
        ))
        .service(only("/sessions/revoke", "POST", [web::post().to(sessions::revoke)]))
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
        .service(
            only(
                "/oauth/device_authorization",
                "POST",
                [web::post().to(device_authorization::device_authorization)],
            )
            .wrap(from_fn(cors::by_client)),
        )
        .service(
            only(authorization_challenge::PATH, "POST", [web::post().to(authorization_challenge::challenge)])
                .wrap(from_fn(cors::by_client)),
        )
        .service(only(par::PATH, "POST", [web::post().to(par::push)]).wrap(from_fn(cors::by_client)))
        .service(only("/oauth/introspect", "POST", [web::post().to(introspect::introspect)]))
        .configure(others)
        .service(only("/sessions/{id}", "DELETE", [web::delete().to(sessions::end)]))
}

/// Adds the administration, if it is here.
fn admin_routes(config: &mut ServiceConfig, has_admin: bool) {
    if has_admin {
        admin::configure(config);
        scim::configure(config);
        console::configure(config);
    }
}

/// `GET /` where the administration is alone.
async fn to_console(visit: &Visit, _: &HttpRequest) -> Result<HttpResponse, Stop> {
    Ok(see_other(&visit.own(OwnPlace::Console.path(), "")))
}

/// Where one signs in and out.
fn sign_in_routes(config: &mut ServiceConfig) {
    config
        .service(page("/sign-in", sign_in::show, sign_in::take))
        .service(page(sign_in::SECOND, second::show, second::take))
        .service(page("/oauth/logout", sign_out::show, sign_out::take))
        .service(page("/sign-out", sign_out::show, sign_out::confirm));
}

/// What pages link to.
fn asset_routes(config: &mut ServiceConfig) {
    config
        .service(looked_at("/assets/style.css", assets::style))
        .service(looked_at("/assets/console.css", assets::console_style))
        .service(looked_at("/favicon.ico", assets::icon))
        .service(looked_at("/assets/icon.svg", assets::icon))
        .service(looked_at("/assets/page.js", assets::page))
        .service(looked_at("/assets/submit.js", assets::submit))
        .service(looked_at("/assets/passkey.js", assets::passkey))
        .service(looked_at("/assets/onward.js", assets::onward))
        .service(looked_at("/assets/logo", assets::logo));
}

/// Where browsers go.
fn pages_routes(config: &mut ServiceConfig) {
    config
        .service(looked_at("", account::home))
        .service(looked_at("/", account::home))
        .service(looked_at_and_sent(
            "/oauth/authorize",
            authorize::show,
            web::post().to(handlers::taking_as_sent(authorize::take)),
        ))
        .configure(sign_in_routes)
        .service(page("/consent", consent::show, consent::take))
        .service(page("/device", device::show, device::take))
        .service(page("/account", account::show, account::take))
        .service(page("/account/apps", account::show_apps, account::take_apps))
        .service(looked_at("/account/activity", handlers::showing(activity::show)))
        .service(page("/account/password", account::show_password, account::take_password))
        .service(page(OwnPlace::SignInMethods.path(), sign_in_methods::show, sign_in_methods::take))
        .service(page(OwnPlace::Totp.path(), sign_in_methods::show_totp, sign_in_methods::take_totp))
        .service(page("/account/passkeys", passkeys::show, passkeys::take))
        .service(page("/account/data", data::show, data::take))
        .service(looked_at(account::CHANGE_PASSWORD, account::to_password))
        .configure(asset_routes)
        .service(page("/account/links", links::show, links::take))
        .service(page("/sign-in/new", arrival::show, arrival::take))
        .service(page("/sign-in/with/{provider}", elsewhere::show, elsewhere::set_out))
        .service(looked_at("/sign-in/back/{provider}", handlers::showing(elsewhere::come_back)))
        .service(only("/sign-in/back-channel/{provider}", "POST", [web::post().to(back_channel::take)]));
}

/// Where others look for what there is of passkeys.
fn passkey_places(config: &mut ServiceConfig) {
    config
        .service(told_to_all(passkeys::ENDPOINTS, passkeys::endpoints))
        .service(told_to_all(passkeys::RELATED_ORIGINS, passkeys::related_origins));
}

/// Adds the route, if users may remove their own accounts.
fn removal_routes(config: &mut ServiceConfig, may_delete: bool) {
    if may_delete {
        config.service(page(OwnPlace::Removal.path(), removal::show, removal::take));
    }
}

/// Adds the routes of what is mailed, as far as it is on.
fn mail_routes(config: &mut ServiceConfig, has_mail: bool, resets_passwords: bool) {
    if has_mail {
        config.service(page(OwnPlace::Addresses.path(), addresses::show, addresses::take)).service(page(
            "/verify",
            addresses::show_proof,
            addresses::take_proof,
        ));
    }
    if resets_passwords {
        config
            .service(page("/forgot", forgot::show, forgot::take))
            .service(looked_at("/forgot/sent", handlers::showing(forgot::sent)))
            .service(page("/forgot/new", forgot::show_new, forgot::take_new))
            .service(looked_at("/forgot/done", handlers::showing(forgot::done)));
    }
}

/// Adds the routes, if one signs in by mail.
fn mailed_sign_in_routes(config: &mut ServiceConfig, by: MailedSignIn) {
    match by {
        MailedSignIn::Off => return,
        MailedSignIn::Link => {
            config.service(looked_at("/sign-in/mail/sent", handlers::showing(mailed::sent)));
        }
        MailedSignIn::Code => {
            config.service(page("/sign-in/code", mailed::show_code, mailed::take_code));
        }
    }
    config.service(page("/sign-in/mail", mailed::show, mailed::take)).service(page(
        "/sign-in/link",
        mailed::show_link,
        mailed::take_link,
    ));
}

/// Adds the routes, if people make accounts.
fn sign_up_routes(config: &mut ServiceConfig, sign_up: SignUp) {
    match sign_up {
        SignUp::Off => return,
        // Who was invited has a link already.
        SignUp::Invitation => {}
        SignUp::Open | SignUp::Domains => {
            config
                .service(page("/sign-up", sign_up::show, sign_up::take))
                .service(looked_at("/sign-up/sent", handlers::showing(sign_up::sent)));
        }
    }
    config
        .service(page("/sign-up/finish", sign_up::show_finish, sign_up::take_finish))
        .service(looked_at("/sign-up/done", handlers::showing(sign_up::done)));
}

/// Adds the routes, if anybody may register.
fn registration_routes(config: &mut ServiceConfig, mode: Mode) {
    let register = || only(registration::PATH, "POST", [web::post().to(registration::register)]);
    match mode {
        Mode::Off => return,
        Mode::InitialAccessToken => config.service(register()),
        // Whoever may come from anywhere may come with a browser's script, too.
        Mode::Open => config.service(register().wrap(from_fn(cors::by_anybody))),
    };
    let manage = [
        web::get().to(registration::look),
        web::put().to(registration::replace),
        web::delete().to(registration::remove),
    ];
    config.service(only(&format!("{}/{{id}}", registration::PATH), "GET, PUT, DELETE", manage));
}

/// A place that a browser looks at and sends forms to.
fn page(path: &str, show: impl Show, take: impl Take) -> Resource {
    looked_at_and_sent(path, show, web::post().to(handlers::taking(take)))
}

fn looked_at_and_sent(path: &str, show: impl Show, post: Route) -> Resource {
    let show = handlers::showing(show);
    only(path, "GET, HEAD, POST", [web::get().to(show.clone()), web::head().to(show), post])
}
