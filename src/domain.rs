//! The words of the protocol and its one decision, as pure values: no database, no HTTP, no clock, no randomness.
//!
//! Start with [`family`]: [`family::decide`] is what this server exists for.

pub mod audience;
pub mod authentication;
pub mod authorization;
pub mod certificate;
pub mod claims;
pub mod claims_request;
pub mod client;
pub mod client_assertion;
pub mod device;
pub mod error_causes;
pub mod event;
pub(crate) mod expiring;
pub mod family;
pub mod ids;
pub(crate) mod json;
pub mod key_thumbprint;
pub mod letter;
pub(crate) mod lettering;
pub mod lifetimes;
pub mod new_password;
pub mod one_or_many;
pub mod opaque;
pub mod outbox;
pub mod pkce;
pub mod pushed_request;
pub mod reading;
pub mod redirect_rule;
pub mod redirect_uri;
pub mod refresh_token;
pub mod refusal;
pub mod registration;
pub mod request_object;
pub mod scope;
pub mod secrets;
pub mod sign_in;
pub mod signing_algorithm;
pub mod standard_claims;
pub mod status_list;
pub mod subject;
pub mod user;
pub mod user_agent;
pub mod web_origin;
pub mod webhook;
