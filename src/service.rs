//! Use cases, one a file, in rooms by capability. A service takes parsed values and the time, does its own writes, and
//! gives a value.

pub mod admin;
pub mod authorize;
pub mod clients;
pub mod clock_watch;
pub mod core;
pub mod events;
pub mod failure;
mod flights;
pub mod keys;
pub mod limit;
pub mod logout;
pub mod mail;
pub mod mailed;
pub mod messenger;
pub(crate) mod network;
pub mod outboxes;
pub mod readiness;
pub mod seen_limits;
pub mod shared_limits;
pub mod status_lists;
pub mod tokens;
pub mod upstream;
pub mod users;
pub mod webhooks;
pub mod writer;
pub mod writes;

pub use core::Core;
pub use failure::Failure;
