//! A figure as it is now.

use prometheus::{Gauge, Registry};

/// A figure that goes up and down.
pub(super) fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    value: f64,
) -> Result<(), prometheus::Error> {
    let gauge = Gauge::new(name, help)?;
    gauge.set(value);
    registry.register(Box::new(gauge))
}
