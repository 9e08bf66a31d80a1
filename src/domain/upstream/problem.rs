//! Why nobody was signed in by a provider.

/// Why nobody was signed in: what its user is told, and what is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProblem {
    /// The user, or the provider for its own reasons, did not agree (RFC 6749 §4.1.2.1, `access_denied`).
    Denied,
    /// The provider says that it could not (`server_error`, `temporarily_unavailable`).
    ServerError,
    /// The provider says that it did not understand this server, or does not take it.
    Refused,
    /// It does not answer, or not in time.
    Unreachable,
    /// What it answered is not what it must be.
    Unproven(UpstreamFault),
    /// The browser came back too late, twice, or was never sent.
    Late,
    /// It was to ask the user once more, and did not.
    NotAsked,
    /// There is no account for this user here, and none is made.
    NoAccount,
    /// The user's address may not get an account here.
    Domain,
    /// What the user is there belongs to another account here.
    OthersLink,
}

/// What is wrong with a provider's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFault {
    /// The answer, or the ID token, is another issuer's (RFC 9207 §2.4, OpenID Connect Core §3.1.3.7, 2).
    Issuer,
    /// The ID token is for somebody else (3, 4, 5).
    Audience,
    /// It is not signed (6, 7).
    Unsigned,
    /// No key of the provider's made the signature (6).
    Signature,
    /// It is over, or from the future (9, 10).
    Time,
    /// It answers another request (11).
    Nonce,
    /// Claims of the user are of somebody else (§5.3.2).
    Subject,
    /// It is none at all, or not in its form.
    Malformed,
}

impl UpstreamProblem {
    const ALL: [Self; 17] = [
        Self::Denied,
        Self::ServerError,
        Self::Refused,
        Self::Unreachable,
        Self::Late,
        Self::NotAsked,
        Self::NoAccount,
        Self::Domain,
        Self::OthersLink,
        Self::Unproven(UpstreamFault::Issuer),
        Self::Unproven(UpstreamFault::Audience),
        Self::Unproven(UpstreamFault::Unsigned),
        Self::Unproven(UpstreamFault::Signature),
        Self::Unproven(UpstreamFault::Time),
        Self::Unproven(UpstreamFault::Nonce),
        Self::Unproven(UpstreamFault::Subject),
        Self::Unproven(UpstreamFault::Malformed),
    ];

    /// The word that events have for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "access_denied",
            Self::ServerError => "server_error",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Late => "late",
            Self::NotAsked => "not_asked",
            Self::NoAccount => "no_account",
            Self::Domain => "mail_domain",
            Self::OthersLink => "others_link",
            Self::Unproven(UpstreamFault::Issuer) => "issuer",
            Self::Unproven(UpstreamFault::Audience) => "audience",
            Self::Unproven(UpstreamFault::Unsigned) => "unsigned",
            Self::Unproven(UpstreamFault::Signature) => "signature",
            Self::Unproven(UpstreamFault::Time) => "time",
            Self::Unproven(UpstreamFault::Nonce) => "nonce",
            Self::Unproven(UpstreamFault::Subject) => "subject",
            Self::Unproven(UpstreamFault::Malformed) => "malformed",
        }
    }

    /// The problem of a word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.as_str() == word)
    }

    /// What a provider's error means (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
    #[must_use]
    pub fn of_error(error: &str) -> Self {
        match error {
            "access_denied" => Self::Denied,
            "server_error" | "temporarily_unavailable" => Self::ServerError,
            _ => Self::Refused,
        }
    }

    /// The key of the text that says it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Denied => "upstream_denied",
            Self::ServerError => "upstream_server_error",
            Self::Refused => "upstream_refused",
            Self::Unreachable => "upstream_unreachable",
            Self::Unproven(_) => "upstream_unproven",
            Self::Late => "upstream_late",
            Self::NotAsked => "upstream_not_asked",
            Self::NoAccount => "upstream_no_account",
            Self::Domain => "upstream_domain",
            Self::OthersLink => "upstream_others_link",
        }
    }
}
