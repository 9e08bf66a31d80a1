//! The services' world of each worker: one, however many listeners it serves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, ThreadId};

use crate::service::Core;
use crate::store::Db;

/// Gives each worker a world with connections to the database of its own.
#[derive(Debug, Clone)]
pub(super) struct WorkerCores {
    shared: Arc<Core>,
    /// So many for each; with none all use the shared ones.
    connections: Option<u32>,
    /// Those of the workers that run.
    made: Arc<Mutex<HashMap<ThreadId, Weak<Core>>>>,
}

impl WorkerCores {
    pub(super) fn new(shared: Arc<Core>, connections: Option<u32>) -> Self {
        Self { shared, connections, made: Arc::default() }
    }

    /// Those with connections of their own: of all workers that run, and of what runs beside them.
    pub(super) fn all(&self) -> Vec<Arc<Core>> {
        if let Db::Sqlite(_) = self.shared.db {
            // They share the connections.
            return vec![Arc::clone(&self.shared)];
        }
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(Arc::clone(&self.shared)).chain(made.values().filter_map(Weak::upgrade)).collect()
    }

    /// That of the worker on this thread.
    pub(super) fn of_this_worker(&self) -> Arc<Core> {
        let Some(connections) = self.connections else { return Arc::clone(&self.shared) };
        let worker = thread::current().id();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(core) = made.get(&worker).and_then(Weak::upgrade) {
            return core;
        }
        let core = Arc::new(self.shared.with_own_connections(connections));
        made.insert(worker, Arc::downgrade(&core));
        core
    }
}
