//! Why a proof is refused.

/// Which rule (RFC 9449 §4.3) a proof breaks. All of them are `invalid_dpop_proof` outside; the sentence is fixed text
/// for `error_description`.
///
/// ```
/// use heirloom_verifier::dpop::{InvalidProof, ProofRequest, verify_proof};
///
/// let request = ProofRequest { method: "GET", url: "https://api.example.com/orders", access_token: None };
/// let refused = verify_proof("rubbish", &request, 1_900_000_000).unwrap_err();
/// assert_eq!(refused, InvalidProof::Malformed);
/// assert_eq!(refused.to_string(), "The DPoP proof is malformed.");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProof {
    /// No honest proof has more than 4096 bytes.
    #[error("The DPoP proof is too long.")]
    TooLong,
    /// It is no JWT (RFC 7515 §3.1), or one of its members is not of the kind that it should be, or stands there twice.
    #[error("The DPoP proof is malformed.")]
    Malformed,
    /// `typ`: another kind of JWT must not pass for a proof.
    #[error("The type of the DPoP proof is not dpop+jwt.")]
    WrongType,
    /// `crit`: it has extensions that must be understood, and are not (RFC 7515 §4.1.11).
    #[error("The DPoP proof has a critical extension that is not understood.")]
    CriticalExtension,
    /// `alg` is none of [`ALGORITHMS`](crate::dpop::ALGORITHMS).
    #[error("The DPoP proof is signed with an algorithm that is not accepted.")]
    WrongAlgorithm,
    /// `jwk` is missing.
    #[error("The DPoP proof does not carry its public key.")]
    MissingKey,
    /// `jwk` has a private member: this key is lost.
    #[error("The DPoP proof carries a private key.")]
    PrivateKey,
    /// `jwk` is a key of another type, or on another curve, than `alg` needs.
    #[error("The key of the DPoP proof does not fit its algorithm.")]
    UnfitKey,
    /// `jwk` lacks a member, or its members are no key, or not written as RFC 7518 §6 wants them.
    #[error("The key of the DPoP proof is not valid.")]
    InvalidKey,
    /// The signature is not this key's.
    #[error("The signature of the DPoP proof is invalid.")]
    BadSignature,
    /// A claim that each proof has (RFC 9449 §4.2) is missing.
    #[error("The DPoP proof lacks the claim {name}.")]
    MissingClaim {
        /// Which one.
        name: &'static str,
    },
    /// `htm`: it was made for another method.
    #[error("The DPoP proof was made for another method.")]
    WrongMethod,
    /// `htu`: it was made for another URL.
    #[error("The DPoP proof was made for another URL.")]
    WrongUrl,
    /// `iat` lies more than a minute back.
    #[error("The DPoP proof is too old.")]
    TooOld,
    /// `iat` lies more than a minute ahead: the clocks are apart.
    #[error("The DPoP proof was made in the future.")]
    TooNew,
    /// `jti` is empty, or longer than 256 bytes.
    #[error("The jti of the DPoP proof is empty or too long.")]
    UnfitId,
    /// `ath`: it was made for another access token.
    #[error("The DPoP proof was made for another access token.")]
    WrongAccessToken,
}
