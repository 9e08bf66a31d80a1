//! Authorization requests, whichever way they come (RFC 6749 §4.1.1, RFC 9101, RFC 9126).

mod asked;
mod parameters;
mod reading;

pub(crate) use asked::{Asked, Met};
pub(crate) use parameters::{bound_to_key, check, content, redirect_uri_of, to_keep};
pub(crate) use reading::{Browser, read_form};
