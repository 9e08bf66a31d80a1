//! The section of passkeys.

use serde::{Deserialize, Serialize};

use super::text;
use crate::domain::web_origin::WebOrigin;

/// Passkeys (Web Authentication).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeySettings {
    /// Whether users may have them.
    #[serde(deserialize_with = "text::deserialize")]
    pub enabled: bool,
    /// The domain that they are for, if it is not the issuer's host.
    #[serde(default)]
    pub rp_id: Option<String>,
    /// What devices call this server, if it is not what pages do.
    #[serde(default)]
    pub rp_name: Option<String>,
    /// Sites of other domains that may use them.
    #[serde(with = "text::words")]
    pub related_origins: Vec<WebOrigin>,
}
