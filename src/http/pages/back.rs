//! The way back to the client, and what is shown instead.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use serde_json::{Value, json};

use crate::domain::error_causes::with_causes;
use crate::domain::event::Event;
use crate::domain::ids::ClientId;
use crate::domain::redirect_uri;
use crate::http::error::{self, Problem, Unmet};
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::stop::{Back, PageError, RedirectError, ResponseMode, Stop};
use crate::service::Failure;

/// RFC 9700 §4.12: after a form with a password, 303 and nothing else, or the browser would post it on.
pub(crate) fn see_other(place: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, place))
        .insert_header(("Cache-Control", "no-store"))
        .finish()
}

/// Sends the browser back with these parameters, and with those that every answer has.
pub(crate) fn answer(visit: &Visit, back: &Back, parameters: &[(&str, &str)]) -> HttpResponse {
    let all = with_usual(visit, back, parameters);
    if let Some(address) = address(back, &all) {
        return see_other(&address);
    }
    visit.page(&Page {
        template: "form_post.html",
        content: json!({ "target": back.redirect_uri, "fields": fields(&all) }),
        status: StatusCode::OK,
        language: visit.language(back.ui_locales.as_deref()),
        leads_away: true,
    })
}

/// What is answered, with `state`, and with `iss`, by which a client that knows several servers tells whose answer it
/// has (RFC 9207).
fn with_usual<'a>(
    visit: &'a Visit,
    back: &'a Back,
    parameters: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let state = back.state.iter().map(|state| ("state", state.as_str()));
    parameters.iter().copied().chain(state).chain([("iss", visit.core().issuer.as_str())]).collect()
}

/// Where the browser goes with an answer; `None` where a form takes it there.
fn address(back: &Back, parameters: &[(&str, &str)]) -> Option<String> {
    let separator = match back.mode {
        ResponseMode::Query if back.redirect_uri.contains('?') => '&',
        ResponseMode::Query => '?',
        ResponseMode::Fragment => '#',
        ResponseMode::FormPost => return None,
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    Some(format!("{}{separator}{}", back.redirect_uri, query.finish()))
}

fn fields(parameters: &[(&str, &str)]) -> Vec<Value> {
    parameters.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// What a browser gets instead of what it came for.
pub(crate) async fn answer_stop(visit: &Visit, stop: &Stop) -> HttpResponse {
    match stop {
        Stop::Page(PageError::Stale) => see_other(&visit.once_more()),
        Stop::Page(error) => error_page(visit, error),
        Stop::Redirect(error) => {
            let (code, description) = error::code(&error.problem);
            tell_refused(visit, Some(&error.back.client), (code, description));
            let parameters = [("error", code), ("error_description", description)];
            if goes_at_once(visit, &error.back).await {
                answer(visit, &error.back, &parameters)
            } else {
                refused_page(visit, error, &parameters)
            }
        }
    }
}

/// Tells of an authorization request that got no code.
fn tell_refused(visit: &Visit, client: Option<&ClientId>, (error, reason): (&'static str, &'static str)) {
    let (client, from) = (client.cloned(), (&visit.agent).into());
    visit.core().tell(Event::AuthorizeRefused { client, error, reason, from });
}

/// The same of one whose browser is sent nowhere.
pub(crate) fn tell_stopped(visit: &Visit, client_id: Option<&str>, error: &PageError) {
    let client: Option<ClientId> = client_id.and_then(|id| id.parse().ok());
    let why = match error {
        PageError::UnknownClient => ("invalid_client", "The client is unknown."),
        PageError::RedirectUri(..) => {
            ("invalid_request", "The redirect_uri is not registered for this client.")
        }
        PageError::Malformed(what) => ("invalid_request", *what),
        PageError::Unavailable(Failure::TooMany(_)) => ("temporarily_unavailable", "Too many requests came."),
        // The log has the cause.
        PageError::Unavailable(_) | PageError::Forged | PageError::Stale => return,
    };
    tell_refused(visit, client.as_ref(), why);
}

/// RFC 9700 §4.11.2: anybody can make a request that fails, so a link to this server would lead wherever a client says
/// that nobody answers for. A client that asks in silence waits for the answer where nobody can follow a link, in a
/// frame or behind a script; not so in the window of somebody who is not even signed in.
async fn goes_at_once(visit: &Visit, back: &Back) -> bool {
    if back.origin.is_vouched_for() {
        return true;
    }
    back.is_silent && (!visit.is_top_level() || matches!(visit.session().await, Ok(Some(_))))
}

fn refused_page(visit: &Visit, error: &RedirectError, parameters: &[(&str, &str)]) -> HttpResponse {
    let RedirectError { back, problem } = error;
    let all = with_usual(visit, back, parameters);
    let is_denied = matches!(problem, Problem::Unmet(Unmet::AccessDenied));
    let (_, detail) = error::code(problem);
    visit.page(&Page {
        template: "refused.html",
        content: json!({
            "is_denied": is_denied,
            "detail": detail,
            "place": redirect_uri::source_of(&back.redirect_uri),
            "address": address(back, &all),
            "target": back.redirect_uri,
            "fields": fields(&all),
        }),
        status: StatusCode::BAD_REQUEST,
        language: visit.language(back.ui_locales.as_deref()),
        leads_away: true,
    })
}

fn error_page(visit: &Visit, error: &PageError) -> HttpResponse {
    let (problem, status) = match error {
        PageError::UnknownClient => ("unknown_client", StatusCode::BAD_REQUEST),
        PageError::RedirectUri(..) => ("redirect_uri", StatusCode::BAD_REQUEST),
        PageError::Malformed(_) => ("malformed", StatusCode::BAD_REQUEST),
        PageError::Forged | PageError::Stale => ("forged", StatusCode::FORBIDDEN),
        // RFC 6585 §4. It is nothing that an operator has to see to.
        PageError::Unavailable(Failure::TooMany(_)) => ("unavailable", StatusCode::TOO_MANY_REQUESTS),
        PageError::Unavailable(Failure::NotFetched) => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        PageError::Unavailable(failure) => {
            tracing::error!(cause = with_causes(failure), "a page cannot be answered");
            ("unavailable", StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    let detail = match error {
        PageError::Malformed(what) => Some((*what).to_owned()),
        PageError::RedirectUri(parameter, uri) => Some(format!("{parameter}={}", readable(uri))),
        PageError::UnknownClient | PageError::Forged | PageError::Stale | PageError::Unavailable(_) => None,
    };
    let again = match error {
        PageError::Forged | PageError::Stale | PageError::Unavailable(_) => Some(visit.own_place()),
        PageError::UnknownClient | PageError::RedirectUri(..) | PageError::Malformed(_) => None,
    };
    visit.page(&Page {
        template: "error.html",
        content: json!({ "problem": problem, "detail": detail, "again": again }),
        status,
        language: visit.own_language(),
        leads_away: false,
    })
}

/// An address that somebody made up, as one line of what everybody can see.
fn readable(uri: &str) -> String {
    const LONGEST: usize = 255;
    let mut shown = String::new();
    for letter in uri.chars().take(LONGEST) {
        if letter.is_ascii_graphic() {
            shown.push(letter);
        } else {
            shown.extend(letter.escape_unicode());
        }
    }
    if uri.chars().nth(LONGEST).is_some() { shown + "…" } else { shown }
}
