//! The one way to write: a transaction, and what it makes happen told once it is durable.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, broadcast};

use crate::domain::event::{Event, EventRecord, Severity};
use crate::domain::outbox::Outbox;
use crate::service::events::logins::LoginCounts;
use crate::service::events::trail::Trail;
use crate::service::logout::notices;
use crate::service::mail::notices as mail_notices;
use crate::service::mail::post_office::PostOffice;
use crate::service::writes::Writes;
use crate::spans;
use crate::store::transaction;
use crate::store::{Committed, Db, StoreError, Tx};

/// Events that a slow listener may be behind.
const BACKLOG: usize = 1024;

/// Writes, and tells what happened.
#[derive(Debug, Clone)]
pub struct Writer {
    db: Db,
    writes: Arc<Writes>,
    logouts: Arc<Notify>,
    webhooks: Arc<Notify>,
    mails: Arc<Notify>,
    trail: Arc<Trail>,
    logins: Arc<LoginCounts>,
    /// Who acts, where that is told.
    by: Option<Arc<str>>,
    /// What owners are told with of what happens to their accounts.
    owners: Option<Arc<PostOffice>>,
    listeners: broadcast::Sender<Event>,
}

impl Writer {
    /// Writes to this database, and keeps there what happened.
    #[must_use]
    pub fn new(db: Db, trail: Trail) -> Self {
        Self {
            db,
            trail: Arc::new(trail),
            by: None,
            owners: None,
            logins: Arc::default(),
            writes: Arc::default(),
            logouts: Arc::default(),
            webhooks: Arc::default(),
            mails: Arc::default(),
            listeners: broadcast::Sender::new(BACKLOG),
        }
    }

    /// The same on other connections.
    #[must_use]
    pub fn on(&self, db: Db) -> Self {
        Self { db, ..self.clone() }
    }

    /// The same for somebody whose acts are told with this name.
    #[must_use]
    pub fn acting_for(&self, by: &str) -> Self {
        Self { by: Some(by.into()), ..self.clone() }
    }

    /// The same, with mails to owners.
    #[must_use]
    pub fn telling_owners(self, owners: &Arc<PostOffice>) -> Self {
        Self { owners: Some(Arc::clone(owners)), ..self }
    }

    /// Whether writes work: its own, and those that it is told of.
    #[must_use]
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// How logins ended, as far as it was told.
    #[must_use]
    pub fn logins(&self) -> &LoginCounts {
        &self.logins
    }

    /// What is kept of what happened.
    pub(crate) fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Where it writes.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Does `work` in a transaction, again while it loses to another one, with the rows that those want who have
    /// subscribed to its events. Once all that is durable, its events are told. `None` from `work` undoes what it did,
    /// and nothing has happened.
    ///
    /// # Errors
    /// What `work` gives at the last try; [`StoreError::Unavailable`] from the commit, after which nobody knows whether
    /// it was done.
    pub async fn write<T>(
        &self,
        now: DateTime<Utc>,
        work: impl AsyncFn(&mut Tx) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let work = &work;
        let written = transaction::retrying(|| async move {
            let mut tx = self.db.begin().await?;
            let worked = work(&mut tx).await;
            self.finish(tx, worked, now).await
        });
        let written = spans::span("transaction", written).await;
        self.writes.learn(&written);
        written
    }

    /// Does `work`, one statement that is a transaction by itself and makes nothing happen that is told, again while it
    /// loses to another one.
    ///
    /// # Errors
    /// What `work` gives at the last try; after [`StoreError::Unavailable`] nobody knows whether it was done.
    pub async fn write_alone<T>(
        &self,
        work: impl AsyncFn(&Db) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let work = &work;
        let written = transaction::retrying(|| async move { work(&self.db).await });
        let written = spans::span("statement", written).await;
        self.writes.learn(&written);
        written
    }

