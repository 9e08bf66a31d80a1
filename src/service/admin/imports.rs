//! Users who move in by the admin API. What is sent is kept, sealed, as it comes in; when all of it is there, it is
//! queued, and one of the servers carries it out a little at a time.

mod chunks;
pub mod jobs;
mod lines;
pub mod upload;
pub mod working;

pub use chunks::reseal;
