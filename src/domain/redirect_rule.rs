//! Which URIs a client may have a browser sent to, whoever registers it: redirect URIs (RFC 6749 §3.1.2,
//! RFC 9700 §2.6), and where it goes after a sign-out (OpenID Connect RP-Initiated Logout §3.1).

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::domain::redirect_uri::is_loopback;

/// Schemes whose URIs a browser runs, or reads from its own machine, instead of going anywhere: nobody may have these.
const RUN_OR_READ: [&str; 8] =
    ["javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"];

/// A scheme of a program's own, such as `vscode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectScheme(String);

/// The text is no such scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be a scheme of a program's own, such as vscode; http, https and schemes that run or read are not"
)]
pub struct InvalidRedirectScheme;

impl FromStr for RedirectScheme {
    type Err = InvalidRedirectScheme;

    /// RFC 3986 §3.1, in lower case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        let is_scheme =
            text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(is_rest);
        let is_own = !matches!(text, "http" | "https") && !RUN_OR_READ.contains(&text);
        if is_scheme && is_own { Ok(Self(text.to_owned())) } else { Err(InvalidRedirectScheme) }
    }
}

impl fmt::Display for RedirectScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The private schemes that somebody may register.
#[derive(Debug, Clone, Copy)]
pub enum PrivateSchemes<'a> {
    /// An operator's: any.
    Any,
    /// A stranger's: domain names in reverse (RFC 8252 §7.1), and what an operator lets in beside them.
    ReverseDomainOr(&'a [RedirectScheme]),
}

impl PrivateSchemes<'_> {
    fn have(self, scheme: &str) -> bool {
        match self {
            Self::Any => true,
            // A name under the app's own control has a dot.
            Self::ReverseDomainOr(others) => scheme.contains('.') || others.iter().any(|it| it.0 == scheme),
        }
    }
}

/// Why a browser may not be sent to a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnfitUri(pub &'static str);

/// Whether a client may have a browser sent to `uri`.
///
/// # Errors
/// [`UnfitUri`], which says why not.
pub fn check_redirect_uri(uri: &str, schemes: PrivateSchemes<'_>) -> Result<(), UnfitUri> {
    // RFC 9700 §4.1.3: patterns have sent codes to others.
    if uri.contains('*') {
        return Err(UnfitUri(
            "There are no wildcards: each redirect URI is registered whole, and only the port of a loopback address \
             is free.",
        ));
    }
    let url = absolute(uri).ok_or(UnfitUri(
        "A redirect URI must be an absolute URI such as https://app.example.com/callback, with blanks, letters that \
         are not ASCII and other such characters percent-encoded.",
    ))?;
    // RFC 6749 §3.1.2. An empty fragment is one too.
    if uri.contains('#') {
        return Err(UnfitUri("A redirect URI must not have a fragment."));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UnfitUri("A redirect URI must not name a user."));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err(UnfitUri("A redirect URI with http must be for 127.0.0.1, [::1] or localhost.")),
        scheme if RUN_OR_READ.contains(&scheme) => {
            Err(UnfitUri("A redirect URI must not have a scheme that a browser runs or reads."))
        }
        scheme if schemes.have(scheme) => Ok(()),
        _ => Err(UnfitUri(
            "A private scheme must be a domain name in reverse such as com.example.app, or one that the operator lets \
             in.",
        )),
    }
}

