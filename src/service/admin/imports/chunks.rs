//! Lines as they are kept: sealed, as there are passwords' hashes and apps' secrets in them.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::master_key::CannotOpen;
use crate::service::keys::resealing;
use crate::service::keys::ring::Keys;
use crate::service::writer::Writer;
use crate::store::StoreError;
use crate::store::import_jobs::ImportChunk;
use crate::store::sealed_rows::SealedTable;

fn context(chunk: Uuid) -> String {
    format!("heirloom import {chunk}")
}

pub(super) fn seal(keys: &Keys, chunk: Uuid, lines: &[u8]) -> Vec<u8> {
    keys.master().seal(&context(chunk), lines)
}

pub(super) fn open(keys: &Keys, chunk: &ImportChunk) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
    keys.master().open(&context(chunk.id), &chunk.sealed)
}

/// Seals anew what an older master key sealed.
///
/// # Errors
/// [`StoreError`].
pub async fn reseal(keys: &Keys, writer: &Writer, now: DateTime<Utc>) -> Result<(), StoreError> {
    resealing::reseal((keys, writer), SealedTable::ImportChunks, context, now).await
}
