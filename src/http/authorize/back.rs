//! The way back to the client, and what cannot take it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

use crate::http::authorize::see_other;
use crate::http::error::{self, Problem};
use crate::http::pages::Page;
use crate::http::visit::Visit;
use crate::service::Failure;

/// Where a client gets its answer (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// The response modes' names.
pub(crate) const MODES: [&str; 3] = ["query", "fragment", "form_post"];

impl ResponseMode {
    /// `None` when it is none of ours.
    pub(super) fn of(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("query") => Some(Self::Query),
            Some("fragment") => Some(Self::Fragment),
            Some("form_post") => Some(Self::FormPost),
            Some(_) => None,
        }
    }
}

/// A trusted redirect URI, with what goes there in any case. Only who has one can redirect.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    pub(super) redirect_uri: String,
    pub(super) mode: ResponseMode,
    pub(super) state: Option<String>,
    pub(super) language: &'static str,
}

/// Why there is no code: told on a page, as long as client and redirect URI are not trusted; to the client afterwards.
#[derive(Debug)]
pub(crate) enum Stop {
    Page(PageError),
    Redirect(Box<RedirectError>),
}

/// What a person is told.
#[derive(Debug)]
pub(crate) enum PageError {
    /// There is no such client.
    UnknownClient,
    /// The redirect URI is missing, or not the client's.
    RedirectUri,
    /// The request is none.
    Malformed(&'static str),
    /// The form was not sent by the browser that it was made for.
    Forged,
    /// The server cannot answer now, or at all.
    Unavailable(Failure),
}

/// What a client is told (RFC 6749 §4.1.2.1).
#[derive(Debug)]
pub(crate) struct RedirectError {
    back: Back,
    problem: Problem,
}

impl Back {
    /// The refusal of what the client asked for.
    pub(crate) fn refuse(&self, problem: impl Into<Problem>) -> Stop {
        Stop::Redirect(Box::new(RedirectError { back: self.clone(), problem: problem.into() }))
    }

    /// Sends the browser back with these parameters, with `state`, and with `iss`, by which a client that knows
    /// several servers tells whose answer it has (RFC 9207).
    pub(crate) fn answer(&self, visit: &Visit, parameters: &[(&str, &str)]) -> HttpResponse {
        let issuer = visit.core().issuer.as_str();
        let state = self.state.iter().map(|state| ("state", state.as_str()));
        let all = parameters.iter().copied().chain(state).chain([("iss", issuer)]);
        let separator = match self.mode {
            ResponseMode::Query if self.redirect_uri.contains('?') => '&',
            ResponseMode::Query => '?',
            ResponseMode::Fragment => '#',
            ResponseMode::FormPost => return self.form_post(visit, all),
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(all);
        see_other(&format!("{}{separator}{}", self.redirect_uri, query.finish()))
    }

    fn form_post<'a>(
        &self,
        visit: &Visit,
        parameters: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> HttpResponse {
        let fields = parameters.map(|(name, value)| json!({ "name": name, "value": value }));
        let fields: Vec<_> = fields.collect();
        visit.page(&Page {
            template: "form_post.html",
            content: json!({ "target": self.redirect_uri, "fields": fields }),
            status: StatusCode::OK,
            language: self.language,
            leads_away: true,
        })
    }
}

impl Stop {
    pub(crate) fn answer(&self, visit: &Visit) -> HttpResponse {
        match self {
            Self::Page(error) => error.answer(visit),
            Self::Redirect(error) => {
                let (code, description) = error::code(&error.problem);
                let parameters = [("error", code), ("error_description", description)];
                error.back.answer(visit, &parameters)
            }
        }
    }
}

impl PageError {
    fn answer(&self, visit: &Visit) -> HttpResponse {
        let (problem, status) = match self {
            Self::UnknownClient => ("unknown_client", StatusCode::BAD_REQUEST),
            Self::RedirectUri => ("redirect_uri", StatusCode::BAD_REQUEST),
            Self::Malformed(_) => ("malformed", StatusCode::BAD_REQUEST),
            Self::Forged => ("forged", StatusCode::FORBIDDEN),
            Self::Unavailable(failure) => {
                tracing::error!(cause = error::chain(failure), "a page cannot be answered");
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE)
            }
        };
        let detail = match self {
            Self::Malformed(what) => Some(*what),
            Self::UnknownClient | Self::RedirectUri | Self::Forged | Self::Unavailable(_) => None,
        };
        visit.page(&Page {
            template: "error.html",
            content: json!({ "problem": problem, "detail": detail }),
            status,
            language: visit.own_language(),
            leads_away: false,
        })
    }
}

impl From<PageError> for Stop {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Page(match problem {
            Problem::Malformed(what) => PageError::Malformed(what),
            Problem::TooLarge => PageError::Malformed("The request is too long."),
            Problem::Service(failure) => PageError::Unavailable(failure),
            Problem::CrossSite
            | Problem::Unmet(_)
            | Problem::UnsupportedGrantType
            | Problem::NoToken
            | Problem::TokenTwice
            | Problem::Deadline => PageError::Malformed("The request is none."),
        })
    }
}

impl<F: Into<Failure>> From<F> for Stop {
    fn from(failure: F) -> Self {
        Self::Page(PageError::Unavailable(failure.into()))
    }
}
