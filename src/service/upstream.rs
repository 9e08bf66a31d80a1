//! Sign-in elsewhere: this server as a relying party of other providers.
//!
//! A browser is sent to a provider and comes back with a code; what that is worth is asked for from server to server,
//! and an account here is known by nothing but issuer and subject.

pub mod arrival;
pub mod attempt;
mod github;
pub mod links;
pub mod logout;
mod openid;
pub mod providers;
