//! `/admin`: the console. In a browser, operators see and do what the admin API has, by the same services.

mod charts;
mod client_act;
mod client_acts;
mod client_form;
mod client_page;
mod clients;
mod consents;
mod events;
mod form;
mod keys;
mod lines;
mod logins;
mod overview;
mod paging;
mod registration_tokens;
mod seat;
mod settings;
mod trouble;
mod user_acts;
mod user_form;
mod users;
mod values;

use actix_web::web::ServiceConfig;

use crate::http::console::seat::{act, filled_in, looked};

/// Adds the routes.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(looked("/admin", overview::show))
        .service(looked("/admin/users", users::list))
        .service(filled_in("/admin/users/new", user_form::show_new, user_form::take_new))
        .service(looked("/admin/users/{id}", users::show))
        .service(filled_in("/admin/users/{id}/change", user_form::show, user_form::take))
        .service(looked("/admin/users/{id}/consents", consents::list))
        .service(act("/admin/users/{id}/consents/{act}", consents::ask, consents::take))
        .service(act("/admin/users/{id}/{act}", user_acts::ask, user_acts::take))
        .service(looked("/admin/logins", logins::list))
        .service(looked("/admin/logins/{id}", logins::show))
        .service(act("/admin/logins/{id}/end", logins::ask, logins::take))
        .service(looked("/admin/clients", clients::list))
        .service(filled_in("/admin/clients/new", client_form::show_new, client_form::take_new))
        .service(looked("/admin/clients/{id}", clients::show))
        .service(filled_in("/admin/clients/{id}/change", client_form::show, client_form::take))
        .service(act("/admin/clients/{id}/{act}", client_acts::ask, client_acts::take))
        .service(looked("/admin/registration-tokens", registration_tokens::list))
        .service(filled_in(
            "/admin/registration-tokens/new",
            registration_tokens::show_new,
            registration_tokens::take_new,
        ))
        .service(act(
            "/admin/registration-tokens/{id}/remove",
            registration_tokens::ask,
            registration_tokens::take,
        ))
        .service(looked("/admin/keys", keys::list))
        .service(act("/admin/keys/{act}", keys::ask, keys::take))
        .service(looked("/admin/events", events::list))
        .service(looked("/admin/settings", settings::list));
}
