//! A new password in the place of a forgotten one, by a link that was mailed to the account's verified address. Nobody
//! is signed in by that: whoever set it signs in with it, and with whatever else the account asks for.

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, UserChange};
use crate::domain::mailed_token::{MailedPurpose, MailedToken};
use crate::domain::refusal::EndReason;
use crate::domain::secrets::Password;
use crate::service::logout::ending_many;
use crate::service::mailed::tokens::{self, LookedAt};
use crate::service::{Core, Failure};
use crate::store::ending_logins::Which;
use crate::store::users::{self, StoredUser};

/// Whose password a link sets.
///
/// # Errors
/// [`Failure::Store`].
pub async fn look(core: &Core, secret: Option<&str>, now: DateTime<Utc>) -> Result<LookedAt, Failure> {
    tokens::look(core, secret, &[MailedPurpose::NewPassword], now).await
}

/// Sets it, and ends all logins and sign-ins in the same transaction: somebody else may have known the old one. `false`
/// when the link is good no more.
///
/// # Errors
/// [`Failure::UnfitPassword`], which leaves the link as it is; [`Failure::Busy`], [`Failure::Store`].
pub async fn set(
    core: &Core,
    (token, stored): (&MailedToken, &StoredUser),
    new: &Password,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let new = core.password_rules.accept(new, &stored.user)?;
    // Hashing takes long: it must not happen while the row is locked.
    let hash = core.passwords.hash(new).await?;
    let set = core.write(now, async |tx| {
        let Some(stored) = tokens::spend(tx, token, now).await? else { return Ok(None) };
        let user = stored.user.id;
        users::set_password(tx, user, &hash).await?;
        tx.record(Event::UserChanged { user, change: UserChange::PasswordReset });
        ending_many::begin(tx, user, Which::All, EndReason::PasswordChanged, now).await.map(Some)
    });
    let Some(ending) = set.await? else { return Ok(false) };
    ending_many::finish(core, ending, now).await;
    Ok(true)
}
