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
use crate::http::error::Problem;
use crate::http::{Web, cookies};
use crate::service::Failure;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A client's cookie, whether it uses one or not.
pub(super) struct RefreshCookie<'a> {
    web: &'a Web,
    client: &'a ClientId,
}

impl<'a> RefreshCookie<'a> {
    /// The cookie of a client.
    pub(super) fn of(web: &'a Web, client: &'a ClientId) -> Self {
        Self { web, client }
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
    pub(super) fn read_token<'r>(&self, request: &'r HttpRequest) -> Result<Option<&'r str>, Problem> {
        let Some(token) = cookies::single(request, &self.name()) else { return Ok(None) };
        self.must_be_own(request)?;
        Ok(Some(token))
    }

    /// # Errors
    /// [`Problem::CrossSite`] unless a page of this server's own origin sent the request.
    pub(super) fn must_be_own(&self, request: &HttpRequest) -> Result<(), Problem> {
        if is_same_origin(self.web, request) { Ok(()) } else { Err(Problem::CrossSite) }
    }

    /// Lets the browser keep a token for as long as it can be refreshed.
    pub(super) fn set(&self, response: &mut HttpResponse, token: &str, seconds: i64) {
        let cookie = format!("{}={token}; Max-Age={seconds}{}", self.name(), self.attributes());
        cookies::add(response, &cookie);
    }

    /// Lets the browser forget it.
    pub(super) fn clear(&self, response: &mut HttpResponse) {
        cookies::add(response, &format!("{}=; Max-Age=0{}", self.name(), self.attributes()));
    }

    /// Computed for whoever looks at it: most tokens come in the body.
    fn name(&self) -> String {
        cookies::own_name(self.web, "refresh", self.client.as_str())
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
