//! The simple face: JSON in, JSON out, for first-party apps, scripts and a tutorial's reader.

pub(crate) mod login;
mod refresh_cookie;
pub(crate) mod sessions;
