//! Whether the chain of events is unbroken, and each event as it was.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::ids::first_id_of;
use crate::service::Core;
use crate::service::events::chain::LATE;
use crate::service::events::links::{is_behind, is_of, is_ours, key_of};
use crate::store::StoreError;
use crate::store::event_chain::{self, ChainHead, EventLink};
use crate::store::events::StoredEvent;

/// How many links are read at once.
const PART: i64 = 1000;

/// How often it begins anew, while links are deleted for their age meanwhile.
const TRIES: usize = 5;

/// Servers' clocks differ: what was deleted may have been this much younger than it had to be.
const SLACK: TimeDelta = TimeDelta::minutes(10);

/// An unbroken chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedChain {
    /// Events that stand where and as they were.
    pub events: u64,
    /// Links whose events were deleted for their age.
    pub aged: u64,
    pub begun_at: DateTime<Utc>,
    /// The times of the first and the last link's events.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub last: NotedLink,
    /// Events that are too young for the chain.
    pub waiting: i64,
}

/// A link as somebody notes it elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedLink {
    pub seq: i64,
    pub link: Vec<u8>,
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    #[error(
        "there is no chain: with HEIRLOOM_EVENTS__CHAIN=true a server begins one; if there was one, it was deleted"
    )]
    NoChain,
    #[error("the row that tells how far the chain is was changed by hand")]
    Head,
    #[error("the chain is made with master key {0}, which is not among those given")]
    MissingKey(String),
    #[error("link {0} is missing: it was deleted, and maybe others with it")]
    MissingLink(i64),
    #[error("link {0} is not the one that was made: it was changed, or stands elsewhere than it did")]
    ForgedLink(i64),
    #[error("the event {event} of {} (link {seq}) was removed", told(.at))]
    Removed { seq: i64, event: Uuid, at: DateTime<Utc> },
    #[error("the event {event} of {} (link {seq}), now {name}, was changed", told(.at))]
    Changed { seq: i64, event: Uuid, at: DateTime<Utc>, name: String },
    #[error("the event {event} of {}, {name}, is in no link: it was inserted by hand", told(.at))]
    Inserted { event: Uuid, at: DateTime<Utc>, name: String },
    #[error("link {0} is not the one that was noted: the chain was made anew, or an older database restored")]
    NotAsNoted(i64),
    #[error("link {0}, which was noted, was deleted for its event's age")]
    NotedTooLongAgo(i64),
}

fn told(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads the whole chain, a part at a time: what is wrong first, if anything. It must lead through the link that was
/// `noted`.
///
/// # Errors
/// [`StoreError`].
pub async fn verify(
    core: &Core,
    noted: Option<&NotedLink>,
    now: DateTime<Utc>,
) -> Result<Result<VerifiedChain, ChainBreak>, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Some(head) = event_chain::head(&core.db).await? else { return Ok(Err(ChainBreak::NoChain)) };
        let read = ChainReading::of(core, &head, noted, now).through().await?;
        let has_moved = matches!(read, Err(ChainBreak::MissingLink(_)))
            && event_chain::head(&core.db).await?.is_some_and(|later| later.anchor_seq > head.anchor_seq);
        if !has_moved || tries == TRIES {
            return Ok(read);
        }
    }
}

struct ChainReading<'a> {
    core: &'a Core,
    head: &'a ChainHead,
    noted: Option<&'a NotedLink>,
    /// Events from before may have been deleted for their age.
    retained: Uuid,
    /// The link that was read last.
    before: (i64, Vec<u8>),
    events: u64,
    aged: u64,
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl<'a> ChainReading<'a> {
    fn of(core: &'a Core, head: &'a ChainHead, noted: Option<&'a NotedLink>, now: DateTime<Utc>) -> Self {
        let retained = first_id_of(now - core.writer.trail().retention() + SLACK);
        let before = (head.anchor_seq, head.anchor_link.clone());
        ChainReading { core, head, noted, retained, before, events: 0, aged: 0, span: None }
    }

    async fn through(mut self) -> Result<Result<VerifiedChain, ChainBreak>, StoreError> {
        if let Err(broken) = self.begin() {
            return Ok(Err(broken));
        }
        loop {
            let span = (self.before.0, self.head.seq);
            let part = event_chain::linked(&self.core.db, span, PART).await?;
            if part.is_empty() {
                break;
            }
            for (link, event) in part {
                if let Err(broken) = self.read(link, event.as_ref()) {
                    return Ok(Err(broken));
                }
            }
        }
        if self.before.0 != self.head.seq {
            return Ok(Err(ChainBreak::MissingLink(self.before.0 + 1)));
        }
        if self.before.1 != self.head.link {
            return Ok(Err(ChainBreak::ForgedLink(self.before.0)));
        }
        self.end().await
    }

    fn begin(&self) -> Result<(), ChainBreak> {
        match is_ours(self.core.keys.master(), self.head) {
            None => return Err(ChainBreak::MissingKey(self.head.key_id.clone())),
            Some(false) => return Err(ChainBreak::Head),
            Some(true) => {}
        }
        match self.noted {
            Some(noted) if noted.seq > self.head.seq => Err(ChainBreak::NotAsNoted(noted.seq)),
            Some(noted) if noted.seq < self.head.anchor_seq => Err(ChainBreak::NotedTooLongAgo(noted.seq)),
            Some(noted) if noted.seq == self.head.anchor_seq && noted.link != self.head.anchor_link => {
                Err(ChainBreak::NotAsNoted(noted.seq))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn read(&mut self, it: EventLink, event: Option<&StoredEvent>) -> Result<(), ChainBreak> {
        let seq = self.before.0 + 1;
        if it.seq != seq {
            return Err(ChainBreak::MissingLink(seq));
        }
        let key = key_of(self.core.keys.master(), &it.key_id);
        let key = key.ok_or_else(|| ChainBreak::MissingKey(it.key_id.clone()))?;
        if !is_behind(key, &self.before.1, &it) {
            return Err(ChainBreak::ForgedLink(seq));
        }
        if self.noted.is_some_and(|noted| noted.seq == seq && noted.link != it.link) {
            return Err(ChainBreak::NotAsNoted(seq));
        }
        let at = time_of(it.event);
        match event {
            Some(event) if !is_of(key, &it, event) => {
                return Err(ChainBreak::Changed { seq, event: it.event, at, name: event.name.clone() });
            }
            Some(_) => self.events += 1,
            None if it.event < self.retained => self.aged += 1,
            None => return Err(ChainBreak::Removed { seq, event: it.event, at }),
        }
        self.span = Some((self.span.map_or(at, |(first, _)| first), at));
        self.before = (seq, it.link);
        Ok(())
    }

    /// Looks at the events that have no links.
    async fn end(self) -> Result<Result<VerifiedChain, ChainBreak>, StoreError> {
        let chained = first_id_of(self.head.horizon - LATE);
        let span = (self.retained, chained);
        if let Some(event) = event_chain::unlinked(&self.core.db, span, 1).await?.pop() {
            let (at, name) = (time_of(event.id), event.name);
            return Ok(Err(ChainBreak::Inserted { event: event.id, at, name }));
        }
        let young = (chained.max(self.retained), Uuid::max());
        Ok(Ok(VerifiedChain {
            events: self.events,
            aged: self.aged,
            begun_at: self.head.begun_at,
            span: self.span,
            last: NotedLink { seq: self.before.0, link: self.before.1 },
            waiting: event_chain::count_unlinked(&self.core.db, young).await?,
        }))
    }
}

/// The time that an id begins with.
fn time_of(id: Uuid) -> DateTime<Utc> {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
