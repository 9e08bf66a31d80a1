//! Why a request is refused, and how to say so (RFC 6750 §3).

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
    /// A good token that does not allow this.
    #[error("The access token lacks a scope that this needs.")]
    InsufficientScope {
        /// All scopes that are needed, separated by spaces.
        required: String,
    },
    /// The issuer's keys could not be fetched yet: says nothing about the token.
    #[error("The issuer's keys are not available right now. Please try again.")]
    KeysUnavailable,
    /// The token's status is not known: its list could not be fetched, was not confirmed for too long, or does not
    /// reach that far (yet). Says nothing about the token.
    #[error("Whether the access token was revoked is not known right now. Please try again.")]
    StatusUnavailable,
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
            Self::KeysUnavailable | Self::StatusUnavailable => 503,
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
            | Self::ForeignStatusList => 401,
        }
    }

    /// The error code (RFC 6750 §3.1); `None` where the request carried no token.
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
            400 => Some("invalid_request"),
            403 => Some("insufficient_scope"),
            503 => Some("temporarily_unavailable"),
            _ => Some("invalid_token"),
        }
    }

    /// The `WWW-Authenticate` header; `None` where it is not the token's fault.
    /// [`Verifier::challenge`](crate::Verifier::challenge) says more.
    ///
    /// ```
    /// use heirloom_verifier::VerifyError;
    ///
    /// assert_eq!(VerifyError::Missing.challenge("shop").as_deref(), Some("Bearer realm=\"shop\""));
    /// ```
    #[must_use]
    pub fn challenge(&self, realm: &str) -> Option<String> {
        self.full_challenge(realm, &[], None)
    }

    /// RFC 6750 §3 with RFC 9728 §5.1: `scopes` are those that the place needs, besides those that this names itself.
    pub(crate) fn full_challenge(
        &self,
        realm: &str,
        scopes: &[&str],
        resource_metadata: Option<&str>,
    ) -> Option<String> {
        if self.status() == 503 {
            return None;
        }
        let mut parts = vec![format!("Bearer realm=\"{}\"", quotable(realm))];
        if let Some(code) = self.code() {
            parts.push(format!("error=\"{code}\", error_description=\"{self}\""));
        }
        let own = match self {
            Self::InsufficientScope { required } => required.as_str(),
            _ => "",
        };
        let mut all: Vec<&str> = Vec::new();
        for scope in scopes.iter().copied().chain(own.split(' ')) {
            if !scope.is_empty() && !all.contains(&scope) {
                all.push(scope);
            }
        }
        // What is wrong with a malformed request is not that it lacks a scope.
        if !all.is_empty() && self.status() != 400 {
            parts.push(format!("scope=\"{}\"", quotable(&all.join(" "))));
        }
        if let Some(url) = resource_metadata {
            parts.push(format!("resource_metadata=\"{url}\""));
        }
        Some(parts.join(", "))
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

/// What can stand between quotes in a header (RFC 9110 §5.6.4): the rest is left out.
pub(crate) fn quotable(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, '"' | '\\') && !letter.is_control()).collect()
}
