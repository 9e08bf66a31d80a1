//! The rows of what happened: written in the transaction that they tell of, and kept for a while.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::crypto::random;
use crate::domain::event::{Event, EventRecord};
use crate::domain::ids::{FamilyId, UserId, WebhookId, uuid_v7};
use crate::service::events::counts::{CountKey, CountedEvent, Counts, OfMinute};
use crate::service::webhooks::subscribers::{Subscribers, Told};
use crate::store::events::{self, StoredEvent};
use crate::store::transaction::retrying;
use crate::store::{Committed, Db, StoreError, Tx};

/// How many of what was counted are stored in one transaction.
const PART: usize = 100;

/// What is kept of what happens, and who is told of it.
#[derive(Debug)]
pub struct Trail {
    retention: Duration,
    counts: Counts,
    subscribers: Subscribers,
}

/// What was counted in a minute, on its way to its row.
type OnItsWay = (Uuid, CountKey, CountedEvent);

impl Trail {
    /// Keeps everything for this time; zero keeps nothing.
    #[must_use]
    pub fn new(retention: Duration) -> Self {
        Self { retention, counts: Counts::default(), subscribers: Subscribers::default() }
    }

    /// For how long.
    pub(crate) fn retention(&self) -> Duration {
        self.retention
    }

    pub(crate) fn subscribers(&self) -> &Subscribers {
        &self.subscribers
    }

    fn keeps(&self) -> bool {
        !self.retention.is_zero()
    }

    /// Adds what the transaction makes happen, in its order, with who did it, and notes whom to tell of it.
    pub(crate) async fn write(
        &self,
        tx: &mut Tx,
        by: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if tx.events().is_empty() {
            return Ok(());
        }
        let happened =
            |(nth, event): (u16, &Event)| Happened::of(nth, &EventRecord { by, ..event.record() }, now);
        let all: Vec<Happened> = (0..).zip(tx.events()).map(happened).collect();
        if self.keeps() {
            let rows: Vec<StoredEvent> = all.iter().map(|it| it.row(now)).collect();
            events::insert(tx, &rows).await?;
        }
        self.subscribers.tell(tx, all.iter().map(|it| it.told(now)), now).await
    }

    /// Counts what no transaction made happen.
    pub(crate) fn count(&self, record: &EventRecord<'_>) {
        self.counts.add(record);
    }

    /// Stores what was counted so far, and notes whom to tell of the minutes that are over.
    ///
    /// # Errors
    /// [`StoreError`]; what was not stored is stored another time.
    pub(crate) async fn store_counts(&self, db: &Db, now: DateTime<Utc>) -> Result<(), StoreError> {
        let (minute, counted) = self.counts.take(now);
        if self.keeps() {
            self.store(db, minute, counted).await?;
        }
        self.tell_counts(db, now).await
    }

    /// The same at the end, with this minute.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn store_last_counts(&self, db: &Db, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.store_counts(db, now).await?;
        self.counts.end_minute();
        self.tell_counts(db, now).await
    }

    async fn store(
        &self,
        db: &Db,
        minute: DateTime<Utc>,
        counted: HashMap<CountKey, CountedEvent>,
    ) -> Result<(), StoreError> {
        let on_its_way = |(key, counted): (CountKey, CountedEvent)| (key.id(minute), key, counted);
        let mut left: Vec<OnItsWay> = counted.into_iter().map(on_its_way).collect();
        // Servers that store the same rows at once lock them in one order.
        left.sort_unstable_by_key(|(id, ..)| *id);
        while !left.is_empty() {
            let part: Vec<OnItsWay> = left.drain(..left.len().min(PART)).collect();
            if let Err(error) = retrying(|| store_part(db, &part, minute)).await {
                let all = part.into_iter().chain(left);
                self.counts.put_back(all.map(|(_, key, counted)| (key, counted)).collect());
                return Err(error);
            }
        }
        Ok(())
    }

    async fn tell_counts(&self, db: &Db, now: DateTime<Utc>) -> Result<(), StoreError> {
        let over = self.counts.take_over();
        if over.is_empty() {
            return Ok(());
        }
        let all = || over.iter().map(told_of_minute);
        let telling = async {
            let mut tx = db.begin().await?;
            self.subscribers.tell(&mut tx, all(), now).await?;
            let Committed { .. } = tx.commit().await?;
            Ok(())
        };
        let told: Result<(), StoreError> = telling.await;
        if told.is_err() {
            self.counts.put_back_over(over);
        }
        told
    }
}

fn told_of_minute((minute, key, counted): &OfMinute) -> Told<'_> {
    let (id, times) = (key.id(*minute), Some(counted.times));
    Told { id, name: key.name, at: *minute, fields: &counted.fields, times, about: None }
}

async fn store_part(db: &Db, part: &[OnItsWay], minute: DateTime<Utc>) -> Result<(), StoreError> {
    let row = |(id, key, counted): &OnItsWay| StoredEvent {
        id: *id,
        at: minute,
        name: key.name.to_owned(),
        user: key.user,
        family: key.family,
        fields: Value::from(counted.fields.clone()).to_string(),
        times: counted.times,
    };
    let mut tx = db.begin().await?;
    events::count(&mut tx, &part.iter().map(row).collect::<Vec<_>>()).await?;
    let Committed { .. } = tx.commit().await?;
    Ok(())
}

/// Something that a transaction makes happen.
struct Happened {
    id: Uuid,
    name: &'static str,
    user: Option<UserId>,
    family: Option<FamilyId>,
    webhook: Option<WebhookId>,
    fields: Map<String, Value>,
}

impl Happened {
    fn of(nth: u16, record: &EventRecord<'_>, now: DateTime<Utc>) -> Self {
        let mut entropy = random::bytes::<10>();
        // Those of one transaction stay in their order: the first twelve bits behind the time.
        let [first, second, ..] = &mut entropy;
        [*first, *second] = nth.to_be_bytes();
        Self {
            id: uuid_v7(now, entropy),
            name: record.event,
            user: record.user,
            family: record.family,
            webhook: record.webhook,
            fields: record.fields(),
        }
    }

    fn row(&self, now: DateTime<Utc>) -> StoredEvent {
        let (name, fields) = (self.name.to_owned(), Value::from(self.fields.clone()).to_string());
        StoredEvent { id: self.id, at: now, name, user: self.user, family: self.family, fields, times: 1 }
    }

    fn told(&self, now: DateTime<Utc>) -> Told<'_> {
        Told { id: self.id, name: self.name, at: now, fields: &self.fields, times: None, about: self.webhook }
    }
}
