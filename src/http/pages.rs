//! The pages that people see.

pub(crate) mod account;
pub(crate) mod assets;
pub(crate) mod authorize;
mod back;
pub(crate) mod consent;
pub(crate) mod device;
pub(crate) mod handlers;
pub(crate) mod language;
pub(crate) mod renderer;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
mod visit;
mod wrong_password;
