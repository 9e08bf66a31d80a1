//! What is read when monitoring asks.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

use crate::http::metrics::gauge::gauge;
use crate::http::metrics::process;
use crate::service::tokens::refresh_counts::RefreshEnd;
use crate::service::{Core, outboxes};

/// Whoever asks is answered while the database is not.
const PATIENCE: Duration = Duration::from_secs(1);

/// All that can be had now: where the database does not answer, what is in it is left out.
pub(super) async fn read(
    core: &Core,
    worlds: &[Arc<Core>],
    now: DateTime<Utc>,
) -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    build_info(&registry)?;
    refreshes(&registry, core)?;
    let batches = core.group_commit.figures();
    for histogram in [&batches.sizes, &batches.waits, &core.passwords.waits().0] {
        registry.register(Box::new(histogram.clone()))?;
    }
    if let Some(waits) = core.db.waits() {
        registry.register(Box::new(waits.0.clone()))?;
    }
    rounds(&registry, core)?;
    connections(&registry, worlds)?;
    let waiting = core.passwords.waiting();
    gauge(&registry, "heirloom_password_queue_depth", "Passwords that wait for a thread.", float(waiting))?;
    if let Some(since) = core.keys.with_signing_keys(|keys| keys.signing_since(now)) {
        let age = (now - since).as_seconds_f64().max(0.0);
        gauge(&registry, "heirloom_signing_key_age_seconds", "How long the signing key has signed.", age)?;
    }
    outbox_depths(&registry, core).await?;
    process::read(&registry)?;
    Ok(registry)
}

fn labelled(registry: &Registry, name: &str, help: &str, label: &str) -> Result<GaugeVec, prometheus::Error> {
    let gauges = GaugeVec::new(Opts::new(name, help), &[label])?;
    registry.register(Box::new(gauges.clone()))?;
    Ok(gauges)
}

fn build_info(registry: &Registry) -> Result<(), prometheus::Error> {
    let info = labelled(registry, "heirloom_build_info", "The release that runs.", "version")?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    Ok(())
}

/// What the janitor did: nothing has gone away for long where the last round is long past.
fn rounds(registry: &Registry, core: &Core) -> Result<(), prometheus::Error> {
    let rounds = core.rounds.so_far();
    let ends = IntCounterVec::new(
        Opts::new("heirloom_janitor_rounds_total", "Rounds of tidying up."),
        &["outcome"],
    )?;
    ends.with_label_values(&["done"]).inc_by(rounds.done);
    ends.with_label_values(&["failed"]).inc_by(rounds.failed);
    registry.register(Box::new(ends))?;
    let rows =
        IntCounterVec::new(Opts::new("heirloom_janitor_rows_total", "What was tidied up."), &["what"])?;
    rows.with_label_values(&["deleted"]).inc_by(rounds.tidied.deleted);
    rows.with_label_values(&["families_ended"]).inc_by(rounds.tidied.ended);
    registry.register(Box::new(rows))
}

/// All of them, those that have not been, too: a rate from nothing to one shows only if there was a zero.
fn refreshes(registry: &Registry, core: &Core) -> Result<(), prometheus::Error> {
    let ends =
        IntCounterVec::new(Opts::new("heirloom_refreshes_total", "How refreshes ended."), &["outcome"])?;
    for end in RefreshEnd::ALL {
        ends.with_label_values(&[end.as_str()]).inc_by(core.refreshes.of(end));
    }
    registry.register(Box::new(ends))
}

fn connections(registry: &Registry, worlds: &[Arc<Core>]) -> Result<(), prometheus::Error> {
    let all = worlds.iter().map(|core| core.db.open_connections());
    let (open, idle) = all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let connections =
        labelled(registry, "heirloom_database_connections", "Open connections to the database.", "state")?;
    connections.with_label_values(&["idle"]).set(float(idle));
    connections.with_label_values(&["used"]).set(float(open.saturating_sub(idle)));
    Ok(())
}

async fn outbox_depths(registry: &Registry, core: &Core) -> Result<(), prometheus::Error> {
    let Ok(Ok(pending)) = tokio::time::timeout(PATIENCE, outboxes::pending(core)).await else {
        return Ok(());
    };
    let depths = labelled(registry, "heirloom_outbox_depth", "What is on its way to others.", "outbox")?;
    for (outbox, count) in pending {
        depths.with_label_values(&[outbox.as_str()]).set(float(usize::try_from(count).unwrap_or(0)));
    }
    Ok(())
}

/// Exact as far as it matters: no figure here reaches four thousand millions.
fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
