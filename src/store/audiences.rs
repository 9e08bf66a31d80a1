//! The audiences whose access tokens are signed with an algorithm of their own.

use std::collections::BTreeMap;

use crate::domain::audience::Audience;
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

/// All of them.
pub async fn list(db: &Db) -> Result<BTreeMap<Audience, SigningAlgorithm>, StoreError> {
    const SQL: &str = "SELECT audience, algorithm FROM audiences";
    let rows: Vec<(String, String)> = fetch_all!(on db, SQL)?;
    let read = |(audience, algorithm): (String, String)| {
        let corrupt = |what| StoreError::corrupt("audiences", &audience, what);
        let algorithm = algorithm.parse().map_err(|_| corrupt("algorithm"))?;
        Ok((audience.parse().map_err(|_| corrupt("audience"))?, algorithm))
    };
    rows.into_iter().map(read).collect()
}

/// Says what an audience's access tokens are signed with.
pub async fn put(tx: &mut Tx, audience: &Audience, algorithm: SigningAlgorithm) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO audiences (audience, algorithm) VALUES ($1, $2) \
         ON CONFLICT (audience) DO UPDATE SET algorithm = excluded.algorithm";
    execute!(within tx, SQL, audience.as_str(), algorithm.as_str())?;
    Ok(())
}

/// Lets an audience have what the server signs with; `false` when it has that already.
pub async fn remove(tx: &mut Tx, audience: &Audience) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM audiences WHERE audience = $1";
    Ok(execute!(within tx, SQL, audience.as_str())? > 0)
}

/// What an audience's access tokens are signed with, if that is its own.
pub async fn algorithm_of(tx: &mut Tx, audience: &Audience) -> Result<Option<SigningAlgorithm>, StoreError> {
    const SQL: &str = "SELECT algorithm FROM audiences WHERE audience = $1";
    let row: Option<(String,)> = fetch_optional!(within tx, SQL, audience.as_str())?;
    let corrupt = |_| StoreError::corrupt("audiences", audience, "algorithm");
    row.map(|(algorithm,)| algorithm.parse().map_err(corrupt)).transpose()
}
