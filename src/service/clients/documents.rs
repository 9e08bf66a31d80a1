//! Clients whose id is the URL of their metadata document.
//!
//! Such a client is let in by what its document says now. What goes on (a refresh) goes by the document as it was last
//! fetched, for a week: whoever hosts it may be down without logging anybody out.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::domain::client::Client;
use crate::domain::expiring::Expiring;
use crate::domain::ids::ClientId;
use crate::domain::registration::{Allowed, document};
use crate::outbound::Outbound;
use crate::service::Failure;
use crate::service::clients::sector;
use crate::store::{Db, StoreError, client_documents, clients};

/// How long a document counts that cannot be fetched any more.
const GRACE: TimeDelta = TimeDelta::days(7);
/// How old a kept document grows before one that was fetched takes its place.
const KEPT_ANEW: TimeDelta = TimeDelta::hours(1);
const CAPACITY: usize = 10_000;

/// A client's document.
#[derive(Debug)]
pub struct Document {
    /// What it says.
    pub members: Map<String, Value>,
    /// Whether it says so now.
    pub standing: DocumentStanding,
}

/// How a document came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentStanding {
    /// It was fetched, as lately as its headers want it.
    Fetched,
    /// It cannot be fetched: this is the one before.
    Kept,
}

/// The way to documents.
#[derive(Debug)]
pub struct Documents {
    outbound: Arc<Outbound>,
    allowed: Allowed,
    renewed: Mutex<Expiring<ClientId, ()>>,
}

impl Documents {
    /// Documents of clients that may have what is `allowed`.
    #[must_use]
    pub fn new(outbound: Arc<Outbound>, allowed: Allowed) -> Self {
        Self { outbound, allowed, renewed: Mutex::new(Expiring::new(CAPACITY, KEPT_ANEW)) }
    }

    /// The client of this id with its document, if its id is the URL of one that is good, and no operator removed it.
    pub(crate) async fn find(
        &self,
        db: &Db,
        id: &ClientId,
        now: DateTime<Utc>,
    ) -> Result<Option<(Client, Document)>, StoreError> {
        let Some(url) = document::url_of(id) else { return Ok(None) };
        if clients::is_removed(db, id).await? {
            return Ok(None);
        }
        let cause = match self.outbound.get_json::<Map<String, Value>>(&url, now).await {
            Ok(members) => match self.read_client(id, &members, now).await {
                Ok(client) => {
                    self.keep_anew(db, id, &members, now).await?;
                    return Ok(Some((client, Document { members, standing: DocumentStanding::Fetched })));
                }
                Err(cause) => cause,
            },
            Err(no_answer) => no_answer.to_string(),
        };
        // Ids are logged, what a document says is not.
        tracing::info!(client = %id, cause, "a client's metadata document is of no use");
        let kept = client_documents::find(db, id).await?.filter(|kept| now - kept.fetched_at < GRACE);
        let Some(kept) = kept else { return Ok(None) };
        let client = document::client(id, &kept.members, &self.allowed, now);
        let document = Document { members: kept.members, standing: DocumentStanding::Kept };
        Ok(client.ok().map(|client| (client, document)))
    }

    /// The client that a document describes; or why it describes none.
    async fn read_client(
        &self,
        id: &ClientId,
        members: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Client, String> {
        let client = document::client(id, members, &self.allowed, now).map_err(|it| it.to_string())?;
        sector::check(&self.outbound, &client, now).await.map_err(|it| it.to_string())?;
        Ok(client)
    }

    /// One write an hour and client: a kept document is as old as its client's last use at most.
    async fn keep_anew(
        &self,
        db: &Db,
        id: &ClientId,
        members: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let due = {
            let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
            let due = renewed.get(id, now).is_none();
            if due {
                renewed.insert(id.clone(), (), now);
            }
            due
        };
        if due { client_documents::renew(db, id, members, now).await } else { Ok(()) }
    }
}

impl Document {
    /// # Errors
    /// [`Failure::NoDocument`] unless it says so now: nobody is let in by what a client said once.
    pub fn must_be_fetched(&self) -> Result<(), Failure> {
        match self.standing {
            DocumentStanding::Fetched => Ok(()),
            DocumentStanding::Kept => Err(Failure::NoDocument),
        }
    }
}
