//! The one place where an error becomes a status, an OAuth code and headers.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpResponse, ResponseError};

use crate::domain::error_causes::with_causes;
use crate::http::answer::{self, Answer, Challenge, PushedTo};
use crate::http::words::{about_device, about_exchange, about_password, sentence};
use crate::service::Failure;
use crate::service::clock_watch::Astray;

pub(crate) use crate::http::answer::Scheme;

/// Everything that can be wrong with a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The request is not what the endpoint takes (RFC 6749 §5.2 `invalid_request`).
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The body is longer than the limit.
    #[error("the body is too long")]
    TooLarge,
    /// A `grant_type` that is not served here.
    #[error("the grant type is not supported")]
    UnsupportedGrantType,
    /// No access token was sent: the challenge carries no error code (RFC 6750 §3.1).
    #[error("the access token is missing")]
    NoToken,
    /// An access token was sent in two ways (RFC 6750 §2).
    #[error("the request has two access tokens")]
    TokenTwice,
    /// A cookie came with a request that was not made by a page of our own origin.
    #[error("the request is not from this origin")]
    CrossSite,
    /// What an authorization request asks for cannot be had.
    #[error("unmet: {0:?}")]
    Unmet(Unmet),
    /// Nothing was shown yet.
    #[error("the password is missing")]
    PasswordMissing,
    /// The user has to go to the pages, with a request that waits there if there is one.
    #[error("the user has to go to the pages")]
    RedirectToWeb(Option<PushedTo>),
    /// The service said no.
    #[error(transparent)]
    Service(#[from] Failure),
    /// It is not known what time it is.
    #[error(transparent)]
    Astray(Astray),
    /// The request took longer than we allow ourselves.
    #[error("the request took too long")]
    Deadline,
}

/// Why an authorization request gets no code (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    AccessDenied,
    LoginRequired,
    ConsentRequired,
    UnsupportedResponseType,
    InvalidRequestObject,
    RequestUriNotSupported,
    RegistrationNotSupported,
    AuthenticationRequirements,
}

impl From<Unmet> for Problem {
    fn from(unmet: Unmet) -> Self {
        Self::Unmet(unmet)
    }
}

/// A problem at the simple face: refusals are 401, with a sentence that a person can act on.
#[derive(Debug)]
pub(crate) struct Simple(pub(crate) Problem);

/// A problem at the standard face: exactly the RFCs' codes.
#[derive(Debug)]
pub(crate) struct Standard(pub(crate) Problem);

