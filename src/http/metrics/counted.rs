//! What is counted request by request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use crate::http::method;
use crate::service::Core;

/// In seconds: from a refresh to a request that is broken off.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The services' worlds that have connections of their own.
type Worlds = Box<dyn Fn() -> Vec<Arc<Core>> + Send + Sync>;

/// What is counted request by request. The rest is counted where it happens, or read when somebody asks.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    worlds: Worlds,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Counts nothing yet.
    ///
    /// # Errors
    /// When a name is none of Prometheus'.
    pub(crate) fn new(
        worlds: impl Fn() -> Vec<Arc<Core>> + Send + Sync + 'static,
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("http_requests_total", "Requests that were answered."),
            &["route", "method", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "The time from a request's head to its answer.",
            )
            .buckets(BUCKETS.to_vec()),
            &["route", "method"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self { registry, requests, durations, worlds: Box::new(worlds) })
    }

    /// What was counted so far.
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// The worlds that have connections of their own.
    pub(super) fn worlds(&self) -> Vec<Arc<Core>> {
        (self.worlds)()
    }

    /// Counts a request. `route` is the pattern of its place, never a path: whoever asks must not make labels.
    pub(crate) fn count(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        // Else whoever asks could make as many labels as it likes.
        let method = method::known(method).unwrap_or("(other)");
        self.requests.with_label_values(&[route, method, status.as_str()]).inc();
        self.durations.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }
}
