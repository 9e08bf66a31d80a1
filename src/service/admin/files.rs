//! Configuration as files: what they say is compared with what is there, and made so, all of it or nothing.
//!
//! [`reading`] makes of texts what is declared, [`plan`] compares it with the store, [`apply`] makes it so, and
//! [`export`] writes what is there as a file would say it.

pub mod apply;
pub mod client_entry;
pub mod declared;
pub mod export;
mod fields;
mod form_text;
pub mod mistake;
pub mod plan;
pub mod reading;
mod server_entry;
