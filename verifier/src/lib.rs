//! Verifies access tokens offline: with the issuer's public keys, without asking the issuer about each token.
//!
//! A resource service builds one [`Verifier`] and asks it about every request:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (jwks, token) = (JWKS, TOKEN);
//! let verifier = Verifier::builder("https://login.example.com")
//!     .audience("https://api.example.com")
//!     .jwks_json(jwks) // in production: .jwks_url("https://login.example.com/.well-known/jwks.json")
//! #   .clock(now)
//!     .build()
//!     .await?;
//!
//! let access = verifier.verify(token).await?;
//! assert!(access.has_scope("orders:read"));
//! println!("{} may {}", access.subject, access.scopes.join(", "));
//! # Ok(())
//! # }
//! ```
//!
//! The scope says what the app may do for its user, the role what the user may do: check both
//! ([`has_scope`](AccessToken::has_scope), [`has_role`](AccessToken::has_role)). Roles stand in a token only with the
//! scope `roles`.
//!
//! With the feature `actix`, [`AccessToken`] is an extractor and [`actix::Protect`] a middleware; with the feature
//! `tower`, [`tower::VerifierLayer`] protects an axum router. Both answer refusals as RFC 6750 and RFC 9449 want them.
//!
//! A service that is given its own URL ([`Builder::resource`]) tells clients where to get a token (RFC 9728): its
//! challenges name a document that it serves. This is all that a server of the Model Context Protocol needs.
//!
//! What is checked: the signature, an algorithm from an allow-list, `typ` (RFC 9068 §4), issuer, audience, expiry and
//! not-before with a little leeway, the scopes that you require, the status, and the key that it is bound to.
//!
//! A token that names a status list (draft-ietf-oauth-status-list-20) is refused within seconds after the issuer
//! revoked it: with keys from a [`Builder::jwks_url`], lists are followed in the background, and verifying looks up a
//! bit in memory. [`Builder::max_staleness`] and [`Builder::accept_stale_status`] say what happens when the issuer is
//! down, [`Builder::on_status_list`] and [`Verifier::status_lists`] tell how lists fare.
//!
//! A token that is bound to a key (`cnf`) is worth nothing without it: [`Verifier::verify`] refuses it, and
//! [`Verifier::verify_presented`] takes it with a proof of the key (DPoP, RFC 9449) or on a connection with the
//! certificate (RFC 8705). The extractor, middleware and layer do this themselves; they have to know the URL that
//! clients call ([`Builder::public_url`]). [`Builder::require_bound_tokens`] takes no others, and [`dpop`] has the
//! rules alone.
//!
//! What a good token is too little for asks for more: [`StepUp`] says how its user must have signed in, and the
//! challenge tells the client what to do about it (RFC 9470).
//!
//! A token seen for the first time costs hardly more than the check of its signature. That check is made once: a token
//! that comes again is found in a bounded cache ([`Builder::cache_capacity`]), about a hundred times as fast. All else
//! is checked each time, and the issuer must still publish the key that signed it: a cached token expires, and falls
//! with a withdrawn key, like any other. `cargo bench -p heirloom-verifier --bench verify` measures both.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod access_token;
#[cfg(feature = "actix")]
pub mod actix;
mod bearer;
mod binding;
mod builder;
mod cache;
mod challenge;
mod clock;
mod confirmation;
pub mod dpop;
mod error;
mod fetch;
#[cfg(any(feature = "actix", feature = "tower"))]
mod incoming;
mod jws;
mod keys;
mod place;
mod presented;
mod remote;
mod resource;
mod rules;
mod status;
mod step_up;
#[cfg(feature = "tower")]
pub mod tower;
mod verifier;

pub use access_token::{AccessToken, Actor, Claims};
pub use bearer::bearer_token;
pub use builder::{BuildError, Builder};
pub use confirmation::Confirmation;
pub use error::VerifyError;
pub use jsonwebtoken::Algorithm;
pub use presented::{ClientCertificate, Presented};
pub use resource::ResourceMetadata;
pub use status::{StatusListError, StatusListEvent, StatusLists, StatusReference};
pub use step_up::StepUp;
pub use verifier::Verifier;
