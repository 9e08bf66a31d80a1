//! Which redirect URIs a client may give itself: OpenID Connect Dynamic Client Registration §2 `application_type`,
//! RFC 8252 §7.

use url::Url;

use crate::domain::redirect_rule::{PrivateSchemes, UnfitUri, check_redirect_uri};
use crate::domain::redirect_uri::is_loopback;

/// Where an application runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Application {
    /// On a server, behind https.
    Web,
    /// On the user's machine.
    Native,
}

impl Application {
    /// The kind that its URIs tell: many a tool on the user's machine does not say so. A device without a browser has
    /// none.
    pub(super) fn of_uris(uris: &[String]) -> Self {
        let is_web = !uris.is_empty() && uris.iter().all(|uri| Self::Web.check(uri, NO_SCHEMES).is_ok());
        if is_web { Self::Web } else { Self::Native }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
        }
    }

    /// Whether a browser may be sent there.
    ///
    /// # Errors
    /// [`UnfitUri`], which says why not.
    pub(super) fn check(self, uri: &str, schemes: PrivateSchemes<'_>) -> Result<(), UnfitUri> {
        check_redirect_uri(uri, schemes)?;
        match self {
            Self::Web if !uri.starts_with("https:") => {
                Err(UnfitUri("The redirect URIs of a web application must be https URLs."))
            }
            Self::Web if Url::parse(uri).is_ok_and(|url| is_loopback(&url)) => {
                Err(UnfitUri("A redirect URI of a web application must not lead to the user's machine."))
            }
            Self::Native | Self::Web => Ok(()),
        }
    }
}

const NO_SCHEMES: PrivateSchemes<'static> = PrivateSchemes::ReverseDomainOr(&[]);
