//! What is wrong with an order, as RFC 9457 has it told.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::domain::right::Right;
use crate::http::answer::{Answer, Challenge};
use crate::http::error::{self, Face, Problem, Scheme};
use crate::service::Failure;
use crate::service::admin::caller::Unentitled;
use crate::service::admin::error::AdminError;

/// Why there is no answer to it.
#[derive(Debug, thiserror::Error)]
pub(in crate::http) enum AdminProblem {
    #[error(transparent)]
    Request(#[from] Problem),
    /// What was sent is not what is taken, in a sentence.
    #[error("{0}")]
    Unfit(String),
    #[error("the access token lacks the scope {0}")]
    LacksRight(Right),
    #[error("the user does not have the role of administrators")]
    NoAdministrator,
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotThere(&'static str),
    #[error(transparent)]
    Order(#[from] AdminError),
    /// The same request came before with this key, and is being worked on.
    #[error("a request with this idempotency key is being worked on")]
    UnderWay,
    /// The key was used before.
    #[error("the idempotency key was another request's")]
    KeyOfOther,
    #[error("the answer to the request with this idempotency key does not open")]
    AnswerLost,
}

impl From<Failure> for AdminProblem {
    fn from(failure: Failure) -> Self {
        Self::Request(failure.into())
    }
}

impl From<Unentitled> for AdminProblem {
    fn from(why: Unentitled) -> Self {
        match why {
            Unentitled::LacksRight(right) => Self::LacksRight(right),
            Unentitled::NoAdministrator => Self::NoAdministrator,
            Unentitled::Token(failure) => failure.into(),
        }
    }
}

/// The same with how the token was shown.
#[derive(Debug)]
pub(crate) struct AdminRefusal {
    pub(super) scheme: Scheme,
    pub(super) problem: AdminProblem,
}

/// RFC 9457: what a refusal says. More members may come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemDetails {
    /// The phrase of the status.
    title: &'static str,
    status: u16,
    /// A sentence for people.
    detail: String,
    /// A word for programs.
    code: &'static str,
    /// The scope that the access token lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// The refusals of every place, in the API's description.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let details = RefOr::from(Ref::from_schema_name(ProblemDetails::name()));
        let content = Content::new(Some(details));
        let refusal = ResponseBuilder::new().content("application/problem+json", content).build();
        ["4XX", "5XX"].map(|status| (status.to_owned(), refusal.clone().into())).into()
    }
}

impl AdminProblem {
    pub(in crate::http) fn answer(&self) -> Answer {
        match self {
            Self::Request(problem) => of_request(problem),
            Self::Unfit(what) => Answer::new(StatusCode::BAD_REQUEST, "invalid_request", what.clone()),
            Self::LacksRight(right) => {
                let challenge = format!(r#"error="insufficient_scope", scope="{right}""#);
                let detail = format!("The access token lacks the scope {right}.");
                Answer::new(StatusCode::FORBIDDEN, "insufficient_scope", detail)
                    .with_challenge(Challenge::Token(challenge.into()))
            }
            Self::NoAdministrator => {
                let detail = "The access token's user does not have the role of administrators.";
                Answer::new(StatusCode::FORBIDDEN, "access_denied", detail)
            }
            Self::NotThere(what) => not_there(format!("There is no such {what}.")),
            Self::Order(error) => of_order(error),
            Self::UnderWay => {
                let detail = "The same request is being worked on. Send it again to get its answer.";
                Answer::new(StatusCode::CONFLICT, "request_under_way", detail).with_retry_after(1)
            }
            Self::KeyOfOther => {
                let detail =
                    "Another request came with this Idempotency-Key. Send a key of its own with each.";
                Answer::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_used", detail)
            }
            Self::AnswerLost => {
                let detail =
                    "The request was carried out, and its answer is lost. Look for what it has made.";
                Answer::new(StatusCode::CONFLICT, "answer_lost", detail)
            }
        }
    }

    fn scope(&self) -> Option<String> {
        match self {
            Self::LacksRight(right) => Some(right.to_string()),
            Self::Request(_)
            | Self::Unfit(_)
            | Self::NoAdministrator
            | Self::NotThere(_)
            | Self::Order(_)
            | Self::UnderWay
            | Self::KeyOfOther
            | Self::AnswerLost => None,
        }
    }
}

fn of_request(problem: &Problem) -> Answer {
    match problem {
        Problem::Service(Failure::NotFound) => not_there("There is no such thing.".to_owned()),
        problem => error::answer(problem, Face::Standard),
    }
}

fn not_there(detail: String) -> Answer {
    Answer::new(StatusCode::NOT_FOUND, "not_found", detail)
}

fn of_order(error: &AdminError) -> Answer {
    let (status, code) = match error {
        AdminError::NoClient(_)
        | AdminError::ClientRemoved(_)
        | AdminError::NoUser(_)
        | AdminError::NoUserId(_)
        | AdminError::NoConsent(_)
        | AdminError::NoLiveFamily(_)
        | AdminError::NoAudience(_)
        | AdminError::NoResourceServer(_)
        | AdminError::NoWebhook(_)
        | AdminError::NoDisabledWebhook(_)
        | AdminError::NoEnabledWebhook(_)
        | AdminError::NoDelivery(_)
        | AdminError::NoJob(_)
        | AdminError::NoRegistrationToken(_)
        | AdminError::NotInvited(_) => (StatusCode::NOT_FOUND, "not_found"),
        AdminError::Stale => (StatusCode::PRECONDITION_FAILED, "stale"),
        AdminError::ClaimLost => (StatusCode::CONFLICT, "request_under_way"),
        AdminError::ClientIdTaken(_)
        | AdminError::ResourceServerTaken(_)
        | AdminError::UsernameTaken(_)
        | AdminError::EmailTaken(_)
        | AdminError::UsernameIsEmail(_)
        | AdminError::NoSignUp
        | AdminError::DisabledWebhook(_)
        | AdminError::TooManyWebhooks
        | AdminError::JobEnded(_)
        | AdminError::DeliveryUnderWay(_)
        | AdminError::Unconfirmed { .. } => (StatusCode::CONFLICT, "conflict"),
        AdminError::TooManyMails => (StatusCode::TOO_MANY_REQUESTS, "too_many_mails"),
        AdminError::Untold(_) => (StatusCode::BAD_GATEWAY, "not_delivered"),
        AdminError::NoSecrets(_)
        | AdminError::UnfitUsername(_)
        | AdminError::UnfitEmail(_)
        | AdminError::UnfitRole(_)
        | AdminError::UnfitClientName
        | AdminError::WebhookUrl(_)
        | AdminError::UnfitRedirectUri(..)
        | AdminError::NotForPublicClients(_)
        | AdminError::Metadata(_)
        | AdminError::Members(..)
        | AdminError::Lifetimes(_)
        | AdminError::Rotation(_)
        | AdminError::Sector(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        AdminError::Keys(_) | AdminError::UnreadableTotp(..) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
        AdminError::Service(Failure::NotFound) => return not_there("There is no such thing.".to_owned()),
        AdminError::Service(failure) => return error::answer_failure(failure, Face::Standard),
    };
    if status.is_server_error() && status != StatusCode::BAD_GATEWAY {
        // What there is inside is for the log.
        return Answer::new(status, code, "Something went wrong on our side.");
    }
    Answer::new(status, code, as_sentence(&error.to_string()))
}

fn as_sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    format!("{}{}.", first.to_uppercase(), letters.as_str())
}

/// A place that there is not.
pub(super) fn not_found() -> HttpResponse {
    details(&not_there("There is nothing here.".to_owned()), None)
}

fn details(answer: &Answer, scope: Option<String>) -> HttpResponse {
    let details = ProblemDetails {
        title: answer.status.canonical_reason().unwrap_or_default(),
        status: answer.status.as_u16(),
        detail: answer.description.clone().into_owned(),
        code: answer.code,
        scope,
    };
    let text = serde_json::to_string(&details).unwrap_or_default();
    answer.head().content_type("application/problem+json").body(text)
}

impl AdminRefusal {
    fn answer(&self) -> Answer {
        self.problem.answer().at_resource(self.scheme)
    }
}

impl fmt::Display for AdminRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl ResponseError for AdminRefusal {
    fn status_code(&self) -> StatusCode {
        self.answer().status
    }

    fn error_response(&self) -> HttpResponse {
        details(&self.answer(), self.problem.scope())
    }
}
