//! What happened, as a value. The transaction that made it happen carries it, and lets it out once it is committed.
//!
//! Names and fields are an interface, listed in `docs/events.md` and only ever added to. An event holds ids, never a
//! name, an address, a token or a password.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::family::EndedFamily;
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::refusal::EndReason;

/// Something that an operator, a client or an owner may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A family began.
    LoginSucceeded {
        family: FamilyId,
        user: UserId,
        client: ClientId,
    },
    /// A login was refused. Who it was to be is not told: people type their passwords there.
    LoginRefused {
        client: ClientId,
    },
    /// A browser was signed in.
    SignInSucceeded {
        session: SignInSessionId,
        user: UserId,
    },
    /// A sign-in at the pages was refused.
    SignInRefused,
    /// A browser's sign-in ended.
    SignInEnded {
        session: SignInSessionId,
        user: UserId,
    },
    /// A password was not looked at, after many wrong ones.
    AttemptsLimited,
    /// A user agreed to what a client asked for.
    ConsentGiven {
        user: UserId,
        client: ClientId,
    },
    /// A user took a consent back.
    ConsentWithdrawn {
        user: UserId,
        client: ClientId,
    },
    /// A user kept a device out.
    DeviceDenied {
        user: UserId,
        client: ClientId,
    },
    /// A user typed a code that no device waits with.
    UserCodeRefused {
        user: UserId,
    },
    /// An authorization code came without its client's proof: somebody else has it, too.
    CodeRefused {
        /// Whose code it is.
        client: ClientId,
        /// What it gave, if it was used.
        family: Option<FamilyId>,
    },
    /// A client got a token in exchange for another one: a family's, unless the client acts for itself.
    TokenExchanged {
        client: ClientId,
        family: Option<FamilyId>,
    },
    /// An access token was revoked alone: its login goes on.
    TokenRevoked {
        client: ClientId,
        /// Unless the client acts for itself.
        family: Option<FamilyId>,
        jti: String,
    },
    FamilyEnded {
        family: EndedFamily,
        reason: EndReason,
    },
    /// A spent token, or a spent code, came back: somebody else has it too.
    FamilyReused {
        family: FamilyId,
        client: ClientId,
    },
    /// A lost response was made up for by skipping generations.
    FamilyRecovered {
        family: FamilyId,
        skipped: i64,
    },
    /// A token ahead of its row moved the row forward: the database had lost rotations.
    FamilyCaughtUp {
        family: FamilyId,
        generation: i64,
    },
    /// Within the leeway a token came back from elsewhere: an owner who moved, or somebody who copied it.
    FamilyReplayed {
        family: FamilyId,
        client: ClientId,
        differs: ReplayDifference,
    },
    /// A client took the news of a logout.
    LogoutDelivered {
        family: FamilyId,
        client: ClientId,
    },
    /// A client could not be told of a logout.
    LogoutUndeliverable {
        family: FamilyId,
        client: ClientId,
    },
    /// A user's account changed.
    UserChanged {
        user: UserId,
        change: UserChange,
    },
    /// A client's registration changed.
    ClientChanged {
        client: ClientId,
        change: ClientChange,
    },
    /// The next signing key was published.
    KeyRotated {
        key: String,
    },
    /// A new signing key signs at once, and all earlier ones were withdrawn.
    KeysReplaced {
        key: String,
    },
    /// A master key opens no token any more.
    MasterKeyDropped {
        key: String,
    },
    /// A secret was sealed anew, under the active master key.
    KeyResealed {
        key: String,
    },
    /// An operator said that the database was restored.
    RecoveryOpened {
        until: DateTime<Utc>,
    },
    /// An operator ended the time of recovery.
    RecoveryClosed,
    /// An operator said that the database was not restored.
    RecoveryDeclined {
        until: DateTime<Utc>,
    },
    /// An operator made an initial access token.
    RegistrationTokenAdded {
        token: Uuid,
    },
    /// An operator removed an initial access token.
    RegistrationTokenRemoved {
        token: Uuid,
    },
    /// What should never happen: an attack, or a database that was restored without saying so.
    AlarmRaised {
        family: FamilyId,
        alarm: Alarm,
    },
}

/// A variant for each word, and the words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident: $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// What changed of a user.
    UserChange {
        Added: "added",
        Password: "password",
        OwnPassword: "own_password",
        Roles: "roles",
        Details: "details",
        Disabled: "disabled",
        Enabled: "enabled",
        Removed: "removed",
        LoginsEnded: "logins_ended",
        OwnLoginsEnded: "own_logins_ended",
    }
}

words! {
    /// What changed of a client.
    ClientChange {
        Added: "added",
        Updated: "updated",
        SecretRotated: "secret_rotated",
        Removed: "removed",
        RegisteredItself: "registered_itself",
        UpdatedItself: "updated_itself",
        ConsentsForgotten: "consents_forgotten",
        RemovedItself: "removed_itself",
    }
}

words! {
    /// In what a replay differs from the rotation whose answer it repeats.
    ReplayDifference {
        Address: "address",
        Agent: "agent",
        AddressAndAgent: "address_and_agent",
    }
}

