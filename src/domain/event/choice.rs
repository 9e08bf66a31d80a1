//! Which events somebody means: one by its name, a group by `family.*`, or all by `*`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of every event.
pub const EVENT_NAMES: [&str; 60] = [
    "alarm.raised",
    "attempts.limited",
    "audience.changed",
    "authorize.refused",
    "chain.begun",
    "client.changed",
    "code.refused",
    "consent.given",
    "consent.withdrawn",
    "device.denied",
    "family.caught_up",
    "family.ended",
    "family.recovered",
    "family.replayed",
    "family.reused",
    "import.ended",
    "import.queued",
    "import.started",
    "key.master_dropped",
    "key.replaced",
    "key.resealed",
    "key.rotated",
    "login.refused",
    "login.succeeded",
    "logout.delivered",
    "logout.undeliverable",
    "mail.limited",
    "mail.requested",
    "mail.undeliverable",
    "passkey.added",
    "passkey.copied",
    "passkey.removed",
    "passkey.renamed",
    "passkey.used",
    "recovery.closed",
    "recovery.declined",
    "recovery.opened",
    "recovery_code.used",
    "refresh.refused",
    "registration_token.added",
    "registration_token.removed",
    "sign_in.ended",
    "sign_in.refused",
    "sign_in.succeeded",
    "token.exchanged",
    "token.revoked",
    "upstream.logout",
    "upstream.refused",
    "user.changed",
    "user.imported",
    "user.invited",
    "user.uninvited",
    "user_code.refused",
    "webhook.added",
    "webhook.delivery_failed",
    "webhook.disabled",
    "webhook.enabled",
    "webhook.removed",
    "webhook.secret_rotated",
    "webhook.updated",
];

/// A name, a group of names, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventChoice(String);

/// No event has such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no event is called so: docs/events.md lists them; a group such as family.* is all that begins so, and * is all"
)]
pub struct NoSuchEvent;

impl EventChoice {
    /// All events.
    #[must_use]
    pub fn all() -> Self {
        Self("*".to_owned())
    }

    /// The one of this name.
    pub(crate) fn one(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// Whether it means this one.
    #[must_use]
    pub fn means(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => self.0 == name,
        }
    }

    /// Whether it is a name, and no group of them.
    #[must_use]
    pub fn is_one_name(&self) -> bool {
        !self.0.ends_with('*')
    }

    /// The same for SQL's `LIKE`. The low line of a name stands there for any letter: no two names differ in one alone.
    #[must_use]
    pub fn like(&self) -> String {
        self.0.replace('*', "%")
    }
}

impl FromStr for EventChoice {
    type Err = NoSuchEvent;

    fn from_str(text: &str) -> Result<Self, NoSuchEvent> {
        let choice = Self(text.to_owned());
        let is_group = text == "*" || text.ends_with(".*") || !text.ends_with('*');
        let is_known = is_group && EVENT_NAMES.iter().any(|name| choice.means(name));
        if is_known { Ok(choice) } else { Err(NoSuchEvent) }
    }
}

impl fmt::Display for EventChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_name_a_group_or_all() {
        let meant = |text: &str| {
            let choice: EventChoice = text.parse().unwrap();
            EVENT_NAMES.iter().filter(|name| choice.means(name)).count()
        };
        assert_eq!((meant("*"), meant("family.ended")), (EVENT_NAMES.len(), 1));
        assert_eq!((meant("family.*"), meant("user.*"), meant("user_code.*")), (5, 4, 1));
        for text in [
            "",
            "family",
            "family*",
            "famly.*",
            "family.end",
            "family.ended.*",
            "Family.ended",
            "**",
            "*.*",
            " *",
        ] {
            assert_eq!(text.parse::<EventChoice>(), Err(NoSuchEvent), "{text}");
        }
    }
}
