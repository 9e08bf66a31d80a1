//! Tidying up in the background, in small batches: expired and ended families, sign-ins and codes, families of clients
//! that were removed or gave up their proof, those that a user has too many of, spent keys.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::lifetimes::LONGEST_ACCESS_TTL;
use crate::domain::outbox::Outbox;
use crate::domain::reading::Reading;
use crate::domain::refusal::EndReason;
use crate::service::admin::batches::until_less;
use crate::service::admin::imports::jobs as import_jobs;
use crate::service::admin::rounds::Tidied;
use crate::service::admin::{emails, events, surplus, usage, webhooks};
use crate::service::authorize::device::TRY_WINDOW;
use crate::service::clients::known_clients::REMEMBERED;
use crate::service::logout::ending_many;
use crate::service::status_lists::retiring;
use crate::service::{Core, Failure};
use crate::store::expired::{self, Expired};
use crate::store::families::OfClient;
use crate::store::limit_debts;
use crate::store::outbox;
use crate::store::{
    StoreError, clients, consents, families, provisioned_users, registration_tokens, registrations, users,
};

/// After this a client that was removed has no live family left, nor one that gave up its proof any from before: no
/// cache believes in it, no batch is unfinished.
const TOMBSTONE_WATCH: TimeDelta = TimeDelta::days(1);

/// How long what makes an access token worth nothing is remembered after its expiry: clocks differ a little, services
/// give some leeway, and it must not come back where the time is behind.
const TOKEN_MEMORY: TimeDelta = TimeDelta::minutes(1);

/// How long an ended family is remembered, so that whoever comes with its token is told. One whose row is gone must not
/// be good again: a status list has its bit no more.
const ENDED_MEMORY: TimeDelta = TimeDelta::minutes(24 * 60 + 1);
const _: () = assert!(
    LONGEST_ACCESS_TTL.as_secs() + TOKEN_MEMORY.num_seconds().unsigned_abs()
        <= ENDED_MEMORY.num_seconds().unsigned_abs()
);

/// How long a code is remembered after its expiry: an authorization code's second use ends what it gave, a device is
/// told that it came too late.
const CODE_MEMORY: TimeDelta = TimeDelta::hours(1);

/// How long a client's metadata document is kept that nobody asks for any more.
const DOCUMENT_MEMORY: TimeDelta = TimeDelta::days(100);

/// How long a device is known that its owner does not use: longer than a year's holidays.
const DEVICE_MEMORY: TimeDelta = TimeDelta::days(400);

/// One round, unless the time cannot be believed: then nothing is done.
///
/// # Errors
/// As [`tidy`].
pub async fn tidy_in_good_time(core: &Core, batch: i64, reading: Reading) -> Result<Tidied, Failure> {
    if core.clock_watch.may_delete(&core.db, reading).await? {
        let round = tidy(core, batch, reading.now).await;
        core.rounds.count(&round);
        round
    } else {
        Ok(Tidied::default())
    }
}

