//! What happened, kept.

pub mod chain;
mod counts;
mod links;
pub mod trail;
pub mod verify;
