//! The only SQL. Each query is written once, in the subset that PostgreSQL and SQLite share, and run on whichever
//! engine is behind a [`Db`].

pub mod audiences;
pub mod authorization_codes;
pub mod backup;
mod checkpoints;
pub mod client_assertions;
pub mod client_documents;
pub mod clients;
pub mod connect;
pub mod consents;
mod db;
pub mod device_codes;
pub mod encryption;
pub mod ending_logins;
pub mod error;
pub mod events;
pub mod expired;
pub mod families;
pub mod group_commit;
pub mod logout_deliveries;
pub mod migrate;
mod postgres;
mod primary;
pub mod private_file;
pub mod pushed_requests;
pub mod recovery;
pub mod registration_tokens;
pub mod registrations;
pub mod revoked_tokens;
mod row;
pub mod server_secrets;
pub mod sign_in_sessions;
pub mod signing_keys;
mod statement;
pub mod status_lists;
pub mod transaction;
pub mod users;

pub use db::Db;
pub(crate) use db::on;
pub use error::StoreError;
pub use postgres::{Link, PostgresExecutor, PostgresPool, Statements};
use statement::{execute, fetch_all, fetch_one, fetch_optional};
pub(crate) use transaction::within;
pub use transaction::{Committed, Tx};
