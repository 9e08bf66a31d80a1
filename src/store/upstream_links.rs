//! Whose accounts belong to users of providers.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::UserId;
use crate::domain::upstream::{UpstreamLink, UpstreamSubject};
use crate::domain::user::Username;
use crate::store::row::row;
use crate::store::transaction::OpenTransaction;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

row! {
    struct UpstreamLinkRow {
        issuer: String,
        subject: String,
        label: Option<String>,
        created_at: DateTime<Utc>,
        last_used_at: Option<DateTime<Utc>>,
    }
}

impl From<UpstreamLinkRow> for UpstreamLink {
    fn from(row: UpstreamLinkRow) -> Self {
        Self {
            who: UpstreamSubject { issuer: row.issuer, subject: row.subject },
            label: row.label,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// The user of a link.
pub async fn user_of(db: &Db, who: &UpstreamSubject) -> Result<Option<UserId>, StoreError> {
    const SQL: &str = "SELECT user_id FROM upstream_links WHERE issuer = $1 AND subject = $2";
    let row: Option<(Uuid,)> = fetch_optional!(on db, SQL, &who.issuer, &who.subject)?;
    Ok(row.map(|(id,)| UserId(id)))
}

/// Whether somebody has this link, in a transaction.
pub async fn is_taken(tx: &mut Tx, who: &UpstreamSubject) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT user_id FROM upstream_links WHERE issuer = $1 AND subject = $2";
    let row: Option<(Uuid,)> = fetch_optional!(within tx, SQL, &who.issuer, &who.subject)?;
    Ok(row.is_some())
}

/// A user's links, in the order in which they were made.
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<UpstreamLink>, StoreError> {
    const SQL: &str = "SELECT issuer, subject, label, created_at, last_used_at FROM upstream_links \
         WHERE user_id = $1 ORDER BY created_at, issuer, subject";
    let rows: Vec<UpstreamLinkRow> = fetch_all!(on db, SQL, user.0)?;
    Ok(rows.into_iter().map(UpstreamLink::from).collect())
}

/// The links of all users with names after one and up to another.
pub async fn of_names(
    db: &Db,
    after: Option<&Username>,
    last: &Username,
) -> Result<HashMap<UserId, Vec<UpstreamLink>>, StoreError> {
    const SQL: &str = "SELECT user_id, issuer, subject, label, upstream_links.created_at, last_used_at \
         FROM upstream_links JOIN users ON users.id = user_id \
         WHERE username_key > $1 AND username_key <= $2 ORDER BY upstream_links.created_at, issuer, subject";
    type Row = (Uuid, String, String, Option<String>, DateTime<Utc>, Option<DateTime<Utc>>);
    let after = after.map(Username::key).unwrap_or_default();
    let rows: Vec<Row> = fetch_all!(on db, SQL, after, last.key())?;
    let mut links: HashMap<UserId, Vec<UpstreamLink>> = HashMap::new();
    for (user, issuer, subject, label, created_at, last_used_at) in rows {
        let link = UpstreamLink { who: UpstreamSubject { issuer, subject }, label, created_at, last_used_at };
        links.entry(UserId(user)).or_default().push(link);
    }
    Ok(links)
}

/// How many links a user has, in the transaction that touched the user's row.
pub async fn count_of_user(tx: &mut Tx, user: UserId) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM upstream_links WHERE user_id = $1";
    let row: Option<(i64,)> = fetch_optional!(within tx, SQL, user.0)?;
    Ok(row.map_or(0, |(count,)| count))
}

/// Links an account, in the transaction that touched its row: `false` when the link is there, whosever it is.
pub async fn insert(tx: &mut Tx, user: UserId, link: &UpstreamLink) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO upstream_links (issuer, subject, user_id, label, created_at, last_used_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let UpstreamLink { who, label, created_at, last_used_at } = link;
    let rows =
        execute!(within tx, SQL, &who.issuer, &who.subject, user.0, label, *created_at, *last_used_at)?;
    Ok(rows > 0)
}

/// Links many new accounts, in the transaction that adds them; gives how many links were free.
pub async fn insert_all(tx: &mut Tx, links: &[(UserId, &UpstreamLink)]) -> Result<usize, StoreError> {
    const SQL: &str = "INSERT INTO upstream_links (issuer, subject, user_id, label, created_at, last_used_at) \
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::UUID[], $4::TEXT[], $5::TIMESTAMPTZ[], $6::TIMESTAMPTZ[]) \
         ON CONFLICT DO NOTHING";
    if let OpenTransaction::Postgres(transaction, link) = &mut tx.open {
        let query = sqlx::query(SQL)
            .bind(column(links, |_, link| link.who.issuer.as_str()))
            .bind(column(links, |_, link| link.who.subject.as_str()))
            .bind(column(links, |user, _| user.0))
            .bind(column(links, |_, link| link.label.as_deref()))
            .bind(column(links, |_, link| link.created_at))
            .bind(column(links, |_, link| link.last_used_at));
        let done = query.execute(link.on(transaction)).await?;
        return Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX));
    }
    let mut free = 0;
    for (user, link) in links {
        free += usize::from(insert(tx, *user, link).await?);
    }
    Ok(free)
}

fn column<'a, T>(links: &[(UserId, &'a UpstreamLink)], of: impl Fn(UserId, &'a UpstreamLink) -> T) -> Vec<T> {
    links.iter().map(|(user, link)| of(*user, link)).collect()
}

/// Takes all links of an account away.
pub async fn delete_of(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM upstream_links WHERE user_id = $1";
    execute!(within tx, SQL, user.0)?;
    Ok(())
}

/// Notes that a link let its user in, and what it is known by now: `false` when it is this user's no more.
pub async fn touch(
    tx: &mut Tx,
    user: UserId,
    (who, label): (&UpstreamSubject, Option<&str>),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE upstream_links SET last_used_at = $4, label = $5 \
         WHERE issuer = $1 AND subject = $2 AND user_id = $3";
    Ok(execute!(within tx, SQL, &who.issuer, &who.subject, user.0, now, label)? > 0)
}

/// Takes a link away: `false` when the user has none such.
pub async fn delete(tx: &mut Tx, user: UserId, who: &UpstreamSubject) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM upstream_links WHERE issuer = $1 AND subject = $2 AND user_id = $3";
    Ok(execute!(within tx, SQL, &who.issuer, &who.subject, user.0)? > 0)
}
