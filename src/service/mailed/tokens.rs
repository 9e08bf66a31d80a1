//! Links that are mailed: made in the transaction that queues their mail, looked at as often as somebody likes, and
//! used once, in the transaction that does what they are for.

use chrono::{DateTime, Utc};

use crate::crypto::password_hash::PasswordHash;
use crate::crypto::random;
use crate::domain::letter::Letter;
use crate::domain::mailed_token::{MailedPurpose, MailedToken};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::secrets::SecretHash;
use crate::service::mail::{self, NewMail, Queued};
use crate::service::{Core, Failure};
use crate::store::users::StoredUser;
use crate::store::{StoreError, Tx, mailed_tokens, users};

/// A link to be mailed.
#[derive(Debug)]
pub(crate) struct NewLink<'a> {
    pub(crate) purpose: MailedPurpose,
    /// `None` where the account is still to be made.
    pub(crate) about: Option<&'a StoredUser>,
    pub(crate) to: &'a str,
    pub(crate) language: &'a str,
    /// The browser that asked, and the sign-in page's query there.
    pub(crate) browser: Option<&'a SecretHash>,
    pub(crate) destination: Option<&'a str>,
}

impl<'a> NewLink<'a> {
    pub(crate) fn new(
        purpose: MailedPurpose,
        about: Option<&'a StoredUser>,
        (to, language): (&'a str, &'a str),
    ) -> Self {
        Self { purpose, about, to, language, browser: None, destination: None }
    }
}

/// Mails a link. Where there are too many mails, there is no link either.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn mail_link(
    core: &Core,
    tx: &mut Tx,
    new: &NewLink<'_>,
    now: DateTime<Utc>,
) -> Result<Queued, StoreError> {
    let (purpose, user) = (new.purpose, new.about.map(|about| about.user.id));
    let secret = OpaqueSecret::from_random(&random::bytes());
    let link = link(core, purpose, &secret);
    let letter = match purpose {
        MailedPurpose::VerifyAddress | MailedPurpose::ChangeAddress => Letter::VerifyAddress { link },
        MailedPurpose::NewPassword => Letter::ForgottenPassword { link },
        MailedPurpose::SignIn => Letter::SignInLink { link },
        MailedPurpose::SignUp => Letter::SignUp { link },
        MailedPurpose::Invitation => Letter::Invitation { link },
    };
    let expires_at = now + purpose.lifetime();
    let mail =
        NewMail { to: new.to, language: Some(new.language), user, letter, good_until: Some(expires_at) };
    let queued = mail::queue(core, tx, &mail, now).await?;
    if queued == Queued::Yes {
        let token = MailedToken {
            secret_hash: secret.hash(),
            purpose,
            user,
            guarded: new.about.map(|about| guarded(purpose, about)),
            address: Some(new.to.to_owned()),
            browser: new.browser.cloned(),
            code_hash: None,
            destination: new.destination.map(ToOwned::to_owned),
            expires_at,
            used_at: None,
        };
        mailed_tokens::insert(tx, &token, now).await?;
    }
    Ok(queued)
}

/// Where a secret is good.
pub(crate) fn link(core: &Core, purpose: MailedPurpose, secret: &OpaqueSecret) -> String {
    format!("{}{}?token={}", core.issuer.as_str(), purpose.path(), secret.expose())
}

/// What a link is worth.
#[derive(Debug)]
pub enum LookedAt<T = (MailedToken, StoredUser)> {
    /// It opens this, of this account if there is one.
    Good(Box<T>),
    /// It was used, and would still be good otherwise: a second click, or another tab.
    Used,
    /// It is unknown, too old, or what it guards has changed.
    NoGood,
}

/// Looks at a link that is good for one of these purposes, and changes nothing: programs that look after mail open
/// links, too.
///
/// # Errors
/// [`Failure::Store`].
pub(crate) async fn look(
    core: &Core,
    secret: Option<&str>,
    purposes: &[MailedPurpose],
    now: DateTime<Utc>,
) -> Result<LookedAt, Failure> {
    let Some(secret) = secret.and_then(OpaqueSecret::presented) else { return Ok(LookedAt::NoGood) };
    let found = mailed_tokens::find(&core.db, &secret.hash()).await?;
    let Some(token) = found.filter(|token| purposes.contains(&token.purpose)) else {
        return Ok(LookedAt::NoGood);
    };
    if token.used_at.is_some() && now < token.expires_at {
        return Ok(LookedAt::Used);
    }
    let stored = match token.user {
        Some(user) if token.is_live(now) => users::find_stored(&core.db, user).await?,
        Some(_) | None => None,
    };
    Ok(match stored {
        Some(stored) if guards(&token, &stored) => LookedAt::Good(Box::new((token, stored))),
        Some(_) | None => LookedAt::NoGood,
    })
}

/// Uses a link up, and takes the lock of its account's row with that: `None` when it is good no more.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn spend(
    tx: &mut Tx,
    token: &MailedToken,
    now: DateTime<Utc>,
) -> Result<Option<StoredUser>, StoreError> {
    let Some(user) = token.user else { return Ok(None) };
    // The account's row first, as always.
    let Some(stored) = users::lock_stored(tx, user, now).await? else { return Ok(None) };
    if !guards(token, &stored) || !mailed_tokens::spend(tx, &token.secret_hash, now).await? {
        return Ok(None);
    }
    Ok(Some(stored))
}

/// What a purpose guards of an account, as it is.
pub(crate) fn guarded(purpose: MailedPurpose, stored: &StoredUser) -> SecretHash {
    purpose.guarded(&stored.user, PasswordHash::text_of_account(stored.password_hash.as_ref()))
}

/// Whether what it guards is as it was.
fn guards(token: &MailedToken, stored: &StoredUser) -> bool {
    let now = guarded(token.purpose, stored);
    stored.user.disabled_at.is_none() && token.guarded.as_ref().is_some_and(|then| then.matches(&now))
}
