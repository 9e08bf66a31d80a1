//! What operators do, and what the server does by itself to stay tidy.

pub mod clients;
pub mod families;
pub mod janitor;
pub mod recovery;
pub mod registration_tokens;
pub mod users;
