//! `heirloom recovery apply`

use std::io::{self, BufRead, Read as _};

use anyhow::Context as _;
use chrono::DateTime;
use clap::Args;
use serde_json::json;

use crate::cli::{Office, event, output};
use crate::domain::event::{LONGEST_EVENT_LINE, UnfitEventLine};
use crate::service::admin::applying::{Applying, LeftByHand, RecoveryReport};
use crate::service::admin::moving::import::Effect;

#[derive(Debug, Args)]
pub(in crate::cli) struct ApplyEvents {
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Pass over what happened before: when the backup was made, or how long ago that is
    #[arg(long, value_name = "TIME|D")]
    since: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// How many names stand behind what an operator has to see to.
const SHOWN: usize = 20;

pub(super) async fn run(apply: ApplyEvents, office: &Office) -> anyhow::Result<()> {
    let since =
        event::time("--since", apply.since.as_deref(), office.clock.now())?.unwrap_or(DateTime::UNIX_EPOCH);
    let effect = if apply.dry_run { Effect::Tell } else { Effect::Write };
    let batch = i64::from(office.settings.janitor.batch);
    let mut applying = Applying::new(&office.core, effect, since, batch, office.clock.now());
    let (mut source, mut number, mut unfit) = (io::stdin().lock(), 0_u64, 0_u64);
    let stopped = |number: u64| format!("it stopped at line {number}: run it again, and it goes on");
    while let Some(line) = next(&mut source).context("cannot read standard input")? {
        number += 1;
        let taken = match &line {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => applying.take(line).await.with_context(|| stopped(number))?,
            Err(why) => Err(why.clone()),
        };
        if let Err(why) = taken {
            unfit += 1;
            eprintln!("line {number}: {why}");
        }
    }
    let report = applying.finish().await.with_context(|| stopped(number))?;
    if apply.json {
        output::json(&json!({ "dry_run": apply.dry_run, "lines": number, "unfit": unfit, "report": report }));
    } else {
        print(&report, effect);
    }
    anyhow::ensure!(unfit == 0, "lines that could not be read: {unfit}");
    Ok(())
}

/// The next line, if it can be one; `None` at the end.
fn next(source: &mut impl BufRead) -> io::Result<Option<Result<String, UnfitEventLine>>> {
    let most = u64::try_from(LONGEST_EVENT_LINE).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    if source.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() == LONGEST_EVENT_LINE && line.last() != Some(&b'\n') {
        source.skip_until(b'\n')?;
        return Ok(Some(Err(UnfitEventLine::TooLong)));
    }
    Ok(Some(String::from_utf8(line).map_err(|_| UnfitEventLine::NotAnObject)))
}

fn print(report: &RecoveryReport, effect: Effect) {
    let done = match effect {
        Effect::Write => "done again",
        Effect::Tell => "to be done again (nothing was changed)",
    };
    let counts = [(done, &report.done), ("so already", &report.already), ("not known here", &report.unknown)];
    for (heading, counts) in counts {
        if !counts.is_empty() {
            println!("{heading}:");
        }
        for (label, count) in counts {
            println!("  {label}: {count}");
        }
    }
    if !report.by_hand.is_empty() {
        println!("yours to see to:");
    }
    for (label, LeftByHand { count, hint, of }) in &report.by_hand {
        println!("  {label}: {count}");
        println!("    {hint}");
        if !of.is_empty() {
            let shown: Vec<&str> = of.iter().take(SHOWN).map(String::as_str).collect();
            let more = of.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more (--json)") } else { String::new() };
            println!("    {}{more}", shown.join(", "));
        }
    }
    let RecoveryReport { nothing, before, of_later_form, .. } = report;
    for (count, what) in [
        (nothing, "took no rights away"),
        (before, "from before --since"),
        (of_later_form, "in the form of a later release, passed over"),
    ] {
        if *count > 0 {
            println!("{what}: {count}");
        }
    }
}
