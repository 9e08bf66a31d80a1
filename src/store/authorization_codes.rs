//! Authorization codes: stored as hashes, used once.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::authentication::Authentication;
use crate::domain::authorization::AuthorizationCode;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::{FamilyId, SignInSessionId, UserId};
use crate::domain::secrets::SecretHash;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Committed, Db, StoreError, Tx, execute, fetch_optional, sign_in_sessions};

macro_rules! columns {
    () => {
        "code_hash, client_id, user_id, sign_in_session, redirect_uri, code_challenge, key_thumbprint, nonce, scope, \
         audiences, auth_time, amr, acr, user_agent, address, claims, expires_at"
    };
}

row! {
    struct CodeRow {
        code_hash: Vec<u8>,
        client_id: String,
        user_id: Uuid,
        sign_in_session: Option<Uuid>,
        redirect_uri: String,
        code_challenge: Option<String>,
        key_thumbprint: Option<String>,
        nonce: Option<String>,
        scope: String,
        audiences: String,
        auth_time: DateTime<Utc>,
        amr: String,
        acr: Option<String>,
        user_agent: Option<String>,
        address: Option<String>,
        claims: String,
        expires_at: DateTime<Utc>,
        family_id: Option<Uuid>,
    }
}

impl TryFrom<CodeRow> for AuthorizationCode {
    type Error = StoreError;

    fn try_from(row: CodeRow) -> Result<Self, StoreError> {
        let corrupt = |what| move || StoreError::corrupt("authorization_codes", row.user_id, what);
        let key = row.key_thumbprint.as_deref().map(str::parse).transpose();
        let challenge = row.code_challenge.as_deref().map(str::parse).transpose();
        Ok(Self {
            code_hash: SecretHash::from_stored(&row.code_hash).ok_or_else(corrupt("code_hash"))?,
            client_id: row.client_id.parse().map_err(|_| corrupt("client_id")())?,
            authentication: Authentication {
                user: UserId(row.user_id),
                at: row.auth_time,
                methods: from_json(&row.amr).ok_or_else(corrupt("amr"))?,
                acr: row.acr,
                sign_in_session: row.sign_in_session.map(SignInSessionId),
            },
            redirect_uri: row.redirect_uri,
            code_challenge: challenge.map_err(|_| corrupt("code_challenge")())?,
            key_thumbprint: key.map_err(|_| corrupt("key_thumbprint")())?,
            nonce: row.nonce,
            scope: row.scope.parse().map_err(|_| corrupt("scope")())?,
            audiences: from_json(&row.audiences).ok_or_else(corrupt("audiences"))?,
            agent: UserAgentInfo { name: None, user_agent: row.user_agent, address: row.address },
            claims: from_json(&row.claims).ok_or_else(corrupt("claims"))?,
            expires_at: row.expires_at,
            family: row.family_id.map(FamilyId),
        })
    }
}

/// What is bound for a code, in the order of its columns; a statement's own comes behind.
macro_rules! insert {
    ($engine:ident $at:expr, $sql:expr, $code:expr $(, $more:expr)*) => {{
        let (code, who) = ($code, &$code.authentication);
        execute!($engine $at, $sql,
            code.code_hash.as_bytes(), code.client_id.as_str(), who.user.0,
            who.sign_in_session.map(|session| session.0), &code.redirect_uri,
            code.code_challenge.as_ref().map(|it| it.as_str().to_owned()),
            code.key_thumbprint.as_ref().map(|it| it.as_str().to_owned()), &code.nonce,
            code.scope.to_string(), to_json(&code.audiences), who.at, to_json(&who.methods), &who.acr,
            &code.agent.user_agent, &code.agent.address, to_json(&code.claims), code.expires_at $(, $more)*)
    }};
}

macro_rules! values {
    () => {
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17"
    };
}

/// Adds a code that nobody used yet.
pub async fn insert(tx: &mut Tx, code: &AuthorizationCode) -> Result<(), StoreError> {
    const SQL: &str = concat!("INSERT INTO authorization_codes (", columns!(), ") VALUES (", values!(), ")");
    insert!(within tx, SQL, code)?;
    Ok(())
}

/// Adds a code of a sign-in session and notes that this let its user in, all at once: `false` when it has ended
/// meanwhile. Whatever ends a session takes its row's lock, so no code slips through.
pub async fn insert_in_session(
    db: &Db,
    code: &AuthorizationCode,
    session: SignInSessionId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = concat!(
        "WITH session AS (UPDATE sign_in_sessions SET last_used_at = $18 WHERE id = $19 RETURNING id) \
         INSERT INTO authorization_codes (",
        columns!(),
        ") SELECT ",
        values!(),
        " FROM session"
    );
    if matches!(db, Db::Postgres(_)) {
        return Ok(insert!(on db, SQL, code, now, session.0)? > 0);
    }
    let mut tx = db.begin().await?;
    if !sign_in_sessions::touch(&mut tx, session, now).await? {
        return Ok(false);
    }
    insert(&mut tx, code).await?;
    let Committed { .. } = tx.commit().await?;
    Ok(true)
}

/// Finds a code, used or not.
pub async fn find(db: &Db, hash: &SecretHash) -> Result<Option<AuthorizationCode>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", columns!(), ", family_id FROM authorization_codes WHERE code_hash = $1");
    let row: Option<CodeRow> = fetch_optional!(on db, SQL, hash.as_bytes())?;
    row.map(AuthorizationCode::try_from).transpose()
}

/// Uses a code for `family`, in the transaction that adds it: `false` when it was used or deleted before.
pub async fn spend(tx: &mut Tx, hash: &SecretHash, family: FamilyId) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE authorization_codes SET family_id = $2 WHERE code_hash = $1 AND family_id IS NULL";
    Ok(execute!(within tx, SQL, hash.as_bytes(), family.0)? > 0)
}
