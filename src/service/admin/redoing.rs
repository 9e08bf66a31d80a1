//! One thing that a restore lost, done again by the use case that did it at first, unless it is so already.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::event::{Event, LostAct, Whence};
use crate::domain::family::{Place, State};
use crate::domain::ids::{ClientId, FamilyId, PasskeyId, SignInSessionId, UserId, WebhookId};
use crate::domain::lifetimes::LONGEST_ACCESS_TTL;
use crate::domain::passkey::PasskeyChange;
use crate::domain::refusal::EndReason;
use crate::service::Core;
use crate::service::admin::error::AdminError;
use crate::service::admin::moving::import::Effect;
use crate::service::admin::{clients, consents, keys, registration_tokens, webhooks};
use crate::service::keys::key_set::Phase;
use crate::service::logout::{ending, ending_many};
use crate::store::{self, StoreError, families, passkeys, revoked_tokens, sign_in_sessions, users};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redone {
    /// It is done, or would be.
    Done,
    /// It is so, or what it was done to is not there: its login began after the backup, say.
    Already,
    /// It cannot be done here, and why.
    ByHand(&'static str),
}

/// More than anybody has of what is looked through one by one.
const MANY: u32 = 10_000;

const STILL_ACTIVE: &str =
    "it is the active one: put another in front of it, then heirloom keys drop-master ID";

/// Does things again, or only tells whether there is anything to do.
pub(super) struct Redoing<'a> {
    pub(super) core: &'a Core,
    pub(super) effect: Effect,
    /// How many families of a client end in one transaction.
    pub(super) batch: i64,
    pub(super) now: DateTime<Utc>,
}

