//! What is done to a client, after one more question.

use std::str::FromStr;

use crate::service::admin::views::ClientView;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAct {
    NewSecret,
    EndLogins,
    Remove,
}

impl ClientAct {
    const ALL: [Self; 3] = [Self::NewSecret, Self::EndLogins, Self::Remove];

    /// Those that there are for a client.
    pub(super) fn of(client: &ClientView) -> impl Iterator<Item = Self> {
        let has_secret = client.kind == "confidential";
        Self::ALL.into_iter().filter(move |act| has_secret || *act != Self::NewSecret)
    }

    /// Its word in the page's path.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NewSecret => "new-secret",
            Self::EndLogins => "end-logins",
            Self::Remove => "remove",
        }
    }

    /// The key of its text.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NewSecret => "console_client_new_secret",
            Self::EndLogins => "console_client_end_logins",
            Self::Remove => "console_client_remove",
        }
    }
}

impl FromStr for ClientAct {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|act| act.as_str() == word).ok_or(())
    }
}
