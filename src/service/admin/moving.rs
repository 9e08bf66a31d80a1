//! Users who move in from another system, and out again: in lines of JSON, one a user.

pub mod export;
pub mod import;
pub mod line;
