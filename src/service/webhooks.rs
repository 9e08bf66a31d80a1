//! Events that leave the house: webhooks.

pub mod courier;
pub mod secrets;
pub mod subscribers;
