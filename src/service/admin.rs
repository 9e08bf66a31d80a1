//! What operators do, and what the server does by itself to stay tidy.

pub mod audiences;
mod batches;
pub mod caller;
pub mod client_changes;
pub mod clients;
pub mod consents;
pub mod emails;
pub mod error;
pub mod events;
pub mod families;
mod fapi2;
pub mod files;
pub mod janitor;
pub mod keys;
mod members;
pub mod moving;
pub mod recovery;
pub mod registration_tokens;
pub mod resource_servers;
pub mod rounds;
pub mod statistics;
mod surplus;
pub mod user_changes;
pub mod users;
pub mod views;
pub mod webhooks;
