//! `/admin`: a first look at how much goes on.

use serde_json::{Value, json};

use crate::domain::usage::{Period, time_of};
use crate::http::console::charts::chart;
use crate::http::console::seat::{ConsoleAnswer, Seat, place_within};
use crate::http::pages::account::moment;
use crate::http::pages::back::see_other;
use crate::service::admin::usage::{self, UsageBars, UsageKind};
use crate::service::tokens::refresh_counts::RefreshEnd;

/// What is shown, by the keys of the texts.
const SHOWN: [(&str, &[UsageKind]); 6] = [
    ("console_logins_begun", &[UsageKind::Login]),
    (
        "console_refreshes",
        &[
            UsageKind::Refresh(RefreshEnd::Rotated),
            UsageKind::Refresh(RefreshEnd::Replayed),
            UsageKind::Refresh(RefreshEnd::Kept),
            UsageKind::Refresh(RefreshEnd::Recovered),
            UsageKind::Refresh(RefreshEnd::CaughtUp),
        ],
    ),
    (
        "console_recoveries",
        &[UsageKind::Refresh(RefreshEnd::Recovered), UsageKind::Refresh(RefreshEnd::CaughtUp)],
    ),
    ("console_reuse", &[UsageKind::Refresh(RefreshEnd::Reuse)]),
    (
        "console_refusals",
        &[
            UsageKind::RefusedLogin,
            UsageKind::Refresh(RefreshEnd::Refused),
            UsageKind::Refresh(RefreshEnd::TooManyReplays),
            UsageKind::Refresh(RefreshEnd::Undecided),
            UsageKind::Refresh(RefreshEnd::Denied),
        ],
    ),
    (
        "console_failures",
        &[UsageKind::Refresh(RefreshEnd::Failed), UsageKind::Refresh(RefreshEnd::Overtaken)],
    ),
];

/// `GET /admin`
pub(super) async fn show(seat: &Seat) -> ConsoleAnswer {
    let query = seat.query()?;
    if let Some(place) = query.get("at").and_then(|at| place_within(&seat.visit, at)) {
        return Ok(see_other(&place));
    }
    let period = query.get("period").and_then(Period::named).unwrap_or(Period::Day);
    let bars = usage::read(&seat.core, period, seat.visit.now).await?;
    let all: Vec<(&str, Vec<i64>)> = SHOWN.iter().map(|(text, counted)| (*text, bars.of(counted))).collect();
    let charts: Vec<Value> = all.iter().map(|(text, numbers)| chart(text, numbers)).collect();
    Ok(seat.page(
        "console.html",
        json!({
            "section": "start",
            "periods": Period::ALL.map(|one| period_json(seat, one, period)),
            "period": period.as_str(),
            "charts": charts,
            "rows": rows(&bars, &all),
            "users": seat.at("/users", &[]),
        }),
    ))
}

fn period_json(seat: &Seat, one: Period, shown: Period) -> Value {
    json!({
        "text": format!("console_period_{}", one.as_str()),
        "place": seat.at("", &[("period", one.as_str())]),
        "is_shown": one == shown,
    })
}

/// The numbers of each bar, the latest first.
fn rows(bars: &UsageBars, all: &[(&str, Vec<i64>)]) -> Vec<Value> {
    let row = |bar: u16| {
        let begin = time_of(bars.first + bars.period.bar() * i64::from(bar));
        let number = |numbers: &Vec<i64>| numbers.get(usize::from(bar)).copied().unwrap_or_default();
        let numbers: Vec<i64> = all.iter().map(|(_, numbers)| number(numbers)).collect();
        json!({ "since": moment(begin), "numbers": numbers })
    };
    (0..bars.period.bars()).rev().map(row).collect()
}
