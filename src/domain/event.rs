//! What happened, as a value. The transaction that made it happen carries it, and lets it out once it is committed.
//!
//! Names and fields are an interface, listed in `docs/events.md` and only ever added to. An event holds ids and where a
//! request came from, never a name, a mail address, a token or a password.

mod choice;
mod record;
mod redo;
mod told;
mod words;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::audience::Audience;
use crate::domain::family::{EndedFamily, UserAgentInfo};
use crate::domain::ids::{ClientId, FamilyId, PasskeyId, SignInSessionId, UserId, WebhookId};
use crate::domain::passkey::PasskeyChange;
use crate::domain::refusal::EndReason;

pub use choice::{EVENT_NAMES, EventChoice, NoSuchEvent};
pub use record::{EVENT_FORM, EventRecord, Severity};
pub use redo::{Concerned, LostAct, LostUserChange, Redo, UserSwitch};
pub use told::{EventLine, LONGEST_EVENT_LINE, ToldEvent, UnfitEventLine};
pub use words::{
    Alarm, AudienceChange, ClientChange, DisablingReason, ImportEnd, MailEnd, MailLimit, ReplayDifference,
    UserChange,
};

/// Something that an operator, a client or an owner may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A family began.
    LoginSucceeded {
        family: FamilyId,
        user: UserId,
        client: ClientId,
        /// The sign-in at the pages that it comes from: then it came from the app, and not from its user.
        session: Option<SignInSessionId>,
        from: Whence,
    },
    /// A login was refused.
    LoginRefused {
        client: ClientId,
        account: TriedAccount,
        from: Whence,
    },
    /// A browser was signed in.
    SignInSucceeded {
        session: SignInSessionId,
        user: UserId,
        from: Whence,
    },
    /// A sign-in at the pages was refused.
    SignInRefused {
        account: TriedAccount,
        from: Whence,
    },
    /// Something came of a sign-in elsewhere, or of a logout there.
    Upstream {
        provider: String,
        what: UpstreamEvent,
    },
    /// A browser's sign-in ended.
    SignInEnded {
        session: SignInSessionId,
        user: UserId,
    },
    /// A recovery code stood in for a second factor.
    RecoveryCodeUsed {
        user: UserId,
        from: Whence,
    },
    /// The sealed secret of a user's second factor does not open: nobody gets in with it.
    FactorUnreadable {
        user: UserId,
    },
    /// A password was not looked at, after many wrong ones.
    AttemptsLimited {
        account: TriedAccount,
        from: Whence,
    },
    /// Somebody who is not signed in asked for a mail.
    MailRequested {
        purpose: &'static str,
        account: TriedAccount,
        from: Whence,
    },
    /// An authorization request got no code (RFC 6749 §4.1.2.1).
    AuthorizeRefused {
        /// What was named as the client, if that can be one.
        client: Option<ClientId>,
        error: &'static str,
        /// What is wrong, in words.
        reason: &'static str,
        from: Whence,
    },
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
        from: Whence,
    },
    /// An authorization code came without its client's proof, or that of the key that it is bound to: somebody else has
    /// it, too.
    CodeRefused {
        /// Whose code it is.
        client: ClientId,
        /// What it gave, if it was used.
        family: Option<FamilyId>,
        from: Whence,
    },
    /// A refresh token that is bound to a key came without a proof of it: somebody else may have it.
    RefreshRefused {
        family: FamilyId,
        client: ClientId,
        from: Whence,
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
        from: Whence,
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
        from: Whence,
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
    /// Users came from another system: so many in one transaction.
    UsersImported {
        count: u64,
    },
    /// Users move in by the admin API, or it is tried whether they could.
    ImportChanged {
        job: Uuid,
        dry_run: bool,
        change: ImportChange,
    },
    /// An operator invited somebody to sign up.
    UserInvited,
    /// An operator took an invitation back.
    UserUninvited,
    /// A user's account changed.
    UserChanged {
        user: UserId,
        change: UserChange,
    },
    /// A user's passkey was changed, or used.
    PasskeyChanged {
        user: UserId,
        passkey: PasskeyId,
        change: PasskeyChange,
        from: Whence,
    },
    /// A client's registration changed.
    ClientChanged {
        client: ClientId,
        change: ClientChange,
    },
    /// What is said of an audience's access tokens changed.
    AudienceChanged {
        audience: Audience,
        change: AudienceChange,
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
    /// A webhook was changed, or could not be told.
    WebhookChanged {
        webhook: WebhookId,
        change: WebhookChange,
    },
    /// Somebody does not get a mail.
    MailLost {
        /// Whose account it is about, if anybody's.
        user: Option<UserId>,
        /// What it is for.
        letter: String,
        why: MailLoss,
    },
    /// A chain of events was begun: there was none, or none any more.
    ChainBegun,
    /// What should never happen: an attack, or a database that was restored without saying so.
    AlarmRaised {
        family: FamilyId,
        alarm: Alarm,
    },
}

/// What came from another provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamEvent {
    /// Nobody was let in.
    Refused {
        /// Why, in a word.
        reason: &'static str,
        from: Whence,
    },
    /// It told of a logout, and a sign-in here ended with it.
    Logout { session: SignInSessionId, user: UserId },
}

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookChange {
    Added,
    Updated,
    Removed,
    /// It is told of nothing any more.
    Disabled(DisablingReason),
    Enabled,
    SecretRotated,
    /// This delivery was tried often enough.
    DeliveryFailed(Uuid),
}

/// What became of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportChange {
    /// All its lines are there.
    Queued,
    /// A server began it.
    Started,
    /// So many users were imported, or could be.
    Ended { how: ImportEnd, count: u64 },
}

/// Why somebody does not get a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailLoss {
    /// It was not written: there were too many.
    Limited(MailLimit),
    /// This one was given up.
    Undeliverable(Uuid, MailEnd),
}

/// Where the request came from that made something happen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whence {
    address: Option<String>,
    agent: Option<String>,
}

impl Whence {
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }
}

impl From<&UserAgentInfo> for Whence {
    fn from(info: &UserAgentInfo) -> Self {
        Self { address: info.address.clone(), agent: info.user_agent.clone() }
    }
}

/// Whose password was tried. People type their passwords where their names belong, so a name that is nobody's is told
/// as a keyed hash: the same one is seen to come again, and nobody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriedAccount {
    Known(UserId),
    /// By the hash of the name.
    Unknown(String),
    /// What was typed can be nobody's name, or the database was not well.
    Nobody,
}
