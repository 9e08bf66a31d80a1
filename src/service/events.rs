//! What happened, kept.

mod counts;
pub mod trail;
