//! A refusal as it is answered: status, code, words and headers.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder};
use heirloom_verifier::dpop::ALGORITHMS;
use serde_json::json;

use crate::http::key_proof::NONCE;

/// A way to show an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RFC 6750 §2.1.
    Bearer,
    /// With a proof of the key that it is bound to (RFC 9449 §7.1).
    Dpop,
}

/// Whom a refusal asks to say who it is.
#[derive(Clone)]
pub(crate) enum Challenge {
    Client,
    /// Whoever has an access token: with the parameters that say what was wrong, if something was.
    Token(Cow<'static, str>),
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) description: Cow<'static, str>,
    challenge: Option<Challenge>,
    /// How the token was shown, where it may be shown in more than one way.
    scheme: Option<Scheme>,
    nonce: Option<String>,
    retry_after: Option<u64>,
}

impl Answer {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        let description = description.into();
        let (challenge, scheme, nonce, retry_after) = (None, None, None, None);
        Self { status, code, description, challenge, scheme, nonce, retry_after }
    }

    pub(crate) fn with_challenge(self, challenge: Challenge) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    pub(crate) fn with_nonce(self, nonce: &str) -> Self {
        Self { nonce: Some(nonce.to_owned()), ..self }
    }

    pub(crate) fn with_retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same at a protected resource, where a bad proof is one more reason not to believe the token (RFC 9449 §7.1,
    /// §9).
    pub(crate) fn at_resource(self, scheme: Scheme) -> Self {
        let proof = match self.code {
            "invalid_dpop_proof" => Some(r#"error="invalid_dpop_proof""#.into()),
            "use_dpop_nonce" => Some(r#"error="use_dpop_nonce""#.into()),
            _ => None,
        };
        let status = if proof.is_some() { StatusCode::UNAUTHORIZED } else { self.status };
        let challenge = proof.map(Challenge::Token).or(self.challenge);
        Self { status, challenge, scheme: Some(scheme), ..self }
    }

    /// RFC 9110 §11.6.1; RFC 9449 §7.2: each way to show a token has its own, first that which was gone.
    fn challenges(&self) -> Vec<String> {
        let bearer = |what: &str| format!(r#"Bearer realm="heirloom"{what}"#);
        let dpop = |what: &str| format!(r#"DPoP algs="{}"{what}"#, ALGORITHMS.join(" "));
        match (&self.challenge, self.scheme) {
            (None, _) => Vec::new(),
            (Some(Challenge::Client), _) => vec![r#"Basic realm="heirloom", charset="UTF-8""#.to_owned()],
            (Some(Challenge::Token(what)), scheme) => {
                let what = if what.is_empty() { String::new() } else { format!(", {what}") };
                match scheme {
                    None => vec![bearer(&what)],
                    Some(Scheme::Bearer) => vec![bearer(&what), dpop("")],
                    Some(Scheme::Dpop) => vec![dpop(&what), bearer("")],
                }
            }
        }
    }

    /// The status and the headers, without what is said.
    pub(crate) fn head(&self) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        for challenge in self.challenges() {
            response.append_header((WWW_AUTHENTICATE, challenge));
        }
        if let Some(nonce) = &self.nonce {
            response.insert_header((NONCE, nonce.as_str()));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        self.head().json(json!({ "error": self.code, "error_description": self.description }))
    }
}
