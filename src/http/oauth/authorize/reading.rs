//! Reading an authorization request: first whom it comes from and where the answer goes, then everything else. Pages do
//! not carry every request in their address: some by the way to them, pushed ones, and signed ones once they were read.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::ClientId;
use crate::domain::pushed_request::RequestUri;
use crate::domain::secrets::SecretHash;
use crate::http::body::Form;
use crate::http::error::{Problem, Unmet};
use crate::http::oauth::authorize::asked::{Asked, Carried};
use crate::http::oauth::authorize::parameters;
use crate::http::stop::{PageError, Stop};
use crate::service::Core;
use crate::service::authorize::pushed_request;
use crate::service::clients::known_clients::KnownClient;

/// The browser that comes with a request.
pub(crate) struct Browser<'a> {
    pub(crate) core: &'a Core,
    /// What the database knows it by.
    pub(crate) hash: SecretHash,
    pub(crate) address: Option<IpAddr>,
    pub(crate) now: DateTime<Utc>,
}

/// Reads a request.
///
/// # Errors
/// [`Stop::Page`] until client and redirect URI are trusted, [`Stop::Redirect`] afterwards.
pub(crate) async fn read_form(browser: &Browser<'_>, form: Form) -> Result<Asked, Stop> {
    let known = client(browser, &form).await?;
    let uri = form.get("request_uri");
    match (uri.and_then(RequestUri::presented), form.get("request")) {
        // RFC 9101 §5.
        (_, Some(_)) if uri.is_some() => {
            Err(PageError::Malformed("Send request or request_uri, not both.").into())
        }
        (Some(uri), _) => pushed(browser, known, &uri, &form).await,
        (None, Some(jwt)) => signed(browser, known, jwt, &form).await,
        (None, None) => {
            let back = parameters::back(&known, &form)?;
            let metadata = &known.client.metadata;
            if metadata.require_pushed_authorization_requests {
                return Err(back.refuse(NOT_PUSHED));
            }
            if metadata.require_signed_request_object {
                return Err(
                    back.refuse(Problem::Malformed("This client has to send a signed request object."))
                );
            }
            Asked::of_form(browser.core, known, form)
        }
    }
}

async fn client(browser: &Browser<'_>, form: &Form) -> Result<Arc<KnownClient>, Stop> {
    let id = form.get("client_id").ok_or(PageError::Malformed("The parameter client_id is missing."))?;
    let id: ClientId = id.parse().map_err(|_| PageError::UnknownClient)?;
    let known = browser.core.client_named_from(browser.address, &id, browser.now).await?;
    let known = known.ok_or(PageError::UnknownClient)?;
    if let Some(document) = &known.document {
        document.must_be_fetched()?;
    }
    Ok(known)
}

/// The request that `uri` leads to. What else stands in the address is passed over (RFC 9126 §4), but for a page's own
/// wish that the user may sign in again.
async fn pushed(
    browser: &Browser<'_>,
    known: Arc<KnownClient>,
    uri: &RequestUri,
    form: &Form,
) -> Result<Asked, Stop> {
    const GONE: PageError = PageError::Malformed(
        "This request was used already or has expired. Go back to the app and start again.",
    );
    let hash = uri.hash();
    let client = &known.client.id;
    let stored =
        pushed_request::open_request(browser.core, client, &hash, &browser.hash, browser.now).await?;
    let stored = Form::of_query_as_sent(&stored.ok_or(GONE)?)?;
    let query = Form::of_pairs(vec![
        ("client_id".to_owned(), client.to_string()),
        ("request_uri".to_owned(), uri.expose()),
    ])?
    .to_query();
    let mut asked = Asked::of_form(browser.core, known, stored)?;
    asked.query.clone_from(&query);
    if form.get("prompt") == Some("login") {
        asked.request.prompt.login = true;
        asked.query.push_str("&prompt=login");
    }
    asked.request.pushed = Some(hash.clone());
    asked.carried = Some(Carried { uri: hash, query });
    Ok(asked)
}

/// Reads a request object and goes on with it as if it had been pushed: so its expiry, which is short, is checked once,
/// and nobody can change it on its way through the pages.
async fn signed(
    browser: &Browser<'_>,
    known: Arc<KnownClient>,
    jwt: &str,
    form: &Form,
) -> Result<Asked, Stop> {
    // A redirect URI beside the object is passed over (RFC 9101 §6.3), but the client's own all the same.
    let back = parameters::back(&known, form);
    let read = match pushed_request::read_object(browser.core, &known.client, jwt, browser.now).await {
        Ok(read) => read,
        Err(failure) => {
            return Err(match back {
                Ok(back) => back.refuse(failure),
                Err(_) => PageError::Unavailable(failure).into(),
            });
        }
    };
    let Some(read) = read else {
        return Err(match back {
            Ok(back) => back.refuse(Unmet::InvalidRequestObject),
            Err(_) => PageError::Malformed("The request object is invalid.").into(),
        });
    };
    let form = Form::of_pairs(read.parameters)?;
    let back = parameters::back(&known, &form)?;
    if known.client.metadata.require_pushed_authorization_requests {
        return Err(back.refuse(NOT_PUSHED));
    }
    // The object is the client's, but anybody may bring it again.
    browser.core.waiting.count(browser.address, browser.now).map_err(|too_many| back.refuse(too_many))?;
    let kept = parameters::to_keep(&form).map_err(|too_long| back.refuse(too_long))?;
    let (client, once) = (&known.client.id, read.once.as_ref());
    let uri = pushed_request::keep(browser.core, client, once, &kept, browser.now).await?;
    let Some(uri) = uri else { return Err(back.refuse(Unmet::InvalidRequestObject)) };
    pushed(browser, known, &uri, &form.without(&["prompt"])).await
}

/// What a client is told that has to push (RFC 9126 §6).
const NOT_PUSHED: Problem = Problem::Malformed("This client has to push its requests.");
