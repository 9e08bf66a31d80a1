//! One of each event with all that can be told of it, and one with as little.

use chrono::{DateTime, Utc};
use heirloom::domain::event::{
    Alarm, AudienceChange, ClientChange, DisablingReason, Event, ImportChange, ImportEnd, MailEnd, MailLimit,
    MailLoss, ReplayDifference, TriedAccount, UpstreamEvent, UserChange, WebhookChange, Whence,
};
use heirloom::domain::family::{EndedFamily, UserAgentInfo};
use heirloom::domain::ids::{ClientId, FamilyId, PasskeyId, SignInSessionId, UserId, WebhookId};
use heirloom::domain::passkey::PasskeyChange;
use heirloom::domain::refusal::EndReason;
use uuid::Uuid;

/// What the samples tell of: nothing that there is.
pub struct Sampled {
    family: FamilyId,
    user: UserId,
    client: ClientId,
    session: SignInSessionId,
    passkey: PasskeyId,
    webhook: WebhookId,
    id: Uuid,
    at: DateTime<Utc>,
}

impl Sampled {
    pub fn new(at: DateTime<Utc>) -> Self {
        let id = |number: u8| heirloom::domain::ids::uuid_v7(at, [number; 10]);
        Self {
            family: FamilyId(id(1)),
            user: UserId(id(2)),
            client: "shop".parse().unwrap(),
            session: SignInSessionId(id(3)),
            passkey: PasskeyId(id(4)),
            webhook: WebhookId(id(5)),
            id: id(6),
            at,
        }
    }

    /// Of every variant; those that tell more or less are there twice.
    pub fn events(&self) -> Vec<Event> {
        let (full, bare) = (whence(), Whence::default());
        let mut all = Vec::new();
        for (from, account) in [
            (&full, TriedAccount::Known(self.user)),
            (&full, TriedAccount::Unknown("c2FtcGxl".to_owned())),
            (&bare, TriedAccount::Nobody),
        ] {
            all.extend(self.of_people(from, &account));
            all.extend(self.of_tokens(from, from == &full));
        }
        all.extend(self.of_operators());
        all.extend(self.of_deliveries());
        all
    }

    fn of_people(&self, from: &Whence, account: &TriedAccount) -> Vec<Event> {
        let Self { user, session, passkey, .. } = *self;
        let (client, from, account) = (|| self.client.clone(), || from.clone(), || account.clone());
        let provider = || "google".to_owned();
        let mut all = vec![
            Event::LoginSucceeded {
                family: self.family,
                user,
                client: client(),
                session: Some(session),
                from: from(),
            },
            Event::LoginRefused { client: client(), account: account(), from: from() },
            Event::SignInSucceeded { session, user, from: from() },
            Event::SignInRefused { account: account(), from: from() },
            Event::Upstream {
                provider: provider(),
                what: UpstreamEvent::Refused { reason: "no_account", from: from() },
            },
            Event::Upstream { provider: provider(), what: UpstreamEvent::Logout { session, user } },
            Event::SignInEnded { session, user },
            Event::RecoveryCodeUsed { user, from: from() },
            Event::FactorUnreadable { user },
            Event::AttemptsLimited { account: account(), from: from() },
            Event::MailRequested { purpose: "sign_up", account: account(), from: from() },
            Event::ConsentGiven { user, client: client() },
            Event::ConsentWithdrawn { user, client: client() },
            Event::DeviceDenied { user, client: client() },
            Event::UserCodeRefused { user, from: from() },
        ];
        let passkey_changes = [
            PasskeyChange::Added,
            PasskeyChange::Renamed,
            PasskeyChange::Removed,
            PasskeyChange::Used,
            PasskeyChange::Copied,
        ];
        all.extend(passkey_changes.map(|change| Event::PasskeyChanged {
            user,
            passkey,
            change,
            from: from(),
        }));
        all
    }

