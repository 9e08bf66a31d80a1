//! Refresh tokens of browser apps at the simple face: in a cookie that no script can read.
//!
//! A client registered with `"refresh_token_delivery": "cookie"` gets its refresh token in a cookie alone, and presents
//! it by sending the cookie back. Browsers attach cookies to whatever request goes here, so such a request counts only
//! when it comes from a page of this server's own origin.

use actix_web::http::header::{HeaderName, ORIGIN};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};

use crate::domain::client::RefreshTokenDelivery;
use crate::domain::ids::ClientId;
use crate::domain::redirect_uri;
use crate::http::cookies::Prefix;
use crate::http::error::Problem;
use crate::http::{Web, cookies};
use crate::service::Failure;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A client's cookie, whether it uses one or not.
pub(super) struct RefreshCookie<'a> {
    web: &'a Web,
    request: &'a HttpRequest,
    client: &'a ClientId,
}

impl<'a> RefreshCookie<'a> {
    /// The cookie of a client in what a browser sent.
    pub(super) fn of(web: &'a Web, request: &'a HttpRequest, client: &'a ClientId) -> Self {
        Self { web, request, client }
    }

    /// Whether this is how the client gets its tokens. Asks the clients' memory, so nothing is asked before a token
    /// has been found genuine.
    ///
    /// # Errors
    /// [`Failure::InvalidClient`]; [`Failure::Store`].
    pub(super) async fn is_used(&self, now: DateTime<Utc>) -> Result<bool, Failure> {
        let known = self.web.core.client(self.client, now).await?.ok_or(Failure::InvalidClient)?;
        Ok(match known.client.metadata.refresh_token_delivery {
            RefreshTokenDelivery::Body => false,
            RefreshTokenDelivery::Cookie => true,
        })
    }

    /// The token that the browser sent, if it sent one.
    ///
    /// # Errors
    /// [`Problem::CrossSite`] when it did, and not from a page of this server's own origin.
    pub(super) fn read_token(&self) -> Result<Option<&'a str>, Problem> {
        let Some(token) = self.sent(Prefix::HostHttp).or_else(|| self.sent(Prefix::Host)) else {
            return Ok(None);
        };
        self.must_be_own()?;
        Ok(Some(token))
    }

    /// # Errors
    /// [`Problem::CrossSite`] unless a page of this server's own origin sent the request.
    pub(super) fn must_be_own(&self) -> Result<(), Problem> {
        if is_same_origin(self.web, self.request) { Ok(()) } else { Err(Problem::CrossSite) }
    }

    /// Lets the browser keep a token for as long as it can be refreshed.
    pub(super) fn set(&self, response: &mut HttpResponse, token: &str, seconds: i64) {
        let cookie =
            format!("{}={token}; Max-Age={seconds}{}", self.name(Prefix::HostHttp), self.attributes());
        cookies::add(response, &cookie);
        self.clear_former(response);
    }

    /// Lets the browser forget it.
    pub(super) fn clear(&self, response: &mut HttpResponse) {
        self.clear_named(response, Prefix::HostHttp);
        self.clear_former(response);
    }

    /// Earlier releases gave it another name.
    fn clear_former(&self, response: &mut HttpResponse) {
        if self.web.is_https() && self.sent(Prefix::Host).is_some() {
            self.clear_named(response, Prefix::Host);
        }
    }

    fn clear_named(&self, response: &mut HttpResponse, prefix: Prefix) {
        cookies::add(response, &format!("{}=; Max-Age=0{}", self.name(prefix), self.attributes()));
    }

    fn sent(&self, prefix: Prefix) -> Option<&'a str> {
        cookies::single(self.request, &self.name(prefix))
    }

    /// Computed for whoever looks at it: most tokens come in the body.
    fn name(&self, prefix: Prefix) -> String {
        cookies::own_name(self.web, prefix, "refresh", self.client.as_str())
    }

    fn attributes(&self) -> &'static str {
        if self.web.is_https() {
            "; Path=/; HttpOnly; SameSite=Strict; Secure"
        } else {
            "; Path=/; HttpOnly; SameSite=Strict"
        }
    }
}

/// Whether a page of this server's own origin sent the request: the browser says so in `Sec-Fetch-Site` or `Origin`,
/// and in neither says otherwise.
fn is_same_origin(web: &Web, request: &HttpRequest) -> bool {
    let said = |name: HeaderName| {
        request.headers().get_all(name).map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    let own = redirect_uri::source_of(web.core.issuer.as_str());
    let (sites, origins) = (said(FETCH_SITE), said(ORIGIN));
    let is_told = !sites.is_empty() || !origins.is_empty();
    is_told
        && sites.iter().all(|site| *site == Some("same-origin"))
        && origins.iter().all(|it| *it == own.as_deref())
}
