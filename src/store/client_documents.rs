//! Metadata documents of clients that somebody signed in with, as they were when they could last be fetched.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::ids::ClientId;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

/// A document that was kept.
#[derive(Debug)]
pub struct StoredDocument {
    /// What it says.
    pub members: Map<String, Value>,
    /// When it was last fetched.
    pub fetched_at: DateTime<Utc>,
}

row! {
    struct StoredDocumentRow {
        document: String,
        fetched_at: DateTime<Utc>,
    }
}

/// Keeps a document, in the place of the one before.
pub async fn put(
    tx: &mut Tx,
    client: &ClientId,
    members: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO client_documents (client_id, document, fetched_at) VALUES ($1, $2, $3) \
         ON CONFLICT (client_id) DO UPDATE SET document = excluded.document, fetched_at = excluded.fetched_at";
    execute!(within tx, SQL, client.as_str(), to_json(members), now)?;
    Ok(())
}

/// Keeps a document in the place of the one before; one that was not kept before is not kept now.
pub async fn renew(
    db: &Db,
    client: &ClientId,
    members: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE client_documents SET document = $2, fetched_at = $3 WHERE client_id = $1";
    execute!(on db, SQL, client.as_str(), to_json(members), now)?;
    Ok(())
}

/// The document that was kept of a client.
pub async fn find(db: &Db, client: &ClientId) -> Result<Option<StoredDocument>, StoreError> {
    const SQL: &str = "SELECT document, fetched_at FROM client_documents WHERE client_id = $1";
    let row: Option<StoredDocumentRow> = fetch_optional!(on db, SQL, client.as_str())?;
    let Some(row) = row else { return Ok(None) };
    let corrupt = || StoreError::corrupt("client_documents", client, "document");
    let members = from_json(&row.document).ok_or_else(corrupt)?;
    Ok(Some(StoredDocument { members, fetched_at: row.fetched_at }))
}
