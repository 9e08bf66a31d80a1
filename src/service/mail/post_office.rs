//! What mail is written and sent with, and how it is queued.

use std::sync::Arc;

use aws_lc_rs::digest;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::crypto::master_key::MasterKeys;
use crate::crypto::random;
use crate::domain::event::MailLimit;
use crate::domain::ids::{UserId, uuid_v7};
use crate::domain::letter::Letter;
use crate::outbound::mail::MailWay;
use crate::service::mail::letters::Letters;
use crate::store::mails::{self, MailBound, StoredMail};
use crate::store::{StoreError, Tx};

/// What mail is written and sent with.
#[derive(Debug)]
pub struct PostOffice {
    /// What letters are sealed with.
    pub(crate) master: Arc<MasterKeys>,
    pub(crate) letters: Letters,
    /// `None` where mail is off.
    pub(crate) way: Option<MailWay>,
    pub(crate) limits: MailLimits,
    /// Whether owners are told of what happens to their accounts.
    pub(crate) tells_owners: bool,
}

/// How many mails there may be in a while, whichever replicas they are asked of.
#[derive(Debug, Clone, Copy)]
pub struct MailLimits {
    /// To one address.
    pub of_address: u32,
    /// About one account.
    pub of_account: u32,
    pub window: TimeDelta,
}

/// A mail that somebody wants.
#[derive(Debug)]
pub struct NewMail<'a> {
    pub to: &'a str,
    /// The reader's language, as browsers and accounts name it (RFC 5646): of those that there are, the nearest.
    pub language: Option<&'a str>,
    /// Whose account it is about, if anybody's.
    pub user: Option<UserId>,
    pub letter: Letter,
    /// From then on nobody wants it: its link is good no more.
    pub good_until: Option<DateTime<Utc>>,
}

/// What became of a wish for a mail. Whoever asked is answered the same in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    Yes,
    /// There were too many: an event tells of it.
    OverLimit,
    /// Mail is off.
    Off,
}

impl PostOffice {
    /// Whether there is anywhere to send mail to.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.way.is_some()
    }

    /// Queues a mail in the transaction that wants it, or gives what there were too many of.
    pub(super) async fn queue(
        &self,
        tx: &mut Tx,
        new: &NewMail<'_>,
        now: DateTime<Utc>,
    ) -> Result<Result<(), MailLimit>, StoreError> {
        let counted = self.count(tx, new, now).await?;
        if counted.is_ok() {
            self.insert(tx, new, now).await?;
        }
        Ok(counted)
    }

    /// Counts a mail, unless there are too many.
    async fn count(
        &self,
        tx: &mut Tx,
        new: &NewMail<'_>,
        now: DateTime<Utc>,
    ) -> Result<Result<(), MailLimit>, StoreError> {
        let MailLimits { of_address, of_account, window } = self.limits;
        let bound = |most: u32| MailBound { most: most.into(), window_begins: now - window };
        // Those that have an account and those that have none are counted in one order: nobody waits in a circle.
        let address = whose(&new.letter, "address", &new.to.to_lowercase());
        if !mails::count_one(tx, &address, bound(of_address), now).await? {
            return Ok(Err(MailLimit::Address));
        }
        let Some(user) = new.user else { return Ok(Ok(())) };
        let account = whose(&new.letter, "account", &user.to_string());
        let is_counted = mails::count_one(tx, &account, bound(of_account), now).await?;
        Ok(if is_counted { Ok(()) } else { Err(MailLimit::Account) })
    }

    async fn insert(&self, tx: &mut Tx, new: &NewMail<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let id = uuid_v7(now, random::bytes());
        let letter = serde_json::to_vec(&new.letter)
            .unwrap_or_else(|error| unreachable!("a letter of texts is JSON: {error}"));
        let stored = StoredMail {
            id,
            kind: new.letter.kind().to_owned(),
            user: new.user,
            recipient: new.to.to_owned(),
            language: self.letters.nearest(new.language).to_owned(),
            sealed: self.master.seal(&context(id), &letter),
            created_at: now,
            good_until: new.good_until,
            attempts: 0,
        };
        mails::insert(tx, &stored).await
    }
}

/// A sealed letter opens only as that of its own mail.
pub(super) fn context(id: Uuid) -> String {
    format!("heirloom mail {id}")
}

/// What mails are counted by. What somebody asks for does not use up what an owner is told.
fn whose(letter: &Letter, what: &str, which: &str) -> Vec<u8> {
    let sort = if letter.is_notice() { "told" } else { "asked" };
    digest::digest(&digest::SHA256, format!("{sort} {what} {which}").as_bytes()).as_ref().to_vec()
}
