//! Telling other people's servers what they want to know, until they have taken it.
//!
//! Deliveries stand in the database, so they outlive a restart, and any replica may make any of them: who moves a
//! delivery's count of attempts has claimed it. One that fails is tried again after a while, a few times.

use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::{JoinError, JoinSet};

use crate::crypto::random;
use crate::domain::outbox::Outbox;
use crate::outbound::{Budget, TakenPlace};
use crate::service::Failure;
use crate::store::Db;
use crate::store::outbox::{self, NextAttempt};

/// A pause, or up to a quarter more of it.
pub(crate) fn up_to_a_quarter_longer(pause: TimeDelta) -> TimeDelta {
    let quarter = u64::try_from(pause.num_milliseconds()).unwrap_or(0) / 4;
    pause + TimeDelta::milliseconds(i64::try_from(random::jitter(quarter)).unwrap_or(0))
}

/// What is to be told, and how.
pub trait Courier: Debug + Send + Sync + 'static {
    /// What is looked at by itself, so that it keeps nothing else waiting.
    type Lane: Debug + Send + Sync;
    /// One delivery.
    type Errand: Errand;
    const OUTBOX: Outbox;
    /// From each attempt to the next one. The first pause is longer than a call may take.
    const PAUSES: &'static [TimeDelta];

    fn db(&self) -> &Db;

    /// A pause as it is made: so that not all come again at the same moment, it may be longer.
    fn spread(&self, pause: TimeDelta) -> TimeDelta {
        pause
    }

    fn lanes(&self) -> impl Future<Output = Result<Vec<Self::Lane>, Failure>> + Send;

    /// The places of a lane: there are at least as many lanes' worth as can be full at once.
    fn places<'a>(&'a self, lane: &Self::Lane) -> &'a Arc<Budget>;

    /// What is due in a lane, as far as there is room.
    fn due(
        &self,
        lane: &Self::Lane,
        room: &Room,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<Self::Errand>, Failure>> + Send;

    /// Makes an attempt.
    fn carry(
        &self,
        errand: &Self::Errand,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<AttemptEnd, Failure>> + Send;

    /// Ends a delivery, after its last attempt.
    fn settle(
        &self,
        errand: &Self::Errand,
        carried: AttemptEnd,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// One delivery.
pub trait Errand: Debug + Clone + Send + Sync + 'static {
    fn attempt(&self) -> NextAttempt;

    /// Whose place it takes.
    fn place(&self) -> &str;
}

/// For what there are places.
#[derive(Debug)]
pub struct Room {
    /// So many are free.
    pub free: usize,
    /// But none for these.
    pub full: Vec<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    Taken,
    Failed,
    /// Nobody wants to know any more.
    Unwanted,
}

/// The deliveries that this process makes. Each is settled by itself, and begins when there is a place for it: who does
/// not answer keeps a few places of his own, and nobody else waiting.
#[derive(Debug)]
pub struct Messenger<C> {
    courier: Arc<C>,
    under_way: JoinSet<Result<(), Failure>>,
}

/// What a look at the due deliveries came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookAtDue {
    /// How many were begun.
    pub begun: usize,
    /// Whether others may wait for a place.
    pub lacks_places: bool,
}

impl<C: Courier> Messenger<C> {
    /// Nothing is under way.
    #[must_use]
    pub fn new(courier: C) -> Self {
        Self { courier: Arc::new(courier), under_way: JoinSet::new() }
    }

    /// Begins the deliveries that are due, as far as there are places.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub async fn begin_due(&mut self, now: DateTime<Utc>) -> Result<LookAtDue, Failure> {
        while let Some(ended) = self.under_way.try_join_next() {
            report::<C>(ended);
        }
        let mut all = LookAtDue { begun: 0, lacks_places: false };
        for lane in self.courier.lanes().await? {
            let looked = self.begin_due_of(&lane, now).await?;
            all.begun += looked.begun;
            all.lacks_places |= looked.lacks_places;
        }
        Ok(all)
    }

    async fn begin_due_of(&mut self, lane: &C::Lane, now: DateTime<Utc>) -> Result<LookAtDue, Failure> {
        let places = Arc::clone(self.courier.places(lane));
        let mut begun = 0;
        loop {
            let room = Room { free: places.free(), full: places.full_hosts() };
            if room.free == 0 {
                return Ok(LookAtDue { begun, lacks_places: true });
            }
            let due = self.courier.due(lane, &room, now).await?;
            let with_place = |errand: C::Errand| Some((places.take(errand.place())?, errand));
            let begins: Vec<_> = due.into_iter().filter_map(with_place).collect();
            if begins.is_empty() {
                return Ok(LookAtDue { begun, lacks_places: !room.full.is_empty() });
            }
            for (place, errand) in begins {
                if self.begin(place, errand, now).await? {
                    begun += 1;
                }
            }
        }
    }

    /// `false` when another process makes this delivery.
    async fn begin(
        &mut self,
        place: TakenPlace,
        errand: C::Errand,
        now: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        // Whoever claims the last attempt may die of it, too.
        let attempt = errand.attempt();
        let pause = pause_after::<C>(attempt).or(C::PAUSES.first().copied()).unwrap_or_default();
        if !outbox::claim(self.courier.db(), C::OUTBOX, attempt, now + self.courier.spread(pause)).await? {
            return Ok(false);
        }
        let courier = Arc::clone(&self.courier);
        self.under_way.spawn(async move {
            let carried = courier.carry(&errand, now).await;
            drop(place);
            match carried? {
                AttemptEnd::Failed if pause_after::<C>(attempt).is_some() => Ok(()),
                carried => courier.settle(&errand, carried, now).await,
            }
        });
        Ok(true)
    }

    /// Waits until all that is under way has ended.
    pub async fn all_ended(&mut self) {
        while let Some(ended) = self.under_way.join_next().await {
            report::<C>(ended);
        }
    }

    /// Waits until a delivery ends: for ever when nothing is under way.
    pub async fn ended(&mut self) {
        match self.under_way.join_next().await {
            Some(ended) => report::<C>(ended),
            None => std::future::pending().await,
        }
    }
}

fn report<C: Courier>(ended: Result<Result<(), Failure>, JoinError>) {
    let of = C::OUTBOX.as_str();
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, of, "how a delivery went could not be noted; it is made again");
        }
        Err(error) => tracing::error!(%error, of, "a delivery broke off; it is made again"),
    }
}

/// How long after this attempt the next one is made; `None` when it is the last.
fn pause_after<C: Courier>(attempt: NextAttempt) -> Option<TimeDelta> {
    usize::try_from(attempt.before).ok().and_then(|before| C::PAUSES.get(before)).copied()
}
