//! What is measured deep inside and read by monitoring: how long things wait, and how much goes at once.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts};

use crate::clock::Stopwatch;

/// A name or a bucket is none of Prometheus'.
pub type BadFigure = prometheus::Error;

/// How large the batches of rotations are, and how long a rotation waits for its own. All workers' batches are in them.
#[derive(Debug, Clone)]
pub struct BatchFigures {
    /// Rotations a batch.
    pub(crate) sizes: Histogram,
    /// In seconds, until the batch is begun.
    pub(crate) waits: Histogram,
}

impl BatchFigures {
    /// Nothing yet.
    ///
    /// # Errors
    /// [`BadFigure`].
    pub fn new() -> Result<Self, BadFigure> {
        // From one alone to the largest batch.
        const SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
        // From nobody before it to a database that does not answer.
        const WAITS: [f64; 12] =
            [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0];
        let (size, wait) = ("Rotations in one statement.", "How long a rotation waits for its statement.");
        Ok(Self {
            sizes: histogram("heirloom_rotation_batch_size", size, &SIZES)?,
            waits: histogram("heirloom_rotation_queue_seconds", wait, &WAITS)?,
        })
    }

    /// A batch of this size is begun, whose rotations have waited so long.
    pub(crate) fn begun(&self, size: usize, waits: impl Iterator<Item = Duration>) {
        self.sizes.observe(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
        waits.for_each(|wait| self.waits.observe(wait.as_secs_f64()));
    }
}

/// How long it takes until there is a connection to the database, in seconds.
#[derive(Debug, Clone)]
pub struct PoolWaits(pub(crate) Histogram);

impl PoolWaits {
    /// Nothing yet.
    ///
    /// # Errors
    /// [`BadFigure`].
    pub fn new() -> Result<Self, BadFigure> {
        // From a connection that is idle to the longest that anybody waits for one.
        const WAITS: [f64; 12] =
            [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 10.0];
        let help = "How long it took until there was a connection to PostgreSQL.";
        histogram("heirloom_database_wait_seconds", help, &WAITS).map(Self)
    }

    /// Waits for one, or until it is clear that there is none.
    pub(crate) async fn timed<T>(&self, connecting: impl Future<Output = T>) -> T {
        let waiting = Stopwatch::start();
        let connected = connecting.await;
        self.0.observe(waiting.elapsed().as_secs_f64());
        connected
    }
}

/// How long passwords wait for a thread, in seconds.
#[derive(Debug, Clone)]
pub struct PasswordWaits(pub(crate) Histogram);

impl PasswordWaits {
    /// Nothing yet.
    ///
    /// # Errors
    /// [`BadFigure`].
    pub fn new() -> Result<Self, BadFigure> {
        // From a free thread to a queue that is long.
        const WAITS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
        histogram("heirloom_password_queue_seconds", "How long a password waits for a thread.", &WAITS)
            .map(Self)
    }

    /// One has got its thread.
    pub(crate) fn count(&self, wait: Duration) {
        self.0.observe(wait.as_secs_f64());
    }
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, BadFigure> {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
}
