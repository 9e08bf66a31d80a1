//! Devices that wait for their users: both codes as hashes, decided once, used once.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::authentication::Authentication;
use crate::domain::device::{Decision, DeviceCode};
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::{FamilyId, SignInSessionId, UserId};
use crate::domain::secrets::SecretHash;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_one, fetch_optional};

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT device_code_hash, user_code_hash, client_id, scope, audiences, user_agent, address, expires_at, \
             decision, user_id, sign_in_session, auth_time, amr, acr, family_id \
             FROM device_codes WHERE ",
            $condition
        )
    };
}

row! {
    struct DeviceRow {
        device_code_hash: Vec<u8>,
        user_code_hash: Vec<u8>,
        client_id: String,
        scope: String,
        audiences: String,
        user_agent: Option<String>,
        address: Option<String>,
        expires_at: DateTime<Utc>,
        decision: Option<String>,
        user_id: Option<Uuid>,
        sign_in_session: Option<Uuid>,
        auth_time: Option<DateTime<Utc>>,
        amr: Option<String>,
        acr: Option<String>,
        family_id: Option<Uuid>,
    }
}

impl DeviceRow {
    fn decision(&self) -> Option<Decision> {
        match self.decision.as_deref() {
            None => Some(Decision::Open),
            Some("denied") => Some(Decision::Denied),
            Some("allowed") => Some(Decision::Allowed(Authentication {
                user: UserId(self.user_id?),
                sign_in_session: Some(SignInSessionId(self.sign_in_session?)),
                at: self.auth_time?,
                methods: from_json(self.amr.as_deref()?)?,
                acr: self.acr.clone(),
            })),
            Some(_) => None,
        }
    }
}

impl TryFrom<DeviceRow> for DeviceCode {
    type Error = StoreError;

    fn try_from(row: DeviceRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::corrupt("device_codes", &row.client_id, what);
        Ok(Self {
            device_code_hash: SecretHash::from_stored(&row.device_code_hash)
                .ok_or_else(|| corrupt("device_code_hash"))?,
            user_code_hash: SecretHash::from_stored(&row.user_code_hash)
                .ok_or_else(|| corrupt("user_code_hash"))?,
            client_id: row.client_id.parse().map_err(|_| corrupt("client_id"))?,
            scope: row.scope.parse().map_err(|_| corrupt("scope"))?,
            audiences: from_json(&row.audiences).ok_or_else(|| corrupt("audiences"))?,
            expires_at: row.expires_at,
            decision: row.decision().ok_or_else(|| corrupt("decision"))?,
            family: row.family_id.map(FamilyId),
            agent: UserAgentInfo { name: None, user_agent: row.user_agent, address: row.address },
        })
    }
}

/// Adds a device that waits: `false` when another one waits with the same user code.
pub async fn insert(db: &Db, code: &DeviceCode) -> Result<bool, StoreError> {
    // Nothing reads the interval here: a replica of an older release does.
    const SQL: &str = "INSERT INTO device_codes (device_code_hash, user_code_hash, client_id, scope, audiences, \
         user_agent, address, expires_at, poll_interval) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 5) \
         ON CONFLICT (user_code_hash) DO NOTHING";
    let done = execute!(on db, SQL,
        code.device_code_hash.as_bytes(), code.user_code_hash.as_bytes(), code.client_id.as_str(),
        code.scope.to_string(), to_json(&code.audiences), &code.agent.user_agent, &code.agent.address,
        code.expires_at)?;
    Ok(done > 0)
}

/// Finds a device by its own code, decided or not, used or not.
pub async fn find(db: &Db, device_code: &SecretHash) -> Result<Option<DeviceCode>, StoreError> {
    const SQL: &str = select!("device_code_hash = $1");
    let row: Option<DeviceRow> = fetch_optional!(on db, SQL, device_code.as_bytes())?;
    row.map(DeviceCode::try_from).transpose()
}

/// Finds a device that still waits for somebody to decide about it, by the code that it shows.
pub async fn find_open(
    db: &Db,
    user_code: &SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<DeviceCode>, StoreError> {
    const SQL: &str = select!("user_code_hash = $1 AND decision IS NULL AND expires_at > $2");
    let row: Option<DeviceRow> = fetch_optional!(on db, SQL, user_code.as_bytes(), now)?;
    row.map(DeviceCode::try_from).transpose()
}

/// Lets a device in: `false` when it waits no more.
pub async fn allow(
    tx: &mut Tx,
    user_code: &SecretHash,
    by: &Authentication,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE device_codes SET decision = 'allowed', user_id = $3, sign_in_session = $4, \
         auth_time = $5, amr = $6, acr = $7 WHERE user_code_hash = $1 AND decision IS NULL AND expires_at > $2";
    let done = execute!(within tx, SQL,
        user_code.as_bytes(), now, by.user.0, by.sign_in_session.map(|session| session.0), by.at, to_json(&by.methods), &by.acr)?;
    Ok(done > 0)
}

/// Keeps a device out: `false` when it waits no more.
pub async fn deny(
    tx: &mut Tx,
    user_code: &SecretHash,
    by: UserId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE device_codes SET decision = 'denied', user_id = $3 \
         WHERE user_code_hash = $1 AND decision IS NULL AND expires_at > $2";
    Ok(execute!(within tx, SQL, user_code.as_bytes(), now, by.0)? > 0)
}

/// Uses a device's code for `family`, in the transaction that adds it: `false` when it was used or deleted before.
pub async fn spend(tx: &mut Tx, device_code: &SecretHash, family: FamilyId) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE device_codes SET family_id = $2 \
         WHERE device_code_hash = $1 AND decision = 'allowed' AND family_id IS NULL";
    Ok(execute!(within tx, SQL, device_code.as_bytes(), family.0)? > 0)
}

/// Counts a user's try to name a device, before anybody looks whether it is wrong; gives the tries of this window,
/// which begins anew when the last one began before `window`.
pub async fn count_try(
    db: &Db,
    user: UserId,
    window: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<i64, StoreError> {
    const SQL: &str = "INSERT INTO wrong_user_codes (user_id, since, tries) VALUES ($1, $3, 1) \
         ON CONFLICT (user_id) DO UPDATE SET \
         tries = CASE WHEN wrong_user_codes.since <= $2 THEN 1 ELSE wrong_user_codes.tries + 1 END, \
         since = CASE WHEN wrong_user_codes.since <= $2 THEN $3 ELSE wrong_user_codes.since END RETURNING tries";
    let (tries,): (i64,) = fetch_one!(on db, SQL, user.0, window, now)?;
    Ok(tries)
}

/// Takes a counted try back: it was right.
pub async fn uncount_try(db: &Db, user: UserId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE wrong_user_codes SET tries = tries - 1 WHERE user_id = $1 AND tries > 0";
    execute!(on db, SQL, user.0)?;
    Ok(())
}
