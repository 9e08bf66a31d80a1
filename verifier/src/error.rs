//! Why a request is refused, and how to say so (RFC 6750 §3).

use std::time::Duration;

use crate::dpop::{InvalidProof, NotRemembered};
use crate::jws::Fault;

/// Why a token, or a request without one, is refused.
///
/// ```
/// use heirloom_verifier::VerifyError;
///
/// let refusal = VerifyError::InsufficientScope { required: "orders:write".to_owned() };
/// assert_eq!(refusal.status(), 403);
/// assert!(refusal.challenge("shop").unwrap().contains("scope=\"orders:write\""));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The request carries no access token.
    #[error("Send an access token: Authorization: Bearer …")]
    Missing,
    /// The `Authorization` header cannot be read.
    #[error("The Authorization header is malformed.")]
    MalformedRequest,
    /// The request carries a token in its query too (RFC 6750 §2).
    #[error("The request carries more than one access token.")]
    SeveralTokens,
    /// The token is no JWT, or lacks what every access token has.
    #[error("The access token is malformed.")]
    Malformed,
    /// The token is a JWT, but no access token (RFC 9068 §4).
    #[error("The token is not an access token.")]
    WrongType,
    /// The algorithm is not allowed, or not the key's.
    #[error("The access token is signed with an algorithm that is not accepted.")]
    WrongAlgorithm,
    /// Nobody that we trust has a key of this id.
    #[error("The access token is signed with an unknown key.")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("The access token's signature is invalid.")]
    BadSignature,
    /// Another issuer's token.
    #[error("The access token comes from another issuer.")]
    WrongIssuer,
    /// The token is meant for somebody else.
    #[error("The access token is meant for another service.")]
    WrongAudience,
    /// It was good once.
    #[error("The access token expired.")]
    Expired,
    /// It will be good later.
    #[error("The access token is not valid yet.")]
    NotYetValid,
    /// The issuer took it back: it ended the login that the token belongs to, or the token itself.
    #[error("The access token was revoked.")]
    Revoked {
        /// What stands in the status list: 1 for revoked, 2 for suspended, 3 and above as the issuer defines it.
        status: u8,
    },
    /// The token names a status list that is not its issuer's own: another place cannot say what it is worth.
    #[error("The access token names a status list that is not its issuer's.")]
    ForeignStatusList,
    /// The token is bound to a key, and came without a proof of it, or on a connection without its certificate.
    #[error("The access token is bound to a key that this request does not prove.")]
    BoundToken,
    /// The token is bound to a key, and came with the proof of another, or on a connection with another certificate.
    #[error("The access token is bound to another key.")]
    WrongKey,
    /// The token came with a proof, or has to, and is bound to no key that signs proofs.
    #[error("The access token is not bound to a key.")]
    UnboundToken,
    /// `cnf` names no key, or one in a way that is not known here (RFC 7800).
    #[error("The access token is bound to something that is not understood.")]
    UnknownConfirmation,
    /// The token came by the scheme DPoP and without a `DPoP` header, or with several (RFC 9449 §4.3).
    #[error("Send one DPoP header with the access token.")]
    NotOneProof,
    /// The proof breaks a rule.
    #[error(transparent)]
    InvalidProof(#[from] InvalidProof),
    /// The proof is right and came before.
    #[error("The DPoP proof was used before.")]
    ReplayedProof,
    /// The proof does not say the nonce that is asked for: send this one with the answer, as `DPoP-Nonce`
    /// (RFC 9449 §9).
    #[error("The DPoP proof has to carry the nonce of this service.")]
    UseNonce {
        /// What the next proof has to say.
        nonce: String,
    },
    /// A good token that does not allow this.
    #[error("The access token lacks a scope that this needs.")]
    InsufficientScope {
        /// All scopes that are needed, separated by spaces.
        required: String,
    },
    /// A good token whose user signed in by too little for this, or too long ago (RFC 9470).
    #[error("The user has to sign in again for this: in another way, or more recently.")]
    InsufficientUserAuthentication {
        /// The classes of which one is needed, separated by spaces; empty when any is good.
        acr_values: String,
        /// How long ago it may be; `None` when that does not matter.
        max_age: Option<Duration>,
    },
    /// The issuer's keys could not be fetched yet: says nothing about the token.
    #[error("The issuer's keys are not available right now. Please try again.")]
    KeysUnavailable,
    /// The token's status is not known: its list could not be fetched, was not confirmed for too long, or does not
    /// reach that far (yet). Says nothing about the token.
    #[error("Whether the access token was revoked is not known right now. Please try again.")]
    StatusUnavailable,
    /// More proofs came within a minute than can be remembered: says nothing about this one.
    #[error("Too many DPoP proofs came at once. Please try again.")]
    TooManyProofs,
}

