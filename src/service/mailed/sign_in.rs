//! Signing in by mail: with a link, on whichever device it is opened, or with the six digits beside it, in
//! the browser that asked. It is one factor, as the password is, and whoever has a second one shows it afterwards.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::account_rules::MailedSignIn;
use crate::domain::authentication::{Authentication, AuthenticationMethod};
use crate::domain::event::{Event, TriedAccount};
use crate::domain::ids::UserId;
use crate::domain::letter::Letter;
use crate::domain::mailed_token::{MailRequest, MailedPurpose, MailedToken, code_hash};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::Refusal;
use crate::domain::secrets::SecretHash;
use crate::service::mail::{self, NewMail, Queued};
use crate::service::mailed::tokens::{self, LookedAt, NewLink};
use crate::service::users::attempts::{Attempted, Owner};
use crate::service::users::credentials;
use crate::service::users::sign_in::entering::{Door, Entered, enter};
use crate::service::{Core, Failure};
use crate::store::users::StoredUser;
use crate::store::{StoreError, Tx, mailed_tokens, users};

/// How often a code may be tried: of a million, that is few.
const MOST_TRIES: i64 = 5;

/// Mails what was asked for. Where nobody is meant, a code that nobody knows stands in its place: trying codes tells
/// nothing of whether there is an account.
pub(super) async fn carry_out(
    core: &Core,
    tx: &mut Tx,
    request: &MailRequest,
    known: Option<(&StoredUser, &str)>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    match (core.mailed_sign_in(), &request.browser) {
        (MailedSignIn::Link, browser) => {
            let Some((known, address)) = known else { return Ok(()) };
            let new = NewLink::new(request.purpose, Some(known), (address, &request.language));
            let destination = request.destination.as_deref();
            let new = NewLink { browser: browser.as_ref(), destination, ..new };
            tokens::mail_link(core, tx, &new, now).await.map(drop)
        }
        (MailedSignIn::Code, Some(browser)) => mail_code(core, tx, (request, browser), known, now).await,
        (MailedSignIn::Code, None) | (MailedSignIn::Off, _) => Ok(()),
    }
}

async fn mail_code(
    core: &Core,
    tx: &mut Tx,
    (request, browser): (&MailRequest, &SecretHash),
    known: Option<(&StoredUser, &str)>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let purpose = MailedPurpose::SignIn;
    let expires_at = now + purpose.lifetime();
    let digits = format!("{:06}", u64::from_be_bytes(random::bytes()) % 1_000_000);
    let hash = code_hash(browser, &digits);
    let secret = OpaqueSecret::from_random(&random::bytes());
    let mut about = None;
    if let Some((known, to)) = known {
        let mail = NewMail {
            to,
            language: Some(&request.language),
            user: Some(known.user.id),
            letter: Letter::SignInCode { code: digits, link: tokens::link(core, purpose, &secret) },
            good_until: Some(expires_at),
        };
        if mail::queue(core, tx, &mail, now).await? == Queued::Yes {
            about = Some(known);
        }
    }
    let token = MailedToken {
        secret_hash: secret.hash(),
        purpose,
        user: about.map(|known| known.user.id),
        guarded: about.map(|known| tokens::guarded(purpose, known)),
        address: about.and_then(|known| known.user.email.clone()),
        browser: Some(browser.clone()),
        code_hash: Some(hash),
        destination: None,
        expires_at,
        used_at: None,
    };
    mailed_tokens::insert(tx, &token, now).await
}

/// Whom a link lets in.
///
/// # Errors
/// [`Failure::Store`].
pub async fn look(core: &Core, secret: Option<&str>, now: DateTime<Utc>) -> Result<LookedAt, Failure> {
    tokens::look(core, secret, &[MailedPurpose::SignIn], now).await
}

/// Lets somebody in by a link; `None` when it is good no more.
///
/// # Errors
/// [`Failure::Store`].
pub async fn by_link(
    core: &Core,
    token: &MailedToken,
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Entered>, Failure> {
    let Some(user) = token.user else { return Ok(None) };
    let shown = Authentication::by(user, now, vec![AuthenticationMethod::OneTimePassword]);
    enter(core, &shown, door, now, async |tx| confirm(tx, (token, user), now).await).await
}

async fn confirm(
    tx: &mut Tx,
    (token, user): (&MailedToken, UserId),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    // The account's row first, as always; and its owner has signed in.
    let is_there = users::lock_for_login(tx, user, now).await?.is_some();
    Ok(is_there && tokens::spend(tx, token, now).await?.is_some())
}

/// Lets somebody in by the code that was mailed for this browser. A wrong one counts as a wrong password does.
///
/// # Errors
/// [`Refusal::BadCredentials`], whether there is an account or not; [`Failure::TooManyAttempts`], [`Failure::Busy`],
/// [`Failure::Store`].
pub async fn by_code(
    core: &Core,
    (browser, typed): (&SecretHash, &str),
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Entered, Failure> {
    let address = door.agent.address.as_deref().and_then(|address| address.parse().ok());
    let attempted = Attempted { name: None, address, owner: Owner::Unknown };
    let attempt = credentials::begin_attempt(core, attempted, door.agent, now).await?;
    let token = mailed_tokens::try_code(&core.db, browser, MOST_TRIES, now).await?;
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let is_right = token.as_ref().is_some_and(|token| {
        token.code_hash.as_ref().is_some_and(|hash| hash.matches(&code_hash(browser, &digits)))
    });
    if let Some(token) = token.as_ref().filter(|_| is_right)
        && let Some(entered) = by_link(core, token, door, now).await?
    {
        return Ok(entered);
    }
    attempt.was_wrong();
    let user = token.and_then(|token| token.user);
    let account = user.map_or(TriedAccount::Nobody, TriedAccount::Known);
    core.tell(Event::SignInRefused { account, from: door.agent.into() });
    Err(Refusal::BadCredentials.into())
}
