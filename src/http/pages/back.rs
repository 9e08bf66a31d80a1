//! The way back to the client, and what is shown instead.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use serde_json::json;

use crate::domain::error_causes::with_causes;
use crate::http::error;
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::stop::{Back, PageError, ResponseMode, Stop};

/// RFC 9700 §4.12: after a form with a password, 303 and nothing else, or the browser would post it on.
pub(crate) fn see_other(place: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, place))
        .insert_header(("Cache-Control", "no-store"))
        .finish()
}

/// Sends the browser back with these parameters, with `state`, and with `iss`, by which a client that knows
/// several servers tells whose answer it has (RFC 9207).
pub(crate) fn answer(visit: &Visit, back: &Back, parameters: &[(&str, &str)]) -> HttpResponse {
    let issuer = visit.core().issuer.as_str();
    let state = back.state.iter().map(|state| ("state", state.as_str()));
    let all = parameters.iter().copied().chain(state).chain([("iss", issuer)]);
    let separator = match back.mode {
        ResponseMode::Query if back.redirect_uri.contains('?') => '&',
        ResponseMode::Query => '?',
        ResponseMode::Fragment => '#',
        ResponseMode::FormPost => return form_post(visit, back, all),
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(all);
    see_other(&format!("{}{separator}{}", back.redirect_uri, query.finish()))
}

fn form_post<'a>(
    visit: &Visit,
    back: &Back,
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
) -> HttpResponse {
    let fields = parameters.map(|(name, value)| json!({ "name": name, "value": value }));
    let fields: Vec<_> = fields.collect();
    visit.page(&Page {
        template: "form_post.html",
        content: json!({ "target": back.redirect_uri, "fields": fields }),
        status: StatusCode::OK,
        language: visit.language(back.ui_locales.as_deref()),
        leads_away: true,
    })
}

/// What a browser gets instead of what it came for.
pub(crate) fn answer_stop(visit: &Visit, stop: &Stop) -> HttpResponse {
    match stop {
        Stop::Page(error) => error_page(visit, error),
        Stop::Redirect(error) => {
            let (code, description) = error::code(&error.problem);
            answer(visit, &error.back, &[("error", code), ("error_description", description)])
        }
    }
}

fn error_page(visit: &Visit, error: &PageError) -> HttpResponse {
    let (problem, status) = match error {
        PageError::UnknownClient => ("unknown_client", StatusCode::BAD_REQUEST),
        PageError::RedirectUri => ("redirect_uri", StatusCode::BAD_REQUEST),
        PageError::Malformed(_) => ("malformed", StatusCode::BAD_REQUEST),
        PageError::Forged => ("forged", StatusCode::FORBIDDEN),
        PageError::Unavailable(failure) => {
            tracing::error!(cause = with_causes(failure), "a page cannot be answered");
            ("unavailable", StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    let detail = match error {
        PageError::Malformed(what) => Some(*what),
        PageError::UnknownClient | PageError::RedirectUri | PageError::Forged | PageError::Unavailable(_) => {
            None
        }
    };
    visit.page(&Page {
        template: "error.html",
        content: json!({ "problem": problem, "detail": detail }),
        status,
        language: visit.own_language(),
        leads_away: false,
    })
}
