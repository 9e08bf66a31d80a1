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

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::domain::family::Grant;
use crate::domain::ids::FamilyId;
use crate::store::families::{self, Bet};
use crate::store::{Db, StoreError, transaction};

/// Bets in one statement at most: past some dozens a longer batch saves nothing more, and keeps its riders waiting.
const LARGEST_BATCH: usize = 128;

/// While a statement is under way, another one leaves beside it only for so many: a small batch costs the database nearly
/// as much as a large one.
const CROWD: usize = 24;

/// What came of a bet: `None` when it was lost.
type Landed = Result<Option<Grant>, StoreError>;

/// The way of every fast-path rotation to the database.
#[derive(Debug, Clone)]
pub struct Rotations {
    db: Db,
    lanes: Option<Lanes>,
}

#[derive(Debug, Clone)]
struct Lanes {
    station: Arc<Mutex<Station>>,
    /// Lanes run here: a worker of the HTTP server may stop while others' bets are under way.
    runtime: Handle,
}

/// Where riders wait.
#[derive(Debug)]
struct Station {
    waiting: Vec<Rider>,
    lanes: usize,
    under_way: usize,
}

#[derive(Debug)]
struct Rider {
    bet: Bet,
    landed: oneshot::Sender<Landed>,
}

/// One bet of each family, and those who made the very same one. A family's other bets wait for the next batch.
type Batch = HashMap<FamilyId, (Rider, Vec<oneshot::Sender<Landed>>)>;

impl Rotations {
    /// Batches on up to `lanes` connections at once, in tasks of the current runtime; with none, every bet goes alone.
    #[must_use]
    pub fn new(db: Db, lanes: usize) -> Self {
        let lanes = (lanes > 0).then(|| Lanes {
            station: Arc::new(Mutex::new(Station { waiting: Vec::new(), lanes, under_way: 0 })),
            runtime: Handle::current(),
        });
        Self { db, lanes }
    }

    /// Rotates a family if the bet is right. `None` tells nothing of why it was wrong.
    ///
    /// # Errors
    /// [`StoreError`]; whether the family moved on is then unknown.
    pub async fn rotate(&self, bet: Bet) -> Landed {
        let Some(lanes) = &self.lanes else { return alone(&self.db, &bet).await };
        let (landed, landing) = oneshot::channel();
        if let Some(mut lane) = lanes.board(Rider { bet, landed }) {
            let db = self.db.clone();
            lanes.runtime.spawn(async move {
                while let Some(batch) = lane.next_batch() {
                    run(&db, batch).await;
                }
            });
        }
        landing.await.unwrap_or_else(|_| Err(sqlx::Error::PoolClosed.into()))
    }
}

impl Lanes {
    /// Joins those who wait; gives the lane to run, when one may leave.
    fn board(&self, rider: Rider) -> Option<Lane> {
        let mut station = lock(&self.station);
        station.waiting.push(rider);
        station.may_depart().then(|| {
            station.under_way += 1;
            Lane { station: Arc::clone(&self.station), ended: false }
        })
    }
}

fn lock(station: &Mutex<Station>) -> MutexGuard<'_, Station> {
    station.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Station {
    /// Whether a statement may leave with those who wait, beside those under way.
    fn may_depart(&self) -> bool {
        match self.under_way {
            0 => !self.waiting.is_empty(),
            some => some < self.lanes && self.waiting.len() >= CROWD,
        }
    }
}

/// One statement after another, as long as somebody waits.
struct Lane {
    station: Arc<Mutex<Station>>,
    ended: bool,
}

impl Lane {
    /// Who goes next; `None` ends the lane.
    fn next_batch(&mut self) -> Option<Batch> {
        let mut station = lock(&self.station);
        station.under_way -= 1;
        if !station.may_depart() {
            self.ended = true;
            return None;
        }
        station.under_way += 1;
        let mut batch = Batch::with_capacity(station.waiting.len().min(LARGEST_BATCH));
        for rider in mem::take(&mut station.waiting) {
            let full = batch.len() == LARGEST_BATCH;
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

async fn run(db: &Db, mut batch: Batch) {
    let bets: Vec<&Bet> = batch.values().map(|(rider, _)| &rider.bet).collect();
    match families::rotate_together(db, &bets).await {
        Ok(grants) => {
            for grant in grants {
                match grant {
                    Ok(grant) => land(batch.remove(&grant.family), Ok(Some(grant))),
                    Err((family, error)) => land(batch.remove(&family), Err(error)),
                }
            }
            batch.into_values().for_each(|lost| land(Some(lost), Ok(None)));
        }
        // Nothing was written: whatever was wrong with one of them must not become the others' trouble.
        Err(error) if error.did_nothing() => {
            for (rider, companions) in batch.into_values() {
                let landed = alone(db, &rider.bet).await;
                land(Some((rider, companions)), landed);
            }
        }
        Err(error) => batch.into_values().for_each(|rider| land(Some(rider), Err(error.clone()))),
    }
}

async fn alone(db: &Db, bet: &Bet) -> Landed {
    transaction::retrying(|| families::rotate(db, bet)).await
}

/// Tells them. Whoever has gone meanwhile will come back with the same token.
fn land(riders: Option<(Rider, Vec<oneshot::Sender<Landed>>)>, landed: Landed) {
    let Some((rider, companions)) = riders else { return };
    for companion in companions {
        let _ = companion.send(landed.as_ref().map(|_| None).map_err(StoreError::clone));
    }
    let _ = rider.landed.send(landed);
}
