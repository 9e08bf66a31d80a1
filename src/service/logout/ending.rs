//! What follows from the end of a login: its sign-in's other logins, and the clients that want to know.
//!
//! A sign-in session that ends takes with it the families that came from it, where their client follows logouts
//! (Back-Channel Logout §2.7): all but those with `offline_access`, which are for when the user is away. Clients with
//! a back-channel URI are told of each of these families, of those that go on too, and of every family that its user
//! or an operator ends.

use chrono::{DateTime, Utc};

use crate::domain::family::{Family, Place};
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::refusal::EndReason;
use crate::domain::scope::OFFLINE_ACCESS;
use crate::service::logout::notices::{self, Followers, LoggedOut};
use crate::store::{StoreError, Tx, families, logout_deliveries, sign_in_sessions};

/// How many families of a sign-in are read at once.
const PART: u32 = 100;

/// How many families a browser is given that are followed: more than it tells clients of.
const FOLLOWED: usize = 1000;

/// Ends a sign-in session, in the transaction that touched its user's row. Gives the newest of the families whose
/// clients follow logouts, those that go on too.
pub(crate) async fn end_sign_in(
    tx: &mut Tx,
    user: UserId,
    session: SignInSessionId,
    now: DateTime<Utc>,
) -> Result<Vec<(ClientId, FamilyId)>, StoreError> {
    sign_in_sessions::end(tx, user, session).await?;
    let (mut followers, mut followed) = (Followers::default(), Vec::new());
    let mut after = Place::NEWEST;
    loop {
        let part = families::live_of_sign_in_within(tx, (user, session), after, PART).await?;
        let Some(last) = part.last() else { return Ok(followed) };
        after = last.place();
        for family in part.into_iter().filter(|family| now < family.expires_at) {
            if end_followed(tx, &mut followers, &family, now).await? && followed.len() < FOLLOWED {
                followed.push((family.client_id, family.id));
            }
        }
    }
}

/// The same, and ends the families of clients that follow nothing, too: all but those with `offline_access`.
pub(crate) async fn end_sign_in_whole(
    tx: &mut Tx,
    user: UserId,
    session: SignInSessionId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    end_sign_in(tx, user, session, now).await?;
    let mut after = Place::NEWEST;
    loop {
        let part = families::live_of_sign_in_within(tx, (user, session), after, PART).await?;
        let Some(last) = part.last() else { return Ok(()) };
        after = last.place();
        for family in part.iter().filter(|family| !is_offline(family)) {
            families::end(tx, family.id, EndReason::Logout, now).await?;
        }
    }
}

/// Tells the client of a family's sign-in of its end, and ends the family, if its client's logins end with it; `false`
/// where they do not.
async fn end_followed(
    tx: &mut Tx,
    followers: &mut Followers,
    family: &Family,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let client = followers.client(tx, &family.client_id).await?;
    let Some(client) = client.filter(|(client, _)| client.ends_with_sign_in()) else { return Ok(false) };
    let told = LoggedOut { client: &family.client_id, subject: &family.subject, family: family.id };
    let delivery = notices::delivery(client, &told, now);
    logout_deliveries::insert(tx, delivery.as_slice(), now).await?;
    if !is_offline(family) {
        families::end(tx, family.id, EndReason::Logout, now).await?;
    }
    Ok(true)
}

/// Ends a family for its owner or an operator, and with it the sign-in that it came from, unless that is `kept`:
/// whoever holds that browser could otherwise go back in without a password. The transaction touched its user's row.
/// `false` when the family had ended before.
pub(crate) async fn end_with_way_back(
    tx: &mut Tx,
    family: &Family,
    kept: Option<SignInSessionId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let ended = families::end(tx, family.id, reason, now).await?;
    let sign_in = family.authentication.sign_in_session.filter(|other| Some(*other) != kept);
    if let Some(other) = sign_in {
        end_sign_in(tx, family.user(), other, now).await?;
    }
    Ok(ended.is_some())
}

fn is_offline(family: &Family) -> bool {
    family.scope.contains(OFFLINE_ACCESS)
}
