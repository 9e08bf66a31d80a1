//! Users who move in by the admin API: how far that is.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What becomes of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportState {
    /// It is being sent, or whoever sent it has left: nobody sees it.
    Uploading,
    /// It waits for a server that has time.
    Queued,
    /// A server works at it.
    Running,
    Done,
    /// It cannot go on.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
}

impl ImportState {
    const ALL: [Self; 6] =
        [Self::Uploading, Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// One import.
#[derive(Debug, Clone)]
pub struct ImportJob {
    pub id: Uuid,
    pub state: ImportState,
    /// It tells what it would do, and changes nothing.
    pub dry_run: bool,
    /// Whose it is, as events tell it.
    pub requested_by: String,
    /// How many lines it has, blank ones with them.
    pub lines: u64,
    /// So many of them are done.
    pub lines_done: u64,
    pub imported: u64,
    /// So many users were there, from the same line.
    pub there: u64,
    pub refused: u64,
    /// Why it failed.
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A line that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    /// Its number, from 1.
    pub line: u64,
    pub reason: String,
}
