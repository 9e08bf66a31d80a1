//! The secrets of users' authenticator apps: sealed under a master key, and sealed anew when that changes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::crypto::master_key::CannotOpen;
use crate::crypto::totp::TotpSecret;
use crate::domain::event::Event;
use crate::domain::ids::UserId;
use crate::service::keys::resealing;
use crate::service::keys::ring::Keys;
use crate::service::users::sign_in::entering::ATTEMPT_TTL;
use crate::service::writer::Writer;
use crate::service::{Core, Failure};
use crate::store::sealed_rows::SealedTable;
use crate::store::totp_secrets::{self, SealedTotp};
use crate::store::{StoreError, Tx};

/// A sealed secret opens only as that of its own user.
fn context(user: UserId) -> String {
    format!("heirloom totp {user}")
}

/// The same of one that is offered to a user and counts for nothing yet: where it was offered alone.
fn offer_context(user: UserId, place: &str) -> String {
    format!("heirloom totp offer {user} {place}")
}

pub(crate) fn seal(keys: &Keys, user: UserId, secret: &TotpSecret) -> Vec<u8> {
    keys.master().seal(&context(user), secret.expose())
}

/// Opens a user's, to be written down for another system.
///
/// # Errors
/// [`CannotOpen`].
pub(crate) fn open(keys: &Keys, read: &SealedTotp) -> Result<TotpSecret, CannotOpen> {
    keys.master().open(&context(read.user), &read.sealed).map(TotpSecret::from_bytes)
}

/// A code that is right, as long as nobody used it before.
#[derive(Debug)]
pub(crate) struct RightCode {
    read: SealedTotp,
    step: i64,
}

impl RightCode {
    /// Uses the code up: `false` when it was used before, in whichever request and at whichever replica.
    pub(crate) async fn confirm(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        totp_secrets::take_step(tx, &self.read, self.step).await
    }
}

/// Looks at a code: `None` when it is not right, or the user has no app.
///
/// # Errors
/// [`Failure::Store`]. A secret that does not open is an alarm, and no code is right.
pub(crate) async fn look(
    core: &Core,
    user: UserId,
    typed: &str,
    now: DateTime<Utc>,
) -> Result<Option<RightCode>, Failure> {
    let Some(read) = totp_secrets::find(&core.db, user).await? else { return Ok(None) };
    match open(&core.keys, &read) {
        Ok(secret) => {
            let step = secret.step_of(typed, now);
            Ok(step.map(|step| RightCode { read, step }))
        }
        Err(cause) => {
            tracing::error!(%user, %cause, "cannot open the secret of a user's authenticator app");
            core.tell(Event::FactorUnreadable { user });
            Ok(None)
        }
    }
}

/// A secret that is offered to a user: it goes along with the page's form, sealed, and is kept nowhere else.
#[derive(Debug)]
pub struct Offer {
    pub secret: TotpSecret,
    pub sealed: String,
}

/// Offers a new secret at a place, which is a sign-in session or an attempt to sign in.
#[must_use]
pub fn offer(core: &Core, user: UserId, place: &str, now: DateTime<Utc>) -> Offer {
    let secret = TotpSecret::generate();
    let mut plain = zeroize::Zeroizing::new(now.timestamp().to_be_bytes().to_vec());
    plain.extend_from_slice(secret.expose());
    let sealed = core.keys.master().seal(&offer_context(user, place), &plain);
    Offer { secret, sealed: URL_SAFE_NO_PAD.encode(sealed) }
}

/// Takes an offer back from its form: `None` when it is none of this place, or from too long ago.
#[must_use]
pub fn offered(core: &Core, user: UserId, place: &str, sealed: &str, now: DateTime<Utc>) -> Option<Offer> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let plain = core.keys.master().open(&offer_context(user, place), &bytes).ok()?;
    let (at, secret) = plain.split_first_chunk::<8>()?;
    let is_recent = now.timestamp() < i64::from_be_bytes(*at).checked_add(ATTEMPT_TTL.num_seconds())?;
    let secret = TotpSecret::from_bytes(zeroize::Zeroizing::new(secret.to_vec()));
    is_recent.then(|| Offer { secret, sealed: sealed.to_owned() })
}

/// Seals anew what is sealed under another master key than the active one. Whose secret does not open cannot sign in
/// with it, and everybody else can.
///
/// # Errors
/// [`StoreError`].
pub async fn reseal(keys: &Keys, writer: &Writer, now: DateTime<Utc>) -> Result<(), StoreError> {
    resealing::reseal((keys, writer), SealedTable::TotpSecrets, |user| context(UserId(user)), now).await
}
