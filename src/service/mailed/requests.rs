//! Wishes for a mail by people who are not signed in. Whoever asks has one row written, and is answered: whether there
//! is such an account is looked at afterwards, by whichever replica has time. So the answer says nothing of it, and the
//! time that it takes does not either.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::crypto::random;
use crate::domain::event::{Event, TriedAccount, Whence};
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::uuid_v7;
use crate::domain::mailed_token::{MailRequest, MailedPurpose};
use crate::domain::user::{Username, email_key};
use crate::service::mailed::tokens::{self, NewLink};
use crate::service::mailed::{sign_in, sign_up};
use crate::service::{Core, Failure};
use crate::store::users::{self, StoredUser};
use crate::store::{StoreError, Tx, mail_requests};

/// After this nobody waits for the mail any more.
const LATEST: TimeDelta = TimeDelta::minutes(30);

/// Notes a wish.
///
/// # Errors
/// [`Failure::Store`].
pub async fn ask(core: &Core, request: &MailRequest, now: DateTime<Utc>) -> Result<(), Failure> {
    let id = uuid_v7(now, random::bytes());
    core.write(now, async |tx| mail_requests::insert(tx, id, request).await.map(Some)).await?;
    core.mail_requests.notify_one();
    Ok(())
}

/// Sees to the first wish; `false` when there is none.
///
/// # Errors
/// [`Failure::Store`]; it is seen to another time.
pub async fn see_to_first(core: &Arc<Core>, now: DateTime<Utc>) -> Result<bool, Failure> {
    let Some((id, request)) = mail_requests::first(&core.db).await? else { return Ok(false) };
    let wanted = request.filter(|request| now < request.requested_at + LATEST);
    let known = match &wanted {
        Some(request) => meant(core, request).await?,
        None => None,
    };
    let told = wanted.as_ref().map(|request| event(core, request, known.as_ref()));
    let job = Arc::new((id, wanted, known));
    let (carrier, now_or_later) = (Arc::clone(core), now);
    let seen = core.writer.write_sending(now, move |tx| {
        let (core, job) = (Arc::clone(&carrier), Arc::clone(&job));
        Box::pin(async move {
            let (id, wanted, known): &(Uuid, Option<MailRequest>, Option<StoredUser>) = &job;
            if !mail_requests::take(tx, *id).await? {
                return Ok(None);
            }
            if let Some(request) = wanted {
                carry_out(&core, tx, request, known.as_ref(), now_or_later).await?;
            }
            Ok(Some(()))
        })
    });
    if let (Some(()), Some(told)) = (seen.await?, told) {
        // Anybody can cause it in any number: it is counted.
        core.tell(told);
    }
    Ok(true)
}

/// The account that is meant: by its verified address, or else by its name. A name never stands before an address here:
/// else whoever is called so would get in the way of its owner's mail.
async fn meant(core: &Core, request: &MailRequest) -> Result<Option<StoredUser>, StoreError> {
    let Ok(name) = Username::typed(&request.typed) else { return Ok(None) };
    let by_address = users::find_stored_by_email(&core.db, &email_key(&request.typed)).await?;
    match by_address {
        None if request.purpose != MailedPurpose::SignUp => users::find_stored_by_name(&core.db, &name).await,
        by_address => Ok(by_address),
    }
}

fn event(core: &Core, request: &MailRequest, known: Option<&StoredUser>) -> Event {
    let account = match (known, Username::typed(&request.typed)) {
        (Some(known), _) => TriedAccount::Known(known.user.id),
        (None, Ok(name)) => TriedAccount::Unknown(core.subjects.hash_of_name(&name)),
        (None, Err(_)) => TriedAccount::Nobody,
    };
    let agent = UserAgentInfo {
        name: None,
        user_agent: request.user_agent.clone(),
        address: request.address.clone(),
    };
    Event::MailRequested { purpose: request.purpose.as_str(), account, from: Whence::from(&agent) }
}

async fn carry_out(
    core: &Core,
    tx: &mut Tx,
    request: &MailRequest,
    known: Option<&StoredUser>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    match request.purpose {
        MailedPurpose::NewPassword => {
            if let Some((known, address)) = reachable(known) {
                let to = (address, request.language.as_str());
                tokens::mail_link(core, tx, &NewLink::new(request.purpose, Some(known), to), now).await?;
            }
            Ok(())
        }
        MailedPurpose::SignIn => sign_in::carry_out(core, tx, request, reachable(known), now).await,
        MailedPurpose::SignUp => sign_up::carry_out(core, tx, request, known, now).await,
        // Only those ask for these who are signed in, or operators.
        MailedPurpose::VerifyAddress | MailedPurpose::ChangeAddress | MailedPurpose::Invitation => Ok(()),
    }
}

/// Nobody vouches for an address that is not verified: whoever reads mail there may be anybody.
fn reachable(known: Option<&StoredUser>) -> Option<(&StoredUser, &str)> {
    let known = known.filter(|known| known.user.email_verified && known.user.disabled_at.is_none())?;
    Some((known, known.user.email.as_deref()?))
}
