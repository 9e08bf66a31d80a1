//! How events are written down.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::domain::audience::Audience;
use crate::domain::event::{
    Alarm, Event, ImportChange, MailLoss, ReplayDifference, TriedAccount, UpstreamEvent, WebhookChange,
    Whence,
};
use crate::domain::family::EndedFamily;
use crate::domain::ids::{ClientId, FamilyId, PasskeyId, SignInSessionId, UserId, WebhookId};
use crate::domain::passkey::PasskeyChange;

/// The version of the form that events are kept and told in, `docs/event.schema.json`. Names and fields that are added
/// leave it as it is.
pub const EVENT_FORM: u32 = 1;

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
    /// Who made it happen by the administration's API, or by files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<FamilyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SignInSessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passkey: Option<PasskeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Uuid>,
}

fn new<'a>(event: &'static str) -> EventRecord<'a> {
    EventRecord { event, ..EventRecord::default() }
}

fn of_lost_logout(family: FamilyId, client: &ClientId) -> EventRecord<'_> {
    new("logout.undeliverable").warns().login(family, client)
}

fn of_limited<'a>(account: &'a TriedAccount, from: &'a Whence) -> EventRecord<'a> {
    new("attempts.limited").warns().account(account).from(from)
}

fn of_alarm<'a>(alarm: Alarm) -> EventRecord<'a> {
    new("alarm.raised").alarms().reason(alarm.as_str())
}

fn of_lost_mail<'a>(why: MailLoss) -> EventRecord<'a> {
    match why {
        MailLoss::Limited(limit) => new("mail.limited").warns().reason(limit.as_str()),
        MailLoss::Undeliverable(mail, end) => {
            EventRecord { mail: Some(mail), ..new("mail.undeliverable").warns().reason(end.as_str()) }
        }
    }
}

fn of_upstream(what: &UpstreamEvent) -> EventRecord<'_> {
    match what {
        UpstreamEvent::Refused { reason, from } => new("upstream.refused").reason(reason).from(from),
        UpstreamEvent::Logout { session, user } => new("upstream.logout").session(*session).user(*user),
    }
}

fn of_webhook<'a>(change: WebhookChange) -> EventRecord<'a> {
    match change {
        WebhookChange::Added => new("webhook.added"),
        WebhookChange::Removed => new("webhook.removed"),
        WebhookChange::Updated => new("webhook.updated"),
        WebhookChange::Disabled(reason) => new("webhook.disabled").warns().reason(reason.as_str()),
        WebhookChange::Enabled => new("webhook.enabled"),
        WebhookChange::SecretRotated => new("webhook.secret_rotated"),
        WebhookChange::DeliveryFailed(delivery) => {
            EventRecord { delivery: Some(delivery), ..new("webhook.delivery_failed").warns() }
        }
    }
}

fn of_import<'a>(change: ImportChange) -> EventRecord<'a> {
    match change {
        ImportChange::Queued => new("import.queued"),
        ImportChange::Started => new("import.started"),
        ImportChange::Ended { how, count } => {
            EventRecord { count: Some(count), ..new("import.ended").reason(how.as_str()) }
        }
    }
}

fn of_passkey<'a>(change: PasskeyChange) -> EventRecord<'a> {
    match change {
        PasskeyChange::Added => new("passkey.added"),
        PasskeyChange::Renamed => new("passkey.renamed"),
        PasskeyChange::Removed => new("passkey.removed"),
        PasskeyChange::Used => new("passkey.used"),
        PasskeyChange::Copied => new("passkey.copied").alarms(),
    }
}

