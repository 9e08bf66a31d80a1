//! Why a registration is refused.

use crate::domain::subject::NoSector;

/// Why a registration is refused (RFC 7591 §3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRegistration {
    /// A redirect URI that this client may not have.
    #[error("redirect URI: {0}")]
    RedirectUri(&'static str),
    /// Something else in the metadata.
    #[error("metadata: {0}")]
    Metadata(&'static str),
}

impl From<NoSector> for InvalidRegistration {
    fn from(no_sector: NoSector) -> Self {
        Self::Metadata(match no_sector {
            NoSector::SeveralHosts => {
                "A pairwise client whose redirect_uris have several hosts needs a sector_identifier_uri."
            }
            NoSector::Device => "A pairwise client with the grant of device codes does not name a host.",
        })
    }
}
