//! Why there is no code, and the way back to the client, if there is one.

use crate::domain::client::Origin;
use crate::domain::ids::ClientId;
use crate::http::error::Problem;
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
    pub(crate) fn of(name: Option<&str>) -> Option<Self> {
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
    pub(crate) client: ClientId,
    pub(crate) redirect_uri: String,
    pub(crate) mode: ResponseMode,
    pub(crate) state: Option<String>,
    pub(crate) ui_locales: Option<String>,
    /// Who says that the redirect URI is good.
    pub(crate) origin: Origin,
    /// Whether the client asked that no page be shown (`prompt=none`).
    pub(crate) is_silent: bool,
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
    /// The URI that this parameter names is not the client's: it is shown, for its developer to compare.
    RedirectUri(&'static str, String),
    /// The request is none.
    Malformed(&'static str),
    /// The form is this browser's own, and was made before somebody signed in or out, or before the client changed.
    Stale,
    /// The form was not sent by the browser that it was made for.
    Forged,
    /// The server cannot answer now, or at all.
    Unavailable(Failure),
}

/// What a client is told (RFC 6749 §4.1.2.1).
#[derive(Debug)]
pub(crate) struct RedirectError {
    pub(crate) back: Back,
    pub(crate) problem: Problem,
}

impl Back {
    /// The refusal of what the client asked for.
    pub(crate) fn refuse(&self, problem: impl Into<Problem>) -> Stop {
        Stop::Redirect(Box::new(RedirectError { back: self.clone(), problem: problem.into() }))
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
            | Problem::Astray(_)
            | Problem::Deadline
            | Problem::PasswordMissing
            | Problem::RedirectToWeb(_) => PageError::Malformed("The request is not one of an app."),
        })
    }
}

impl<F: Into<Failure>> From<F> for Stop {
    fn from(failure: F) -> Self {
        Self::Page(PageError::Unavailable(failure.into()))
    }
}
