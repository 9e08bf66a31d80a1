//! Audiences: for whom an access token is meant (RFC 8707).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A resource indicator, compared character by character with those registered for a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Audience(String);

impl Audience {
    /// The indicator as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text can be no audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an audience must be a URI such as https://api.example.com, without spaces and without a fragment")]
pub struct InvalidAudience;

impl FromStr for Audience {
    type Err = InvalidAudience;

    /// RFC 8707 §2 wants an absolute URI without fragment. Plain names are taken too, for services that already
    /// know themselves by one (`aud` is a `StringOrURI`, RFC 7519 §4.1.3): only registered ones are ever granted.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=2048).contains(&text.len());
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if fits && plain { Ok(Self(text.to_owned())) } else { Err(InvalidAudience) }
    }
}