/// A URI that everybody reads alike (RFC 3986 §2, §4.3): browsers mend much that is not one, each in its own way.
fn absolute(uri: &str) -> Option<Url> {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    let is_escape = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let is_plain = uri.bytes().all(may_stand) && uri.split('%').skip(1).all(is_escape);
    let url = Url::parse(uri).ok().filter(|_| is_plain)?;
    let rest = uri.strip_prefix(url.scheme())?;
    let names_host = rest.strip_prefix("://").is_some_and(|rest| !rest.starts_with('/'));
    (names_host || !matches!(url.scheme(), "http" | "https")).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_have_a_browser_sent_to_what_is_no_place_of_a_client() {
        for (section, uri) in [
            ("RFC 6749 §3.1.2: absolute", "/cb"),
            ("RFC 6749 §3.1.2: absolute", "app.example/cb"),
            ("RFC 6749 §3.1.2: absolute", "https:app.example/cb"),
            ("RFC 6749 §3.1.2: absolute", "https:///app.example/cb"),
            ("RFC 6749 §3.1.2: absolute", "HTTPS://app.example/cb"),
            ("RFC 6749 §3.1.2: no fragment", "https://app.example/cb#a"),
            ("RFC 6749 §3.1.2: no fragment", "https://app.example/cb#"),
            ("RFC 9700 §4.1: no user", "https://app.example@evil.example/"),
            ("RFC 9700 §4.1.3: no wildcard", "https://*.example.com/cb"),
            ("RFC 9700 §4.1.3: no wildcard", "https://app.example/*"),
            ("RFC 9700 §2.6: https", "http://app.example/cb"),
            ("RFC 9700 §2.6: https", "http://192.168.0.7/cb"),
            ("RFC 8252 §7.3: loopback only", "http://127.0.0.1.evil.example/cb"),
            ("RFC 3986 §2: no blanks", "https://a b"),
            ("RFC 3986 §2: no blanks", "https://app.example/a\tb"),
            ("RFC 3986 §2: no backslash", "https://app.example\\@evil.example/"),
            ("RFC 3986 §2: ASCII", "https://äpp.example/cb"),
            ("RFC 3986 §2: no quotes", "https://app.example/\"cb"),
            ("RFC 3986 §2.1: escapes", "https://app.example/%zz"),
            ("RFC 3986 §2.1: escapes", "https://app.example/%4"),
        ]
        .into_iter()
        .chain(RUN_OR_READ.map(|scheme| ("it runs or reads", scheme)))
        {
            let uri = if section.starts_with("it runs") { format!("{uri}:alert(1)") } else { uri.to_owned() };
            assert!(check_redirect_uri(&uri, PrivateSchemes::Any).is_err(), "{section}: {uri}");
        }
        let odd = check_redirect_uri("JavaScript:alert(1)", PrivateSchemes::Any);
        assert!(odd.is_err(), "in any case of letters");
    }

    #[test]
    fn a_client_has_places_of_its_own() {
        for uri in [
            "https://app.example/cb?a=b&c=%20d",
            "https://app.example:8443/cb",
            "https://[2001:db8::1]/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:8080/cb",
            "http://localhost:3000/callback",
            "com.example.app:/cb",
        ] {
            for schemes in [PrivateSchemes::Any, PrivateSchemes::ReverseDomainOr(&[])] {
                assert_eq!(check_redirect_uri(uri, schemes), Ok(()), "{uri}");
            }
        }
        let cursor = "cursor://anysphere.cursor-mcp/oauth/callback";
        let let_in = ["cursor".parse().unwrap()];
        assert!(check_redirect_uri(cursor, PrivateSchemes::ReverseDomainOr(&[])).is_err());
        assert_eq!(check_redirect_uri(cursor, PrivateSchemes::ReverseDomainOr(&let_in)), Ok(()));
        assert_eq!(check_redirect_uri(cursor, PrivateSchemes::Any), Ok(()));
    }

    #[test]
    fn no_operator_lets_in_a_scheme_that_runs_or_reads() {
        for scheme in
            RUN_OR_READ.into_iter().chain(["http", "https", "", "Cursor", "1password", "a b", "vscode:", "ü"])
        {
            assert!(scheme.parse::<RedirectScheme>().is_err(), "{scheme}");
        }
        for scheme in ["cursor", "vscode", "vscode-insiders", "com.example.app"] {
            assert!(scheme.parse::<RedirectScheme>().is_ok(), "{scheme}");
        }
    }
}
