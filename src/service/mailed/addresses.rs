//! The address of an account: proven by whoever reads its mail, and changed by its owner.

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, UserChange};
use crate::domain::letter::Letter;
use crate::domain::mailed_token::{MailedPurpose, MailedToken};
use crate::domain::sign_in::SignInSession;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{User, check_email, email_key};
use crate::service::mail::{self, NewMail, Queued};
use crate::service::mailed::tokens::{self, LookedAt, NewLink};
use crate::service::{Core, Failure};
use crate::store::{StoreError, users};

/// What became of an owner's wish for a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofAsked {
    /// It is on its way.
    Mailed,
    /// There were too many.
    TooMany,
    /// There is nothing to prove.
    Nothing,
    /// It cannot be an address.
    Unfit,
}

/// Mails a link to the address that the account has.
///
/// # Errors
/// [`Failure::Store`].
pub async fn ask_for_proof(
    core: &Core,
    session: &SignInSession,
    language: &str,
    now: DateTime<Utc>,
) -> Result<ProofAsked, Failure> {
    let queued = core.write(now, async |tx| {
        let Some(stored) = users::lock_stored(tx, session.user(), now).await? else { return Ok(None) };
        let Some(address) = stored.user.email.clone().filter(|_| !stored.user.email_verified) else {
            return Ok(None);
        };
        let link = NewLink::new(MailedPurpose::VerifyAddress, Some(&stored), (&address, language));
        tokens::mail_link(core, tx, &link, now).await.map(Some)
    });
    Ok(queued.await?.map_or(ProofAsked::Nothing, asked))
}

/// Mails a link to the address that the account is to have: it has it once that is used.
///
/// # Errors
/// [`Failure::Store`].
pub async fn ask_for_change(
    core: &Core,
    (session, typed): (&SignInSession, &str),
    language: &str,
    now: DateTime<Utc>,
) -> Result<ProofAsked, Failure> {
    let address = typed.trim();
    if check_email(address).is_err() {
        return Ok(ProofAsked::Unfit);
    }
    let queued = core.write(now, async |tx| {
        let Some(stored) = users::lock_stored(tx, session.user(), now).await? else { return Ok(None) };
        if stored.user.verified_email_key() == Some(email_key(address)) {
            return Ok(None);
        }
        let link = NewLink::new(MailedPurpose::ChangeAddress, Some(&stored), (address, language));
        tokens::mail_link(core, tx, &link, now).await.map(Some)
    });
    Ok(queued.await?.map_or(ProofAsked::Nothing, asked))
}

fn asked(queued: Queued) -> ProofAsked {
    match queued {
        Queued::Yes => ProofAsked::Mailed,
        Queued::OverLimit | Queued::Off => ProofAsked::TooMany,
    }
}

/// What a link proves.
///
/// # Errors
/// [`Failure::Store`].
pub async fn look(core: &Core, secret: Option<&str>, now: DateTime<Utc>) -> Result<LookedAt, Failure> {
    tokens::look(core, secret, &[MailedPurpose::VerifyAddress, MailedPurpose::ChangeAddress], now).await
}

/// Takes the proof: the account has the address from now on, and nobody else can have it. Gives the user as it was
/// before; `None` when the link is good no more, or the address is another account's by now.
///
/// # Errors
/// [`Failure::Store`].
pub async fn prove(
    core: &Core,
    token: &MailedToken,
    language: &str,
    now: DateTime<Utc>,
) -> Result<Option<User>, Failure> {
    let Some(address) = token.address.as_deref() else { return Ok(None) };
    let proven = core.write(now, async |tx| {
        let Some(stored) = tokens::spend(tx, token, now).await? else { return Ok(None) };
        let user = stored.user;
        let claims = StandardClaims { updated_at: Some(now.timestamp()), ..user.claims.clone() };
        users::set_details(tx, user.id, (Some(address), true), &claims).await?;
        let former = user.email.as_deref().filter(|former| email_key(former) != email_key(address));
        let change = if former.is_some() { UserChange::EmailChanged } else { UserChange::EmailVerified };
        tx.record(Event::UserChanged { user: user.id, change });
        if let Some(former) = former {
            let (language, letter) = (Some(language), Letter::AddressChanged);
            let mail = NewMail { to: former, language, user: Some(user.id), letter, good_until: None };
            mail::queue(core, tx, &mail, now).await?;
        }
        Ok(Some(user))
    });
    match proven.await {
        Err(StoreError::Exists) => Ok(None),
        proven => Ok(proven?),
    }
}
