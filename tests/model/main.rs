//! The rotation protocol, explored: production's own code, and every order of what can happen to it.
//!
//! Two servers, an owner, a thief or another program, a clock. What a server does for a request is production's
//! `RefreshAttempt`, `decide` and what follows from it; what the model adds is the row (`row`), the network, crashes
//! and losses (`model`), and what is promised (`promises`). Each of the `worlds` is followed through all of its states.
//! `controls` breaks the rules one by one, and each time a promise must break.
//!
//! `tests/trust` explores them further.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![expect(
    clippy::items_after_statements,
    clippy::similar_names,
    clippy::struct_excessive_bools,
    reason = "a broken rule stands beside what shows it, a server serves, and what can go wrong in a world is many switches"
)]

mod controls;
mod explored;
mod model;
mod promises;
mod row;
mod state;
mod world;
mod worlds;
