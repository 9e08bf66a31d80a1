//! What the services work with.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::crypto::client_authorities::ClientAuthorities;
use crate::crypto::passwords::Passwords;
use crate::crypto::relying_party::RelyingParty;
use crate::domain::account_rules::{AccountRules, MailedSignIn, SignUp};
use crate::domain::audience::Audience;
use crate::domain::client::Client;
use crate::domain::event::Event;
use crate::domain::ids::ClientId;
use crate::domain::new_password::PasswordRules;
use crate::domain::second_factor::SecondFactors;
use crate::domain::second_factor_policy::SecondFactorPolicy;
use crate::domain::sign_in::SignInLifetimes;
use crate::domain::subject::SubjectKey;
use crate::outbound::Outbound;
use crate::service::Failure;
use crate::service::admin::rounds::Rounds;
use crate::service::clients::documents::Asker;
use crate::service::clients::key_proof::KeyProofs;
use crate::service::clients::known_clients::{Clients, KnownClient};
use crate::service::clients::registrar::Registrar;
use crate::service::clock_watch::ClockWatch;
use crate::service::events::stored_usage::StoredUsage;
use crate::service::keys::ring::Keys;
use crate::service::keys::succession::Succession;
use crate::service::limit::Limit;
use crate::service::mail::post_office::PostOffice;
use crate::service::seen_limits::SeenLimits;
use crate::service::status_lists::documents::StatusLists;
use crate::service::status_lists::places::StatusPlaces;
use crate::service::tokens::polling::Polling;
use crate::service::tokens::refresh_counts::RefreshCounts;
use crate::service::tokens::replays::Replays;
use crate::service::tokens::resource_servers::ResourceServers;
use crate::service::upstream::providers::Providers;
use crate::service::users::attempts::Attempts;
use crate::service::users::login_limit::LoginLimit;
use crate::service::writer::Writer;
use crate::store::group_commit::GroupCommit;
use crate::store::{Db, StoreError, Tx};

/// What the services work with; made by the composition root.
#[derive(Debug, Clone)]
pub struct Core {
    pub db: Db,
    /// The way of every fast-path rotation to it.
    pub group_commit: Arc<GroupCommit>,
    /// The issuer: `iss` in tokens, and the default audience.
    pub issuer: Audience,
    /// The role of those who administer this server.
    pub admin_role: String,
    /// Whether everybody signs in with two factors.
    pub second_factor: SecondFactorPolicy,
    /// Whether apps may send their users' passwords.
    pub takes_passwords: bool,
    /// How long a sign-in at the pages lasts.
    pub sign_in: SignInLifetimes,
    /// Master and signing keys.
    pub keys: Arc<Keys>,
    /// How the next signing key comes in.
    pub succession: Succession,
    /// The password threads.
    pub passwords: Arc<Passwords>,
    /// What a new password must be.
    pub password_rules: Arc<PasswordRules>,
    /// This server as passkeys know it, if users may have some.
    pub relying_party: Option<Arc<RelyingParty>>,
    /// What pairwise subjects are made with.
    pub subjects: Arc<SubjectKey>,
    /// How often passwords were wrong.
    pub attempts: Arc<Attempts>,
    /// How many live logins a user may have.
    pub login_limit: Arc<LoginLimit>,
    /// How often requests came that wait for their users.
    pub waiting: Arc<Limit>,
    /// How refreshes ended.
    pub refreshes: Arc<RefreshCounts>,
    /// What the janitor did.
    pub rounds: Arc<Rounds>,
    /// What of that, and of logins, is in the database.
    pub usage: Arc<StoredUsage>,
    /// The rotations that may be replayed now.
    pub replays: Arc<Replays>,
    /// Whether this machine's time can be believed.
    pub clock_watch: Arc<ClockWatch>,
    /// The bits that new families get, and the lists of all.
    pub status_places: Arc<StatusPlaces>,
    pub status_lists: Arc<StatusLists>,
    /// Until when this process knows what others have charged to limits.
    pub seen_limits: Arc<SeenLimits>,
    /// How fast devices ask.
    pub polling: Arc<Polling>,
    /// Writes, and tells what happened.
    pub writer: Writer,
    /// The clients, remembered for a few seconds.
    pub clients: Arc<Clients>,
    /// What audiences say of their tokens.
    pub resource_servers: Arc<ResourceServers>,
    /// Clients' proofs of their keys.
    pub key_proofs: Arc<KeyProofs>,
    /// Who vouches for clients' certificates, if anybody does.
    pub client_authorities: Option<Arc<ClientAuthorities>>,
    /// What clients may do that register themselves.
    pub registrar: Arc<Registrar>,
    /// Where users may sign in instead.
    pub providers: Arc<Providers>,
    /// The ways to other servers.
    pub outbound: Arc<Outbound>,
    /// Mail, if there is any.
    pub mail: Arc<PostOffice>,
    /// What people may do with their mail.
    pub accounts: Arc<AccountRules>,
    /// Somebody who is not signed in asked for a mail.
    pub mail_requests: Arc<Notify>,
    /// Users who are to move in were sent.
    pub import_jobs: Arc<Notify>,
    /// How often strangers' documents were fetched.
    pub fetches: Arc<Limit>,
}

