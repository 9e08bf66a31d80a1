//! Making an account, by whoever shows an address first. As long as the mail was not answered there is no account, and
//! nobody learns who has one.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::account_rules::SignUp;
use crate::domain::event::{Event, UserChange};
use crate::domain::ids::UserId;
use crate::domain::letter::Letter;
use crate::domain::mailed_token::{MailRequest, MailedPurpose, MailedToken};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{User, Username, check_email, email_key};
use crate::service::admin::error::AdminError;
use crate::service::mail::{self, NewMail, Queued};
use crate::service::mailed::tokens::{self, LookedAt, NewLink};
use crate::service::{Core, Failure};
use crate::store::users::{self, StoredUser};
use crate::store::{StoreError, Tx, mailed_tokens};

/// Mails a link for an account to be made, or tells whoever has one already.
pub(super) async fn carry_out(
    core: &Core,
    tx: &mut Tx,
    request: &MailRequest,
    owner: Option<&StoredUser>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (to, language) = (request.typed.as_str(), request.language.as_str());
    if !core.accounts.may_sign_up(to) || check_email(to).is_err() {
        return Ok(());
    }
    if let Some(owner) = owner {
        let letter = Letter::AddressTaken { link: format!("{}/account", core.issuer.as_str()) };
        let user = Some(owner.user.id);
        let mail = NewMail { to, language: Some(language), user, letter, good_until: None };
        return mail::queue(core, tx, &mail, now).await.map(drop);
    }
    let new = NewLink::new(MailedPurpose::SignUp, None, (to, language));
    let destination = request.destination.as_deref();
    let new = NewLink { browser: request.browser.as_ref(), destination, ..new };
    tokens::mail_link(core, tx, &new, now).await.map(drop)
}

/// Mails an invitation, in an operator's name.
///
/// # Errors
/// [`AdminError`]: sign-up or mail is off, the address is none or taken, or it got too many mails.
pub async fn invite(core: &Core, to: &str, language: &str, now: DateTime<Utc>) -> Result<(), AdminError> {
    check_email(to)?;
    if core.sign_up() == SignUp::Off {
        return Err(AdminError::NoSignUp);
    }
    if users::find_stored_by_email(&core.db, &email_key(to)).await?.is_some() {
        return Err(AdminError::EmailTaken(to.to_owned()));
    }
    let queued = core.write(now, async |tx| {
        let new = NewLink::new(MailedPurpose::Invitation, None, (to, language));
        let queued = tokens::mail_link(core, tx, &new, now).await?;
        tx.record(Event::UserInvited);
        Ok((queued == Queued::Yes).then_some(()))
    });
    queued.await?.ok_or(AdminError::TooManyMails)
}

/// Looks at a link for an account to be made.
///
/// # Errors
/// [`Failure::Store`].
pub async fn look(
    core: &Core,
    secret: Option<&str>,
    now: DateTime<Utc>,
) -> Result<LookedAt<MailedToken>, Failure> {
    let Some(secret) = secret.and_then(OpaqueSecret::presented) else { return Ok(LookedAt::NoGood) };
    let token = mailed_tokens::find(&core.db, &secret.hash()).await?;
    let is_for = |token: &MailedToken| match token.purpose {
        MailedPurpose::SignUp | MailedPurpose::Invitation => true,
        MailedPurpose::VerifyAddress
        | MailedPurpose::ChangeAddress
        | MailedPurpose::NewPassword
        | MailedPurpose::SignIn => false,
    };
    let Some(token) = token.filter(is_for) else { return Ok(LookedAt::NoGood) };
    if token.used_at.is_some() && now < token.expires_at {
        return Ok(LookedAt::Used);
    }
    let key = token.address.as_deref().map(email_key).unwrap_or_default();
    let is_taken = users::find_stored_by_email(&core.db, &key).await?.is_some();
    Ok(if token.is_live(now) && !is_taken { LookedAt::Good(Box::new(token)) } else { LookedAt::NoGood })
}

/// Who somebody wants to be.
#[derive(Debug)]
pub struct NewAccount {
    pub username: Username,
    pub password: Password,
}

/// What became of a sign-up.
#[derive(Debug)]
pub enum SignedUp {
    /// There is an account now.
    Done,
    NameTaken,
    /// The name may not be given out.
    UnfitName,
    /// The link is good no more.
    NoGood,
}

/// Makes the account, with the address verified. Nobody is signed in by that.
///
/// # Errors
/// [`Failure::UnfitPassword`], which leaves the link as it is; [`Failure::Busy`], [`Failure::Store`].
pub async fn finish(
    core: &Core,
    (token, new): (&MailedToken, NewAccount),
    now: DateTime<Utc>,
) -> Result<SignedUp, Failure> {
    let Some(address) = token.address.as_deref() else { return Ok(SignedUp::NoGood) };
    // Nobody is called as somebody else's address is.
    let is_others_address =
        new.username.as_str().contains('@') && new.username.as_email_key() != Some(email_key(address));
    if new.username.check_new().is_err() || is_others_address {
        return Ok(SignedUp::UnfitName);
    }
    let user = User {
        id: UserId::new(now, random::bytes()),
        username: new.username,
        email: Some(address.to_owned()),
        email_verified: true,
        claims: StandardClaims { updated_at: Some(now.timestamp()), ..StandardClaims::default() },
        roles: Vec::new(),
        created_at: now,
        last_login_at: None,
        disabled_at: None,
    };
    let password = core.password_rules.accept(&new.password, &user)?;
    let hash = core.passwords.hash(password).await?;
    let made = core.write(now, async |tx| {
        users::insert(tx, &user, Some(&hash)).await?;
        if !mailed_tokens::spend(tx, &token.secret_hash, now).await? {
            return Ok(None);
        }
        tx.record(Event::UserChanged { user: user.id, change: UserChange::SignedUp });
        Ok(Some(()))
    });
    match made.await {
        Ok(Some(())) => Ok(SignedUp::Done),
        Ok(None) => Ok(SignedUp::NoGood),
        Err(StoreError::Exists) => {
            let named = users::find_by_name(&core.db, &user.username).await?;
            Ok(if named.is_some() { SignedUp::NameTaken } else { SignedUp::NoGood })
        }
        Err(error) => Err(error.into()),
    }
}