impl<'a> EventRecord<'a> {
    /// All that is told of it but its name.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let Value::Object(mut fields) = json!(self) else { return Map::new() };
        fields.remove("event");
        fields
    }

    fn warns(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    fn alarms(self) -> Self {
        Self { severity: Severity::Alarm, ..self }
    }

    fn family(self, family: FamilyId) -> Self {
        Self { family: Some(family), ..self }
    }

    /// A family and its client.
    fn login(self, family: FamilyId, client: &'a ClientId) -> Self {
        self.family(family).client(client)
    }

    /// The family that it belongs to, if any.
    fn within(self, family: Option<FamilyId>) -> Self {
        Self { family, ..self }
    }

    fn user(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Whose account it is about, if anybody's.
    fn of(self, user: Option<UserId>) -> Self {
        Self { user, ..self }
    }

    fn letter(self, letter: &'a str) -> Self {
        Self { letter: Some(letter), ..self }
    }

    fn client(self, client: &'a ClientId) -> Self {
        Self { client: Some(client.as_str()), ..self }
    }

    fn audience(self, audience: &'a Audience) -> Self {
        Self { audience: Some(audience.as_str()), ..self }
    }

    fn provider(self, provider: &'a str) -> Self {
        Self { provider: Some(provider), ..self }
    }

    fn generation(self, generation: i64) -> Self {
        Self { generation: Some(generation), ..self }
    }

    fn error(self, error: &'static str, reason: &'static str) -> Self {
        Self { error: Some(error), reason: Some(reason), ..self }
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

    fn from(self, from: &'a Whence) -> Self {
        Self { address: from.address.as_deref(), agent: from.agent.as_deref(), ..self }
    }

    fn account(self, account: &'a TriedAccount) -> Self {
        match account {
            TriedAccount::Known(user) => self.user(*user),
            TriedAccount::Unknown(hash) => Self { name_hash: Some(hash), ..self },
            TriedAccount::Nobody => self,
        }
    }

    fn until(self, until: DateTime<Utc>) -> Self {
        Self { until: Some(until.to_rfc3339_opts(SecondsFormat::Secs, true)), ..self }
    }

    fn differs(self, differs: ReplayDifference) -> Self {
        Self { differs: Some(differs.as_str()), ..self }
    }

    fn webhook(self, webhook: WebhookId) -> Self {
        Self { webhook: Some(webhook), ..self }
    }

    fn reason(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    fn change(self, change: &'static str) -> Self {
        Self { change: Some(change), ..self }
    }
}

/// Somebody has what is a client's, and not what it has to come with.
fn of_thief<'a>(
    name: &'static str,
    client: &'a ClientId,
    family: Option<FamilyId>,
    from: &'a Whence,
) -> EventRecord<'a> {
    new(name).warns().client(client).within(family).from(from)
}

fn of_request<'a>(purpose: &'static str, account: &'a TriedAccount, from: &'a Whence) -> EventRecord<'a> {
    new("mail.requested").reason(purpose).account(account).from(from)
}

