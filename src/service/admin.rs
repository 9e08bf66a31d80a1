//! What operators do, and what the server does by itself to stay tidy.

pub mod clients;
pub mod janitor;
pub mod users;
