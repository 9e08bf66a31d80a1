//! Why a service gives nothing.

use std::time::Duration;

use heirloom_verifier::dpop::{InvalidProof, NotRemembered};

use crate::crypto::passwords::Busy;
use crate::crypto::signing_key::KeyError;
use crate::domain::device::Waiting;
use crate::domain::new_password::UnfitPassword;
use crate::domain::passkey::UnfitPasskey;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::WantedFactor;
use crate::store::StoreError;

/// Everything that a service can answer instead of what was asked for. Whatever a refusal changes (an ended family)
/// has been written by then: nothing here rolls anything back.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The credential was not honoured.
    #[error("refused: {}", .0.as_str())]
    Refused(Refusal),
    /// The client is unknown, or did not authenticate (RFC 6749 §5.2).
    #[error("the client is unknown or did not authenticate")]
    InvalidClient,
    /// The client may not do this.
    #[error("the client may not do this")]
    UnauthorizedClient,
    /// A scope beyond what may be granted.
    #[error("the scope goes beyond what may be granted")]
    InvalidScope,
    /// A resource that is not registered, or was not granted (RFC 8707 §2).
    #[error("the resource may not be chosen")]
    InvalidTarget,
    /// The request does not prove its key as it must (RFC 9449 §5).
    #[error(transparent)]
    KeyProof(#[from] BadKeyProof),
    /// The request is to prove its key with this nonce (RFC 9449 §8).
    #[error("the DPoP proof needs a nonce of ours")]
    NonceNeeded(String),
    /// What the client gets is bound to its certificate, and it showed none that is good now (RFC 8705 §3).
    #[error("the client's certificate is missing or has expired")]
    NoCertificate,
    /// The access token is not good for this (RFC 6750 §3.1).
    #[error("the access token is not good for this")]
    InvalidToken,
    /// The access token is good, but lacks the scope (RFC 6750 §3.1).
    #[error("the access token lacks the scope")]
    InsufficientScope,
    /// The access token is good, but its user came in too long ago (RFC 9470 §3).
    #[error("the user has to authenticate again")]
    StaleAuthentication,
    /// A redirect URI that a client may not register (RFC 7591 §3.2.2).
    #[error("the redirect URI may not be registered: {0}")]
    InvalidRedirectUri(&'static str),
    /// Metadata that a client may not register (RFC 7591 §3.2.2).
    #[error("the metadata may not be registered: {0}")]
    InvalidClientMetadata(&'static str),
    /// A client's metadata document or its keys cannot be had now.
    #[error("what the client keeps elsewhere cannot be fetched now")]
    NotFetched,
    /// One address asked for too much; it may again after this time.
    #[error("too many requests come from one address")]
    TooMany(Duration),
    /// A token came back too often within its leeway; it may again after this time.
    #[error("a refresh token came back too often within its leeway")]
    TooManyReplays(Duration),
    /// A device gets no tokens now (RFC 8628 §3.5).
    #[error("the device waits: {}", .0.as_str())]
    Waiting(Waiting),
    /// A token that was to be exchanged is not good for it (RFC 8693 §2.2.2).
    #[error("a token cannot be exchanged: {0:?}")]
    Unacceptable(UnacceptableToken),
    /// No request of this client waits under this `auth_session`, or not any more.
    #[error("the auth_session is unknown")]
    InvalidSession,
    /// What a login rests on is not enough by now, or what was shown is not yet. With what it waits for, if it waits.
    #[error("the user has to show more")]
    InsufficientAuthorization(Option<Box<WantedFactor>>),
    /// There is no such thing, or it belongs to somebody else.
    #[error("it does not exist")]
    NotFound,
    /// So many passwords were wrong that the next one is looked at after this time only.
    #[error("there were too many wrong passwords")]
    TooManyAttempts(Duration),
    /// The password may not be set.
    #[error(transparent)]
    UnfitPassword(#[from] UnfitPassword),
    /// The passkey is not taken.
    #[error(transparent)]
    Passkey(#[from] UnfitPasskey),
    /// Too much is waiting: try again soon.
    #[error("too many requests are waiting")]
    Busy,
    /// The request waited in our own queue for so long that its verdict would be unfair.
    #[error("the request was overtaken by a later one")]
    Overtaken,
    /// The token is ahead of its row, and an operator has yet to say whether the database was restored.
    #[error("the refresh token is ahead of its row: was the database restored?")]
    Undecided,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no signing key.
    #[error("there is no signing key")]
    NoSigningKey,
}

/// The token that is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnacceptableToken {
    /// `subject_token`
    Subject,
    /// `actor_token`
    Actor,
    /// The user's token says who may act, and it is somebody else; or too many act already.
    Acting,
}

/// What is wrong with how a request proves its key, in fixed words for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeyProof {
    #[error(transparent)]
    Invalid(#[from] InvalidProof),
    /// RFC 9449 §4.3 (1).
    #[error("The request has several DPoP proofs.")]
    Several,
    /// It was taken before, or nobody can tell any more.
    #[error(transparent)]
    Spent(#[from] NotRemembered),
    /// What was presented is bound to a key, or must be.
    #[error("A DPoP proof is missing.")]
    Missing,
    /// It is bound to another key.
    #[error("The DPoP proof is not of the key that this is bound to.")]
    OtherKey,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Busy> for Failure {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}
