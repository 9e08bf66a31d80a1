//! Identifiers, one type each, so that a user's id is never passed for a family's.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The ten random bytes of a UUID version 7 (RFC 9562 §5.7).
pub type IdEntropy = [u8; 10];

/// An id for a row that nothing else refers to.
#[must_use]
pub fn uuid_v7(now: DateTime<Utc>, entropy: IdEntropy) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid()
}

/// The lowest id of a time.
#[must_use]
pub fn first_id_of(time: DateTime<Utc>) -> Uuid {
    uuid_v7(time, [0; 10])
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id: time-ordered, so that an index on it grows at one end.
            #[must_use]
            pub fn new(now: DateTime<Utc>, entropy: IdEntropy) -> Self {
                Self(uuid_v7(now, entropy))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// One login on one device with one client: `sid` in tokens.
    FamilyId
}
uuid_id! {
    /// A user's account.
    UserId
}
uuid_id! {
    /// One browser in which a user is signed in: what single sign-on goes by.
    SignInSessionId
}

uuid_id! {
    /// Another server that is told of events.
    WebhookId
}

uuid_id! {
    /// A passkey of a user.
    PasskeyId
}

/// A client's identifier (RFC 6749 §2.2): 1 to 255 visible ASCII characters, or, where it is a URL, up to 1,024.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// The public first-party client that is always there: who names no client means this one.
    pub const BUILT_IN: &'static str = "heirloom";

    /// The built-in client's id.
    #[must_use]
    pub fn built_in() -> Self {
        Self(Self::BUILT_IN.to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is no client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client id must be 1 to 255 visible ASCII characters without spaces, or a URL of up to 1,024")]
pub struct InvalidClientId;

impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let longest = if text.starts_with("https://") { 1024 } else { 255 };
        let fits = (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidClientId) }
    }
}
