//! Mails on their way, and how many there were.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::UserId;
use crate::domain::outbox::Outbox;
use crate::domain::standard_claims::StandardClaims;
use crate::store::row::{from_json, row};
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

/// One mail, its letter sealed.
#[derive(Debug, Clone)]
pub struct StoredMail {
    pub id: Uuid,
    /// The name of its letter's kind.
    pub kind: String,
    /// Whose account it is about, if anybody's.
    pub user: Option<UserId>,
    pub recipient: String,
    pub language: String,
    pub sealed: Vec<u8>,
    pub created_at: DateTime<Utc>,
    /// From then on nobody wants it.
    pub good_until: Option<DateTime<Utc>>,
    /// How often it was tried, or is being tried.
    pub attempts: i64,
}

row! {
    struct MailRow {
        id: Uuid,
        kind: String,
        user_id: Option<Uuid>,
        recipient: Option<String>,
        language: String,
        sealed: Option<Vec<u8>>,
        created_at: DateTime<Utc>,
        good_until: Option<DateTime<Utc>>,
        attempts: i64,
    }
}

impl TryFrom<MailRow> for StoredMail {
    type Error = StoreError;

    fn try_from(row: MailRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::corrupt("mails", row.id, what);
        Ok(Self {
            id: row.id,
            kind: row.kind,
            user: row.user_id.map(UserId),
            recipient: row.recipient.ok_or_else(|| corrupt("recipient"))?,
            language: row.language,
            sealed: row.sealed.ok_or_else(|| corrupt("sealed"))?,
            created_at: row.created_at,
            good_until: row.good_until,
            attempts: row.attempts,
        })
    }
}

/// Adds a mail that is due at once, in the transaction that wants it.
pub async fn insert(tx: &mut Tx, new: &StoredMail) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO mails \
         (id, kind, user_id, recipient, language, sealed, created_at, good_until, state, attempts, due_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $7)";
    execute!(within tx, SQL,
        new.id, &new.kind, new.user.map(|user| user.0), &new.recipient, &new.language, &new.sealed, new.created_at,
        new.good_until, new.attempts)?;
    tx.wake(Outbox::Mails);
    Ok(())
}

/// Up to `limit` mails that are due.
pub async fn due(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<Vec<StoredMail>, StoreError> {
    const SQL: &str = "SELECT id, kind, user_id, recipient, language, sealed, created_at, good_until, attempts FROM mails \
         WHERE state = 'pending' AND due_at <= $1 ORDER BY due_at, id LIMIT $2";
    let rows: Vec<MailRow> = fetch_all!(on db, SQL, now, limit)?;
    rows.into_iter().map(StoredMail::try_from).collect()
}

/// Forgets whom a mail goes to and what it says: it is about to be settled.
pub async fn empty(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE mails SET recipient = NULL, sealed = NULL WHERE id = $1";
    execute!(within tx, SQL, id)?;
    Ok(())
}

/// Where the owner of an account reads mail.
#[derive(Debug)]
pub struct MailOwner {
    pub email: String,
    /// The language, as the account names it.
    pub locale: Option<String>,
}

/// The owner of an account, if it has an address that was made sure of.
pub async fn verified_owner(tx: &mut Tx, user: UserId) -> Result<Option<MailOwner>, StoreError> {
    const SQL: &str =
        "SELECT email, claims FROM users WHERE id = $1 AND email IS NOT NULL AND email_verified";
    let row: Option<(String, String)> = fetch_optional!(within tx, SQL, user.0)?;
    let Some((email, claims)) = row else { return Ok(None) };
    let claims: StandardClaims =
        from_json(&claims).ok_or_else(|| StoreError::corrupt("users", user, "claims"))?;
    Ok(Some(MailOwner { email, locale: claims.locale.map(|locale| locale.as_str().to_owned()) }))
}

/// Of what there may be so much.
#[derive(Debug, Clone, Copy)]
pub struct MailBound {
    pub most: i64,
    /// What was counted since a time not after this one is forgotten.
    pub window_begins: DateTime<Utc>,
}

/// Counts one more; `false` when there are as many as there may be.
pub async fn count_one(
    tx: &mut Tx,
    whose: &[u8],
    bound: MailBound,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO mail_counts (whose, since, mails) VALUES ($1, $2, 1) \
         ON CONFLICT (whose) DO UPDATE SET \
         mails = CASE WHEN mail_counts.since <= $3 THEN 1 ELSE mail_counts.mails + 1 END, \
         since = CASE WHEN mail_counts.since <= $3 THEN $2 ELSE mail_counts.since END \
         WHERE mail_counts.since <= $3 OR mail_counts.mails < $4";
    Ok(execute!(within tx, SQL, whose, now, bound.window_begins, bound.most)? > 0)
}
