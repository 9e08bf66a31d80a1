//! What happened lately in a user's own account.

use std::time::Duration;

use chrono::DateTime;
use uuid::Uuid;

use crate::domain::event::EventChoice;
use crate::domain::sign_in::SignInSession;
use crate::service::admin::events::{EventFilter, list};
use crate::service::admin::views::EventView;
use crate::service::{Core, Failure};

/// A part of the list, the newest first.
#[derive(Debug)]
pub struct Activity {
    pub events: Vec<EventView>,
    /// The one after which the list goes on, if it does.
    pub next: Option<Uuid>,
    /// For how long it is kept; zero where nothing is.
    pub kept: Duration,
}

/// What happened in the account of who is signed in, as much as `limit`: what was before another event, or the newest.
pub async fn part(
    core: &Core,
    session: &SignInSession,
    before: Option<Uuid>,
    limit: u16,
) -> Result<Activity, Failure> {
    let own = EventFilter {
        user: Some(session.user()),
        family: None,
        name: EventChoice::all(),
        since: DateTime::UNIX_EPOCH,
    };
    let mut events = list(core, &own, before, i64::from(limit) + 1).await?;
    let goes_on = events.len() > usize::from(limit);
    events.truncate(usize::from(limit));
    let next = events.last().map(|last| last.id).filter(|_| goes_on);
    Ok(Activity { events, next, kept: core.writer.trail().retention() })
}
