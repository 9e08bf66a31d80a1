//! How refreshes end, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::family::Served;
use crate::domain::refusal::Refusal;
use crate::service::Failure;

/// How a refresh ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshEnd {
    /// The current generation was presented, and the family moved on.
    Rotated,
    /// Within the leeway, the same generation was handed out once more.
    Replayed,
    /// The client's tokens need not rotate now.
    Kept,
    /// A later generation's answers were lost, and the family moved on from an earlier one.
    Recovered,
    /// The token was ahead of a row that a restore had put back.
    CaughtUp,
    /// A spent token came back and its family was ended, or any token of a family that was ended so.
    Reuse,
    /// The token is unknown, expired, of another client, or of a login that was ended.
    Refused,
    /// The token came back too often within its leeway.
    TooManyReplays,
    /// The request waited for so long that a later one overtook it.
    Overtaken,
    /// Nobody has said yet whether the database was restored.
    Undecided,
    /// The client, its proof or what it asked for was not good.
    Denied,
    /// The server could not do it now; the token still works.
    Failed,
}

impl RefreshEnd {
    /// Every end there is.
    pub const ALL: [Self; 12] = [
        Self::Rotated,
        Self::Replayed,
        Self::Kept,
        Self::Recovered,
        Self::CaughtUp,
        Self::Reuse,
        Self::Refused,
        Self::TooManyReplays,
        Self::Overtaken,
        Self::Undecided,
        Self::Denied,
        Self::Failed,
    ];

    /// What monitoring calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::Replayed => "replayed",
            Self::Kept => "kept",
            Self::Recovered => "recovered",
            Self::CaughtUp => "caught_up",
            Self::Reuse => "reuse",
            Self::Refused => "refused",
            Self::TooManyReplays => "too_many_replays",
            Self::Overtaken => "overtaken",
            Self::Undecided => "undecided",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

impl From<Served> for RefreshEnd {
    fn from(served: Served) -> Self {
        match served {
            Served::Rotated => Self::Rotated,
            Served::Replayed => Self::Replayed,
            Served::Kept => Self::Kept,
            Served::Recovered { .. } => Self::Recovered,
            Served::CaughtUp => Self::CaughtUp,
        }
    }
}

impl From<&Failure> for RefreshEnd {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(Refusal::Reused) => Self::Reuse,
            Failure::Refused(_) => Self::Refused,
            Failure::TooManyReplays(_) => Self::TooManyReplays,
            Failure::Overtaken => Self::Overtaken,
            Failure::Undecided => Self::Undecided,
            Failure::Busy | Failure::Store(_) | Failure::Key(_) | Failure::NoSigningKey => Self::Failed,
            Failure::InvalidClient
            | Failure::UnauthorizedClient
            | Failure::InvalidScope
            | Failure::InvalidTarget
            | Failure::KeyProof(_)
            | Failure::NonceNeeded(_)
            | Failure::NoCertificate
            | Failure::InvalidToken
            | Failure::InsufficientScope
            | Failure::StaleAuthentication
            | Failure::InvalidRedirectUri(_)
            | Failure::InvalidClientMetadata(_)
            | Failure::NotFetched
            | Failure::TooMany(_)
            | Failure::Waiting(_)
            | Failure::Unacceptable(_)
            | Failure::InvalidSession
            | Failure::InsufficientAuthorization(_)
            | Failure::NotFound
            | Failure::TooManyAttempts(_)
            | Failure::UnfitPassword(_)
            | Failure::Passkey(_) => Self::Denied,
        }
    }
}

/// How often each end came, since the process started.
#[derive(Debug, Default)]
pub struct RefreshCounts([AtomicU64; RefreshEnd::ALL.len()]);

impl RefreshCounts {
    pub(super) fn count(&self, end: RefreshEnd) {
        if let Some(count) = self.0.get(end as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often it came so far.
    #[must_use]
    pub fn of(&self, end: RefreshEnd) -> u64 {
        self.0.get(end as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}
