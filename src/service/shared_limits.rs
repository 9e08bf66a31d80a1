//! What was charged to limits in all processes of a deployment: replicas allow together what one would.
//!
//! Each counts in its memory, so that nobody waits for a database, and every second adds what it has charged to rows of
//! all. A burst that meets several replicas in the same second has as much at each; then they know of each other. A
//! restart forgives nobody.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::service::Core;
use crate::service::limit::Limiter;
use crate::store::limit_debts::{self, SharedDebt};
use crate::store::{StoreError, transaction};

/// Rows by a clock that is behind are seen, too: clocks differ by less, or a server does nothing.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(10);

/// Rows that are read at once: more change in a second only under an attack, and are read a second later.
const AT_ONCE: i64 = 5000;

fn limiters(core: &Core) -> [&Limiter; 4] {
    [core.attempts.limiter(), core.waiting.limiter(), core.registrar.limiter(), core.fetches.limiter()]
}

/// Tells the others what was charged here, and learns what was charged there.
///
/// # Errors
/// [`StoreError`]; what could not be told is told the next time.
pub async fn share(core: &Core, now: DateTime<Utc>) -> Result<(), StoreError> {
    for limiter in limiters(core) {
        let charged = limiter.take_untold();
        if charged.is_empty() {
            continue;
        }
        if let Err(error) = tell(core, limiter.name(), &charged, now).await {
            limiter.put_back(charged);
            return Err(error);
        }
    }
    let seen_until = core.seen_limits.seen_until();
    let since = seen_until.map_or(DateTime::UNIX_EPOCH, |until| until - CLOCKS_DIFFER);
    let changed = limit_debts::changed_since(&core.db, since, now, AT_ONCE).await?;
    for debt in &changed {
        if let Some(limiter) = limiters(core).into_iter().find(|limiter| limiter.name() == debt.limiter) {
            limiter.learn(debt.key, (debt.charged_at, debt.forgiven_at), now);
        }
    }
    let newest = changed.iter().map(|debt| debt.charged_at).max();
    core.seen_limits.has_seen(newest.into_iter().chain(seen_until).max().unwrap_or(now));
    Ok(())
}

async fn tell(
    core: &Core,
    limiter: &'static str,
    charged: &HashMap<i64, TimeDelta>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut debts: Vec<SharedDebt> = charged
        .iter()
        .map(|(key, each)| SharedDebt {
            limiter: limiter.to_owned(),
            key: *key,
            charged_at: now,
            forgiven_at: now.checked_add_signed(*each).unwrap_or(DateTime::<Utc>::MAX_UTC),
        })
        .collect();
    // In one order everywhere: replicas that charge the same ones wait for each other, and none for ever.
    debts.sort_unstable_by_key(|debt| debt.key);
    transaction::retrying(|| async {
        let mut tx = core.db.begin().await?;
        limit_debts::add(&mut tx, &debts).await?;
        tx.commit().await.map(drop)
    })
    .await
}