words! {
    /// What should never happen.
    Alarm {
        ForeignSecret: "a token with a genuine MAC and a foreign secret",
        AheadOfRow: "a genuine token is ahead of its row: was the database restored?",
    }
}

/// How loud an event is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Severity {
    /// It is a part of everyday life.
    #[default]
    Info,
    /// Somebody should look at it.
    Warning,
    /// Somebody should look at it now.
    Alarm,
}

/// An event as it is written down: the same in the log, and wherever else events go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EventRecord<'a> {
    pub event: &'static str,
    #[serde(skip)]
    pub severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<FamilyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SignInSessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

impl<'a> EventRecord<'a> {
    fn new(event: &'static str) -> Self {
        Self { event, ..Self::default() }
    }

    fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    fn family(self, family: FamilyId) -> Self {
        Self { family: Some(family), ..self }
    }

    fn user(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    fn client(self, client: &'a ClientId) -> Self {
        Self { client: Some(client.as_str()), ..self }
    }

    fn session(self, session: SignInSessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    fn key(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    fn token(self, token: Uuid) -> Self {
        Self { token: Some(token), ..self }
    }

    fn change(self, change: &'static str) -> Self {
        Self { change: Some(change), ..self }
    }

    fn until(self, until: DateTime<Utc>) -> Self {
        Self { until: Some(until.to_rfc3339_opts(SecondsFormat::Secs, true)), ..self }
    }
}

impl Event {
    /// Name, severity and fields.
    #[must_use]
    pub fn record(&self) -> EventRecord<'_> {
        let new = EventRecord::new;
        match self {
            Self::LoginSucceeded { family, user, client } => {
                new("login.succeeded").family(*family).user(*user).client(client)
            }
            Self::LoginRefused { client } => new("login.refused").client(client),
            Self::SignInSucceeded { session, user } => new("sign_in.succeeded").session(*session).user(*user),
            Self::SignInRefused => new("sign_in.refused"),
            Self::SignInEnded { session, user } => new("sign_in.ended").session(*session).user(*user),
            Self::AttemptsLimited => new("attempts.limited").severity(Severity::Warning),
            Self::ConsentGiven { user, client } => new("consent.given").user(*user).client(client),
            Self::ConsentWithdrawn { user, client } => new("consent.withdrawn").user(*user).client(client),
            Self::DeviceDenied { user, client } => new("device.denied").user(*user).client(client),
            Self::UserCodeRefused { user } => new("user_code.refused").user(*user),
            Self::CodeRefused { client, family } => EventRecord {
                family: *family,
                ..new("code.refused").severity(Severity::Warning).client(client)
            },
            Self::TokenExchanged { client, family } => {
                EventRecord { family: *family, ..new("token.exchanged").client(client) }
            }
            Self::TokenRevoked { client, family, jti } => {
                EventRecord { family: *family, jti: Some(jti), ..new("token.revoked").client(client) }
            }
            Self::FamilyEnded { family, reason } => EventRecord {
                reason: Some(reason.as_str()),
                ..new("family.ended").family(family.id).user(family.user).client(&family.client)
            },
            Self::FamilyReused { family, client } => {
                new("family.reused").severity(Severity::Warning).family(*family).client(client)
            }
            Self::FamilyRecovered { family, skipped } => {
                EventRecord { skipped: Some(*skipped), ..new("family.recovered").family(*family) }
            }
            Self::FamilyCaughtUp { family, generation } => EventRecord {
                generation: Some(*generation),
                ..new("family.caught_up").severity(Severity::Warning).family(*family)
            },
            Self::FamilyReplayed { family, client, differs } => EventRecord {
                differs: Some(differs.as_str()),
                ..new("family.replayed").family(*family).client(client)
            },
            Self::LogoutDelivered { family, client } => {
                new("logout.delivered").family(*family).client(client)
            }
            Self::LogoutUndeliverable { family, client } => {
                new("logout.undeliverable").severity(Severity::Warning).family(*family).client(client)
            }
            Self::UserChanged { user, change } => new("user.changed").user(*user).change(change.as_str()),
            Self::ClientChanged { client, change } => {
                new("client.changed").client(client).change(change.as_str())
            }
            Self::KeyRotated { key } => new("key.rotated").severity(Severity::Warning).key(key),
            Self::KeysReplaced { key } => new("key.replaced").severity(Severity::Warning).key(key),
            Self::MasterKeyDropped { key } => new("key.master_dropped").severity(Severity::Warning).key(key),
            Self::KeyResealed { key } => new("key.resealed").severity(Severity::Warning).key(key),
            Self::RecoveryOpened { until } => {
                new("recovery.opened").severity(Severity::Warning).until(*until)
            }
            Self::RecoveryClosed => new("recovery.closed").severity(Severity::Warning),
            Self::RecoveryDeclined { until } => {
                new("recovery.declined").severity(Severity::Warning).until(*until)
            }
            Self::RegistrationTokenAdded { token } => new("registration_token.added").token(*token),
            Self::RegistrationTokenRemoved { token } => new("registration_token.removed").token(*token),
            Self::AlarmRaised { family, alarm } => EventRecord {
                reason: Some(alarm.as_str()),
                ..new("alarm.raised").severity(Severity::Alarm).family(*family)
            },
        }
    }
}