impl Redoing<'_> {
    /// Does what is for good.
    pub(super) async fn act(&self, act: &LostAct, at: DateTime<Utc>) -> Result<Redone, AdminError> {
        match act {
            LostAct::EndFamily(family, reason) => self.end_family(*family, *reason).await,
            LostAct::EndSignIn(user, session) => self.end_sign_in(*user, *session).await,
            LostAct::RevokeToken { client, family, jti } => {
                self.revoke_token((client, *family, jti), at).await
            }
            LostAct::WithdrawConsent(user, client) => self.withdraw(*user, client, at).await,
            LostAct::RemovePasskey(user, passkey) => self.remove_passkey(*user, *passkey).await,
            LostAct::RemoveClient(client) => self.remove_client(client).await,
            LostAct::ForgetConsents(client) => self.forget_consents(client, at).await,
            LostAct::DropMasterKey(key) => self.drop_master_key(key).await,
            LostAct::RemoveRegistrationToken(token) => self.remove_registration_token(*token).await,
            LostAct::RemoveWebhook(webhook) => self.remove_webhook(*webhook).await,
        }
    }

    fn only_tells(&self) -> bool {
        self.effect == Effect::Tell
    }

    async fn end_family(&self, id: FamilyId, reason: EndReason) -> Result<Redone, AdminError> {
        let Some(family) = families::find(&self.core.db, id).await? else { return Ok(Redone::Already) };
        if family.state != State::Live || family.expires_at <= self.now {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        let ended = self.core.write(self.now, async |tx| {
            users::touch(tx, family.user(), self.now).await?;
            families::end(tx, id, reason, self.now).await
        });
        Ok(done_if(ended.await?.is_some()))
    }

    async fn end_sign_in(&self, user: UserId, id: SignInSessionId) -> Result<Redone, AdminError> {
        let there = sign_in_sessions::of_user(&self.core.db, user, MANY).await?;
        if !there.iter().any(|session| session.id == id) || self.only_tells() {
            return Ok(done_if(there.iter().any(|session| session.id == id)));
        }
        let ended = self.core.write(self.now, async |tx| {
            users::touch(tx, user, self.now).await?;
            ending::end_sign_in(tx, user, id, self.now).await.map(Some)
        });
        ended.await?;
        Ok(Redone::Done)
    }

    /// For as long as the token may last.
    async fn revoke_token(
        &self,
        (client, family, jti): (&ClientId, Option<FamilyId>, &str),
        at: DateTime<Utc>,
    ) -> Result<Redone, AdminError> {
        let longest = TimeDelta::from_std(LONGEST_ACCESS_TTL).unwrap_or(TimeDelta::days(1));
        let expires_at = at + longest;
        if expires_at <= self.now || revoked_tokens::contains(&self.core.db, jti).await? {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        let revoked = self.core.write(self.now, async |tx| {
            if !revoked_tokens::insert(tx, jti, expires_at).await? {
                return Ok(None);
            }
            tx.record(Event::TokenRevoked { client: client.clone(), family, jti: jti.to_owned() });
            Ok(Some(()))
        });
        Ok(done_if(revoked.await?.is_some()))
    }

    /// One that was given again since goes on.
    async fn withdraw(
        &self,
        user: UserId,
        client: &ClientId,
        at: DateTime<Utc>,
    ) -> Result<Redone, AdminError> {
        let given = store::consents::of_user(&self.core.db, user, None, MANY).await?;
        if !given.iter().any(|given| given.client == *client && given.at < at) {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        match consents::withdraw(self.core, user, client, self.now).await {
            Ok(()) => Ok(Redone::Done),
            Err(AdminError::NoConsent(_)) => Ok(Redone::Already),
            Err(error) => Err(error),
        }
    }

    /// Whoever has no other way in had one that is lost: a link in a mail, or an operator, helps.
    async fn remove_passkey(&self, user: UserId, id: PasskeyId) -> Result<Redone, AdminError> {
        let there = passkeys::of_user(&self.core.db, user).await?;
        if !there.iter().any(|passkey| passkey.id == id) {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        let removed = self.core.write(self.now, async |tx| {
            users::touch(tx, user, self.now).await?;
            if !passkeys::delete(tx, user, id).await? {
                return Ok(None);
            }
            let (change, from) = (PasskeyChange::Removed, Whence::default());
            tx.record(Event::PasskeyChanged { user, passkey: id, change, from });
            Ok(Some(()))
        });
        Ok(done_if(removed.await?.is_some()))
    }

    async fn remove_client(&self, id: &ClientId) -> Result<Redone, AdminError> {
        if store::clients::find(&self.core.db, id, self.now).await?.is_none() {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        match clients::remove(self.core, id, self.batch, self.now).await {
            Ok(_) => Ok(Redone::Done),
            Err(AdminError::NoClient(_) | AdminError::ClientRemoved(_)) => Ok(Redone::Already),
            Err(error) => Err(error),
        }
    }

    /// Those that were given since go on.
    async fn forget_consents(&self, id: &ClientId, at: DateTime<Utc>) -> Result<Redone, AdminError> {
        let Some(client) = store::clients::find(&self.core.db, id, self.now).await? else {
            return Ok(Redone::Already);
        };
        if !store::consents::is_any_before(&self.core.db, &client, at).await? {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        let forgotten =
            self.core.write(self.now, async |tx| clients::forget_consents(tx, id).await.map(Some));
        forgotten.await?;
        Ok(Redone::Done)
    }

    async fn drop_master_key(&self, id: &str) -> Result<Redone, AdminError> {
        let keys = &self.core.keys;
        if !keys.with_mac_keys(|kept| kept.map(|key| key.id().to_string()).any(|kept| kept == id)) {
            return Ok(Redone::Already);
        }
        if keys.master_key_ids().next().is_some_and(|active| active == id) {
            return Ok(Redone::ByHand(STILL_ACTIVE));
        }
        if !self.only_tells() {
            keys::drop_master(self.core, id, self.now).await?;
        }
        Ok(Redone::Done)
    }

    /// What leaked signs again: all keys that were there before are withdrawn.
    pub(super) async fn replace_keys(&self, before: DateTime<Utc>) -> Result<Redone, AdminError> {
        let is_any_left = self.core.keys.with_signing_keys(|keys| {
            let is_in_use = |phase| matches!(phase, Phase::Next | Phase::Signing | Phase::Retiring);
            keys.phases(self.now).any(|(key, phase)| is_in_use(phase) && key.stored.created_at < before)
        });
        if is_any_left && !self.only_tells() {
            keys::replace(self.core, None, self.now).await?;
        }
        Ok(done_if(is_any_left))
    }

    async fn remove_registration_token(&self, id: Uuid) -> Result<Redone, AdminError> {
        // The list goes on after an id: the first after the one before is this one, if it is good for anything.
        let before = Uuid::from_u128(id.as_u128().saturating_sub(1));
        let next = store::registration_tokens::list(&self.core.db, before, 1, self.now).await?;
        if !next.iter().any(|token| token.id == id) {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        match registration_tokens::remove(self.core, id, self.now).await {
            Ok(()) => Ok(Redone::Done),
            Err(AdminError::NoRegistrationToken(_)) => Ok(Redone::Already),
            Err(error) => Err(error),
        }
    }

    async fn remove_webhook(&self, id: WebhookId) -> Result<Redone, AdminError> {
        if store::webhooks::find(&self.core.db, id).await?.is_none() {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        match webhooks::remove(self.core, id, self.now).await {
            Ok(()) => Ok(Redone::Done),
            Err(AdminError::NoWebhook(_)) => Ok(Redone::Already),
            Err(error) => Err(error),
        }
    }

    /// Ends what a user began before.
    pub(super) async fn end_logins(
        &self,
        user: UserId,
        before: DateTime<Utc>,
        reason: EndReason,
    ) -> Result<Redone, AdminError> {
        if !self.is_any_login(user, before).await? {
            return Ok(Redone::Already);
        }
        if self.only_tells() {
            return Ok(Redone::Done);
        }
        let ending = self.core.write(self.now, async |tx| {
            users::touch(tx, user, self.now).await?;
            ending_many::begin_before(tx, user, before, reason, self.now).await.map(Some)
        });
        if let Some(ending) = ending.await? {
            ending_many::finish(self.core, ending, self.now).await;
        }
        Ok(Redone::Done)
    }

    async fn is_any_login(&self, user: UserId, before: DateTime<Utc>) -> Result<bool, StoreError> {
        let db = &self.core.db;
        let sign_ins = sign_in_sessions::of_user(db, user, MANY).await?;
        if sign_ins.iter().any(|session| session.created_at <= before) {
            return Ok(true);
        }
        let after = Place { created_at: before, id: Place::OLDEST.id };
        let live = families::live_of_user(db, user, after, MANY).await?;
        Ok(live.iter().any(|family| self.now < family.expires_at))
    }
}

fn done_if(done: bool) -> Redone {
    if done { Redone::Done } else { Redone::Already }
}
