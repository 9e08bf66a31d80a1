//! Requests that make something, and may come again with the same `Idempotency-Key`: they are answered again, and make
//! nothing more (draft-ietf-httpapi-idempotency-key-header-07).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderName, LOCATION};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sfv::{BareItem, Item, Parser};
use utoipa::IntoParams;

use crate::domain::idempotency_key::{IdempotencyKey, fingerprint};
use crate::domain::right::Right;
use crate::domain::secrets::SecretHash;
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::problem::AdminProblem;
use crate::http::body::Body;
use crate::service::Core;
use crate::service::admin::caller::AdminCaller;
use crate::service::admin::once::{self, Claim, Claimed, KeptAnswer};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the description of the API says of the header.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read as RFC 9651 has it")]
pub(super) struct KeyHeader {
    /// Makes the request safe to send again: for 24 hours the same key with the same request gets the same answer. A
    /// string in quotation marks (RFC 9651), best a UUID.
    #[param(rename = "Idempotency-Key", pattern = r#"^"[ !#-\[\]-~]{1,255}"$"#)]
    idempotency_key: Option<String>,
}

impl AdminRequest {
    /// Does what a token with this right opens: once for each key, if there is one.
    pub(super) async fn makes(
        &self,
        right: Right,
        body: Body,
        work: impl AsyncFnOnce(&Core, Option<&Claim>, Body, DateTime<Utc>) -> Result<KeptAnswer, AdminProblem>,
    ) -> Answered {
        let opened = self.opens_for(right, async |core, caller, now| {
            // What cannot be read is told by whoever reads it.
            let keyed = match (self.idempotency_key()?, body.bytes()) {
                (Some(key), Some(sent)) => {
                    let place = self.request.uri().to_string();
                    Some((key, fingerprint(self.request.method().as_str(), &place, sent)))
                }
                _ => None,
            };
            let work = async |claim: Option<&Claim>| work(&core, claim, body, now).await;
            self.once((&core, &caller), keyed, work, now).await
        });
        opened.await
    }

    /// Does something once for a key and the request that it came with, if there is one.
    pub(super) async fn once(
        &self,
        (core, caller): (&Core, &AdminCaller),
        keyed: Option<(IdempotencyKey, SecretHash)>,
        work: impl AsyncFnOnce(Option<&Claim>) -> Result<KeptAnswer, AdminProblem>,
        now: DateTime<Utc>,
    ) -> Result<HttpResponse, AdminProblem> {
        let Some((key, request)) = keyed else {
            return Ok(answered(work(None).await?));
        };
        // Whoever works on it is stopped at the deadline.
        let patience = self.web.deadline * 2;
        match once::claim(core, caller, (&key, request), patience, now).await? {
            Claimed::Ours(claim) => {
                let made = work(Some(&claim)).await;
                if made.is_err() {
                    once::release(core, &claim).await;
                }
                Ok(answered(made?))
            }
            Claimed::Answered(kept) => Ok(answered(kept)),
            Claimed::UnderWay => Err(AdminProblem::UnderWay),
            Claimed::OtherRequest => Err(AdminProblem::KeyOfOther),
            Claimed::AnswerLost => Err(AdminProblem::AnswerLost),
        }
    }

    pub(super) fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, AdminProblem> {
        let mut sent = self.request.headers().get_all(IDEMPOTENCY_KEY);
        let Some(value) = sent.next() else { return Ok(None) };
        let unfit = || {
            let what =
                "Idempotency-Key is one string of 1 to 255 characters, in quotation marks (RFC 9651 §3.3.3).";
            AdminProblem::Unfit(what.to_owned())
        };
        if sent.next().is_some() {
            return Err(unfit());
        }
        let item: Item = Parser::new(value.as_bytes()).parse().map_err(|_| unfit())?;
        let BareItem::String(text) = item.bare_item else { return Err(unfit()) };
        text.as_str().parse().map(Some).map_err(|_| unfit())
    }
}

/// What was made, and where it is.
pub(super) fn created(location: String, etag: Option<String>, made: &impl Serialize) -> KeptAnswer {
    KeptAnswer { location: Some(location), etag, ..done(StatusCode::CREATED, made) }
}

/// What was begun, and where it tells how far it is.
pub(super) fn begun(location: String, begun: &impl Serialize) -> KeptAnswer {
    KeptAnswer { location: Some(location), ..done(StatusCode::ACCEPTED, begun) }
}

/// What was made that has no place of its own.
pub(super) fn done(status: StatusCode, made: &impl Serialize) -> KeptAnswer {
    let body = serde_json::to_string(made).unwrap_or_default();
    KeptAnswer { status: status.as_u16(), location: None, etag: None, body }
}

fn answered(kept: KeptAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    for (name, value) in [(LOCATION, kept.location), (ETAG, kept.etag)] {
        if let Some(value) = value {
            response.insert_header((name, value));
        }
    }
    response.content_type("application/json").body(kept.body)
}
