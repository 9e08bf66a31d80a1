//! Rows whose time is over.

use chrono::{DateTime, Utc};

use crate::store::{Db, StoreError, execute};

/// What expires by itself.
#[derive(Debug, Clone, Copy)]
pub enum Expired {
    /// Families past their absolute expiry.
    Families,
    /// Families that were ended, by their end.
    EndedFamilies,
    /// Sign-in sessions past their expiry.
    SignInSessions,
    /// Attempts to sign in that nobody finished.
    SignInAttempts,
    /// Client assertions that were used.
    ClientAssertions,
    /// Access tokens that were revoked alone.
    RevokedTokens,
    /// Pushed requests that nobody finished.
    PushedRequests,
    /// Authorization codes, used or not.
    AuthorizationCodes,
    /// Devices' codes, used or not.
    DeviceCodes,
    /// Counts of wrong user codes, by the beginning of their window.
    UserCodeTries,
    /// What was mailed, used or not.
    MailedTokens,
    /// Wishes for a mail that nobody has seen to, as when mail was switched off.
    MailRequests,
    /// Browsers that a provider did not send back, or whose users did not go on.
    UpstreamAttempts,
    /// Where sign-ins came from.
    UpstreamSessions,
    /// Clients' metadata documents, by when they were last fetched.
    ClientDocuments,
    /// What owners were seen with, by when they last were.
    KnownDevices,
    /// Counts of mails, by the beginning of their window.
    MailCounts,
    /// Keys of requests that make something once.
    IdempotencyKeys,
}

/// Rows are named by a key, and found by a time.
macro_rules! delete_some {
    ($table:literal, $key:literal, $time:literal $(, $still:literal)?) => {
        concat!(
            "DELETE FROM ", $table, " WHERE ", $($still, " AND ",)? $key, " IN (SELECT ", $key, " FROM ", $table,
            " WHERE ", $time, " <= $1 ORDER BY ", $time, " LIMIT $2)"
        )
    };
}

impl Expired {
    fn delete_some(self) -> &'static str {
        match self {
            Self::Families => delete_some!("families", "id", "expires_at"),
            Self::EndedFamilies => delete_some!("families", "id", "ended_at"),
            Self::SignInSessions => delete_some!("sign_in_sessions", "id", "expires_at"),
            Self::SignInAttempts => delete_some!("sign_in_attempts", "secret_hash", "expires_at"),
            Self::ClientAssertions => delete_some!("client_assertions", "id", "expires_at"),
            Self::RevokedTokens => delete_some!("revoked_tokens", "jti", "expires_at"),
            Self::PushedRequests => delete_some!("pushed_requests", "uri_hash", "expires_at"),
            Self::AuthorizationCodes => delete_some!("authorization_codes", "code_hash", "expires_at"),
            Self::DeviceCodes => delete_some!("device_codes", "device_code_hash", "expires_at"),
            Self::UserCodeTries => delete_some!("wrong_user_codes", "user_id", "since"),
            Self::MailedTokens => delete_some!("mailed_tokens", "secret_hash", "expires_at"),
            Self::MailRequests => delete_some!("mail_requests", "id", "requested_at"),
            Self::UpstreamAttempts => delete_some!("upstream_attempts", "secret_hash", "expires_at"),
            Self::UpstreamSessions => delete_some!("upstream_sessions", "id", "expires_at"),
            Self::ClientDocuments => {
                // One may be fetched anew meanwhile.
                delete_some!("client_documents", "client_id", "fetched_at", "fetched_at <= $1")
            }
            Self::KnownDevices => delete_some!("known_devices", "device_hash", "seen_at", "seen_at <= $1"),
            Self::MailCounts => delete_some!("mail_counts", "whose", "since", "since <= $1"),
            Self::IdempotencyKeys => {
                // One may begin anew meanwhile.
                delete_some!("idempotency_keys", "id", "expires_at", "expires_at <= $1")
            }
        }
    }
}

/// Deletes up to `limit` rows whose time is not after `before`; gives how many.
pub async fn delete_some(
    db: &Db,
    what: Expired,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    Ok(execute!(on db, what.delete_some(), before, limit)?)
}
