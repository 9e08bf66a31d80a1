//! From a request for authorization to a code, or a device that is let in.

pub mod authorization;
pub(crate) mod challenge;
pub mod device;
pub mod pushed_request;
