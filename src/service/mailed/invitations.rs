//! Invitations that wait for whom they were mailed to, and how an operator takes them back.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::event::Event;
use crate::domain::mailed_token::InvitationPlace;
use crate::domain::secrets::SecretHash;
use crate::domain::user::email_key;
use crate::service::admin::error::AdminError;
use crate::service::admin::views::time;
use crate::service::{Core, Failure};
use crate::store::mailed_tokens::{self, StoredInvitation};

/// An invitation as operators see it: without what it takes to follow it.
#[derive(Debug, Serialize)]
pub struct InvitationView {
    pub address: String,
    pub invited_at: String,
    pub expires_at: String,
    /// Where it stands in the list.
    #[serde(skip)]
    pub place: InvitationPlace,
}

impl From<StoredInvitation> for InvitationView {
    fn from(stored: StoredInvitation) -> Self {
        let StoredInvitation { address, place, expires_at } = stored;
        Self { address, invited_at: time(place.created_at), expires_at: time(expires_at), place }
    }
}

/// Up to `limit` invitations that are still good, oldest first: those after another one, or the first.
///
/// # Errors
/// [`Failure::Store`].
pub async fn list(
    core: &Core,
    after: Option<&InvitationPlace>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<InvitationView>, Failure> {
    let invitations = mailed_tokens::list_invitations(&core.db, after, limit, now).await?;
    Ok(invitations.into_iter().map(InvitationView::from).collect())
}

/// How many are looked at together.
const PART: i64 = 1000;

/// Takes back all invitations that were mailed to an address and are still good; gives how many.
///
/// # Errors
/// [`AdminError::NotInvited`], [`AdminError::Service`].
pub async fn withdraw(core: &Core, address: &str, now: DateTime<Utc>) -> Result<usize, AdminError> {
    let key = email_key(address);
    let (mut after, mut found) = (None, Vec::<SecretHash>::new());
    loop {
        let part = mailed_tokens::list_invitations(&core.db, after.as_ref(), PART, now).await?;
        let to_address = part.iter().filter(|it| email_key(&it.address) == key);
        found.extend(to_address.map(|it| it.place.secret_hash.clone()));
        let Some(last) = part.into_iter().last() else { break };
        after = Some(last.place);
    }
    let withdrawn = core.write(now, async |tx| {
        let mut withdrawn = 0;
        for secret in &found {
            withdrawn += usize::from(mailed_tokens::withdraw(tx, secret, now).await?);
        }
        if withdrawn == 0 {
            return Ok(None);
        }
        tx.record(Event::UserUninvited);
        Ok(Some(withdrawn))
    });
    withdrawn.await?.ok_or_else(|| AdminError::NotInvited(address.to_owned()))
}
