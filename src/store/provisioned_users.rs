//! What clients that provision users say of them.

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::ids::{ClientId, UserId};
use crate::domain::provisioned::ProvisionedAs;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

row! {
    struct ProvisionedRow {
        user_id: Uuid,
        external_id: Option<String>,
        labels: String,
    }
}

impl ProvisionedRow {
    fn read(self) -> Result<(UserId, ProvisionedAs), StoreError> {
        let labels = from_json(&self.labels);
        let labels =
            labels.ok_or_else(|| StoreError::corrupt("provisioned_users", self.user_id, "labels"))?;
        Ok((UserId(self.user_id), ProvisionedAs { external_id: self.external_id, labels }))
    }
}

const FIND: &str =
    "SELECT user_id, external_id, labels FROM provisioned_users WHERE client_id = $1 AND user_id = $2";

/// What a client says of a user.
pub async fn find(db: &Db, client: &ClientId, user: UserId) -> Result<Option<ProvisionedAs>, StoreError> {
    let row: Option<ProvisionedRow> = fetch_optional!(on db, FIND, client.as_str(), user.0)?;
    Ok(row.map(ProvisionedRow::read).transpose()?.map(|(_, said)| said))
}

/// The same in a transaction.
pub async fn find_within(
    tx: &mut Tx,
    client: &ClientId,
    user: UserId,
) -> Result<Option<ProvisionedAs>, StoreError> {
    let row: Option<ProvisionedRow> = fetch_optional!(within tx, FIND, client.as_str(), user.0)?;
    Ok(row.map(ProvisionedRow::read).transpose()?.map(|(_, said)| said))
}

/// The same of all users with ids from one to another.
pub async fn find_between(
    db: &Db,
    client: &ClientId,
    (from, to): (UserId, UserId),
) -> Result<HashMap<UserId, ProvisionedAs>, StoreError> {
    const SQL: &str = "SELECT user_id, external_id, labels FROM provisioned_users \
         WHERE client_id = $1 AND user_id >= $2 AND user_id <= $3";
    let rows: Vec<ProvisionedRow> = fetch_all!(on db, SQL, client.as_str(), from.0, to.0)?;
    rows.into_iter().map(ProvisionedRow::read).collect()
}

/// Up to `limit` users that a client calls so, by their ids.
pub async fn called(
    db: &Db,
    client: &ClientId,
    external_id: &str,
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    const SQL: &str = "SELECT user_id FROM provisioned_users \
         WHERE client_id = $1 AND external_id = $2 ORDER BY user_id LIMIT $3";
    let rows: Vec<(Uuid,)> = fetch_all!(on db, SQL, client.as_str(), external_id, limit)?;
    Ok(rows.into_iter().map(|(id,)| UserId(id)).collect())
}

/// What all clients say of a user.
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<(String, Option<String>)>, StoreError> {
    const SQL: &str =
        "SELECT client_id, external_id FROM provisioned_users WHERE user_id = $1 ORDER BY client_id";
    Ok(fetch_all!(on db, SQL, user.0)?)
}

/// Stores what a client says of a user, in the transaction that touched the user's row.
pub async fn set(
    tx: &mut Tx,
    client: &ClientId,
    user: UserId,
    said: &ProvisionedAs,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO provisioned_users (client_id, user_id, external_id, labels) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (client_id, user_id) \
         DO UPDATE SET external_id = excluded.external_id, labels = excluded.labels";
    execute!(within tx, SQL, client.as_str(), user.0, &said.external_id, to_json(&said.labels))?;
    Ok(())
}

/// Deletes up to `limit` rows of a client; gives how many.
pub async fn delete_some_of_client(db: &Db, client: &ClientId, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM provisioned_users WHERE client_id = $1 AND user_id IN \
         (SELECT user_id FROM provisioned_users WHERE client_id = $1 ORDER BY user_id LIMIT $2)";
    Ok(execute!(on db, SQL, client.as_str(), limit)?)
}
