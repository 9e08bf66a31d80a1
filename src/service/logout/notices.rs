//! Whom a transaction has to tell of the logins that it ends: clients that follow logouts behind the browser's back.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::client::{ClientMetadata, Origin};
use crate::domain::event::Event;
use crate::domain::family::EndedFamily;
use crate::domain::ids::{ClientId, FamilyId, uuid_v7};
use crate::outbound::host_of;
use crate::store::logout_deliveries::{self, Delivery};
use crate::store::{StoreError, Tx, clients};

/// Notes the deliveries that the transaction's events ask for, in the transaction itself.
pub(crate) async fn note(tx: &mut Tx, now: DateTime<Utc>) -> Result<(), StoreError> {
    let told = |event: &Event| {
        let Event::FamilyEnded { family, reason } = event else { return None };
        reason.is_told_to_clients().then(|| family.clone())
    };
    let ended: Vec<EndedFamily> = tx.events().iter().filter_map(told).collect();
    let (mut followers, mut deliveries) = (Followers::default(), Vec::new());
    for family in ended {
        if let Some(client) = followers.client(tx, &family.client).await? {
            let told = LoggedOut { client: &family.client, subject: &family.subject, family: family.id };
            deliveries.extend(delivery(client, &told, now));
        }
    }
    logout_deliveries::insert(tx, &deliveries, now).await
}

/// Who is told, and of whose logout.
pub(super) struct LoggedOut<'a> {
    pub(super) client: &'a ClientId,
    pub(super) subject: &'a str,
    pub(super) family: FamilyId,
}

/// What a client is told, if it wants to be.
pub(super) fn delivery(
    (metadata, origin): &(ClientMetadata, Origin),
    told: &LoggedOut<'_>,
    now: DateTime<Utc>,
) -> Option<(Delivery, Origin)> {
    let uri = metadata.backchannel_logout_uri.as_ref()?;
    let delivery = Delivery {
        id: uuid_v7(now, random::bytes()),
        client: told.client.clone(),
        subject: told.subject.to_owned(),
        family: told.family,
        attempts: 0,
        host: host_of(uri.url()).to_owned(),
    };
    Some((delivery, *origin))
}

/// The clients of one transaction: each is asked for once.
#[derive(Default)]
pub(super) struct Followers(HashMap<ClientId, Option<(ClientMetadata, Origin)>>);

impl Followers {
    pub(super) async fn client(
        &mut self,
        tx: &mut Tx,
        id: &ClientId,
    ) -> Result<Option<&(ClientMetadata, Origin)>, StoreError> {
        if !self.0.contains_key(id) {
            let known = clients::metadata(tx, id).await?;
            self.0.insert(id.clone(), known);
        }
        Ok(self.0.get(id).and_then(Option::as_ref))
    }
}
