//! What `heirloom doctor` looks at: all that a server needs around it, each by itself, so that one fault hides none.
//! Nothing is made, and nothing is changed.

mod finding;
mod host;
mod reach;
mod store;

use super::notes::notes;
use crate::clock::Clock;
use crate::settings::Settings;

pub use finding::{Finding, Health};

/// Looks at everything but what only a request from outside can show.
pub async fn examine(settings: &Settings, clock: &Clock) -> Vec<Finding> {
    let mut found = match notes(settings) {
        Ok(notes) => notes.into_iter().map(|note| Finding::note("settings", note)).collect(),
        Err(error) => vec![Finding::wrong("settings", format!("{error:#}"))],
    };
    found.extend(host::look(settings, clock.now()));
    found.extend(store::look(settings, clock).await);
    found.extend(reach::look(settings).await);
    found
}
