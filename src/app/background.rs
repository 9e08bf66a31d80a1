//! What a server does by itself beside what it is asked: each in a task of its own, until the server stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::App;
use crate::domain::registration::Mode;
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::janitor;
use crate::service::clients::signing;
use crate::service::logout::back_channel::Messenger;
use crate::settings::DatabaseUrl;
use crate::tls::Looked;

impl App {
    /// Replicas agree on the signing keys by looking for new ones now and then.
    pub(super) fn poll_keys(&self) -> JoinHandle<()> {
        let (core, every) = (Arc::clone(&self.core), self.settings.keys.poll_every);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = core.keys.reload(&core.db).await {
                    tracing::error!(%error, "the signing keys could not be read; going on with those known");
                }
            }
        })
    }

    /// Clients that register themselves get RS256 where they say nothing: its key is published before the first comes.
    /// Nobody waits for it, as it takes a while to be made.
    pub(super) fn make_usual_key(&self) -> JoinHandle<()> {
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        let is_needed = self.settings.registration.mode != Mode::Off;
        tokio::spawn(async move {
            if is_needed
                && let Err(error) = signing::ask_for(&core, SigningAlgorithm::Rs256, clock.now()).await
            {
                tracing::error!(%error, "the key of RS256 could not be made; it will be, when a client asks for it");
            }
        })
    }

    /// Clients are told of logouts at once, and of those that another process noted, or that failed, soon.
    pub(super) fn tell_of_logouts(&self) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(5);
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        tokio::spawn(async move {
            let mut messenger = Messenger::new(Arc::clone(&core));
            loop {
                let reading = clock.read();
                if core.clock_watch.check(reading).is_err() {
                    tokio::time::sleep(EVERY).await;
                    continue;
                }
                match messenger.begin_due(reading.now).await {
                    Ok(looked) => tokio::select! {
                        () = messenger.ended(), if looked.lacks_places => {}
                        () = core.writer.deliveries() => {}
                        () = tokio::time::sleep(EVERY) => {}
                    },
                    Err(error) => {
                        tracing::error!(%error, "clients could not be told of logouts; trying again");
                        tokio::time::sleep(EVERY).await;
                    }
                }
            }
        })
    }

    /// A certificate is renewed without a restart; a broken one changes nothing.
    pub(super) fn renew_certificate(&self) -> JoinHandle<()> {
        let (tls, every) = (self.tls.clone(), self.settings.tls.reload_every);
        tokio::spawn(async move {
            let Some(tls) = tls else { return };
            loop {
                tokio::time::sleep(every).await;
                let looking = Arc::clone(&tls);
                match tokio::task::spawn_blocking(move || looking.look_again()).await {
                    Ok(Ok(Looked::Same)) | Err(_) => {}
                    Ok(Ok(Looked::Renewed)) => tracing::info!("there is a new certificate"),
                    Ok(Err(error)) => {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "the new certificate cannot be used; the old one goes on"
                        );
                    }
                }
            }
        })
    }

    /// Somebody may set it wrong while we serve.
    pub(super) fn watch_clock(&self) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(5);
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                if let Err(error) = core.clock_watch.compare(&core.db, || clock.read()).await {
                    tracing::warn!(%error, "the database's clock could not be read; going on with what is known");
                }
            }
        })
    }

    /// Of what is counted the rows follow by a few seconds.
    pub(super) fn store_counts(&self) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(5);
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                if let Err(error) = core.writer.store_counts(clock.now()).await {
                    tracing::warn!(%error, "what was counted could not be stored; trying again");
                }
            }
        })
    }

    pub(super) fn keep_log_short(&self) -> JoinHandle<()> {
        let in_a_file = matches!(self.settings.database_url, DatabaseUrl::Sqlite(_));
        let db = self.core.db.clone();
        tokio::spawn(async move {
            if in_a_file {
                db.keep_log_short().await;
            }
        })
    }

    pub(super) fn tidy(&self) -> JoinHandle<()> {
        let (core, clock, settings) =
            (Arc::clone(&self.core), self.clock.clone(), self.settings.janitor.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(settings.every).await;
                match janitor::tidy_in_good_time(&core, i64::from(settings.batch), clock.read()).await {
                    Ok(done) if done == janitor::Tidied::default() => {}
                    Ok(done) => tracing::info!(deleted = done.deleted, ended = done.ended, "tidied up"),
                    Err(error) => tracing::error!(%error, "tidying up failed; the next round goes on"),
                }
            }
        })
    }
}
