//! Ending what users have more of than the limit of logins: the longest unused ones.
//!
//! Everything is read and ended in parts of a bounded size. Users are counted along an index of live families, some in
//! a round; the next round goes on from where it stopped. Of a user who has too many, all are read part by part, and
//! those that were used last are remembered, as many as the limit: whatever falls out of there ends.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::family::Place;
use crate::domain::ids::{ClientId, FamilyId, UserId};
use crate::domain::lifetimes::Lifetimes;
use crate::domain::refusal::EndReason;
use crate::domain::registration::document;
use crate::service::Core;
use crate::store::families::{self, LastUse};
use crate::store::{StoreError, clients, users};

/// How many parts of the index are counted in a round.
const PARTS: usize = 100;
/// How many families end in one transaction, which keeps the user's logins waiting.
const AT_ONCE: usize = 100;

/// A family by how much its user would miss it: one that has expired the least, then one that was not used for long.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Used {
    is_live: bool,
    at: DateTime<Utc>,
    id: FamilyId,
}

/// One round; gives how many families it ended.
///
/// # Errors
/// [`StoreError`]; what was done is done.
pub(super) async fn end_surplus(core: &Core, batch: i64, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let most = i64::try_from(core.login_limit.most()).unwrap_or(i64::MAX);
    // Enough to see that one user has too many.
    let rows = batch.max(most.saturating_add(1));
    let mut ended = 0;
    for _ in 0..PARTS {
        let counts = families::counts_by_user(&core.db, core.login_limit.from(), rows).await?;
        for (user, _) in counts.iter().filter(|(_, count)| *count > most) {
            ended += end_surplus_of(core, *user, batch, now).await?;
        }
        let is_last = counts.iter().map(|(_, count)| count).sum::<i64>() < rows;
        let next = match counts.last() {
            Some((user, count)) if !is_last && *count > most => after(*user),
            // Perhaps not all of this one's were counted.
            Some((user, _)) if !is_last => *user,
            Some(_) | None => UserId(Uuid::nil()),
        };
        core.login_limit.go_on_from(next);
        if is_last {
            break;
        }
    }
    Ok(ended)
}

fn after(UserId(id): UserId) -> UserId {
    UserId(Uuid::from_u128(id.as_u128().wrapping_add(1)))
}

async fn end_surplus_of(
    core: &Core,
    user: UserId,
    batch: i64,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let (mut kept, mut surplus) = (BinaryHeap::new(), Vec::new());
    let (mut place, mut ended, mut known) = (Place::NEWEST, 0, HashMap::new());
    loop {
        let part = families::last_uses(&core.db, user, place, batch).await?;
        let Some(last) = part.last() else { break };
        place = last.place;
        learn_lifetimes(core, &mut known, &part, now).await?;
        for it in part {
            let lifetimes = known.get(&it.client).and_then(Option::as_ref);
            let is_live =
                lifetimes.is_some_and(|it_has| now < it_has.end_of_family(it.rotated_at, it.expires_at));
            kept.push(Reverse(Used { is_live, at: it.rotated_at, id: it.place.id }));
            if kept.len() > core.login_limit.most() {
                surplus.extend(kept.pop().map(|Reverse(used)| used));
            }
            if surplus.len() == AT_ONCE {
                ended += end_unused(core, user, std::mem::take(&mut surplus), now).await?;
            }
        }
    }
    if !surplus.is_empty() {
        ended += end_unused(core, user, surplus, now).await?;
    }
    Ok(ended)
}

/// The lifetimes of the clients that a part names; `None` for one that was removed.
async fn learn_lifetimes(
    core: &Core,
    known: &mut HashMap<ClientId, Option<Lifetimes>>,
    part: &[LastUse],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for LastUse { client, .. } in part {
        if !known.contains_key(client) {
            let lifetimes = match clients::find(&core.db, client, now).await? {
                // Some that contradict the settings say nothing of how long its logins live.
                Some(client) => Some(core.clients.lifetimes_of(&client).unwrap_or(*core.clients.defaults())),
                // What its document says is the server's to fetch.
                None => document::url_of(client).map(|_| *core.clients.defaults()),
            };
            known.insert(client.clone(), lifetimes);
        }
    }
    Ok(())
}

async fn end_unused(
    core: &Core,
    user: UserId,
    unused: Vec<Used>,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let unused: Vec<(FamilyId, DateTime<Utc>)> = unused.into_iter().map(|it| (it.id, it.at)).collect();
    let ended = core.writer.write_sending(now, move |tx| {
        let unused = unused.clone();
        Box::pin(async move {
            users::touch(tx, user, now).await?;
            let mut ended = 0;
            for (id, at) in unused {
                ended += u64::from(families::end_unused(tx, id, at, EndReason::LoginLimit, now).await?);
            }
            Ok(Some(ended))
        })
    });
    // Refreshes come first.
    tokio::task::yield_now().await;
    Ok(ended.await?.unwrap_or(0))
}
