//! The load test: real processes, databases of their own, and PostgreSQL's own `pgbench` as the yardstick.
//!
//! ```text
//! cargo bench --bench load                        # some nine minutes
//! cargo bench --bench load -- --quick             # four minutes
//! cargo bench --bench load -- --only PHASE        # one phase (or several); --help lists them
//! cargo bench --bench load -- --against FILE      # seven minutes: refreshes, in turn with those of another binary
//! cargo bench --bench load -- --only crowd --against FILE   # what a crowd calls, in turn with another binary
//! cargo bench --bench load -- --json              # for machines
//! cargo bench --bench load -- --server FILE       # another binary
//! ```
//!
//! A million families are seeded, each a chain that presents its own latest token: an answer counts only as the token
//! in it is refreshed in its turn, which the last phase does for all that were not drawn again. The load generator, the
//! server and PostgreSQL share the machine's cores, as `pgbench` and PostgreSQL do, and the ratios between them are
//! what the figures are worth on another machine.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unchecked_time_subtraction,
    clippy::indexing_slicing,
    reason = "measured figures fit a float, real time is what is measured, and a benchmark may end with a panic"
)]

mod chains;
mod chart;
mod client;
mod crowd;
mod drive;
mod logins;
mod phases;
mod polling;
mod processes;
mod proofs;
mod report;
mod store;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// Measures what Heirloom does, on this machine, against pgbench
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Four minutes instead of nine: shorter phases, fewer rounds
    #[arg(long)]
    quick: bool,
    /// Only these, instead of everything; with --against it may be `crowd`
    #[arg(long, value_name = "PHASE")]
    only: Vec<Phase>,
    /// Only refreshes, in turn with those of this binary
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// What only the measured server has in that, such as `HEIRLOOM_METRICS__LISTEN=127.0.0.1:0`
    #[arg(long, value_name = "NAME=VALUE", requires = "against")]
    with: Vec<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Families to seed
    #[arg(long, default_value_t = 1_000_000)]
    families: usize,
    /// Connections in closed loop
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// The heirloom binary to measure, instead of the one built with this benchmark
    #[arg(long, default_value = env!("CARGO_BIN_EXE_heirloom"))]
    server: PathBuf,
    /// Draw latency against load into this SVG file
    #[arg(long)]
    chart: Option<PathBuf>,
    /// What cargo passes
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the load report measures, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Phase {
    /// From nothing to the first answer, and idle memory, embedded
    Start,
    /// Refreshes, batched and not, against pgbench
    Refreshes,
    /// Latency at 70 % of the maximum
    OpenLoop,
    /// One client against one of pgbench
    OneAlone,
    /// 10,000 families against all
    FewerFamilies,
    /// A table that is new to PostgreSQL
    FirstDay,
    /// A connection for each refresh
    NewConnections,
    /// Logins against argon2, and refreshes beside them
    Logins,
    /// Logins that are bound to a key
    Bound,
    /// `EdDSA` against ES256
    Algorithms,
    /// Every token that was handed out, once more
    Confirm,
    /// Logins that programs share: tokens that are kept
    SharedLogins,
    /// How soon logouts reach services that verify offline
    Revocations,
    /// 10,000 services that ask for a status list
    Pollers,
    /// Users who move in, alone and beside refreshes
    Imports,
    /// What a crowd calls beside refreshes: code flows, userinfo, services that ask, the first pages
    Crowd,
    /// Pages of the administration's lists
    Lists,
    /// Refreshes on the embedded store
    Embedded,
}

impl Arguments {
    /// Whether this is to be measured.
    fn wants(&self, phase: Phase) -> bool {
        self.only.is_empty() || self.only.contains(&phase)
    }

    /// How long one phase lasts.
    fn lasting(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 8 })
    }

    /// How often what is measured beside the rounds is measured.
    fn repeats(&self) -> u64 {
        if self.quick { 1 } else { 3 }
    }

    fn rounds(&self) -> usize {
        if self.quick { 4 } else { 10 }
    }
}

pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Says what is under way, on standard error.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    fn new(phases: u64) -> Self {
        let bar = ProgressBar::new(phases);
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(bar)
    }

    pub(crate) fn phase(&self, what: &str) {
        if self.0.is_hidden() {
            eprintln!("{:>4} s  {what}", self.0.elapsed().as_secs());
        }
        self.0.set_message(what.to_owned());
        self.0.inc(1);
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let progress = Progress::new(phases::COUNT + 3 * arguments.rounds() as u64 + 2 * arguments.repeats());
    let report = runtime.block_on(async {
        tokio::select! {
            report = phases::run(&arguments, &progress) => report,
            // Its processes and folders go with it.
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into).and_then(|()| bail!("interrupted")),
        }
    })?;
    progress.0.finish_and_clear();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(())
}
