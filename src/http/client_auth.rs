//! How a client says who it is at the standard face (RFC 6749 §2.3).

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::ids::ClientId;
use crate::domain::secrets::ClientSecret;
use crate::http::body::Form;
use crate::http::cors;
use crate::http::error::Problem;
use crate::service::Failure;
use crate::service::presenter::Presenter;

/// The authentication methods that are served.
pub(crate) const METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];

/// Reads `client_secret_basic`, `client_secret_post` or the mere id of a public client; two methods at once are
/// refused.
pub(crate) fn presenter(request: &HttpRequest, form: &Form) -> Result<Presenter, Problem> {
    let posted_id = form.get("client_id");
    let posted_secret = form.get("client_secret");
    let (id, secret) = match basic(request)? {
        Some(_) if posted_secret.is_some() => {
            return Err(Problem::Malformed("The client authenticates in two ways at once."));
        }
        Some((id, _)) if posted_id.is_some_and(|posted| posted != id) => {
            return Err(Problem::Malformed("The client names itself differently in header and body."));
        }
        Some((id, secret)) => (id, Some(secret)),
        None => (posted_id.ok_or(Failure::InvalidClient)?.to_owned(), posted_secret.map(ToOwned::to_owned)),
    };
    let id: ClientId = id.parse().map_err(|_| Failure::InvalidClient)?;
    cors::speaks_for(request, &id);
    Ok(Presenter::Client { id, secret: secret.map(ClientSecret::presented) })
}

/// RFC 6749 §2.3.1: id and secret are each form-encoded before they are joined.
fn basic(request: &HttpRequest) -> Result<Option<(String, String)>, Problem> {
    let Some(header) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let encoded = header.to_str().ok().and_then(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then_some(rest.trim())
    });
    let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(Failure::InvalidClient)?;
    let (id, secret) = text.split_once(':').ok_or(Failure::InvalidClient)?;
    Ok(Some((form_decode(id), form_decode(secret))))
}

fn form_decode(text: &str) -> String {
    // A bare `&` or `=` would end a form's value; here it is a client that did not encode.
    let whole: Cow<'_, str> = text.replace('&', "%26").replace('=', "%3D").into();
    let bytes = [b"=", whole.as_bytes()].concat();
    form_urlencoded::parse(&bytes).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
