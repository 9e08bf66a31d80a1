//! What happened, kept.

pub mod chain;
mod counts;
mod links;
pub mod logins;
pub mod stored_usage;
pub mod trail;
pub mod verify;
