//! The chain of events, made afterwards over committed rows: no request waits for it, and a removed row shows.
//!
//! One round at a time is made by whichever server is first. An event gets its link when it is older than `MARGIN`:
//! the row of a minute that is counted does not grow any more by then. Links are numbered in the order in which they
//! are made, so one that was committed late is chained behind younger ones; one that comes later than `LATE` after
//! that is no event of ours, and gets none.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::crypto::master_key::MasterKey;
use crate::domain::event::Event;
use crate::domain::ids::first_id_of;
use crate::service::Core;
use crate::service::events::links::{is_ours, next_link, sealed};
use crate::store::event_chain::{self, ChainHead, EventLink};
use crate::store::transaction::retrying;
use crate::store::{Committed, Db, StoreError};

/// How old an event is when it is chained: a counted one is of a minute, and its last count may be stored late.
pub(super) const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// How much later a row may be committed than its event's time says, beyond the margin.
pub(super) const LATE: TimeDelta = TimeDelta::minutes(10);

/// How often there is a round, whoever makes it.
pub const EVERY: TimeDelta = TimeDelta::seconds(30);

/// How many links are made in one transaction.
const BATCH: i64 = 500;

/// Before the first link.
const NOTHING: [u8; 32] = [0; 32];

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainRound {
    /// So many events got links.
    Linked(u64),
    /// It is another server's, or too soon.
    NotOurs,
    /// The chain is not as we left it, or its key is not given: nothing is added, and `heirloom event verify` says
    /// more.
    Broken,
}

/// Makes a round, if it is time for one.
///
/// # Errors
/// [`StoreError`]; what was chained is chained, and the next round goes on.
pub async fn extend(core: &Core, now: DateTime<Utc>) -> Result<ChainRound, StoreError> {
    let db = &core.db;
    if event_chain::head(db).await?.is_none() {
        begin(core, now).await?;
    }
    if !event_chain::claim_round(db, now, (now - EVERY, now + EVERY)).await? {
        return Ok(ChainRound::NotOurs);
    }
    let Some(mut head) = event_chain::head(db).await? else { return Ok(ChainRound::NotOurs) };
    if is_ours(core.keys.master(), &head) != Some(true) {
        return Ok(ChainRound::Broken);
    }
    let retained = first_id_of(now - core.writer.trail().retention());
    let span = (first_id_of(head.horizon - LATE).max(retained), first_id_of(now - MARGIN));
    let master = core.keys.master().active();
    let mut count = 0;
    loop {
        let events = event_chain::unlinked(db, span, BATCH).await?;
        let mut links: Vec<EventLink> = Vec::with_capacity(events.len());
        for event in &events {
            let before = (head.seq, head.link.as_slice());
            let before = links.last().map_or(before, |last| (last.seq, last.link.as_slice()));
            let link = next_link(master, before, event);
            links.push(link);
        }
        let Some(last) = links.last() else { break };
        let next = ChainHead { seq: last.seq, link: last.link.clone(), ..head.clone() };
        let next = sealed(master, next);
        if !add(db, &links, &head, &next).await? {
            return Ok(ChainRound::NotOurs);
        }
        (head, count) = (next, count + links.len() as u64);
    }
    let horizon = head.horizon.max(now - MARGIN);
    let next = sealed(master, ChainHead { horizon, ..head.clone() });
    if add(db, &[], &head, &next).await? {
        forget(db, master, next, retained).await?;
    }
    Ok(ChainRound::Linked(count))
}

/// Begins it with nothing: the first round chains all that there is. That there is a new one is told, as one that was
/// there may have been deleted by hand.
async fn begin(core: &Core, now: DateTime<Utc>) -> Result<(), StoreError> {
    let none = ChainHead {
        begun_at: now,
        seq: 0,
        link: NOTHING.to_vec(),
        horizon: DateTime::UNIX_EPOCH,
        anchor_seq: 0,
        anchor_link: NOTHING.to_vec(),
        key_id: String::new(),
        mac: Vec::new(),
    };
    let head = sealed(core.keys.master().active(), none);
    let begun = core.writer.write_sending(now, move |tx| {
        let head = head.clone();
        Box::pin(async move {
            if !event_chain::begin(tx, &head).await? {
                return Ok(None);
            }
            tx.record(Event::ChainBegun);
            Ok(Some(()))
        })
    });
    begun.await?;
    Ok(())
}

/// Goes on from one head to the next. `false` when another server has: its links stand.
async fn add(db: &Db, links: &[EventLink], from: &ChainHead, to: &ChainHead) -> Result<bool, StoreError> {
    retrying(|| async move {
        let mut tx = db.begin().await?;
        if !event_chain::advance(&mut tx, from, to).await? {
            return Ok(false);
        }
        event_chain::insert(&mut tx, links).await?;
        let Committed { .. } = tx.commit().await?;
        Ok(true)
    })
    .await
}

/// Deletes the first links as far as their events are too old to be kept.
async fn forget(db: &Db, master: &MasterKey, mut head: ChainHead, retained: Uuid) -> Result<(), StoreError> {
    loop {
        let first = event_chain::events_after(db, head.anchor_seq, BATCH).await?;
        let Some((seq, _, link)) = first.into_iter().take_while(|(_, event, _)| *event < retained).last()
        else {
            return Ok(());
        };
        let next = sealed(master, ChainHead { anchor_seq: seq, anchor_link: link, ..head.clone() });
        let (from, to) = (&head, &next);
        let forgotten = retrying(|| async move {
            let mut tx = db.begin().await?;
            if !event_chain::advance(&mut tx, from, to).await? {
                return Ok(false);
            }
            event_chain::delete_until(&mut tx, seq).await?;
            let Committed { .. } = tx.commit().await?;
            Ok(true)
        });
        if !forgotten.await? {
            return Ok(());
        }
        head = next;
    }
}
