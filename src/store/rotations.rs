//! Rotations travel together: those that arrive while a statement is under way wait for it and go as the next one,
//! so many share one statement, one commit and one flush. There is no timer: on an idle server each goes at once.
//!
//! What comes of a bet is exactly what would have come of it alone. A batch holds a family once; whoever presents the
//! same token at the same moment has lost the bet as soon as the first one landed, and finds out what that means
//! (a replay, or reuse) as every loser does: by reading the row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::domain::family::Grant;
use crate::domain::ids::FamilyId;
use crate::store::connect::{Connection, PATIENCE, silence};
use crate::store::families::{self, Bet};
use crate::store::{Db, StoreError, transaction};

/// Bets in one statement at most: past some dozens a longer batch saves nothing more, and keeps its riders waiting.
const LARGEST_BATCH: usize = 128;

/// The same on SQLite. Measured: when all who are there travel in one batch, the worker has nothing to do until it
/// lands, and SQLite nothing while the worker signs for them.
const LARGEST_EMBEDDED_BATCH: usize = 24;

/// How often in a row a lane uses the pool's only connection, which it keeps from everybody else meanwhile. Measured:
/// giving it back and getting it again takes as long as a batch.
const TURNS: u32 = 16;

/// What came of a bet: `None` when it was lost.
type Landed = Result<Option<Grant>, StoreError>;

/// One bet of each family, and those who made the very same one. A family's other bets wait for the next batch.
type Batch = HashMap<FamilyId, (Rider, Vec<oneshot::Sender<Landed>>)>;

/// How rotations go to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travel {
    /// Those that arrive together in one statement, one statement after another.
    Together,
    /// Each in a statement of its own, as many at once as connections allow: for sharded engines.
    Alone,
}

/// The way of every fast-path rotation to the database.
#[derive(Debug)]
pub struct Rotations {
    db: Db,
    travel: Travel,
    station: Arc<Mutex<Station>>,
}

/// Where riders wait.
#[derive(Debug)]
struct Station {
    waiting: Vec<Rider>,
    largest_batch: usize,
    lanes: usize,
    under_way: usize,
    /// Whether the pool has connections beside those of the lanes.
    roomy: bool,
    /// The last lane's, if there is room: giving a connection back to its pool costs the database an exchange, as much
    /// as a rotation.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    connection: Connection,
    used_at: DateTime<Utc>,
}

#[derive(Debug)]
struct Rider {
    bet: Bet,
    landed: oneshot::Sender<Landed>,
}

impl Rotations {
    /// A way to this pool.
    #[must_use]
    pub fn new(db: Db, travel: Travel) -> Self {
        let (largest_batch, lanes) = match (travel, &db) {
            // Measured: two statements at once share the riders, and cost the database more than one.
            (Travel::Together, Db::Postgres(_)) => (LARGEST_BATCH, 1),
            (Travel::Together, Db::Sqlite(_)) => (LARGEST_EMBEDDED_BATCH, 1),
            (Travel::Alone, _) => (1, db.connections().saturating_sub(1).max(1)),
        };
        let roomy = db.connections() > lanes;
        let station = Station { waiting: Vec::new(), largest_batch, lanes, under_way: 0, roomy, kept: None };
        Self { db, travel, station: Arc::new(Mutex::new(station)) }
    }

    /// The same way to another pool.
    #[must_use]
    pub fn to(&self, db: Db) -> Self {
        Self::new(db, self.travel)
    }

    /// Gives the connection back that is kept, so that the pool can be closed.
    pub fn rest(&self) {
        drop(lock(&self.station).kept.take());
    }

    /// Rotates a family if the bet is right. `None` tells nothing of why it was wrong.
    ///
    /// # Errors
    /// [`StoreError`]; whether the family moved on is then unknown.
    pub async fn rotate(&self, bet: Bet) -> Landed {
        let (landed, landing) = oneshot::channel();
        if let Some(lane) = board(&self.station, Rider { bet, landed }) {
            // In a task of its own: a rider who hangs up must not stop the others.
            tokio::spawn(lane.run(self.db.clone()));
        }
        landing.await.unwrap_or_else(|_| Err(sqlx::Error::PoolClosed.into()))
    }
}

