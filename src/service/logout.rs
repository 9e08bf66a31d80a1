//! The end of a login, and who is told of it.

pub mod back_channel;
pub mod ending;
pub(crate) mod ending_many;
pub mod front_channel;
pub(crate) mod notices;
pub mod sign_out;