impl Event {
    /// Name, severity and fields.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a list with an entry for each event")]
    pub fn record(&self) -> EventRecord<'_> {
        match self {
            Self::LoginSucceeded { family, user, client, from, .. } => {
                new("login.succeeded").family(*family).user(*user).client(client).from(from)
            }
            Self::LoginRefused { client, account, from } => {
                new("login.refused").client(client).account(account).from(from)
            }
            Self::SignInSucceeded { session, user, from } => {
                new("sign_in.succeeded").session(*session).user(*user).from(from)
            }
            Self::SignInRefused { account, from } => new("sign_in.refused").account(account).from(from),
            Self::Upstream { provider, what } => of_upstream(what).provider(provider),
            Self::SignInEnded { session, user } => new("sign_in.ended").session(*session).user(*user),
            Self::RecoveryCodeUsed { user, from } => new("recovery_code.used").warns().user(*user).from(from),
            Self::FactorUnreadable { user } => of_alarm(Alarm::FactorUnreadable).user(*user),
            Self::AttemptsLimited { account, from } => of_limited(account, from),
            Self::MailRequested { purpose, account, from } => of_request(purpose, account, from),
            Self::AuthorizeRefused { client, error, reason, from } => client
                .iter()
                .fold(new("authorize.refused").error(error, reason).from(from), EventRecord::client),
            Self::ConsentGiven { user, client } => new("consent.given").user(*user).client(client),
            Self::ConsentWithdrawn { user, client } => new("consent.withdrawn").user(*user).client(client),
            Self::DeviceDenied { user, client } => new("device.denied").user(*user).client(client),
            Self::UserCodeRefused { user, from } => new("user_code.refused").user(*user).from(from),
            Self::CodeRefused { client, family, from } => of_thief("code.refused", client, *family, from),
            Self::RefreshRefused { family, client, from } => {
                of_thief("refresh.refused", client, Some(*family), from)
            }
            Self::TokenExchanged { client, family } => new("token.exchanged").client(client).within(*family),
            Self::TokenRevoked { client, family, jti } => {
                EventRecord { jti: Some(jti), ..new("token.revoked").client(client).within(*family) }
            }
            Self::FamilyEnded { family: EndedFamily { id, user, client, .. }, reason } => {
                new("family.ended").family(*id).user(*user).client(client).reason(reason.as_str())
            }
            Self::FamilyReused { family, client, from } => {
                new("family.reused").warns().family(*family).client(client).from(from)
            }
            Self::FamilyRecovered { family, skipped } => {
                EventRecord { skipped: Some(*skipped), ..new("family.recovered").family(*family) }
            }
            Self::FamilyCaughtUp { family, generation } => {
                new("family.caught_up").warns().family(*family).generation(*generation)
            }
            Self::FamilyReplayed { family, client, differs, from } => {
                new("family.replayed").family(*family).client(client).differs(*differs).from(from)
            }
            Self::LogoutDelivered { family, client } => new("logout.delivered").login(*family, client),
            Self::LogoutUndeliverable { family, client } => of_lost_logout(*family, client),
            Self::UsersImported { count } => EventRecord { count: Some(*count), ..new("user.imported") },
            Self::ImportChanged { job, dry_run, change } => {
                let effect = if *dry_run { "dry_run" } else { "import" };
                EventRecord { job: Some(*job), ..of_import(*change).change(effect) }
            }
            Self::UserInvited => new("user.invited"),
            Self::UserUninvited => new("user.uninvited"),
            Self::UserChanged { user, change } => new("user.changed").user(*user).change(change.as_str()),
            Self::PasskeyChanged { user, passkey, change, from } => {
                EventRecord { passkey: Some(*passkey), ..of_passkey(*change).user(*user).from(from) }
            }
            Self::ClientChanged { client, change } => {
                new("client.changed").client(client).change(change.as_str())
            }
            Self::AudienceChanged { audience, change } => {
                new("audience.changed").audience(audience).change(change.as_str())
            }
            Self::KeyRotated { key } => new("key.rotated").warns().key(key),
            Self::KeysReplaced { key } => new("key.replaced").warns().key(key),
            Self::MasterKeyDropped { key } => new("key.master_dropped").warns().key(key),
            Self::KeyResealed { key } => new("key.resealed").warns().key(key),
            Self::RecoveryOpened { until } => new("recovery.opened").warns().until(*until),
            Self::RecoveryDeclined { until } => new("recovery.declined").warns().until(*until),
            Self::RecoveryClosed => new("recovery.closed").warns(),
            Self::RegistrationTokenAdded { token } => new("registration_token.added").token(*token),
            Self::RegistrationTokenRemoved { token } => new("registration_token.removed").token(*token),
            Self::WebhookChanged { webhook, change } => of_webhook(*change).webhook(*webhook),
            Self::MailLost { user, letter, why } => of_lost_mail(*why).of(*user).letter(letter),
            Self::ChainBegun => new("chain.begun").warns(),
            Self::AlarmRaised { family, alarm } => of_alarm(*alarm).family(*family),
        }
    }
}
