//! What users have beside their first factor.

use crate::domain::ids::UserId;
use crate::domain::second_factor::SecondFactors;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, fetch_one};

row! {
    struct FactorsRow {
        totp: i64,
        passkeys: i64,
        recovery_codes: i64,
    }
}

const SQL: &str = "SELECT (SELECT COUNT(*) FROM totp_secrets WHERE user_id = $1) AS totp, \
     (SELECT COUNT(*) FROM passkeys WHERE user_id = $1) AS passkeys, \
     (SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1) AS recovery_codes";

impl From<FactorsRow> for SecondFactors {
    fn from(row: FactorsRow) -> Self {
        let recovery_codes = u32::try_from(row.recovery_codes).unwrap_or(u32::MAX);
        Self { totp: row.totp > 0, passkeys: row.passkeys > 0, recovery_codes }
    }
}

/// What a user has.
pub async fn of_user(db: &Db, user: UserId) -> Result<SecondFactors, StoreError> {
    let row: FactorsRow = fetch_one!(on db, SQL, user.0)?;
    Ok(row.into())
}

/// The same in a transaction that touched the user's row: nothing comes or goes meanwhile.
pub async fn of_locked_user(tx: &mut Tx, user: UserId) -> Result<SecondFactors, StoreError> {
    let row: FactorsRow = fetch_one!(within tx, SQL, user.0)?;
    Ok(row.into())
}
