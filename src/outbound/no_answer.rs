//! Why there is no answer from somebody else's server.

use std::error::Error as _;

use chrono::TimeDelta;

use crate::domain::error_causes::with_causes;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The URL is neither `https` nor `http`, or names a user.
    #[error("the URL may not be fetched")]
    Url,
    /// The address is not public, or `http` is not allowed there. Strangers are told that it is unreachable.
    #[error("the address may not be reached")]
    Address,
    /// Nobody answered in time, or not in HTTP.
    #[error("the server did not answer: {0}")]
    Unreachable(String),
    /// The answer is no success, or a redirect.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The answer is longer than the limit.
    #[error("the answer is too long")]
    TooLong,
    /// The answer is not the JSON that was expected.
    #[error("the answer is not the JSON that was expected")]
    Content,
    /// Too many fetches are under way.
    #[error("too many fetches are under way")]
    Busy,
}

impl NoAnswer {
    /// Whether there may be an answer soon: nobody answered, or the answer says that this is not the last word.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Busy => true,
            Self::Status(status) => *status >= 500 || matches!(status, 408 | 425 | 429),
            Self::Url | Self::Address | Self::TooLong | Self::Content => false,
        }
    }
}

/// What was sent was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    pub why: NoAnswer,
    /// How long after the call began the next one may come at the earliest, if the answer says so.
    pub retry_after: Option<TimeDelta>,
}

impl From<NoAnswer> for NotTaken {
    fn from(why: NoAnswer) -> Self {
        Self { why, retry_after: None }
    }
}

/// None of a name's addresses may be reached.
#[derive(Debug, thiserror::Error)]
#[error("the addresses may not be reached")]
pub(super) struct Forbidden;

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause {
            if error.is::<Forbidden>() {
                return Self::Address;
            }
            cause = error.source();
        }
        Self::Unreachable(with_causes(&error.without_url()))
    }
}
