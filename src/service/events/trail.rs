//! The rows of what happened: written in the transaction that they tell of, and kept for a while.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::crypto::random;
use crate::domain::event::EventRecord;
use crate::domain::ids::uuid_v7;
use crate::service::events::counts::{CountKey, CountedEvent, Counts};
use crate::store::events::{self, StoredEvent};
use crate::store::transaction::retrying;
use crate::store::{Committed, Db, StoreError, Tx};

/// How many of what was counted are stored in one transaction.
const PART: usize = 100;

/// What is kept of what happens.
#[derive(Debug)]
pub struct Trail {
    retention: Duration,
    counts: Counts,
}

/// What was counted in a minute, on its way to its row.
type OnItsWay = (Uuid, CountKey, CountedEvent);

impl Trail {
    /// Keeps everything for this time; zero keeps nothing.
    #[must_use]
    pub fn new(retention: Duration) -> Self {
        Self { retention, counts: Counts::default() }
    }

    /// For how long.
    pub(crate) fn retention(&self) -> Duration {
        self.retention
    }

    fn keeps(&self) -> bool {
        !self.retention.is_zero()
    }

    /// Adds what the transaction makes happen, one after another.
    pub(crate) async fn write(&self, tx: &mut Tx, now: DateTime<Utc>) -> Result<(), StoreError> {
        if !self.keeps() || tx.events().is_empty() {
            return Ok(());
        }
        let rows: Vec<_> =
            (0..).zip(tx.events()).map(|(nth, event)| row(nth, &event.record(), now)).collect();
        events::insert(tx, &rows).await
    }

    /// Counts what no transaction made happen.
    pub(crate) fn count(&self, record: &EventRecord<'_>) {
        if self.keeps() {
            self.counts.add(record);
        }
    }

    /// Stores what was counted so far.
    ///
    /// # Errors
    /// [`StoreError`]; what was not stored is stored another time.
    pub(crate) async fn store_counts(&self, db: &Db, now: DateTime<Utc>) -> Result<(), StoreError> {
        let (minute, counted) = self.counts.take(now);
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
}

async fn store_part(db: &Db, part: &[OnItsWay], minute: DateTime<Utc>) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    for (id, key, counted) in part {
        let row = StoredEvent {
            id: *id,
            at: minute,
            name: key.name.to_owned(),
            user: key.user,
            family: key.family,
            fields: Value::from(counted.fields.clone()).to_string(),
            times: counted.times,
        };
        events::count(&mut tx, &row).await?;
    }
    let Committed { .. } = tx.commit().await?;
    Ok(())
}

fn row(nth: u16, record: &EventRecord<'_>, now: DateTime<Utc>) -> StoredEvent {
    let mut entropy = random::bytes::<10>();
    // Those of one transaction stay in their order: the first twelve bits behind the time.
    let [first, second, ..] = &mut entropy;
    [*first, *second] = nth.to_be_bytes();
    StoredEvent {
        id: uuid_v7(now, entropy),
        at: now,
        name: record.event.to_owned(),
        user: record.user,
        family: record.family,
        fields: Value::from(record.fields()).to_string(),
        times: 1,
    }
}
