//! A refusal as it is answered: status, code, words and headers.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder};
use heirloom_verifier::dpop::ALGORITHMS;
use serde_json::{Map, Value, json};

use crate::domain::second_factor::WantedFactor;
use crate::http::key_proof::NONCE;
use crate::http::words::code_methods;

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
    /// What else stands in the content.
    members: Map<String, Value>,
}

impl Answer {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        let description = description.into();
        let (challenge, scheme, nonce, retry_after) = (None, None, None, None);
        let members = Map::new();
        Self { status, code, description, challenge, scheme, nonce, retry_after, members }
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

    pub(crate) fn with_member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
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
        let mut response = self.head();
        let mut content = json!({ "error": self.code, "error_description": self.description });
        if let Some(members) = content.as_object_mut() {
            members.extend(self.members);
        }
        response.json(content)
    }
}

/// draft-ietf-oauth-first-party-apps-03: what a user has to show yet, with what an app goes on with if it may.
pub(crate) fn insufficient(wanted: Option<&WantedFactor>) -> Answer {
    let answer =
        |description| Answer::new(StatusCode::BAD_REQUEST, "insufficient_authorization", description);
    let Some(WantedFactor { token, factors, .. }) = wanted else {
        return answer(
            "More has to be shown than this app can ask for. The user has to sign in at this server's pages.",
        )
        .with_member("methods", json!([]));
    };
    answer(
        "A second factor is missing. Send it with the auth_session to the authorization challenge endpoint.",
    )
    .with_member("auth_session", json!(token.expose()))
    .with_member("methods", json!(code_methods(*factors)))
}

/// The same before anything was shown.
pub(crate) fn password_missing() -> Answer {
    let description = "Send the user's username and password.";
    Answer::new(StatusCode::BAD_REQUEST, "insufficient_authorization", description)
        .with_member("methods", json!(["password"]))
}

/// The same draft: the user has to go to the pages, with a request that waits there if there is one.
pub(crate) fn redirect_to_web(pushed: Option<&PushedTo>) -> Answer {
    let description =
        "The user has to sign in at this server's pages. Send a browser to the authorization endpoint.";
    let answer = Answer::new(StatusCode::BAD_REQUEST, "redirect_to_web", description);
    match pushed {
        None => answer,
        Some(PushedTo { request_uri, expires_in }) => {
            answer.with_member("request_uri", json!(request_uri)).with_member("expires_in", json!(expires_in))
        }
    }
}

/// Where a request waits for its browser (RFC 9126 §2.2).
#[derive(Debug)]
pub(crate) struct PushedTo {
    pub(crate) request_uri: String,
    /// In seconds.
    pub(crate) expires_in: i64,
}
