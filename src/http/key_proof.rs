//! The `DPoP` header: a client proves that it holds a key (RFC 9449 §4.1).

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use heirloom_verifier::dpop::{InvalidProof, ProofRequest};

use crate::http::Web;
use crate::service::Failure;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::key_proof::ProvenKey;
use crate::service::failure::BadKeyProof;

const DPOP: HeaderName = HeaderName::from_static("dpop");
/// RFC 9449 §8.1.
pub(crate) const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A client's request with the key that it proves, if it proves one.
///
/// # Errors
/// [`Failure::KeyProof`], [`Failure::NonceNeeded`].
pub(crate) fn proven(
    web: &Web,
    request: &HttpRequest,
    client: ClientRequest,
    now: DateTime<Utc>,
) -> Result<ClientRequest, Failure> {
    Ok(ClientRequest { key: proven_key(web, request, None, now)?, ..client })
}

/// The key that a request proves, with the access token that it has to name.
///
/// # Errors
/// [`Failure::KeyProof`], [`Failure::NonceNeeded`].
pub(crate) fn proven_key(
    web: &Web,
    request: &HttpRequest,
    access_token: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<ProvenKey>, Failure> {
    let mut headers = request.headers().get_all(DPOP);
    let (Some(header), rest) = (headers.next(), headers.next()) else { return Ok(None) };
    if rest.is_some() {
        return Err(BadKeyProof::Several.into());
    }
    let jwt = header.to_str().map_err(|_| BadKeyProof::Invalid(InvalidProof::Malformed))?;
    let (method, url) = (request.method().as_str(), &web.url_of(request));
    let asked = ProofRequest { method, url, access_token };
    web.core.key_proofs.judge(&web.core.keys, jwt, &asked, now).map(Some)
}

/// The same answer with the nonce that the next proof shall have, where that is another one.
pub(crate) fn with_next_nonce(
    mut answer: HttpResponse,
    web: &Web,
    key: Option<&ProvenKey>,
    now: DateTime<Utc>,
) -> HttpResponse {
    let nonce = key.and_then(|key| web.core.key_proofs.next_nonce(&web.core.keys, key, now));
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok()) {
        answer.headers_mut().insert(NONCE, nonce);
    }
    answer
}
