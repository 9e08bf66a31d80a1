//! What is sealed row by row, where another master key than the active one did it.

use uuid::Uuid;

use crate::domain::refresh_token::KeyId;
use crate::store::{Db, StoreError, Tx, execute, fetch_all};

/// Tables of many small secrets.
#[derive(Debug, Clone, Copy)]
pub enum SealedTable {
    /// Of users' authenticator apps, by their users.
    TotpSecrets,
    /// Letters that wait for the mail server.
    Mails,
    /// Answers to requests that make something once.
    Answers,
    /// Lines of users who move in.
    ImportChunks,
}

#[derive(Debug)]
pub struct SealedRow {
    pub id: Uuid,
    pub sealed: Vec<u8>,
}

/// Up to `limit` of those above `after` that are not sealed under this key, which a sealed value names after its first
/// byte.
pub async fn list_under_others(
    db: &Db,
    table: SealedTable,
    (after, key): (Uuid, KeyId),
    limit: i64,
) -> Result<Vec<SealedRow>, StoreError> {
    const TOTP_SECRETS: &str = "SELECT user_id, sealed FROM totp_secrets \
         WHERE user_id > $1 AND substr(sealed, 2, 4) <> $2 ORDER BY user_id LIMIT $3";
    const MAILS: &str = "SELECT id, sealed FROM mails \
         WHERE id > $1 AND state = 'pending' AND sealed IS NOT NULL AND substr(sealed, 2, 4) <> $2 \
         ORDER BY id LIMIT $3";
    const ANSWERS: &str = "SELECT id, sealed FROM idempotency_keys \
         WHERE id > $1 AND sealed IS NOT NULL AND substr(sealed, 2, 4) <> $2 ORDER BY id LIMIT $3";
    const IMPORT_CHUNKS: &str = "SELECT id, sealed FROM import_chunks \
         WHERE id > $1 AND substr(sealed, 2, 4) <> $2 ORDER BY id LIMIT $3";
    let sql = match table {
        SealedTable::TotpSecrets => TOTP_SECRETS,
        SealedTable::Mails => MAILS,
        SealedTable::Answers => ANSWERS,
        SealedTable::ImportChunks => IMPORT_CHUNKS,
    };
    let rows: Vec<(Uuid, Vec<u8>)> = fetch_all!(on db, sql, after, &key.0[..], limit)?;
    Ok(rows.into_iter().map(|(id, sealed)| SealedRow { id, sealed }).collect())
}

/// Replaces what was `read` by the same under another master key; nothing happens where it changed since.
pub async fn reseal(
    tx: &mut Tx,
    table: SealedTable,
    read: &SealedRow,
    sealed: &[u8],
) -> Result<(), StoreError> {
    const TOTP_SECRETS: &str = "UPDATE totp_secrets SET sealed = $3 WHERE user_id = $1 AND sealed = $2";
    const MAILS: &str = "UPDATE mails SET sealed = $3 WHERE id = $1 AND sealed = $2";
    const ANSWERS: &str = "UPDATE idempotency_keys SET sealed = $3 WHERE id = $1 AND sealed = $2";
    const IMPORT_CHUNKS: &str = "UPDATE import_chunks SET sealed = $3 WHERE id = $1 AND sealed = $2";
    let sql = match table {
        SealedTable::TotpSecrets => TOTP_SECRETS,
        SealedTable::Mails => MAILS,
        SealedTable::Answers => ANSWERS,
        SealedTable::ImportChunks => IMPORT_CHUNKS,
    };
    execute!(within tx, sql, read.id, &read.sealed, sealed)?;
    Ok(())
}
