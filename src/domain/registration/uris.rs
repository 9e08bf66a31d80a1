//! Which redirect URIs a client may give itself: OpenID Connect Dynamic Client Registration §2 `application_type`,
//! RFC 8252 §7.

use url::Url;

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
        let is_web = !uris.is_empty() && uris.iter().all(|uri| Self::Web.refuses(uri).is_none());
        if is_web { Self::Web } else { Self::Native }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
        }
    }

    /// Why a browser may not be sent there; `None` when it may.
    pub(super) fn refuses(self, uri: &str) -> Option<&'static str> {
        let plain = uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let Some(url) = Url::parse(uri).ok().filter(|_| plain) else {
            return Some("A redirect URI is not an absolute URI.");
        };
        // RFC 6749 §3.1.2. An empty fragment is one too.
        if uri.contains('#') {
            return Some("A redirect URI must not have a fragment.");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Some("A redirect URI must not name a user.");
        }
        match (url.scheme(), self) {
            ("https", Self::Web) if is_loopback(&url) => {
                Some("A redirect URI of a web application must not lead to the user's machine.")
            }
            ("https", _) => None,
            ("http", Self::Native) if is_loopback(&url) => None,
            ("http", Self::Native) => {
                Some("A redirect URI with http must be for 127.0.0.1, [::1] or localhost.")
            }
            // RFC 8252 §7.1: a name under the app's own control, so it has a dot. What browsers run has none.
            (scheme, Self::Native) if scheme.contains('.') => None,
            (_, Self::Native) => {
                Some("A private scheme must be a domain name in reverse, such as com.example.app.")
            }
            (_, Self::Web) => Some("The redirect URIs of a web application must be https URLs."),
        }
    }
}
