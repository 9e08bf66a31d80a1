//! What a page says when a password was not accepted.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};

use crate::http::error::seconds;
use crate::service::Failure;

/// Why a password opened nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It was wrong, or its user is.
    Refused,
    /// It was not looked at: too many were wrong.
    TooMany(Duration),
}

impl Wrong {
    /// # Errors
    /// What is no fault of the password's.
    pub(crate) fn of(failure: Failure) -> Result<Self, Failure> {
        match failure {
            Failure::Refused(_) => Ok(Self::Refused),
            Failure::TooManyAttempts(retry_after) => Ok(Self::TooMany(retry_after)),
            failure => Err(failure),
        }
    }

    /// The text's key; `refused` is the page's own.
    pub(crate) fn text(self, refused: &'static str) -> &'static str {
        match self {
            Self::Refused => refused,
            Self::TooMany(_) => "password_too_many",
        }
    }

    /// How long to wait, for people.
    pub(crate) fn minutes(self) -> u64 {
        match self {
            Self::Refused => 0,
            Self::TooMany(retry_after) => seconds(retry_after).div_ceil(60),
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Refused => StatusCode::FORBIDDEN,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// Adds how long to wait, for machines.
    pub(crate) fn after(self, mut page: HttpResponse) -> HttpResponse {
        if let Self::TooMany(retry_after) = self {
            page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(retry_after)));
        }
        page
    }
}
