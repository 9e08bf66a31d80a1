//! The clients, remembered for a moment: a refresh must not ask the database about its client each time.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::domain::audience::Audience;
use crate::domain::client::{Client, GrantType, Origin};
use crate::domain::expiring::Expiring;
use crate::domain::family::RotationPolicy;
use crate::domain::ids::ClientId;
use crate::domain::lifetimes::{InvalidLifetimes, Lifetimes};
use crate::domain::scope::{OFFLINE_ACCESS, ScopeSet};
use crate::service::Failure;
use crate::service::clients::documents::{Asker, Document, Documents};
use crate::service::flights::Flights;
use crate::store::{Db, StoreError, Tx, client_documents, clients, registrations};

/// How long a client's registration is believed: a removal is in force everywhere after this.
pub const REMEMBERED: TimeDelta = TimeDelta::seconds(2);
/// However long the answer was under way: so much is left of the five seconds in which a removal is in force.
const LONGEST_QUESTION: TimeDelta = TimeDelta::seconds(3);
const CAPACITY: usize = 10_000;

/// A registered client with the lifetimes that hold for it.
#[derive(Debug)]
pub struct KnownClient {
    /// The registration.
    pub client: Client,
    /// The server's lifetimes with the client's own in their place.
    pub lifetimes: Lifetimes,
    /// How often its refresh tokens rotate.
    pub rotation: RotationPolicy,
    /// Where the client's id is a URL: what it holds.
    pub document: Option<Document>,
}

impl KnownClient {
    /// # Errors
    /// [`Failure::UnauthorizedClient`] unless the client may use this grant.
    pub fn may(&self, grant: GrantType) -> Result<(), Failure> {
        if self.client.grants.contains(&grant) { Ok(()) } else { Err(Failure::UnauthorizedClient) }
    }

    /// A client gets refresh tokens when it may use them. One that is registered for `offline_access` gets them only
    /// for logins in which it asked for that (OpenID Connect Core §11).
    #[must_use]
    pub fn gets_refresh_tokens(&self, granted: &ScopeSet) -> bool {
        self.may(GrantType::RefreshToken).is_ok()
            && (granted.contains(OFFLINE_ACCESS) || !self.client.scopes.contains(OFFLINE_ACCESS))
    }
}

/// Whether [`keep`] has something to do.
pub(crate) fn wants_to_be_kept(known: &KnownClient) -> bool {
    known.client.origin == Origin::Registered || known.document.is_some()
}

/// Somebody let a client in: what nobody would miss otherwise stays, in the transaction that lets it in.
pub(crate) async fn keep(tx: &mut Tx, known: &KnownClient, now: DateTime<Utc>) -> Result<(), StoreError> {
    let id = &known.client.id;
    if known.client.origin == Origin::Registered {
        registrations::mark_used(tx, id).await?;
    }
    match &known.document {
        Some(document) => client_documents::put(tx, id, &document.members, now).await,
        None => Ok(()),
    }
}

/// A cache in front of the clients' table.
#[derive(Debug)]
pub struct Clients {
    /// An answer may come long after the request that asks for it, and is as old as when it came.
    clock: Clock,
    defaults: Lifetimes,
    /// What clients that registered themselves may choose with `resource`.
    audiences: Vec<Audience>,
    /// `None` where no client's id may be the URL of its metadata document.
    documents: Option<Documents>,
    remembered: RwLock<Expiring<ClientId, Arc<KnownClient>>>,
    flights: Flights<ClientId, Option<Arc<KnownClient>>>,
}

impl Clients {
    /// A cache that knows nothing yet.
    #[must_use]
    pub fn new(defaults: Lifetimes, clock: Clock) -> Self {
        Self {
            clock,
            defaults,
            audiences: Vec::new(),
            documents: None,
            remembered: RwLock::new(Expiring::new(CAPACITY, REMEMBERED)),
            flights: Flights::new(),
        }
    }

    /// Lets clients' ids be URLs of metadata documents.
    #[must_use]
    pub fn with_documents(self, documents: Documents) -> Self {
        Self { documents: Some(documents), ..self }
    }

    /// Whether a client's id may be the URL of its metadata document.
    #[must_use]
    pub fn take_documents(&self) -> bool {
        self.documents.is_some()
    }

    /// Lets clients that no operator added choose these audiences.
    #[must_use]
    pub fn with_audiences(self, audiences: Vec<Audience>) -> Self {
        Self { audiences, ..self }
    }

    /// The lifetimes of a client that sets none of its own.
    #[must_use]
    pub fn defaults(&self) -> &Lifetimes {
        &self.defaults
    }

    /// The client of this id: `None` when there is none (any more).
    ///
    /// # Errors
    /// As those of `Documents::find`.
    pub async fn find(
        &self,
        db: &Db,
        id: &ClientId,
        asker: Asker,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<KnownClient>>, Failure> {
        if let Some(known) = self.recall(id, self.clock.now()) {
            return Ok(Some(known));
        }
        // Boxed, as asking is rare and large: whoever waits here carries it along.
        Box::pin(self.flights.share(id, async || self.ask(db, id, asker, now).await)).await
    }

    /// Asks, and remembers the answer from when it was there: it may have been long under way.
    async fn ask(
        &self,
        db: &Db,
        id: &ClientId,
        asker: Asker,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<KnownClient>>, Failure> {
        let known = self.look(db, id, asker, now).await?.map(Arc::new);
        let answered = self.clock.now().min(now + LONGEST_QUESTION);
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        match &known {
            Some(known) => remembered.insert(id.clone(), Arc::clone(known), answered),
            None => remembered.remove(id),
        }
        Ok(known)
    }

    /// An operator's word on a client counts more than what a document says.
    async fn look(
        &self,
        db: &Db,
        id: &ClientId,
        asker: Asker,
        now: DateTime<Utc>,
    ) -> Result<Option<KnownClient>, Failure> {
        if let Some(client) = clients::find(db, id, now).await? {
            return Ok(Some(self.with_lifetimes(client, None)?));
        }
        let Some(documents) = &self.documents else { return Ok(None) };
        let found = documents.find(db, id, asker, now).await?;
        Ok(found.map(|(client, document)| self.with_lifetimes(client, Some(document))).transpose()?)
    }

    /// Checks a client's lifetimes against the settings.
    pub fn lifetimes_of(&self, client: &Client) -> Result<Lifetimes, InvalidLifetimes> {
        self.defaults.overridden(&client.lifetimes)
    }

    fn with_lifetimes(
        &self,
        mut client: Client,
        document: Option<Document>,
    ) -> Result<KnownClient, StoreError> {
        match client.origin {
            Origin::Operator => {}
            Origin::Registered | Origin::Document => client.audiences.clone_from(&self.audiences),
        }
        let id = client.id.clone();
        let corrupt = |what| StoreError::corrupt("clients", &id, what);
        let lifetimes = self.lifetimes_of(&client).map_err(|_| corrupt("contradictory lifetimes"))?;
        let rotation = client.metadata.refresh_token_rotation.checked(&lifetimes);
        let rotation = match client.origin {
            Origin::Operator => rotation.map_err(|_| corrupt("its rotation does not fit its lifetimes"))?,
            // The settings changed since it registered, and nobody is there to be asked.
            Origin::Registered | Origin::Document => rotation.unwrap_or_default(),
        };
        Ok(KnownClient { client, lifetimes, rotation, document })
    }

    fn recall(&self, id: &ClientId, now: DateTime<Utc>) -> Option<Arc<KnownClient>> {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(id, now).map(Arc::clone)
    }
}