impl Core {
    /// The same for one thread, with up to `connections` of its own: work that stays on its thread wakes no other.
    #[must_use]
    pub fn with_own_connections(&self, connections: u32) -> Self {
        let db = self.db.with_own_connections(connections);
        let group_commit = Arc::new(self.group_commit.to(db.clone()));
        Self { group_commit, writer: self.writer.on(db.clone()), db, ..self.clone() }
    }

    /// Whether the users of a client sign in with two factors.
    #[must_use]
    pub fn second_factor_for(&self, client: &Client) -> SecondFactorPolicy {
        self.second_factor.max(client.metadata.second_factor)
    }

    /// The client of this id: `None` when there is none (any more). What is known of it may be two seconds old.
    pub async fn client(
        &self,
        id: &ClientId,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<KnownClient>>, Failure> {
        self.clients.find(&self.db, id, Asker::Ourselves, now).await
    }

    /// The same for who names it from this address: there may be a document to be fetched.
    ///
    /// # Errors
    /// [`Failure::NotFetched`], [`Failure::TooMany`], [`Failure::Store`].
    pub async fn client_named_from(
        &self,
        address: Option<IpAddr>,
        id: &ClientId,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<KnownClient>>, Failure> {
        self.clients.find(&self.db, id, Asker::Outside(address), now).await
    }

    /// What of a user's factors counts here: passkeys are nothing where no browser would use them.
    pub(crate) fn offered(&self, factors: SecondFactors) -> SecondFactors {
        SecondFactors { passkeys: factors.passkeys && self.relying_party.is_some(), ..factors }
    }

    /// Whether whoever forgot the password gets a link for a new one.
    #[must_use]
    pub fn resets_passwords(&self) -> bool {
        self.mail.is_on() && self.accounts.forgotten_password
    }

    /// How one signs in by mail.
    #[must_use]
    pub fn mailed_sign_in(&self) -> MailedSignIn {
        if self.mail.is_on() { self.accounts.mailed_sign_in } else { MailedSignIn::Off }
    }

    /// Who may make an account at the pages.
    #[must_use]
    pub fn sign_up(&self) -> SignUp {
        if self.mail.is_on() { self.accounts.sign_up } else { SignUp::Off }
    }

    /// The same for somebody whose acts are told with this name.
    #[must_use]
    pub fn acting_for(&self, by: &str) -> Self {
        Self { writer: self.writer.acting_for(by), ..self.clone() }
    }

    /// [`Writer::write`].
    pub async fn write<T>(
        &self,
        now: DateTime<Utc>,
        work: impl AsyncFn(&mut Tx) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.writer.write(now, work).await
    }

    /// [`Writer::tell`].
    pub fn tell(&self, event: Event) {
        self.writer.tell(event);
    }
}
