//! Rows that read alike from both engines.

/// Declares a struct that is read by its column names from a row of either engine.
macro_rules! row {
    ($visible:vis struct $name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $visible struct $name { $($field: $type),+ }
        row!(@read $name, sqlx::postgres::PgRow, $($field),+);
        row!(@read $name, sqlx::sqlite::SqliteRow, $($field),+);
    };
    (@read $name:ident, $row:ty, $($field:ident),+) => {
        impl<'r> sqlx::FromRow<'r, $row> for $name {
            fn from_row(row: &'r $row) -> Result<Self, sqlx::Error> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?),+ })
            }
        }
    };
}

pub(super) use row;

/// A list as JSON text: the form that both engines keep alike.
pub(super) fn to_json<T: serde::Serialize>(list: &T) -> String {
    serde_json::to_string(list).unwrap_or_else(|error| unreachable!("a list of texts is JSON: {error}"))
}

/// Reads a list back; `None` when the text is none.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}
