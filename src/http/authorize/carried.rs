//! Requests that pages do not carry in their address, but by the way to them: pushed ones, and signed ones once they
//! were read.

use std::sync::Arc;

use crate::domain::pushed_request::RequestUri;
use crate::domain::secrets::SecretHash;
use crate::http::authorize::back::{PageError, Stop};
use crate::http::authorize::request::{self, Asked};
use crate::http::body::Form;
use crate::http::error::{Problem, Unmet};
use crate::http::visit::Visit;
use crate::service::authorize::pushed_request;
use crate::service::clients::known_clients::KnownClient;

/// How a page carries a request that waits here.
#[derive(Debug)]
pub(super) struct Carried {
    /// What the database knows it by.
    pub(super) uri: SecretHash,
    /// The query that leads to it.
    pub(super) query: String,
}

/// The request that `uri` leads to. What else stands in the address is passed over (RFC 9126 §4), but for a page's own
/// wish that the user may sign in again.
pub(super) async fn pushed(
    visit: &Visit,
    known: Arc<KnownClient>,
    uri: &RequestUri,
    form: &Form,
) -> Result<Asked, Stop> {
    const GONE: PageError = PageError::Malformed(
        "This request was used already or has expired. Go back to the app and start again.",
    );
    let hash = uri.hash();
    let client = &known.client.id;
    let stored = pushed_request::open(visit.core(), client, &hash, &visit.browser_hash(), visit.now).await?;
    let stored = Form::of_query(&stored.ok_or(GONE)?)?;
    let query = Form::of_pairs(vec![
        ("client_id".to_owned(), client.to_string()),
        ("request_uri".to_owned(), uri.expose()),
    ])?
    .to_query();
    let mut asked = request::of_form(visit, known, stored)?;
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
pub(super) async fn signed(
    visit: &Visit,
    known: Arc<KnownClient>,
    jwt: &str,
    form: &Form,
) -> Result<Asked, Stop> {
    let Some(read) = pushed_request::read_object(visit.core(), &known.client, jwt, visit.now).await else {
        // A redirect URI beside the object is passed over (RFC 9101 §6.3), but the client's own all the same.
        return Err(match request::back(visit, &known, form) {
            Ok(back) => back.refuse(Unmet::InvalidRequestObject),
            Err(_) => PageError::Malformed("The request object is invalid.").into(),
        });
    };
    let form = Form::of_pairs(read)?;
    let back = request::back(visit, &known, &form)?;
    if known.client.metadata.require_pushed_authorization_requests {
        return Err(back.refuse(NOT_PUSHED));
    }
    // The object is the client's, but anybody may bring it again.
    visit.core().waiting.count(visit.address, visit.now).map_err(|too_many| back.refuse(too_many))?;
    let uri = pushed_request::keep(visit.core(), &known.client.id, &form.to_query(), visit.now).await?;
    pushed(visit, known, &uri, &form.without(&["prompt"])).await
}

/// What a client is told that has to push (RFC 9126 §6).
pub(super) const NOT_PUSHED: Problem = Problem::Malformed("This client has to push its requests.");
