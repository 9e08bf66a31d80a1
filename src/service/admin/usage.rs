//! How much goes on, over time: each server counts in memory, and adds what is new to the rows of all now and then.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::usage::{Period, Span, minute_of};
use crate::service::admin::batches::until_less;
use crate::service::tokens::refresh_counts::RefreshEnd;
use crate::service::{Core, Failure};
use crate::store::usage::{UsageCount, WantedBars};
use crate::store::{Db, StoreError, transaction, usage};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageKind {
    Login,
    RefusedLogin,
    Refresh(RefreshEnd),
}

impl UsageKind {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Login, Self::RefusedLogin].into_iter().chain(RefreshEnd::ALL.map(Self::Refresh))
    }

    /// Its name in the database.
    fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::RefusedLogin => "login_refused",
            Self::Refresh(end) => end.as_str(),
        }
    }

    fn total(self, core: &Core) -> u64 {
        match self {
            Self::Login => core.writer.logins().begun(),
            Self::RefusedLogin => core.writer.logins().refused(),
            Self::Refresh(end) => core.refreshes.of(end),
        }
    }
}

/// Stores what was counted since the last time as of this minute, and this hour.
///
/// # Errors
/// [`StoreError`]; what was not stored is stored another time. After a commit that nobody knows the end of, it may be
/// there twice.
pub async fn store(core: &Core, now: DateTime<Utc>) -> Result<(), StoreError> {
    let totals = UsageKind::all().map(|counted| (counted.as_str(), counted.total(core)));
    let new = core.usage.take_new(totals);
    if new.is_empty() {
        return Ok(());
    }
    // Servers that add to the same rows at once lock them in one order.
    let rows: Vec<UsageCount> = Span::ALL
        .into_iter()
        .flat_map(|span| {
            let (length, since) = (span.minutes(), span.of(now));
            new.iter().map(move |(name, times)| UsageCount {
                span: length,
                since,
                name,
                times: i64::try_from(*times).unwrap_or(i64::MAX),
            })
        })
        .collect();
    let stored = transaction::retrying(|| usage::add(&core.db, &rows)).await;
    if stored.is_err() {
        core.usage.put_back(&new);
    }
    stored
}

/// What happened in each bar of a period.
#[derive(Debug, Clone)]
pub struct UsageBars {
    pub period: Period,
    /// The minute that the first bar begins with.
    pub first: i64,
    bars: Vec<BTreeMap<String, i64>>,
}

impl UsageBars {
    /// How often one of these happened, bar by bar.
    #[must_use]
    pub fn of(&self, counted: &[UsageKind]) -> Vec<i64> {
        let sum = |bar: &BTreeMap<String, i64>| {
            counted.iter().filter_map(|counted| bar.get(counted.as_str())).sum()
        };
        self.bars.iter().map(sum).collect()
    }
}

/// What of the last time is stored.
pub async fn read(core: &Core, period: Period, now: DateTime<Utc>) -> Result<UsageBars, Failure> {
    let first = period.first(now);
    let bar = period.bar();
    let until = first + bar * i64::from(period.bars());
    let wanted = WantedBars { span: period.span(), from: first, until, bar };
    let mut bars = vec![BTreeMap::new(); usize::from(period.bars())];
    for (number, name, times) in usage::bars(&core.db, wanted).await? {
        if let Some(bar) = usize::try_from(number).ok().and_then(|number| bars.get_mut(number)) {
            bar.insert(name, times);
        }
    }
    Ok(UsageBars { period, first, bars })
}

/// Deletes what is kept for too long; gives how much.
pub(super) async fn forget(db: &Db, batch: i64, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for span in Span::ALL {
        let before = minute_of(now) - span.kept();
        deleted += until_less(batch, || usage::delete_some(db, span, before, batch)).await?;
    }
    Ok(deleted)
}
