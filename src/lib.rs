//! Heirloom: a standalone OAuth 2.1 / OpenID Connect authorization server.
//!
//! Its heart is the rotation of refresh tokens. Every login is a *family*; every refresh hands out a successor; a
//! stolen token ends the family; a lost response never logs an honest user out; a family costs one row, however often
//! it rotates. Read [`domain::family`] first, then [`service::tokens::refresh`]: the rest is there so that these two
//! can be as plain as they are.
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
//! The map, a line for each place of `src`:
//!
//! ```text
//! cli                   one file a command
//! http                  the routes, and what all of their faces need: bodies, cookies, errors as answers
//! http/simple           JSON /login, /refresh, /logout and /sessions, for first-party apps and scripts
//! http/admin            /admin/v1: what operators do, over HTTP
//! http/console          /admin: the same in a browser
//! http/scim             /scim/v2: what directories do that provision users
//! http/metrics          what monitoring reads
//! http/oauth            /oauth/… and /.well-known/…, for any OAuth and OpenID Connect library
//! http/pages            what people see: sign in, agree, let a device in, the own account, sign out
//! service               what every use case needs: Core, the writer of what happens, the reasons to give nothing
//! service/tokens        what each grant gives, and what a token that comes back is worth
//! service/clients       who asks: clients as they are known, prove themselves, and register
//! service/upstream      users who sign in elsewhere, and what other providers say of them
//! service/users         passwords, browsers' sign-ins, a user's own view of the logins
//! service/authorize     from a request for authorization to a code, or a device that is let in
//! service/logout        the end of a login, and who is told of it
//! service/status_lists  what tells services that verify offline of it
//! service/mailed        what people do with their mail: prove an address, come back without the password, sign up
//! service/keys          master and signing keys
//! service/events        what happened, kept for a while
//! service/mail          letters to people, and how they are sent
//! service/webhooks      other servers that are told of it
//! service/admin         what operators do, by hand or by files, and what the server does by itself to stay tidy
//! domain                family, refresh_token, scope, client and the other words of the protocol
//! store                 a file a table, and the two engines behind one Db
//! crypto                passwords, signing keys, sealing at rest
//! outbound              the one way out: other people's addresses are fetched and called through it alone
//! settings              what an operator may choose, where a choice came from, what is wrong with it
//! app                   the composition root: settings become a running server
//! master_keys           where the master keys come from
//! tls                   TLS served directly
//! telemetry             the log
//! spans                 traces: what a request spends its time on
//! figures               what is measured deep inside and read by monitoring
//! clock                 the one place that reads the machine's clock
//! ```
//!
//! The crate is a library only so that tests can run a server with a [`clock::Clock`] of their own; resource services
//! depend on `heirloom-verifier`.

pub mod app;
pub mod cli;
pub mod clock;
pub mod crypto;
pub mod domain;
pub mod figures;
pub mod http;
pub mod master_keys;
pub mod outbound;
pub mod service;
pub mod settings;
mod spans;
pub mod store;
pub mod telemetry;
mod tls;