/// One round.
///
/// # Errors
/// [`Failure::Store`]; what was done is done.
pub async fn tidy(core: &Core, batch: i64, now: DateTime<Utc>) -> Result<Tidied, Failure> {
    let mut tidied = Tidied::default();
    let db = &core.db;
    end_what_removed_clients_had(core, &mut tidied, batch, now).await?;
    tidied.ended += end_what_public_clients_had(core, batch, now).await?;
    for (what, before) in [
        (Expired::Families, now - TOKEN_MEMORY),
        (Expired::EndedFamilies, now - ENDED_MEMORY),
        (Expired::SignInSessions, now),
        (Expired::SignInAttempts, now),
        (Expired::ClientAssertions, now),
        (Expired::RevokedTokens, now - TOKEN_MEMORY),
        (Expired::PushedRequests, now),
        (Expired::AuthorizationCodes, now - CODE_MEMORY),
        (Expired::DeviceCodes, now - CODE_MEMORY),
        (Expired::UserCodeTries, now - TRY_WINDOW),
        (Expired::MailedTokens, now),
        (Expired::MailRequests, now - CODE_MEMORY),
        (Expired::UpstreamAttempts, now),
        (Expired::UpstreamSessions, now),
        (Expired::ClientDocuments, now - DOCUMENT_MEMORY),
        (Expired::KnownDevices, now - DEVICE_MEMORY),
        (Expired::MailCounts, now - core.mail.limits.window),
        (Expired::IdempotencyKeys, now),
    ] {
        tidied.deleted += until_less(batch, || expired::delete_some(db, what, before, batch)).await?;
    }
    let retention = core.writer.trail().retention();
    tidied.deleted += until_less(batch, || events::forget_some(core, retention, now, batch)).await?;
    tidied.deleted +=
        until_less(batch, || outbox::delete_some_settled(db, Outbox::Logouts, now, batch)).await?;
    tidied.deleted +=
        until_less(batch, || outbox::delete_some_settled(db, Outbox::Webhooks, now, batch)).await?;
    tidied.deleted +=
        until_less(batch, || outbox::delete_some_settled(db, Outbox::Mails, now, batch)).await?;
    tidied.deleted += until_less(batch, || limit_debts::forget_some(db, now, batch)).await?;
    tidied.deleted += until_less(batch, || import_jobs::forget_some(core, now, batch)).await?;
    tidied.deleted += usage::forget(db, batch, now).await?;
    tidied.deleted += webhooks::tidy(core, batch, now).await?;
    tidied.deleted += until_less(batch, || delete_some_unused(core, now, batch)).await?;
    tidied.deleted += until_less(batch, || registration_tokens::delete_some_spent(db, now, batch)).await?;
    tidied.ended += count(ending_many::finish_noted(core, batch, now).await?);
    tidied.ended += surplus::end_surplus(core, batch, now).await?;
    tidied.deleted += retiring::retire(db, now).await?;
    emails::settle(&core.writer, now).await?;
    core.keys.forget_retired(&core.db, now).await?;
    core.passwords.expect_stored(&users::dearest_hashes(db).await?);
    Ok(tidied)
}

async fn end_what_removed_clients_had(
    core: &Core,
    tidied: &mut Tidied,
    batch: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (db, since) = (&core.db, now - TOMBSTONE_WATCH);
    let mut after = None;
    loop {
        let removed = clients::removed_since(db, since, after.as_ref(), batch).await?;
        for client in &removed {
            tidied.ended += end_families_of_client(core, client, batch, now).await?;
            tidied.deleted +=
                until_less(batch, || consents::delete_some_of_client(db, client, batch)).await?;
            tidied.deleted +=
                until_less(batch, || provisioned_users::delete_some_of_client(db, client, batch)).await?;
        }
        let Some(last) = removed.into_iter().next_back() else { return Ok(()) };
        after = Some(last);
    }
}

/// Ends what clients have from before they gave up their proof.
async fn end_what_public_clients_had(core: &Core, batch: i64, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let (mut after, mut ended) = (None, 0);
    loop {
        let changed = clients::public_since(&core.db, now - TOMBSTONE_WATCH, after.as_ref(), batch).await?;
        let Some((last, _)) = changed.last() else { return Ok(ended) };
        after = Some(last.clone());
        for (client, at) in changed {
            // Until then a login may have begun by what a cache still believed.
            let which = OfClient { client, reason: EndReason::ClientChanged, until: at + REMEMBERED };
            ended += end_families(core, &which, batch, now).await?;
        }
    }
}

fn count(families: usize) -> u64 {
    u64::try_from(families).unwrap_or(u64::MAX)
}

async fn delete_some_unused(core: &Core, now: DateTime<Utc>, batch: i64) -> Result<u64, StoreError> {
    let deleted = core.writer.write_sending(now, move |tx| {
        Box::pin(async move { registrations::delete_some_unused(tx, now, batch).await.map(Some) })
    });
    Ok(deleted.await?.unwrap_or(0))
}

/// Ends a removed client's families, a batch at a time.
///
/// # Errors
/// [`StoreError`].
pub async fn end_families_of_client(
    core: &Core,
    client: &ClientId,
    batch: i64,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let which = OfClient { client: client.clone(), reason: EndReason::ClientRemoved, until: now };
    end_families(core, &which, batch, now).await
}

/// Ends families of a client, a batch at a time.
///
/// # Errors
/// [`StoreError`].
pub async fn end_families(
    core: &Core,
    which: &OfClient,
    batch: i64,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let mut after = FamilyId(Uuid::nil());
    let mut ended = 0;
    loop {
        let which = which.clone();
        let families = core.writer.write_sending(now, move |tx| {
            let which = which.clone();
            Box::pin(
                async move { families::end_some_of_client(tx, &which, after, batch, now).await.map(Some) },
            )
        });
        let families = families.await?.unwrap_or_default();
        let Some(last) = families.iter().map(|family| family.id).max() else { return Ok(ended) };
        after = last;
        ended += count(families.len());
    }
}