impl From<NotRemembered> for VerifyError {
    fn from(refused: NotRemembered) -> Self {
        match refused {
            NotRemembered::Replayed => Self::ReplayedProof,
            NotRemembered::TooOld => Self::InvalidProof(InvalidProof::TooOld),
            NotRemembered::Full => Self::TooManyProofs,
        }
    }
}

impl From<Fault> for VerifyError {
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

impl VerifyError {
    /// The HTTP status to answer with.
    ///
    /// ```
    /// assert_eq!(heirloom_verifier::VerifyError::Expired.status(), 401);
    /// ```
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::MalformedRequest | Self::SeveralTokens => 400,
            Self::InsufficientScope { .. } => 403,
            Self::KeysUnavailable | Self::StatusUnavailable | Self::TooManyProofs => 503,
            Self::Missing
            | Self::Malformed
            | Self::WrongType
            | Self::WrongAlgorithm
            | Self::UnknownKey
            | Self::BadSignature
            | Self::WrongIssuer
            | Self::WrongAudience
            | Self::Expired
            | Self::NotYetValid
            | Self::Revoked { .. }
            | Self::ForeignStatusList
            | Self::BoundToken
            | Self::WrongKey
            | Self::UnboundToken
            | Self::UnknownConfirmation
            | Self::NotOneProof
            | Self::InvalidProof(_)
            | Self::ReplayedProof
            | Self::UseNonce { .. }
            | Self::InsufficientUserAuthentication { .. } => 401,
        }
    }

    /// The error code (RFC 6750 §3.1, RFC 9449 §7.1, RFC 9470 §3); `None` where the request carried no token.
    ///
    /// ```
    /// use heirloom_verifier::VerifyError;
    ///
    /// assert_eq!(VerifyError::Expired.code(), Some("invalid_token"));
    /// assert_eq!(VerifyError::Missing.code(), None);
    /// ```
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self.status() {
            _ if *self == Self::Missing => None,
            _ if self.nonce().is_some() => Some("use_dpop_nonce"),
            _ if self.is_of_proof() => Some("invalid_dpop_proof"),
            _ if matches!(self, Self::InsufficientUserAuthentication { .. }) => {
                Some("insufficient_user_authentication")
            }
            400 => Some("invalid_request"),
            403 => Some("insufficient_scope"),
            503 => Some("temporarily_unavailable"),
            _ => Some("invalid_token"),
        }
    }

    /// What to send as `DPoP-Nonce`, so that the client can do better (RFC 9449 §9).
    ///
    /// ```
    /// use heirloom_verifier::VerifyError;
    ///
    /// assert_eq!(VerifyError::UseNonce { nonce: "abc".to_owned() }.nonce(), Some("abc"));
    /// assert_eq!(VerifyError::Expired.nonce(), None);
    /// ```
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        match self {
            Self::UseNonce { nonce } => Some(nonce),
            _ => None,
        }
    }

    /// Whether it is the proof that is wrong: the token may be good.
    pub(crate) fn is_of_proof(&self) -> bool {
        matches!(
            self,
            Self::NotOneProof | Self::InvalidProof(_) | Self::ReplayedProof | Self::UseNonce { .. }
        )
    }

    /// A JSON body for the answer: `error` and `error_description`, both fixed text.
    ///
    /// ```
    /// let body = heirloom_verifier::VerifyError::Expired.body();
    /// assert_eq!(body, r#"{"error":"invalid_token","error_description":"The access token expired."}"#);
    /// ```
    #[must_use]
    pub fn body(&self) -> String {
        let code = self.code().unwrap_or("invalid_token");
        serde_json::json!({ "error": code, "error_description": self.to_string() }).to_string()
    }
}
