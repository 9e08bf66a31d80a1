//! What was mailed to open one door, once.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::UserId;
use crate::domain::mailed_token::{InvitationPlace, MailedPurpose, MailedToken};
use crate::domain::secrets::SecretHash;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

row! {
    struct MailedTokenRow {
        secret_hash: Vec<u8>,
        purpose: String,
        user_id: Option<Uuid>,
        guarded: Option<Vec<u8>>,
        address: Option<String>,
        browser_hash: Option<Vec<u8>>,
        code_hash: Option<Vec<u8>>,
        destination: Option<String>,
        expires_at: DateTime<Utc>,
        used_at: Option<DateTime<Utc>>,
    }
}

impl TryFrom<MailedTokenRow> for MailedToken {
    type Error = StoreError;

    fn try_from(row: MailedTokenRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::corrupt("mailed_tokens", row.expires_at, what);
        let hash = |bytes: Option<&[u8]>, what| match bytes.map(SecretHash::from_stored) {
            Some(None) => Err(corrupt(what)),
            Some(hash) => Ok(hash),
            None => Ok(None),
        };
        Ok(Self {
            secret_hash: SecretHash::from_stored(&row.secret_hash).ok_or_else(|| corrupt("secret_hash"))?,
            purpose: MailedPurpose::named(&row.purpose).ok_or_else(|| corrupt("purpose"))?,
            user: row.user_id.map(UserId),
            guarded: hash(row.guarded.as_deref(), "guarded")?,
            browser: hash(row.browser_hash.as_deref(), "browser_hash")?,
            code_hash: hash(row.code_hash.as_deref(), "code_hash")?,
            address: row.address,
            destination: row.destination,
            expires_at: row.expires_at,
            used_at: row.used_at,
        })
    }
}

macro_rules! columns {
    () => {
        "secret_hash, purpose, user_id, guarded, address, browser_hash, code_hash, destination, expires_at, used_at"
    };
}

/// Adds one, in the transaction that queues its mail.
pub async fn insert(tx: &mut Tx, token: &MailedToken, now: DateTime<Utc>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO mailed_tokens \
         (secret_hash, purpose, user_id, guarded, address, browser_hash, code_hash, destination, created_at, \
         expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    execute!(within tx, SQL,
        token.secret_hash.as_bytes(), token.purpose.as_str(), token.user.map(|user| user.0),
        token.guarded.as_ref().map(SecretHash::as_bytes), &token.address,
        token.browser.as_ref().map(SecretHash::as_bytes), token.code_hash.as_ref().map(SecretHash::as_bytes),
        &token.destination, now, token.expires_at)?;
    Ok(())
}

/// Finds the one of a secret, good or not.
pub async fn find(db: &Db, secret: &SecretHash) -> Result<Option<MailedToken>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM mailed_tokens WHERE secret_hash = $1");
    let row: Option<MailedTokenRow> = fetch_optional!(on db, SQL, secret.as_bytes())?;
    row.map(MailedToken::try_from).transpose()
}

/// Uses it up: `false` when it was used before, or has expired.
pub async fn spend(tx: &mut Tx, secret: &SecretHash, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE mailed_tokens SET used_at = $2 \
         WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2";
    Ok(execute!(within tx, SQL, secret.as_bytes(), now)? > 0)
}

/// Counts a try at the code that a browser was mailed last, before anybody looks whether it is right: `None` when there
/// is none that is good, or it was tried `most` times.
pub async fn try_code(
    db: &Db,
    browser: &SecretHash,
    most: i64,
    now: DateTime<Utc>,
) -> Result<Option<MailedToken>, StoreError> {
    const SQL: &str = concat!(
        "UPDATE mailed_tokens SET wrong_tries = wrong_tries + 1 WHERE secret_hash = (SELECT secret_hash \
         FROM mailed_tokens WHERE browser_hash = $1 AND code_hash IS NOT NULL ORDER BY created_at DESC, secret_hash \
         LIMIT 1) AND used_at IS NULL AND expires_at > $2 AND wrong_tries < $3 RETURNING ",
        columns!()
    );
    let row: Option<MailedTokenRow> = fetch_optional!(on db, SQL, browser.as_bytes(), now, most)?;
    row.map(MailedToken::try_from).transpose()
}

/// An invitation that is still good.
#[derive(Debug)]
pub struct StoredInvitation {
    pub address: String,
    pub expires_at: DateTime<Utc>,
    pub place: InvitationPlace,
}

/// Up to `limit` invitations that are still good, oldest first: those after another one's place, or the first.
pub async fn list_invitations(
    db: &Db,
    after: Option<&InvitationPlace>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<StoredInvitation>, StoreError> {
    const SQL: &str = "SELECT address, expires_at, created_at, secret_hash FROM mailed_tokens \
         WHERE purpose = $1 AND address IS NOT NULL AND used_at IS NULL AND expires_at > $2 \
         AND (created_at, secret_hash) > ($3, $4) ORDER BY created_at, secret_hash LIMIT $5";
    type Row = (String, DateTime<Utc>, DateTime<Utc>, Vec<u8>);
    let (created_at, hash) =
        after.map_or((DateTime::UNIX_EPOCH, &[][..]), |it| (it.created_at, it.secret_hash.as_bytes()));
    let rows: Vec<Row> =
        fetch_all!(on db, SQL, MailedPurpose::Invitation.as_str(), now, created_at, hash, limit)?;
    let stored = |(address, expires_at, created_at, hash): Row| {
        let secret_hash = SecretHash::from_stored(&hash)
            .ok_or_else(|| StoreError::corrupt("mailed_tokens", expires_at, "secret_hash"))?;
        Ok(StoredInvitation { address, expires_at, place: InvitationPlace { created_at, secret_hash } })
    };
    rows.into_iter().map(stored).collect()
}

/// Makes one good for nothing: `false` when it is so already.
pub async fn withdraw(tx: &mut Tx, secret: &SecretHash, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE mailed_tokens SET expires_at = $2 \
         WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2";
    Ok(execute!(within tx, SQL, secret.as_bytes(), now)? > 0)
}
