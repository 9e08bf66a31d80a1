//! Token Status Lists (draft-ietf-oauth-status-list-20): how a revocation reaches those who verify offline.

mod document;
mod followed;
mod list;
pub(crate) mod lists;
pub(crate) mod own;
mod pace;

use std::time::Duration;

use serde::Deserialize;

use crate::fetch::FetchError;
use crate::jws::Fault;

/// Where a token's status stands (draft-ietf-oauth-status-list-20 §6.2).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let access = sample_access().await;
/// match &access.status {
///     Some(status) => println!("entry {} of {}", status.index, status.uri),
///     None => println!("the issuer keeps no status list"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StatusReference {
    /// `idx`: which entry of the list.
    #[serde(rename = "idx")]
    pub index: u64,
    /// `uri`: which list.
    pub uri: String,
}

/// What became of a list that was asked for: for [`Builder::on_status_list`](crate::Builder::on_status_list).
///
/// ```
/// use heirloom_verifier::StatusListEvent;
///
/// fn note(event: &StatusListEvent) {
///     if let StatusListEvent::Failed { uri, error, stale_for } = event {
///         eprintln!("{uri}: {error}; not confirmed for {stale_for:?}");
///     }
/// }
/// # let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
/// let builder = builder.on_status_list(note);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusListEvent {
    /// A new document was taken over.
    Updated {
        /// Which list.
        uri: String,
    },
    /// The document that is known is the newest still.
    Confirmed {
        /// Which list.
        uri: String,
    },
    /// The list could not be fetched, or what came is no use. What is known is kept, and it is asked for again.
    Failed {
        /// Which list.
        uri: String,
        /// Why.
        error: StatusListError,
        /// How long ago it was last confirmed; `None` if it never came.
        stale_for: Option<Duration>,
    },
    /// The last token that named the list expired: it is no longer followed.
    Forgotten {
        /// Which list.
        uri: String,
    },
}

/// Why a status list is no use.
///
/// ```
/// use heirloom_verifier::StatusListError;
///
/// let error = StatusListError::UnpacksTooLarge;
/// assert_eq!(error.to_string(), "the list is larger than 16 MiB when it is unpacked");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatusListError {
    /// There was no answer, or it broke off.
    #[error("no answer: {detail}")]
    Unreachable {
        /// What the HTTP client says.
        detail: String,
    },
    /// Another HTTP status than 200: redirects are not followed.
    #[error("the answer's status is {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The media type is another (§8.2): this may be a proxy's page.
    #[error("the answer is not application/statuslist+jwt")]
    WrongMediaType,
    /// The answer does not end where any list would.
    #[error("the answer is longer than 4 MiB")]
    TooLong,
    /// The document is no JWT, or lacks what every status list token has (§5.1).
    #[error("the document is malformed")]
    Malformed,
    /// The document is a JWT, but no status list token (§5.1).
    #[error("the document's type is not statuslist+jwt")]
    WrongType,
    /// The algorithm is not allowed, or not the key's.
    #[error("the document is signed with an algorithm that is not accepted")]
    WrongAlgorithm,
    /// The issuer's keys are not there yet.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
    /// The issuer has no key of this id.
    #[error("the document is signed with an unknown key")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("the document's signature is invalid")]
    BadSignature,
    /// `iss` is there and another's.
    #[error("the document comes from another issuer")]
    WrongIssuer,
    /// `sub` is not the list that was asked for (§8.3).
    #[error("the document is another list's")]
    WrongSubject,
    /// `exp` is past.
    #[error("the document expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("the document is not valid yet")]
    NotYetValid,
    /// It was made before the one that is known: what was revoked in between must stay so.
    #[error("the document is older than the one known")]
    Older,
    /// `ttl` is not a positive number (§5.1).
    #[error("the document's ttl is not a positive number")]
    InvalidTtl,
    /// `bits` is none of 1, 2, 4 and 8 (§4.2).
    #[error("the list's bits are not 1, 2, 4 or 8")]
    InvalidBits,
    /// `lst` is not base64url.
    #[error("the list is not base64url")]
    NotBase64,
    /// `lst` is not in the ZLIB format (RFC 1950), or is cut off.
    #[error("the list is not ZLIB data")]
    NotZlib,
    /// A small document must not fill the memory.
    #[error("the list is larger than 16 MiB when it is unpacked")]
    UnpacksTooLarge,
}

impl From<Fault> for StatusListError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => Self::Malformed,
            Fault::WrongType => Self::WrongType,
            Fault::WrongAlgorithm => Self::WrongAlgorithm,
            Fault::KeysUnavailable => Self::KeysUnavailable,
            Fault::UnknownKey => Self::UnknownKey,
            Fault::BadSignature => Self::BadSignature,
        }
    }
}

impl From<FetchError> for StatusListError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Status(status) => Self::Status { status: status.as_u16() },
            FetchError::TooLong => Self::TooLong,
            FetchError::Http(error) => Self::Unreachable { detail: error.to_string() },
        }
    }
}

/// How the status lists fare that a verifier follows; the counters only ever grow.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lists = sample().build().await?.status_lists();
/// println!("status_lists_followed {}", lists.followed);
/// println!("status_lists_failed_total {}", lists.failed);
/// println!("status_lists_stale_seconds {}", lists.stale_for.unwrap_or_default().as_secs_f64());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusLists {
    /// How many lists are followed now.
    pub followed: usize,
    /// How long ago the one was last confirmed that waits longest; `None` if no list ever came.
    pub stale_for: Option<Duration>,
    /// How many new documents were taken over.
    pub updated: u64,
    /// How many times a known document was the newest still.
    pub confirmed: u64,
    /// How many times a list could not be fetched, or what came was no use.
    pub failed: u64,
    /// How many times a token was refused as [`Revoked`](crate::VerifyError::Revoked).
    pub revoked: u64,
    /// How many times a token was refused as [`StatusUnavailable`](crate::VerifyError::StatusUnavailable).
    pub unavailable: u64,
}
