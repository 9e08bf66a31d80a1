//! Whom a transaction has to tell of the logins that it ends: clients that follow logouts behind the browser's back.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::client::ClientMetadata;
use crate::domain::event::Event;
use crate::domain::family::EndedFamily;
use crate::domain::ids::{ClientId, FamilyId, uuid_v7};
use crate::store::logout_deliveries::{self, Delivery};
use crate::store::{StoreError, Tx, clients};

/// Notes the deliveries that the transaction's events ask for, in the transaction itself.
pub(crate) async fn note(tx: &mut Tx, now: DateTime<Utc>) -> Result<(), StoreError> {
    let told = |event: &Event| {
        let Event::FamilyEnded { family, reason } = event else { return None };
        reason.is_told_to_clients().then(|| family.clone())
    };
    let ended: Vec<EndedFamily> = tx.events().iter().filter_map(told).collect();
    let mut followers = Followers::default();
    for family in ended {
        let client = followers.client(tx, &family.client).await?;
        if client.is_some_and(|client| client.backchannel_logout_uri.is_some()) {
            deliver(tx, &family.client, &family.subject, family.id, now).await?;
        }
    }
    Ok(())
}

/// Notes one delivery.
pub(super) async fn deliver(
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
pub(super) struct Followers(HashMap<ClientId, Option<ClientMetadata>>);

impl Followers {
    pub(super) async fn client(
        &mut self,
        tx: &mut Tx,
        id: &ClientId,
    ) -> Result<Option<&ClientMetadata>, StoreError> {
        if !self.0.contains_key(id) {
            let metadata = clients::metadata(tx, id).await?;
            self.0.insert(id.clone(), metadata);
        }
        Ok(self.0.get(id).and_then(Option::as_ref))
    }
}
