//! Users in parts, and by how their names begin.

use crate::domain::user::User;
use crate::store::users::{StoredUser, UserRow};
use crate::store::{Db, StoreError, fetch_all, fetch_optional};

/// Up to `limit` users by their ids, which are in the order in which they were made, without the first ones.
pub async fn list_by_id(db: &Db, skipped: i64, limit: i64) -> Result<Vec<User>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM users ORDER BY id LIMIT $1 OFFSET $2");
    let rows: Vec<UserRow> = fetch_all!(on db, SQL, limit, skipped)?;
    rows.into_iter().map(|row| Ok(StoredUser::try_from(row)?.user)).collect()
}

/// A range of names, by their bytes.
macro_rules! beginning {
    ($key:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM users WHERE ",
            $key,
            " >= $1 AND ",
            $key,
            " < $2 AND ",
            $key,
            " > $3 ORDER BY ",
            $key,
            " LIMIT $4"
        )
    };
}

/// Up to `limit` users whose names begin so, and whose verified address it is, by the bytes of their names: those after
/// this.
pub async fn list_beginning(
    db: &Db,
    beginning: &str,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<User>, StoreError> {
    const BY_ADDRESS: &str = concat!("SELECT ", columns!(), " FROM users WHERE verified_email_key = $1");
    let by_name = match db {
        Db::Postgres(_) => beginning!("username_key COLLATE \"C\""),
        Db::Sqlite(_) => beginning!("username_key"),
    };
    let (after, end) = (after.unwrap_or_default(), format!("{beginning}\u{10FFFF}"));
    let mut rows: Vec<UserRow> = fetch_all!(on db, by_name, beginning, &end, after, limit)?;
    rows.extend::<Option<UserRow>>(fetch_optional!(on db, BY_ADDRESS, beginning)?);
    let user = |row| StoredUser::try_from(row).map(|stored| stored.user);
    let mut listed: Vec<User> = rows.into_iter().map(user).collect::<Result<_, _>>()?;
    listed.retain(|user| user.username.key().as_str() > after);
    listed.sort_by_cached_key(|user| user.username.key());
    listed.dedup_by_key(|user| user.id);
    listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(listed)
}
