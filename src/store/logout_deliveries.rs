//! Logouts that clients have to be told of.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::client::Origin;
use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::outbox::Outbox;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, insert_all, on};

/// One logout that one client has to be told of.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: Uuid,
    /// Who is to be told.
    pub client: ClientId,
    /// `sub`, as the client knows it.
    pub subject: String,
    /// `sid`, as the client knows it.
    pub family: FamilyId,
    /// How often it was tried, or is being tried.
    pub attempts: i64,
    /// Whose server it goes to, as far as was known when it was noted.
    pub host: String,
}

row! {
    struct DeliveryRow {
        id: Uuid,
        client_id: String,
        subject: String,
        family_id: Uuid,
        attempts: i64,
        host: String,
    }
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = StoreError;

    fn try_from(row: DeliveryRow) -> Result<Self, StoreError> {
        let corrupt = |_| StoreError::corrupt("logout_deliveries", row.id, "client_id");
        Ok(Self {
            id: row.id,
            client: row.client_id.parse().map_err(corrupt)?,
            subject: row.subject,
            family: FamilyId(row.family_id),
            attempts: row.attempts,
            host: row.host,
        })
    }
}

/// Adds deliveries to clients of these origins that are due at once, in the transaction that ends the logins.
pub async fn insert(
    tx: &mut Tx,
    deliveries: &[(Delivery, Origin)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO logout_deliveries \
         (id, client_id, subject, family_id, created_at, state, attempts, due_at, host, for_stranger)";
    if !deliveries.is_empty() {
        tx.wake(Outbox::Logouts);
    }
    insert_all!(tx, deliveries, SQL, new =>
        new.0.id, new.0.client.as_str(), &new.0.subject, new.0.family.0, now, "pending", new.0.attempts, now,
        &new.0.host, !new.1.is_vouched_for())
}

/// Which deliveries somebody has places for.
#[derive(Debug)]
pub struct DueFor<'a> {
    /// To clients that operators vouch for, or to those that nobody does.
    pub origin: Origin,
    /// But not to these hosts.
    pub except: [&'a str; MOST_HOSTS],
    /// So many.
    pub limit: i64,
}

/// How many hosts can be passed over.
pub const MOST_HOSTS: usize = 4;

/// Deliveries that are due.
pub async fn due(db: &Db, wanted: &DueFor<'_>, now: DateTime<Utc>) -> Result<Vec<Delivery>, StoreError> {
    const SQL: &str = "SELECT id, client_id, subject, family_id, attempts, host FROM logout_deliveries \
         WHERE state = 'pending' AND for_stranger = $1 AND due_at <= $2 AND host NOT IN ($3, $4, $5, $6) \
         ORDER BY due_at, id LIMIT $7";
    let [one, two, three, four] = wanted.except;
    let rows: Vec<DeliveryRow> = on!(db, conn => sqlx::query_as(SQL)
        .bind(!wanted.origin.is_vouched_for()).bind(now).bind(one).bind(two).bind(three).bind(four).bind(wanted.limit)
        .fetch_all(conn).await)?;
    rows.into_iter().map(Delivery::try_from).collect()
}
