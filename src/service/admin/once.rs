//! What is made once, however often its request comes (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! A request claims its key first. The transaction that makes the thing stores the answer with the claim: so there is
//! either both or nothing, whenever the process ends. A claim without an answer is good for a while only, and then
//! belongs to the next who comes; whoever had it before finds that out in the transaction, which is undone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::crypto::random;
use crate::domain::idempotency_key::IdempotencyKey;
use crate::domain::ids::uuid_v7;
use crate::domain::secrets::SecretHash;
use crate::service::admin::caller::AdminCaller;
use crate::service::keys::resealing;
use crate::service::keys::ring::Keys;
use crate::service::writer::Writer;
use crate::service::{Core, Failure};
use crate::store::idempotency_keys::{self, KeyedRequest};
use crate::store::sealed_rows::SealedTable;
use crate::store::{StoreError, Tx};

/// How long a key is remembered.
pub const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// An answer that is given again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptAnswer {
    pub status: u16,
    pub location: Option<String>,
    pub etag: Option<String>,
    /// JSON.
    pub body: String,
}

/// What becomes of a request that comes with a key.
#[derive(Debug)]
pub enum Claimed {
    /// Nobody has carried it out: whoever asks may.
    Ours(Claim),
    /// It was carried out, and answered so.
    Answered(KeptAnswer),
    /// It is being worked on.
    UnderWay,
    /// Another request came with this key.
    OtherRequest,
    /// It was carried out, and its answer went with the master key that it was sealed under.
    AnswerLost,
}

/// The right to carry out a request.
#[derive(Debug)]
pub struct Claim {
    id: Uuid,
    attempt: Uuid,
}

/// Claims a caller's key for a request, for as long as working on it may take.
///
/// # Errors
/// [`Failure::Store`].
pub async fn claim(
    core: &Core,
    caller: &AdminCaller,
    (key, request_hash): (&IdempotencyKey, SecretHash),
    patience: Duration,
    now: DateTime<Utc>,
) -> Result<Claimed, Failure> {
    let request = KeyedRequest {
        id: uuid_v7(now, random::bytes()),
        attempt: uuid_v7(now, random::bytes()),
        key_hash: key.hash_of(&caller.client, &caller.by),
        request_hash,
        claimed_until: now + patience,
        expires_at: now + REMEMBERED,
    };
    let claimed =
        core.write(now, async |tx| Ok(idempotency_keys::claim(tx, &request, now).await?.then_some(())));
    if claimed.await?.is_some() {
        return Ok(Claimed::Ours(Claim { id: request.id, attempt: request.attempt }));
    }
    // Who let go of it since did not carry it out: the next try may.
    let Some(known) = idempotency_keys::find(&core.db, &request.key_hash).await? else {
        return Ok(Claimed::UnderWay);
    };
    if !known.request_hash.matches(&request.request_hash) {
        return Ok(Claimed::OtherRequest);
    }
    let Some(sealed) = known.sealed else { return Ok(Claimed::UnderWay) };
    let opened = core.keys.master().open(&context(known.id), &sealed).ok();
    let kept = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
    Ok(kept.map_or(Claimed::AnswerLost, Claimed::Answered))
}

/// Lets go of a key: the request was not carried out. One that was keeps it.
pub async fn release(core: &Core, claim: &Claim) {
    if let Err(error) = idempotency_keys::release(&core.db, claim.id, claim.attempt).await {
        // Nobody can use the key until the claim is over: that is all.
        tracing::warn!(error = &error as &dyn std::error::Error, "an idempotency key was not let go of");
    }
}

/// What a request is answered, given what was made.
type Answering<'a, T> = &'a dyn Fn(&T) -> KeptAnswer;

/// How something is made whose request may have claimed a key.
pub struct Once<'a, T> {
    claimed: Option<(&'a Claim, Answering<'a, T>)>,
}

impl<'a, T> Once<'a, T> {
    /// By a request that `answer` answers, given what was made.
    #[must_use]
    pub fn by(claim: Option<&'a Claim>, answer: Answering<'a, T>) -> Self {
        Self { claimed: claim.map(|claim| (claim, answer)) }
    }

    /// By nobody who could ask again.
    pub(super) fn unclaimed() -> Self {
        Self { claimed: None }
    }

    /// Stores the answer, if there is a claim, in the transaction that makes the thing. `None` when somebody else has
    /// the claim by now, and the thing must not be made.
    pub(super) async fn answer(&self, core: &Core, tx: &mut Tx, made: &T) -> Result<Option<()>, StoreError> {
        let Some((Claim { id, attempt }, answer)) = self.claimed else { return Ok(Some(())) };
        let plain = serde_json::to_vec(&answer(made)).unwrap_or_default();
        let sealed = core.keys.master().seal(&context(*id), &plain);
        Ok(idempotency_keys::answer(tx, *id, *attempt, &sealed).await?.then_some(()))
    }
}

fn context(id: Uuid) -> String {
    format!("heirloom answer {id}")
}

/// Seals anew the answers that an older master key sealed.
///
/// # Errors
/// [`StoreError`].
pub async fn reseal(keys: &Keys, writer: &Writer, now: DateTime<Utc>) -> Result<(), StoreError> {
    resealing::reseal((keys, writer), SealedTable::Answers, context, now).await
}
