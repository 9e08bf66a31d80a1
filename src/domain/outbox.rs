//! What leaves the house, kind by kind.

/// What is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outbox {
    /// Logouts that clients are told of.
    Logouts,
    /// Events that webhooks are told of.
    Webhooks,
    /// Mails to people.
    Mails,
}

impl Outbox {
    /// What the log calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logouts => "logouts",
            Self::Webhooks => "webhooks",
            Self::Mails => "mails",
        }
    }
}
