//! Who asks: clients as they are known, prove themselves, and register.

pub mod client_assertion;
pub mod client_certificate;
pub mod client_jwt;
pub mod client_request;
pub mod documents;
pub mod key_proof;
pub mod known_clients;
pub mod registrar;
pub mod registration;
pub mod sector;
pub mod signing;
