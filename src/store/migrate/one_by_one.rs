//! Steps for PostgreSQL, each statement sent by itself: what spreads tables over several servers (Citus) takes no
//! others, and no statement that works on two connections to the same server at once.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::clock::Stopwatch;

/// Has Citus work on one shard after another until the transaction ends; without Citus it does nothing.
pub(in crate::store) const SEQUENTIALLY: &str = "SELECT set_config(name, 'sequential', true) FROM pg_settings \
     WHERE name = 'citus.multi_shard_modify_mode'";

/// A connection on which a step is a transaction of many statements, and not one text.
pub(super) struct OneByOne<'c>(pub(super) &'c mut PgConnection);

impl Migrate for OneByOne<'_> {
    fn create_schema_if_not_exists<'e>(
        &'e mut self,
        schema_name: &'e str,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        self.0.create_schema_if_not_exists(schema_name)
    }

    fn ensure_migrations_table<'e>(
        &'e mut self,
        table_name: &'e str,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        self.0.ensure_migrations_table(table_name)
    }

    fn dirty_version<'e>(
        &'e mut self,
        table_name: &'e str,
    ) -> BoxFuture<'e, Result<Option<i64>, MigrateError>> {
        self.0.dirty_version(table_name)
    }

    fn list_applied_migrations<'e>(
        &'e mut self,
        table_name: &'e str,
    ) -> BoxFuture<'e, Result<Vec<AppliedMigration>, MigrateError>> {
        self.0.list_applied_migrations(table_name)
    }

    fn lock(&mut self) -> BoxFuture<'_, Result<(), MigrateError>> {
        self.0.lock()
    }

    fn unlock(&mut self) -> BoxFuture<'_, Result<(), MigrateError>> {
        self.0.unlock()
    }

    fn apply<'e>(
        &'e mut self,
        table_name: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, Result<Duration, MigrateError>> {
        Box::pin(async move {
            let watch = Stopwatch::start();
            let mut transaction = self.0.begin().await?;
            sqlx::raw_sql(SEQUENTIALLY).execute(&mut *transaction).await?;
            for statement in statements(migration.sql.as_str()) {
                let sent = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await;
                sent.map_err(|error| MigrateError::ExecuteMigration(error, migration.version))?;
            }
            // It notes the step, and does nothing else.
            transaction.skip(table_name, migration).await?;
            transaction.commit().await?;
            Ok(watch.elapsed())
        })
    }

    fn revert<'e>(
        &'e mut self,
        table_name: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, Result<Duration, MigrateError>> {
        self.0.revert(table_name, migration)
    }

    fn skip<'e>(
        &'e mut self,
        table_name: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        self.0.skip(table_name, migration)
    }
}

#[derive(Clone, Copy)]
enum Inside {
    Code,
    /// Between single quotes.
    Text,
    Comment,
}

/// The statements of a step, without comments. A semicolon in a text ends none.
pub(super) fn statements(sql: &str) -> Vec<String> {
    let (mut found, mut statement, mut inside) = (Vec::new(), String::new(), Inside::Code);
    let mut letters = sql.chars().peekable();
    while let Some(letter) = letters.next() {
        inside = match (inside, letter) {
            (Inside::Code, ';') => {
                found.push(std::mem::take(&mut statement));
                continue;
            }
            (Inside::Code, '-') if letters.peek() == Some(&'-') => Inside::Comment,
            (Inside::Comment, '\n') | (Inside::Text, '\'') => Inside::Code,
            (Inside::Code, '\'') => Inside::Text,
            (same, _) => same,
        };
        if !matches!(inside, Inside::Comment) {
            statement.push(letter);
        }
    }
    found.push(statement);
    let trimmed = found.iter().map(|statement| statement.trim().to_owned());
    trimmed.filter(|statement| !statement.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_in_a_text_or_a_comment_ends_no_statement() {
        let sql = "-- One; two.\nUPDATE a SET b = 'it''s; -- c' -- d;\nWHERE e;\n\nDROP TABLE f; -- g\n";
        assert_eq!(statements(sql), ["UPDATE a SET b = 'it''s; -- c' \nWHERE e", "DROP TABLE f"]);
        assert_eq!(statements("SELECT 1 - -1"), ["SELECT 1 - -1"], "a statement may lack its end");
        assert_eq!(statements(" \n-- Nothing."), [""; 0]);
    }
}
