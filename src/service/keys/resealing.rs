//! Many small secrets that are sealed one by one, and sealed anew when the master key has changed.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::service::keys::ring::Keys;
use crate::service::writer::Writer;
use crate::store::StoreError;
use crate::store::sealed_rows::{self, SealedTable};

/// How many are sealed anew in a transaction: as many as are a few megabytes.
fn batch_of(table: SealedTable) -> i64 {
    match table {
        SealedTable::TotpSecrets | SealedTable::Mails | SealedTable::Answers => 1000,
        SealedTable::ImportChunks => 20,
    }
}

/// Seals anew what is sealed under another master key than the active one, each in its own context. What does not open
/// stays as it is, and the log says how much that is: nobody else has to wait for it.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn reseal(
    (keys, writer): (&Keys, &Writer),
    table: SealedTable,
    context: impl Fn(Uuid) -> String,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let active = keys.master().active().id();
    let (mut after, mut unreadable) = (Uuid::nil(), 0_u64);
    loop {
        let part =
            sealed_rows::list_under_others(writer.db(), table, (after, active), batch_of(table)).await?;
        let Some(last) = part.last() else { break };
        after = last.id;
        let mut anew = Vec::with_capacity(part.len());
        for read in &part {
            match keys.master().open(&context(read.id), &read.sealed) {
                Ok(plain) => anew.push((read, keys.master().seal(&context(read.id), &plain))),
                Err(_) => unreadable += 1,
            }
        }
        let written = writer.write(now, async |tx| {
            for (read, sealed) in &anew {
                sealed_rows::reseal(tx, table, read, sealed).await?;
            }
            Ok((!anew.is_empty()).then_some(()))
        });
        written.await?;
    }
    if unreadable > 0 {
        tracing::error!(count = unreadable, ?table, "sealed values do not open: is a master key missing?");
    }
    Ok(())
}
