//! Keys and passwords, on top of well-kept libraries. No cryptography is written here, only put together.

pub mod chain_key;
pub mod client_authorities;
pub mod client_jwt;
pub mod dpop_nonce;
pub mod foreign_cost;
pub mod foreign_hash;
pub mod hash_forms;
mod hasher;
pub mod jws;
pub mod master_key;
pub mod password_hash;
pub mod passwords;
pub mod proven_tokens;
pub mod random;
pub mod relying_party;
pub mod signing_key;
pub mod totp;
pub mod unfit_hash;
pub mod upstream_id_token;
