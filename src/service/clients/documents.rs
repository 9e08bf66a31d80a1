//! Clients whose id is the URL of their metadata document.
//!
//! Such a client is let in by what its document says now. What goes on (a refresh) goes by the document as it was last
//! fetched, for a week: whoever hosts it may be down without logging anybody out.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::domain::client::{Client, Origin};
use crate::domain::expiring::Expiring;
use crate::domain::ids::ClientId;
use crate::domain::registration::{Allowed, document, known_members};
use crate::outbound::{NoAnswer, Outbound};
use crate::service::Failure;
use crate::service::clients::sector::{self, NotOfSector};
use crate::service::limit::Limit;
use crate::store::client_documents::StoredDocument;
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

/// Who wants to know a client.
#[derive(Debug, Clone, Copy)]
pub enum Asker {
    /// Whoever named it, from this address: a document that nobody signed in by is fetched at that address's expense.
    Outside(Option<IpAddr>),
    /// The server itself: such a document is not fetched for it.
    Ourselves,
}

/// The way to documents.
#[derive(Debug)]
pub struct Documents {
    outbound: Arc<Outbound>,
    allowed: Allowed,
    /// How many documents one address may have fetched.
    fetches: Arc<Limit>,
    renewed: Mutex<Expiring<ClientId, ()>>,
}

impl Documents {
    /// Documents of clients that may have what is `allowed`.
    #[must_use]
    pub fn new(outbound: Arc<Outbound>, allowed: Allowed, fetches: Arc<Limit>) -> Self {
        Self { outbound, allowed, fetches, renewed: Mutex::new(Expiring::new(CAPACITY, KEPT_ANEW)) }
    }

    /// The client of this id with its document, if its id is the URL of one that is good, and no operator removed it.
    ///
    /// # Errors
    /// [`Failure::NotFetched`] when somebody asks and it cannot be told now whether there is one; [`Failure::TooMany`];
    /// [`Failure::Store`].
    pub(crate) async fn find(
        &self,
        db: &Db,
        id: &ClientId,
        asker: Asker,
        now: DateTime<Utc>,
    ) -> Result<Option<(Client, Document)>, Failure> {
        let Some(url) = document::url_of(id) else { return Ok(None) };
        if clients::is_removed(db, id).await? {
            return Ok(None);
        }
        let kept = client_documents::find(db, id).await?;
        let way = self.outbound.for_clients(Origin::Document);
        if kept.is_none() && !way.remembers(&url, now) {
            match asker {
                Asker::Outside(address) => self.fetches.count(address, now)?,
                Asker::Ourselves => return Ok(None),
            }
        }
        let useless = match way.get_json::<Map<String, Value>>(&url, now).await {
            Ok(members) => match self.read_client(id, &members, now).await {
                Ok(client) => {
                    let members = known_members(&members);
                    self.keep_anew(db, id, &members, now).await?;
                    return Ok(Some((client, Document { members, standing: DocumentStanding::Fetched })));
                }
                Err(useless) => useless,
            },
            Err(no_answer) => no_answer.into(),
        };
        // Ids are logged, what a document says is not.
        tracing::info!(client = %id, cause = %useless, "a client's metadata document is of no use");
        match (self.as_kept(id, kept, now), asker) {
            (Some(found), _) => Ok(Some(found)),
            (None, Asker::Outside(_)) if useless.passes => Err(Failure::NotFetched),
            (None, Asker::Outside(_) | Asker::Ourselves) => Ok(None),
        }
    }

    /// The client that a document describes; or why it describes none.
    async fn read_client(
        &self,
        id: &ClientId,
        members: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Client, Useless> {
        let client = document::client(id, members, &self.allowed, now).map_err(|it| Useless::lasting(&it))?;
        sector::check(&self.outbound, &client, now).await.map_err(|why| match why {
            NotOfSector::NoList(no_answer) => no_answer.into(),
            NotOfSector::NotListed => Useless::lasting(&why),
        })?;
        Ok(client)
    }

    /// The client that a document describes that was kept, as long as that counts.
    fn as_kept(
        &self,
        id: &ClientId,
        kept: Option<StoredDocument>,
        now: DateTime<Utc>,
    ) -> Option<(Client, Document)> {
        let kept = kept.filter(|kept| now - kept.fetched_at < GRACE)?;
        let client = document::client(id, &kept.members, &self.allowed, now).ok()?;
        Some((client, Document { members: kept.members, standing: DocumentStanding::Kept }))
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
    /// [`Failure::NotFetched`] unless it says so now: nobody is let in by what a client said once.
    pub fn must_be_fetched(&self) -> Result<(), Failure> {
        match self.standing {
            DocumentStanding::Fetched => Ok(()),
            DocumentStanding::Kept => Err(Failure::NotFetched),
        }
    }
}

/// Why a document lets nobody in, and whether it may soon.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
struct Useless {
    cause: String,
    passes: bool,
}

impl Useless {
    fn lasting(cause: &impl ToString) -> Self {
        Self { cause: cause.to_string(), passes: false }
    }
}

impl From<NoAnswer> for Useless {
    fn from(no_answer: NoAnswer) -> Self {
        Self { cause: no_answer.to_string(), passes: no_answer.passes() }
    }
}
