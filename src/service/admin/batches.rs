//! Work that is done in small parts.

use crate::store::StoreError;

/// Does batch after batch until one is not full; gives how much was done.
pub(super) async fn until_less<F>(batch: i64, delete: impl Fn() -> F) -> Result<u64, StoreError>
where
    F: Future<Output = Result<u64, StoreError>>,
{
    let mut total = 0;
    loop {
        let deleted = delete().await?;
        total += deleted;
        if deleted < u64::try_from(batch).unwrap_or(u64::MAX) {
            return Ok(total);
        }
        // Refreshes come first.
        tokio::task::yield_now().await;
    }
}
