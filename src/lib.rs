//! Heirloom: a standalone OAuth 2.1 / OpenID Connect authorization server.
//!
//! Its heart is the rotation of refresh tokens. Every login is a *family*; every refresh hands out a successor; a
//! stolen token ends the family; a lost response never logs an honest user out; a family costs one row, however often
//! it rotates. Read [`domain::family`] first, then [`service::refresh`]: the rest is there so that these two can be
//! as plain as they are.
//!
//! Arrows point down only, and a test keeps them so:
//!
//! ```text
//! cli   http            the two front doors: argv, HTTP; parse at the edge, answer at the edge
//!    \  /
//!   service             one use case a file; owns its writes
//!    /   \
//! store  crypto         store: the only SQL. crypto: passwords, signing keys, sealing at rest
//!    \   /
//!   domain              pure values and the one decision: no database, no HTTP, no clock
//! ```
//!
//! [`outbound`] is the one way out: services fetch and call other people's addresses through it alone.
//!
//! [`app`] is the composition root: it turns [`settings`] into a running server. The crate is a library only so that
//! tests can run a server with a [`clock::Clock`] of their own; resource services depend on `heirloom-verifier`.

pub mod app;
pub mod cli;
pub mod clock;
pub mod crypto;
pub mod domain;
mod http;
pub mod master_keys;
pub mod outbound;
pub mod service;
pub mod settings;
pub mod store;
pub mod telemetry;
mod tls;
