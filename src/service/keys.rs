//! Master and signing keys, and what is made with them.

pub mod key_set;
pub(crate) mod resealing;
pub mod ring;
pub mod signer_keys;
pub mod subject_key;
pub mod succession;
