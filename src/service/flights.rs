//! One question at a time about one thing: whoever asks meanwhile gets the same answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::service::Failure;
use crate::store::StoreError;

/// A question that is under way, and then its answer.
type Flight<V> = tokio::sync::Mutex<Option<Result<V, StoreError>>>;

#[derive(Debug)]
pub(in crate::service) struct Flights<K, V>(Mutex<HashMap<K, Arc<Flight<V>>>>);

impl<K: Clone + Eq + Hash, V: Clone> Flights<K, V> {
    pub(in crate::service) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// The answer to the question that is under way, or what `ask` gives. A failure that is its asker's own, such as
    /// too many requests from one address, is not shared; nor does it stop the others that their asker went away.
    pub(in crate::service) async fn share(
        &self,
        key: &K,
        ask: impl AsyncFnOnce() -> Result<V, Failure>,
    ) -> Result<V, Failure> {
        let flight = Arc::clone(self.flights().entry(key.clone()).or_default());
        let aboard = Aboard { flights: self, key, flight };
        let mut answer = aboard.flight.lock().await;
        if let Some(answer) = &*answer {
            return Ok(answer.clone()?);
        }
        let found = ask().await;
        *answer = match &found {
            Ok(value) => Some(Ok(value.clone())),
            Err(Failure::Store(error)) => Some(Err(error.clone())),
            Err(_) => None,
        };
        if answer.is_some() {
            aboard.close();
        }
        found
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<K, Arc<Flight<V>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for an answer.
struct Aboard<'f, K: Clone + Eq + Hash, V: Clone> {
    flights: &'f Flights<K, V>,
    key: &'f K,
    flight: Arc<Flight<V>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Aboard<'_, K, V> {
    /// Whoever asks from now on asks anew.
    fn close(&self) {
        self.remove_if(|_| true);
    }

    fn remove_if(&self, when: impl FnOnce(&Arc<Flight<V>>) -> bool) {
        let mut flights = self.flights.flights();
        if flights.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight) && when(flight)) {
            flights.remove(self.key);
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Drop for Aboard<'_, K, V> {
    /// The last one leaves nothing behind, even who goes away without an answer.
    fn drop(&mut self) {
        const OURS_AND_THE_MAPS: usize = 2;
        self.remove_if(|flight| Arc::strong_count(flight) == OURS_AND_THE_MAPS);
    }
}
