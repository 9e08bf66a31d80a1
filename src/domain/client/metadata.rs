//! What a client may say of itself beside the settings that every client has.

use serde::{Deserialize, Serialize};
use url::Url;

/// The optional part of a client's registration, with the names of RFC 7591 §2 and `OpenID` Connect Dynamic Client
/// Registration §2; only what the server honours is here. Stored as one JSON object without the absent members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientMetadata {
    /// Its home page; the consent page links to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<WebUri>,
    /// How it uses people's data; the consent page links to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<WebUri>,
    /// Its terms of service; the consent page links to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<WebUri>,
}

/// An absolute http or https URL, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct WebUri(String);

/// The text is no http or https URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an http or https URL is expected")]
pub struct InvalidWebUri;

impl WebUri {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WebUri {
    type Error = InvalidWebUri;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self(text)),
            Ok(_) | Err(_) => Err(InvalidWebUri),
        }
    }
}