    /// The same for what goes from thread to thread, whose futures have to be boxed: of an async closure nobody can say
    /// yet that its future is `Send`.
    pub async fn write_sending<T>(
        &self,
        now: DateTime<Utc>,
        work: impl Fn(&mut Tx) -> BoxFuture<'_, Result<Option<T>, StoreError>>,
    ) -> Result<Option<T>, StoreError> {
        let work = &work;
        let written = transaction::retrying(|| async move {
            let mut tx = self.db.begin().await?;
            let worked = work(&mut tx).await;
            self.finish(tx, worked, now).await
        });
        let written = spans::span("transaction", written).await;
        self.writes.learn(&written);
        written
    }

    async fn finish<T>(
        &self,
        tx: Tx,
        worked: Result<Option<T>, StoreError>,
        now: DateTime<Utc>,
    ) -> Result<Option<T>, StoreError> {
        let Some(value) = worked? else { return Ok(None) };
        self.commit(tx, now).await?;
        Ok(Some(value))
    }

    /// Boxed: otherwise the code of every write has a copy of it.
    fn commit(&self, mut tx: Tx, now: DateTime<Utc>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            notices::note(&mut tx, now).await?;
            let over_limit = match &self.owners {
                Some(owners) => mail_notices::note(owners, &mut tx, now).await?,
                None => Vec::new(),
            };
            self.trail.write(&mut tx, self.by.as_deref(), now).await?;
            let Committed { events, wakes } = tx.commit().await?;
            for event in events {
                self.let_out(event);
            }
            for outbox in wakes {
                self.news(outbox).notify_one();
            }
            for event in over_limit {
                self.tell(event);
            }
            Ok(())
        })
    }

    /// Tells of what no transaction made happen, such as a refusal.
    pub fn tell(&self, event: Event) {
        self.trail.count(&self.record(&event));
        self.let_out(event);
    }

    /// Stores what was told so and is counted only.
    ///
    /// # Errors
    /// [`StoreError`]; it is stored another time.
    pub async fn store_counts(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.trail.store_counts(&self.db, now).await
    }

    /// The same before the end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn store_last_counts(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.trail.store_last_counts(&self.db, now).await
    }

    fn record<'a>(&'a self, event: &'a Event) -> EventRecord<'a> {
        EventRecord { by: self.by.as_deref(), ..event.record() }
    }

    fn let_out(&self, event: Event) {
        log(&self.record(&event));
        self.logins.count(&event);
        // Nobody listens: that is no fault.
        let _ = self.listeners.send(event);
    }

    /// Every event from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.listeners.subscribe()
    }

    /// Waits until there are deliveries that were not there before.
    pub async fn deliveries(&self, outbox: Outbox) {
        self.news(outbox).notified().await;
    }

    fn news(&self, outbox: Outbox) -> &Notify {
        match outbox {
            Outbox::Logouts => &self.logouts,
            Outbox::Webhooks => &self.webhooks,
            Outbox::Mails => &self.mails,
        }
    }
}

/// One line, target `audit`. They are what an operator applies again after a restore: the database may have forgotten
/// an ended family or a changed password, the log has not.
fn log(it: &EventRecord<'_>) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "audit",
                event = it.event,
                by = it.by,
                family = it.family.map(tracing::field::display),
                user = it.user.map(tracing::field::display),
                client = it.client,
                audience = it.audience,
                provider = it.provider,
                name_hash = it.name_hash,
                address = it.address,
                agent = it.agent,
                session = it.session.map(tracing::field::display),
                key = it.key,
                token = it.token.map(tracing::field::display),
                jti = it.jti,
                error = it.error,
                reason = it.reason,
                change = it.change,
                generation = it.generation,
                skipped = it.skipped,
                count = it.count,
                differs = it.differs,
                until = it.until,
                webhook = it.webhook.map(tracing::field::display),
                delivery = it.delivery.map(tracing::field::display),
                mail = it.mail.map(tracing::field::display),
                letter = it.letter,
                passkey = it.passkey.map(tracing::field::display),
                job = it.job.map(tracing::field::display),
            )
        };
    }
    match it.severity {
        Severity::Info => line!(info),
        Severity::Warning => line!(warn),
        Severity::Alarm => line!(error),
    }
}
