//! What is wrong with a SCIM request, as RFC 7644 §3.12 has it told.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::domain::scim::fault::{FaultKind, ScimFault};
use crate::http::admin::problem::AdminProblem;
use crate::http::answer::Answer;
use crate::http::error::{Problem, Scheme};
use crate::service::Failure;
use crate::service::admin::caller::Unentitled;
use crate::service::admin::error::AdminError;
use crate::service::admin::provisioning::Unprovisioned;

/// What answers are.
pub(super) const SCIM_JSON: &str = "application/scim+json";

const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Why there is no answer to it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScimProblem {
    #[error(transparent)]
    Fault(#[from] ScimFault),
    /// What is wrong with any order of an operator.
    #[error(transparent)]
    Admin(AdminProblem),
    /// RFC 7644 §4: what describes the server is not filtered.
    #[error("what describes the server is not filtered")]
    Unfilterable,
    #[error("there is nothing here")]
    NoPlace,
    /// The place is asked by other methods.
    #[error("the method is not allowed: {0}")]
    Method(&'static str),
}

impl From<Problem> for ScimProblem {
    fn from(problem: Problem) -> Self {
        Self::Admin(problem.into())
    }
}

impl From<Unentitled> for ScimProblem {
    fn from(why: Unentitled) -> Self {
        Self::Admin(why.into())
    }
}

impl From<Unprovisioned> for ScimProblem {
    fn from(why: Unprovisioned) -> Self {
        match why {
            Unprovisioned::Fault(fault) => Self::Fault(fault),
            Unprovisioned::Order(error) => Self::Admin(error.into()),
        }
    }
}

/// The same with how the token was shown.
#[derive(Debug)]
pub(crate) struct ScimRefusal {
    pub(super) scheme: Scheme,
    pub(super) problem: ScimProblem,
}

impl ScimProblem {
    /// A user whom there is not.
    pub(super) fn no_user() -> Self {
        Self::Admin(AdminProblem::NotThere("user"))
    }

    fn answer(&self) -> Answer {
        match self {
            // RFC 7644 §3.12, table 9.
            Self::Fault(fault) => {
                Answer::new(StatusCode::BAD_REQUEST, fault.kind.as_str(), fault.detail.clone())
            }
            Self::Admin(problem) => problem.answer(),
            Self::Unfilterable => {
                let detail = "What describes the server is not filtered.";
                Answer::new(StatusCode::FORBIDDEN, "unfilterable", detail)
            }
            Self::NoPlace => Answer::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here."),
            Self::Method(_) => {
                let detail = "This place is not asked by this method.";
                Answer::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            }
        }
    }

    /// `scimType`, where there is a word for it.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Fault(fault) => Some(fault.kind.as_str()),
            Self::Admin(AdminProblem::Order(
                AdminError::UsernameTaken(_) | AdminError::EmailTaken(_) | AdminError::UsernameIsEmail(_),
            )) => Some("uniqueness"),
            Self::Admin(AdminProblem::Order(
                AdminError::UnfitUsername(_)
                | AdminError::UnfitEmail(_)
                | AdminError::UnfitRole(_)
                | AdminError::Members(..)
                | AdminError::Service(Failure::UnfitPassword(_)),
            )) => Some(FaultKind::InvalidValue.as_str()),
            Self::Admin(AdminProblem::Request(Problem::Malformed(_)) | AdminProblem::Unfit(_)) => {
                Some(FaultKind::InvalidSyntax.as_str())
            }
            Self::Admin(_) | Self::Unfilterable | Self::NoPlace | Self::Method(_) => None,
        }
    }

    fn told(&self, answer: &Answer) -> HttpResponse {
        let mut error = json!({
            "schemas": [ERROR],
            // RFC 7644 §3.12: a text.
            "status": answer.status.as_u16().to_string(),
            "detail": answer.description,
        });
        if let (Some(kind), Some(members)) = (self.kind(), error.as_object_mut()) {
            members.insert("scimType".to_owned(), json!(kind));
        }
        let mut response = answer.head();
        if let Self::Method(allowed) = self {
            response.insert_header((ALLOW, HeaderValue::from_static(allowed)));
        }
        response.content_type(SCIM_JSON).body(error.to_string())
    }

    /// Where no token was asked for.
    pub(super) fn into_response(self) -> HttpResponse {
        self.told(&self.answer())
    }
}

impl fmt::Display for ScimRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl ResponseError for ScimRefusal {
    fn status_code(&self) -> StatusCode {
        self.problem.answer().at_resource(self.scheme).status
    }

    fn error_response(&self) -> HttpResponse {
        self.problem.told(&self.problem.answer().at_resource(self.scheme))
    }
}
