//! One statement with what is bound to it, on either engine: `execute!(on db, SQL, id, now)`; in a transaction
//! `execute!(within tx, SQL, id, now)`.

/// Gives how many rows it changed.
macro_rules! execute {
    ($engine:ident $at:expr, $sql:expr $(, $bound:expr)*) => {
        $crate::store::statement::$engine!($at, conn => sqlx::query($sql)$(.bind($bound))*.execute(conn).await
            .map(|done| done.rows_affected()))
    };
}

/// Gives every row.
macro_rules! fetch_all {
    ($engine:ident $at:expr, $sql:expr $(, $bound:expr)*) => {
        $crate::store::statement::$engine!($at, conn => sqlx::query_as($sql)$(.bind($bound))*.fetch_all(conn).await)
    };
}

/// Gives the one row that there always is.
macro_rules! fetch_one {
    ($engine:ident $at:expr, $sql:expr $(, $bound:expr)*) => {
        $crate::store::statement::$engine!($at, conn => sqlx::query_as($sql)$(.bind($bound))*.fetch_one(conn).await)
    };
}

/// Gives a row if there is one.
macro_rules! fetch_optional {
    ($engine:ident $at:expr, $sql:expr $(, $bound:expr)*) => {
        $crate::store::statement::$engine!($at, conn => sqlx::query_as($sql)$(.bind($bound))*.fetch_optional(conn).await)
    };
}

pub(super) use crate::store::{on, within};
pub(super) use {execute, fetch_all, fetch_one, fetch_optional};