/// Joins those who wait; gives the lane to run, when one is free.
fn board(station: &Arc<Mutex<Station>>, rider: Rider) -> Option<Lane> {
    let mut inside = lock(station);
    inside.waiting.push(rider);
    (inside.under_way < inside.lanes).then(|| {
        inside.under_way += 1;
        Lane { station: Arc::clone(station), ended: false }
    })
}

fn lock(station: &Mutex<Station>) -> MutexGuard<'_, Station> {
    station.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One batch after another, as long as somebody waits.
struct Lane {
    station: Arc<Mutex<Station>>,
    ended: bool,
}

impl Lane {
    async fn run(mut self, db: Db) {
        let (mut kept, roomy) = {
            let mut station = lock(&self.station);
            (station.kept.take(), station.roomy)
        };
        let mut turns = 0;
        while let Some(batch) = self.next_batch(&mut kept) {
            let now = batch.values().map(|(rider, _)| rider.bet.now).max().unwrap_or_default();
            turns = if kept.is_some() { turns + 1 } else { 1 };
            let connection = match kept.take() {
                Some(Kept { connection, used_at }) => db.acquire_again(connection, now - used_at).await,
                None => db.acquire().await,
            };
            match travel(connection, batch).await {
                Ok(connection) if roomy || turns < TURNS => kept = Some(Kept { connection, used_at: now }),
                Ok(_) => {}
                Err(left_behind) => one_by_one(&db, left_behind).await,
            }
        }
    }

    /// Who goes next; `None` ends the lane, and what it kept is kept for the next.
    fn next_batch(&mut self, kept: &mut Option<Kept>) -> Option<Batch> {
        let mut station = lock(&self.station);
        if station.waiting.is_empty() {
            station.under_way -= 1;
            if station.roomy {
                station.kept = station.kept.take().or(kept.take());
            }
            self.ended = true;
            return None;
        }
        let largest = station.largest_batch;
        let mut batch = Batch::with_capacity(station.waiting.len().min(largest));
        for rider in mem::take(&mut station.waiting) {
            let full = batch.len() == largest;
            match batch.entry(rider.bet.id) {
                Entry::Occupied(mut seat) if seat.get().0.bet.presents_the_same(&rider.bet) => {
                    seat.get_mut().1.push(rider.landed);
                }
                Entry::Vacant(seat) if !full => drop(seat.insert((rider, Vec::new()))),
                Entry::Occupied(_) | Entry::Vacant(_) => station.waiting.push(rider),
            }
        }
        Some(batch)
    }
}

impl Drop for Lane {
    /// A lane that was broken off holds nobody up.
    fn drop(&mut self) {
        if !self.ended {
            lock(&self.station).under_way -= 1;
        }
    }
}

/// Takes a batch to the database. Gives the connection back, or those for whom nothing was done.
async fn travel(connection: Result<Connection, StoreError>, mut batch: Batch) -> Result<Connection, Batch> {
    let travelled = match connection {
        Ok(mut connection) => {
            let bets: Vec<&Bet> = batch.values().map(|(rider, _)| &rider.bet).collect();
            families::rotate_together(&mut connection, &bets).await.map(|grants| (connection, grants))
        }
        Err(error) => Err(error),
    };
    match travelled {
        Ok((connection, grants)) => {
            for (family, grant) in grants {
                if let Some(riders) = batch.remove(&family) {
                    land(riders, grant.map(Some));
                }
            }
            for losers in batch.into_values() {
                land(losers, Ok(None));
            }
            Ok(connection)
        }
        Err(error) if error.did_nothing() => Err(batch),
        Err(error) => {
            for riders in batch.into_values() {
                land(riders, Err(error.clone()));
            }
            Err(Batch::new())
        }
    }
}

/// Whatever was wrong with one of them must not become the others' trouble.
async fn one_by_one(db: &Db, batch: Batch) {
    for riders in batch.into_values() {
        let alone = transaction::retrying(|| families::rotate(db, &riders.0.bet));
        let landed = timeout(PATIENCE, alone).await.unwrap_or_else(|_| Err(silence().into()));
        land(riders, landed);
    }
}

/// Tells a rider and those who made the same bet. Whoever has gone meanwhile will come back with the same token.
fn land((rider, companions): (Rider, Vec<oneshot::Sender<Landed>>), landed: Landed) {
    for companion in companions {
        let _ = companion.send(landed.as_ref().map(|_| None).map_err(StoreError::clone));
    }
    let _ = rider.landed.send(landed);
}
