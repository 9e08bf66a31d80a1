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

/// Adds rows, many by one statement: `insert_all!(tx, rows, "INSERT INTO … (a, b)", row => row.a, row.b)`; what stands
/// behind the values comes last.
macro_rules! insert_all {
    ($tx:expr, $rows:expr, $insert:expr, $row:ident => $($bound:expr),+; $behind:expr) => {{
        for part in $crate::store::statement::parts($rows) {
            let columns = [$(stringify!($bound)),+].len();
            let sql = $crate::store::statement::insert_sql($insert, columns, part.len(), $behind);
            $crate::store::statement::within!($tx, conn => {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let query = part.iter().fold(query, |query, $row| query$(.bind($bound))+);
                query.execute(conn).await.map(|_| ())
            })?;
        }
        Ok(())
    }};
    ($tx:expr, $rows:expr, $insert:expr, $row:ident => $($bound:expr),+) => {
        $crate::store::statement::insert_all!($tx, $rows, $insert, $row => $($bound),+; "")
    };
}

/// How many rows a statement adds: of few sizes, for each is prepared by itself.
const SIZES: [usize; 3] = [64, 8, 1];

/// The rows of one statement after another.
pub(super) fn parts<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (part, rest) = rows.split_at(size);
        rows = rest;
        Some(part)
    })
}

pub(super) fn insert_sql(insert: &str, columns: usize, rows: usize, behind: &str) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=columns).map(|place| format!("${}", row * columns + place)).collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("{insert} VALUES {} {behind}", rows.join(", "))
}

pub(super) use crate::store::{on, within};
pub(super) use {execute, fetch_all, fetch_one, fetch_optional, insert_all};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_added_by_few_statements_of_few_sizes() {
        let sizes = |rows: usize| parts(&vec![(); rows]).map(<[()]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(7), [1; 7]);
        assert_eq!(sizes(74), [64, 8, 1, 1]);
        assert_eq!(
            insert_sql("INSERT INTO t (a, b)", 2, 2, "").trim_end(),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)"
        );
    }
}