impl<P: Into<Problem>> From<P> for Simple {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl<P: Into<Problem>> From<P> for Standard {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

/// A problem at a place that opens with an access token.
#[derive(Debug)]
pub(crate) struct Protected {
    pub(crate) face: Face,
    /// How the token was shown.
    pub(crate) scheme: Scheme,
    pub(crate) problem: Problem,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Face {
    Simple,
    Standard,
}

/// Whatever the cause: a stranger must not find out by it what there is inside.
const NOT_FETCHED: &str =
    "The client's keys or its metadata document cannot be fetched right now. Please try again.";

const TRY_AGAIN: &str = "The server cannot answer right now. Please try again.";

/// A person has to say something: that takes more than a moment.
const TRY_LATER: &str = "The server cannot answer right now. Please keep the refresh token, and try again.";

const BAD: StatusCode = StatusCode::BAD_REQUEST;

pub(crate) fn answer(problem: &Problem, face: Face) -> Answer {
    match problem {
        Problem::Malformed(what) => Answer::new(BAD, "invalid_request", *what),
        Problem::TooLarge => {
            Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "The request body is too long.")
        }
        Problem::UnsupportedGrantType => {
            Answer::new(BAD, "unsupported_grant_type", "This grant type is not supported.")
        }
        Problem::NoToken => Answer::new(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "Send an access token: Authorization: Bearer …",
        )
        .with_challenge(Challenge::Token("".into())),
        Problem::TokenTwice => {
            Answer::new(BAD, "invalid_request", "The access token is sent in two ways at once.")
                .with_challenge(Challenge::Token(r#"error="invalid_request""#.into()))
        }
        Problem::CrossSite => Answer::new(
            StatusCode::FORBIDDEN,
            "invalid_request",
            "This client's requests must come from a page of this server's own origin.",
        ),
        Problem::Deadline | Problem::Astray(_) => unavailable(TRY_AGAIN),
        Problem::PasswordMissing => answer::password_missing(),
        Problem::RedirectToWeb(pushed) => answer::redirect_to_web(pushed.as_ref()),
        Problem::Unmet(unmet) => answer_unmet(*unmet),
        Problem::Service(failure) => answer_failure(failure, face),
    }
}

fn answer_unmet(unmet: Unmet) -> Answer {
    let (code, description) = match unmet {
        Unmet::AccessDenied => ("access_denied", "The user did not agree."),
        Unmet::LoginRequired => ("login_required", "The user has to sign in."),
        Unmet::ConsentRequired => ("consent_required", "The user has to agree."),
        // OpenID Connect Core Unmet Authentication Requirements §2
        Unmet::AuthenticationRequirements => (
            "unmet_authentication_requirements",
            "No sign-in on this server reaches the acr that the request asks for.",
        ),
        Unmet::UnsupportedResponseType => ("unsupported_response_type", "The response type must be code."),
        Unmet::InvalidRequestObject => ("invalid_request_object", "The request object is invalid."),
        Unmet::RequestUriNotSupported => ("request_uri_not_supported", "Request URIs are not supported."),
        Unmet::RegistrationNotSupported => {
            ("registration_not_supported", "Registration within a request is not supported.")
        }
    };
    Answer::new(StatusCode::BAD_REQUEST, code, description)
}

/// A problem's OAuth code and description, for a redirect back to the client.
pub(crate) fn code(problem: &Problem) -> (&'static str, &'static str) {
    let answer = answer(problem, Face::Standard);
    let description = match answer.description {
        Cow::Borrowed(words) => words,
        // Only a key's proof has words that are put together, and no browser that is sent back brings one.
        Cow::Owned(_) => "The request was refused.",
    };
    (answer.code, description)
}

#[expect(clippy::too_many_lines, reason = "a list with an entry for each failure")]
pub(crate) fn answer_failure(failure: &Failure, face: Face) -> Answer {
    match failure {
        Failure::Refused(refusal) => {
            let status = match face {
                Face::Simple => StatusCode::UNAUTHORIZED,
                Face::Standard => BAD,
            };
            Answer::new(status, "invalid_grant", sentence(*refusal))
        }
        Failure::InvalidClient => Answer::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "The client is unknown, or its authentication failed.",
        )
        .with_challenge(Challenge::Client),
        Failure::UnauthorizedClient => {
            Answer::new(BAD, "unauthorized_client", "This client is not allowed to do this.")
        }
        Failure::InvalidScope => Answer::new(
            BAD,
            "invalid_scope",
            "The scope is malformed, or it goes beyond what may be granted.",
        ),
        Failure::InvalidTarget => Answer::new(
            BAD,
            "invalid_target",
            "The resource is not registered for this client, or it was not granted.",
        ),
        Failure::KeyProof(why) => Answer::new(BAD, "invalid_dpop_proof", why.to_string()),
        Failure::NoCertificate => Answer::new(
            BAD,
            "invalid_request",
            "This client's tokens are bound to its certificate, and the request came without one that is good now.",
        ),
        Failure::NonceNeeded(nonce) => {
            Answer::new(BAD, "use_dpop_nonce", "The DPoP proof must have the nonce of the header DPoP-Nonce.")
                .with_nonce(nonce)
        }
        Failure::InvalidToken => {
            Answer::new(StatusCode::UNAUTHORIZED, "invalid_token", "The access token is invalid or expired.")
                .with_challenge(Challenge::Token(
                    r#"error="invalid_token", error_description="The access token is invalid or expired.""#
                        .into(),
                ))
        }
        Failure::InsufficientScope => Answer::new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "The access token lacks the scope for this.",
        )
        .with_challenge(Challenge::Token(r#"error="insufficient_scope", scope="openid""#.into())),
        Failure::StaleAuthentication => stale_authentication(),
        Failure::InvalidRedirectUri(why) => Answer::new(BAD, "invalid_redirect_uri", *why),
        Failure::InvalidClientMetadata(why) => Answer::new(BAD, "invalid_client_metadata", *why),
        Failure::TooMany(retry_after) => too_many(
            "temporarily_unavailable",
            "Too many requests of this kind came from this address. Please wait, then try again.",
            *retry_after,
        ),
        // The token is good: `invalid_grant` would make clients throw it away.
        Failure::TooManyReplays(retry_after) => too_many(
            "temporarily_unavailable",
            "This refresh token came back too often within a moment. Please wait, then try again.",
            *retry_after,
        ),
        Failure::Waiting(waiting) => Answer::new(BAD, waiting.as_str(), about_device(*waiting)),
        Failure::Unacceptable(token) => Answer::new(BAD, "invalid_request", about_exchange(*token)),
        Failure::UnfitPassword(unfit) => Answer::new(BAD, "invalid_request", about_password(*unfit)),
        // A page says why.
        Failure::Passkey(_) => Answer::new(BAD, "invalid_request", "The passkey was not taken."),
        Failure::InvalidSession => Answer::new(
            BAD,
            "invalid_session",
            "The auth_session is unknown, has expired or was used. Please begin anew without it.",
        ),
        Failure::InsufficientAuthorization(wanted) => answer::insufficient(wanted.as_deref()),
        Failure::NotFound => Answer::new(StatusCode::NOT_FOUND, "not_found", "This session does not exist."),
        Failure::TooManyAttempts(retry_after) => too_many(
            "too_many_attempts",
            "There were too many wrong passwords. Please wait, then try again.",
            *retry_after,
        ),
        Failure::Store(error) if error.passes() => unavailable(TRY_AGAIN),
        Failure::NotFetched => unavailable(NOT_FETCHED),
        Failure::Undecided => unavailable(TRY_LATER).with_retry_after(60),
        Failure::Busy | Failure::Overtaken | Failure::NoSigningKey => unavailable(TRY_AGAIN),
        Failure::Store(_) | Failure::Key(_) => Answer::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "Something went wrong on our side.",
        ),
    }
}

/// RFC 9470 §3, with the seconds of `authentication::FRESH`.
fn stale_authentication() -> Answer {
    Answer::new(
        StatusCode::UNAUTHORIZED,
        "insufficient_user_authentication",
        "This wants a login of the last 5 minutes. Please log in again, or send the password to /sessions/revoke.",
    )
    .with_challenge(Challenge::Token(
        r#"error="insufficient_user_authentication", error_description="This wants a login of the last 5 minutes.", max_age="300""#.into(),
    ))
}

/// RFC 6585 §4.
fn too_many(code: &'static str, description: &'static str, retry_after: Duration) -> Answer {
    Answer::new(StatusCode::TOO_MANY_REQUESTS, code, description).with_retry_after(seconds(retry_after))
}

/// Whole seconds, so that it is not too early then.
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn unavailable(description: &'static str) -> Answer {
    Answer::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description).with_retry_after(1)
}

pub(crate) fn not_found() -> HttpResponse {
    Answer::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here.").into_response()
}

/// RFC 8705 §5: a browser that came would ask its user which certificate to send.
pub(crate) fn not_found_by_certificate() -> HttpResponse {
    let description = "This listener is for clients that show a certificate. Pages, and all else that is not here, are \
                       at the issuer's own URL.";
    Answer::new(StatusCode::NOT_FOUND, "not_found", description).into_response()
}

/// RFC 9110 §15.6.2.
pub(crate) fn not_implemented() -> HttpResponse {
    let description = "What was true at an earlier time cannot be asked here.";
    Answer::new(StatusCode::NOT_IMPLEMENTED, "invalid_request", description).into_response()
}

/// RFC 9110 §15.5.6.
pub(crate) fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let answer =
        Answer::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "This method is not served here.");
    let mut response = answer.into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

macro_rules! response_error {
    ($($face:ident),+) => {$(
        impl fmt::Display for $face {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl ResponseError for $face {
            fn status_code(&self) -> StatusCode {
                answer(&self.0, Face::$face).status
            }

            fn error_response(&self) -> HttpResponse {
                answer(&self.0, Face::$face).into_response()
            }
        }
    )+};
}

response_error!(Simple, Standard);

impl Protected {
    fn answer(&self) -> Answer {
        answer(&self.problem, self.face).at_resource(self.scheme)
    }
}

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl ResponseError for Protected {
    fn status_code(&self) -> StatusCode {
        self.answer().status
    }

    fn error_response(&self) -> HttpResponse {
        self.answer().into_response()
    }
}

/// The causes of an error behind its first line, for the log.
pub(crate) fn causes(error: &actix_web::Error) -> String {
    let simple = || error.as_error::<Simple>().map(|it| &it.0);
    let standard = || error.as_error::<Standard>().map(|it| &it.0);
    let protected = || error.as_error::<Protected>().map(|it| &it.problem);
    let Some(problem) = simple().or_else(standard).or_else(protected) else { return error.to_string() };
    with_causes(problem)
}
