//! What was measured, against what we want, for people and for machines.

use serde::Serialize;

/// One goal and what came of it.
#[derive(Serialize)]
pub(crate) struct Row {
    what: String,
    measured: f64,
    unit: &'static str,
    goal: f64,
    /// Whether more or less is better.
    better: Better,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    More,
    Less,
}

/// All rows.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    /// How it was measured.
    pub(crate) setup: Vec<String>,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn at_least(
        &mut self,
        what: &str,
        measured: f64,
        unit: &'static str,
        goal: f64,
        detail: String,
    ) {
        self.rows.push(Row { what: what.to_owned(), measured, unit, goal, better: Better::More, detail });
    }

    pub(crate) fn at_most(
        &mut self,
        what: &str,
        measured: f64,
        unit: &'static str,
        goal: f64,
        detail: String,
    ) {
        self.rows.push(Row { what: what.to_owned(), measured, unit, goal, better: Better::Less, detail });
    }

    pub(crate) fn print(&self) {
        println!();
        for line in &self.setup {
            println!("{line}");
        }
        println!("\n{:<44} {:>16} {:>16}  verdict", "", "measured", "goal");
        for row in &self.rows {
            let sign = if row.better == Better::More { "≥" } else { "≤" };
            let (measured, goal) = (number(row.measured), format!("{sign} {}", number(row.goal)));
            let unit = row.unit;
            println!(
                "{:<44} {:>16} {:>16}  {}",
                row.what,
                format!("{measured} {unit}"),
                format!("{goal} {unit}"),
                row.verdict()
            );
            if !row.detail.is_empty() {
                println!("    {}", row.detail);
            }
        }
    }
}

impl Row {
    fn verdict(&self) -> String {
        let share = match self.better {
            Better::More => self.measured / self.goal,
            Better::Less => self.goal / self.measured.max(f64::MIN_POSITIVE),
        };
        if share >= 1.0 { "met".to_owned() } else { format!("missed by {:.0} %", (1.0 - share) * 100.0) }
    }
}

fn number(value: f64) -> String {
    match value {
        big if big >= 100.0 => format!("{big:.0}"),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        small if small >= 0.1 => format!("{small:.2}"),
        tiny => format!("{tiny:.3}"),
    }
}

/// The middle one; of an even number, the lower of the two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    f64::midpoint(
        values.get(lower).copied().unwrap_or(f64::NAN),
        values.get(upper).copied().unwrap_or(f64::NAN),
    )
}
