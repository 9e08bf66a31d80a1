//! What follows from the end of a login: its sign-in's other logins, and the clients that want to know.
//!
//! A sign-in session that ends takes with it the families that came from it, where their client follows logouts
//! (Back-Channel Logout §2.7): all but those with `offline_access`, which are for when the user is away. Clients with
//! a back-channel URI are told of each of these families, of those that go on too, and of every family that its user
//! or an operator ends.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::client::ClientMetadata;
use crate::domain::family::Family;
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId, uuid_v7};
use crate::domain::refusal::EndReason;
use crate::store::families::Ended;
use crate::store::logout_deliveries::{self, Delivery};
use crate::store::{StoreError, Tx, clients, families, sign_in_sessions};

/// What the end of a sign-in session did.
#[derive(Debug, Default)]
pub(crate) struct SignInEnded {
    /// The families that ended with it.
    pub(crate) ended: Vec<FamilyId>,
    /// The families whose clients follow logouts, ended or not.
    pub(crate) followed: Vec<(ClientId, FamilyId)>,
}

/// Ends a sign-in session, in the transaction that touched its user's row.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn end_sign_in(
    tx: &mut Tx,
    user: UserId,
    session: SignInSessionId,
    now: DateTime<Utc>,
) -> Result<SignInEnded, StoreError> {
    sign_in_sessions::end(tx, user, session).await?;
    let mut known = Known::default();
    let mut done = SignInEnded::default();
    for family in families::live_of_sign_in(tx, user, session, now).await? {
        let Some(client) = known.client(tx, &family.client_id).await? else { continue };
        if !client.follows_logouts() {
            continue;
        }
        if client.backchannel_logout_uri.is_some() {
            tell_of(tx, &family.client_id, &family.subject, family.id, now).await?;
        }
        if !is_offline(&family)
            && families::end_within(tx, family.id, EndReason::Logout, now).await?.is_some()
        {
            done.ended.push(family.id);
        }
        done.followed.push((family.client_id, family.id));
    }
    Ok(done)
}

/// Ends a family for its owner or an operator, and with it the sign-in that it came from, unless that is `kept`:
/// whoever holds that browser could otherwise go back in without a password. The transaction touched its user's row.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn end_with_way_back(
    tx: &mut Tx,
    family: &Family,
    kept: Option<SignInSessionId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<(Vec<FamilyId>, SignInEnded), StoreError> {
    let ended = families::end_within(tx, family.id, reason, now).await?;
    let ended = tell(tx, ended.as_slice(), now).await?;
    let sign_in = family.sign_in_session.map(SignInSessionId).filter(|other| Some(*other) != kept);
    let beside = match sign_in {
        Some(other) => end_sign_in(tx, family.user_id, other, now).await?,
        None => SignInEnded::default(),
    };
    Ok((ended, beside))
}

fn is_offline(family: &Family) -> bool {
    family.scope.iter().any(|scope| scope == "offline_access")
}

/// Notes whom to tell that these families ended, in the transaction that ended them; gives their ids.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn tell(
    tx: &mut Tx,
    ended: &[Ended],
    now: DateTime<Utc>,
) -> Result<Vec<FamilyId>, StoreError> {
    let mut known = Known::default();
    for family in ended {
        let client = known.client(tx, &family.client).await?;
        if client.is_some_and(|client| client.backchannel_logout_uri.is_some()) {
            tell_of(tx, &family.client, &family.subject, family.id, now).await?;
        }
    }
    Ok(ended.iter().map(|family| family.id).collect())
}

async fn tell_of(
    tx: &mut Tx,
    client: &ClientId,
    subject: &str,
    family: FamilyId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let delivery = Delivery {
        id: uuid_v7(now, random::bytes()),
        client: client.clone(),
        subject: subject.to_owned(),
        family,
        attempts: 0,
    };
    logout_deliveries::insert(tx, &delivery, now).await
}

/// The clients of one transaction: each is asked for once.
#[derive(Default)]
struct Known(HashMap<ClientId, Option<ClientMetadata>>);

impl Known {
    async fn client(&mut self, tx: &mut Tx, id: &ClientId) -> Result<Option<&ClientMetadata>, StoreError> {
        if !self.0.contains_key(id) {
            let metadata = clients::metadata(tx, id).await?;
            self.0.insert(id.clone(), metadata);
        }
        Ok(self.0.get(id).and_then(Option::as_ref))
    }
}
