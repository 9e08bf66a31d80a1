//! Places of our own that open with an access token: a plain one (RFC 6750), or one that is bound to a key, with the
//! proof of that (RFC 9449 §7).

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};

use crate::http::error::{Face, Problem, Protected, Scheme};
use crate::http::{Web, certificate, headers, key_proof};
use crate::service::Failure;
use crate::service::clients::key_proof::ProvenKey;
use crate::service::failure::BadKeyProof;
use crate::service::tokens::access_token::ShownToken;

/// Does what a token opens. It stands in the header, unless it was `posted` in a form (RFC 6750 §2.2).
///
/// # Errors
/// Whatever is wrong, with the challenge of the way in which the token was shown.
pub(crate) async fn opened(
    request: (&Web, &HttpRequest, DateTime<Utc>),
    face: Face,
    posted: Option<String>,
    work: impl AsyncFnOnce(ShownToken<'_>) -> Result<HttpResponse, Problem>,
) -> Result<HttpResponse, Protected> {
    let opened = shown_to(request, posted, work).await;
    opened.map_err(|(scheme, problem)| Protected { face, scheme, problem })
}

/// The same where problems are told in another way.
///
/// # Errors
/// Whatever is wrong, with the way in which the token was shown.
pub(crate) async fn shown_to<P: From<Problem>>(
    (web, request, now): (&Web, &HttpRequest, DateTime<Utc>),
    posted: Option<String>,
    work: impl AsyncFnOnce(ShownToken<'_>) -> Result<HttpResponse, P>,
) -> Result<HttpResponse, (Scheme, P)> {
    let (scheme, token) = match posted {
        Some(_) if request.headers().contains_key(AUTHORIZATION) => {
            (Scheme::Bearer, Err(Problem::TokenTwice))
        }
        Some(token) => (Scheme::Bearer, Ok(token)),
        None => match in_header(request) {
            Ok(Some((scheme, token))) => (scheme, Ok(token.to_owned())),
            Ok(None) => (Scheme::Bearer, Err(Problem::NoToken)),
            Err(twice) => (Scheme::Bearer, Err(twice)),
        },
    };
    let refuse = |problem: Problem| (scheme, P::from(problem));
    let token = token.map_err(refuse)?;
    let key = match scheme {
        Scheme::Bearer => None,
        Scheme::Dpop => Some(proven(web, request, &token, now).map_err(|failure| refuse(failure.into()))?),
    };
    let certificate = certificate::presented(web, request).map_err(refuse)?;
    let shown = ShownToken { text: &token, key: key.as_ref(), certificate: certificate.as_ref() };
    let answer = work(shown).await.map_err(|problem| (scheme, problem))?;
    Ok(key_proof::with_next_nonce(answer, web, key.as_ref(), now))
}

fn in_header(request: &HttpRequest) -> Result<Option<(Scheme, &str)>, Problem> {
    let header = headers::authorization(request)?;
    let Some((scheme, token)) = header.and_then(|value| value.to_str().ok()?.split_once(' ')) else {
        return Ok(None);
    };
    let scheme = if scheme.eq_ignore_ascii_case("bearer") {
        Scheme::Bearer
    } else if scheme.eq_ignore_ascii_case("dpop") {
        Scheme::Dpop
    } else {
        return Ok(None);
    };
    Ok(Some((scheme, token.trim())))
}

fn proven(web: &Web, request: &HttpRequest, token: &str, now: DateTime<Utc>) -> Result<ProvenKey, Failure> {
    Ok(key_proof::proven_key(web, request, Some(token), now)?.ok_or(BadKeyProof::Missing)?)
}