    fn of_tokens(&self, from: &Whence, with_family: bool) -> Vec<Event> {
        let (family, client, from) = (self.family, || self.client.clone(), || from.clone());
        let perhaps = with_family.then_some(family);
        vec![
            Event::AuthorizeRefused {
                client: with_family.then(client),
                error: "invalid_scope",
                reason: "The scope is malformed.",
                from: from(),
            },
            Event::CodeRefused { client: client(), family: perhaps, from: from() },
            Event::RefreshRefused { family, client: client(), from: from() },
            Event::TokenExchanged { client: client(), family: perhaps },
            Event::TokenRevoked { client: client(), family: perhaps, jti: "a-token".to_owned() },
            Event::FamilyReused { family, client: client(), from: from() },
            Event::FamilyRecovered { family, skipped: 1 },
            Event::FamilyCaughtUp { family, generation: 7 },
            Event::FamilyReplayed {
                family,
                client: client(),
                differs: ReplayDifference::AddressAndAgent,
                from: from(),
            },
            Event::AlarmRaised { family, alarm: Alarm::ForeignSecret },
        ]
        .into_iter()
        .chain([Event::FamilyEnded { family: self.ended(), reason: EndReason::Reuse }])
        .collect()
    }

    fn ended(&self) -> EndedFamily {
        EndedFamily {
            id: self.family,
            user: self.user,
            client: self.client.clone(),
            subject: self.user.to_string(),
            sign_in_session: None,
        }
    }

    fn of_operators(&self) -> Vec<Event> {
        let (user, client, token, key) = (self.user, self.client.clone(), self.id, || "a-key".to_owned());
        vec![
            Event::ChainBegun,
            Event::UsersImported { count: 3 },
            Event::ImportChanged { job: self.id, dry_run: false, change: ImportChange::Queued },
            Event::ImportChanged { job: self.id, dry_run: true, change: ImportChange::Started },
            Event::ImportChanged {
                job: self.id,
                dry_run: false,
                change: ImportChange::Ended { how: ImportEnd::Cancelled, count: 3 },
            },
            Event::UserInvited,
            Event::UserUninvited,
            Event::UserChanged { user, change: UserChange::OwnPassword },
            Event::ClientChanged { client, change: ClientChange::SecretRotated },
            Event::AudienceChanged {
                audience: "https://api.example.com".parse().unwrap(),
                change: AudienceChange::AlgorithmSet,
            },
            Event::KeyRotated { key: key() },
            Event::KeysReplaced { key: key() },
            Event::MasterKeyDropped { key: key() },
            Event::KeyResealed { key: key() },
            Event::RecoveryOpened { until: self.at },
            Event::RecoveryClosed,
            Event::RecoveryDeclined { until: self.at },
            Event::RegistrationTokenAdded { token },
            Event::RegistrationTokenRemoved { token },
        ]
    }

    fn of_deliveries(&self) -> Vec<Event> {
        let (webhook, family, client) = (self.webhook, self.family, || self.client.clone());
        let changes = [
            WebhookChange::Added,
            WebhookChange::Updated,
            WebhookChange::Removed,
            WebhookChange::Disabled(DisablingReason::Gone),
            WebhookChange::Enabled,
            WebhookChange::SecretRotated,
            WebhookChange::DeliveryFailed(self.id),
        ];
        let mut all = vec![
            Event::LogoutDelivered { family, client: client() },
            Event::LogoutUndeliverable { family, client: client() },
        ];
        all.extend(changes.map(|change| Event::WebhookChanged { webhook, change }));
        let losses =
            [MailLoss::Limited(MailLimit::Account), MailLoss::Undeliverable(self.id, MailEnd::TriedOften)];
        for user in [Some(self.user), None] {
            let lost = |why| Event::MailLost { user, letter: "new_password".to_owned(), why };
            all.extend(losses.map(lost));
        }
        all
    }
}

fn whence() -> Whence {
    let info = UserAgentInfo {
        address: Some("192.0.2.1".to_owned()),
        user_agent: Some("Browser/1".to_owned()),
        ..UserAgentInfo::default()
    };
    Whence::from(&info)
}
