//! The pages that people see.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod addresses;
pub(crate) mod assets;
pub(crate) mod authorize;
mod back;
pub(crate) mod consent;
pub(crate) mod data;
pub(crate) mod device;
pub(crate) mod elsewhere;
mod ending;
pub(crate) mod forgot;
pub(crate) mod handlers;
pub(crate) mod language;
pub(crate) mod own_place;
pub(crate) mod passkeys;
mod providers;
mod qr;
pub(crate) mod removal;
pub(crate) mod renderer;
pub(crate) mod sign_in;
pub(crate) mod sign_in_methods;
pub(crate) mod sign_out;
pub(crate) mod sign_up;
mod told;
mod visit;
mod wrong_password;
