//! What a server does by itself beside what it is asked: each in a task of its own, until the server stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::App;
use super::mutual_tls::MutualTls;
use crate::clock::Clock;
use crate::domain::registration::Mode;
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::imports::working::ImportWorker;
use crate::service::admin::rounds::Tidied;
use crate::service::admin::{janitor, usage};
use crate::service::clients::signing;
use crate::service::events::chain::{self, ChainRound};
use crate::service::logout::back_channel::LogoutCourier;
use crate::service::mail::courier::MailCourier;
use crate::service::mailed::requests;
use crate::service::messenger::{Courier, LookAtDue, Messenger};
use crate::service::webhooks::courier::WebhookCourier;
use crate::service::{Core, shared_limits};
use crate::settings::DatabaseUrl;
use crate::tls::{Looked, Tls};

/// What runs beside the workers.
pub(super) struct Background {
    tasks: Vec<JoinHandle<()>>,
    tellers: [JoinHandle<()>; 4],
    stop_telling: watch::Sender<bool>,
}

impl Background {
    /// What is being told may end; what is not begun yet is another server's, or waits for the next start.
    pub(super) async fn end(self, drain_timeout: Duration) {
        self.stop_telling.send_replace(true);
        for mut teller in self.tellers {
            if tokio::time::timeout(drain_timeout, &mut teller).await.is_err() {
                teller.abort();
            }
        }
        for task in self.tasks {
            task.abort();
            // Until it has let go of its connections.
            let _ = task.await;
        }
    }
}

impl App {
    pub(super) fn begin_background(&self) -> Background {
        let (stop_telling, told_to_stop) = watch::channel(false);
        let core = || Arc::clone(&self.core);
        Background {
            tasks: [
                self.poll_keys(),
                self.make_usual_key(),
                self.tidy(),
                self.keep_log_short(),
                self.watch_clock(),
                self.store_counts(),
                self.share_limits(),
                self.chain_events(),
                self.store_usage(),
                self.see_to_mail_requests(),
            ]
            .into_iter()
            .chain(self.certificates().map(|tls| self.renew_certificate(tls)))
            .collect(),
            tellers: [
                self.tell_others(LogoutCourier::new(core()), told_to_stop.clone()),
                self.tell_others(WebhookCourier::new(core()), told_to_stop.clone()),
                self.tell_others(MailCourier::new(core()), told_to_stop.clone()),
                self.carry_out_imports(told_to_stop),
            ],
            stop_telling,
        }
    }

    /// Replicas agree on the signing keys, and on what audiences say, by looking for new ones now and then.
    fn poll_keys(&self) -> JoinHandle<()> {
        let (core, every) = (Arc::clone(&self.core), self.settings.keys.poll_every);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = core.keys.reload(&core.db).await {
                    tracing::error!(%error, "the signing keys could not be read; going on with those known");
                }
                if let Err(error) = core.resource_servers.reload(&core.db).await {
                    tracing::error!(%error, "the resource servers could not be read; going on with those known");
                }
            }
        })
    }

    /// Clients that register themselves get RS256 where they say nothing: its key is published before the first comes.
    /// Nobody waits for it, as it takes a while to be made.
    fn make_usual_key(&self) -> JoinHandle<()> {
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

    /// What is to be told to other people's servers is told at once; what another process noted, or what failed, soon.
    /// Told to stop, it begins nothing more and lets what is under way end.
    fn tell_others<C: Courier>(&self, courier: C, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(5);
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        tokio::spawn(async move {
            let mut messenger = Messenger::new(courier);
            loop {
                let looked = look(&core, &clock, &mut messenger).await;
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => break,
                    () = messenger.ended(), if looked.lacks_places => {}
                    () = core.writer.deliveries(C::OUTBOX) => {}
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
            messenger.all_ended().await;
        })
    }

    /// Those that are served: the listeners may share one.
    fn certificates(&self) -> impl Iterator<Item = &Arc<Tls>> {
        let of_clients = self.mutual_tls.as_ref().map(MutualTls::tls);
        let of_clients = of_clients.filter(|own| !self.tls.as_ref().is_some_and(|tls| Arc::ptr_eq(tls, own)));
        self.tls.iter().chain(of_clients)
    }

    /// A certificate is renewed without a restart; a broken one changes nothing.
    fn renew_certificate(&self, tls: &Arc<Tls>) -> JoinHandle<()> {
        let (tls, every) = (Arc::clone(tls), self.settings.tls.reload_every);
        tokio::spawn(async move {
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
    fn watch_clock(&self) -> JoinHandle<()> {
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
    fn store_counts(&self) -> JoinHandle<()> {
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

    /// What replicas allow together is what one would, a second later.
    fn share_limits(&self) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(1);
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        tokio::spawn(async move {
            loop {
                if let Err(error) = shared_limits::share(&core, clock.now()).await {
                    tracing::warn!(%error, "limits could not be shared; each server counts for itself until they can");
                }
                tokio::time::sleep(EVERY).await;
            }
        })
    }

    /// Afterwards, by whichever server is first.
    fn chain_events(&self) -> JoinHandle<()> {
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        let every = chain::EVERY.to_std().unwrap_or_default();
        let is_wanted = self.settings.events.chain;
        tokio::spawn(async move {
            if !is_wanted {
                return;
            }
            loop {
                match chain::extend(&core, clock.now()).await {
                    Ok(ChainRound::Linked(_) | ChainRound::NotOurs) => {}
                    Ok(ChainRound::Broken) => {
                        tracing::error!(
                            "the chain of events is broken, and nothing is added: see `heirloom event verify`"
                        );
                    }
                    Err(error) => {
                        tracing::warn!(%error, "events could not be chained; the next round goes on");
                    }
                }
                tokio::time::sleep(every).await;
            }
        })
    }

    /// The console's figures follow by some seconds: no request waits for them.
    fn store_usage(&self) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(15);
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                if let Err(error) = usage::store(&core, clock.now()).await {
                    tracing::warn!(%error, "the console's figures could not be stored; trying again");
                }
            }
        })
    }

    /// Whoever asks for a mail is answered before anybody looks whether there is such an account.
    fn see_to_mail_requests(&self) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(5);
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        tokio::spawn(async move {
            while core.mail.is_on() {
                match requests::see_to_first(&core, clock.now()).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "a wish for a mail waits; trying again"),
                }
                tokio::select! {
                    () = core.mail_requests.notified() => {}
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
        })
    }

    /// Users who move in by the admin API: what is sent here is begun at once, what another server left soon. Told to
    /// stop, it lets another server go on.
    fn carry_out_imports(&self, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(5);
        let core = Arc::clone(&self.core);
        let mut worker = ImportWorker::new(Arc::clone(&core), self.clock.clone(), stop.clone());
        tokio::spawn(async move {
            loop {
                match worker.work().await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "users cannot move in now; trying again"),
                }
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => break,
                    () = core.import_jobs.notified() => {}
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
        })
    }

    fn keep_log_short(&self) -> JoinHandle<()> {
        let in_a_file = matches!(self.settings.database_url, DatabaseUrl::Sqlite(_));
        let db = self.core.db.clone();
        tokio::spawn(async move {
            if in_a_file {
                db.keep_log_short().await;
            }
        })
    }

    fn tidy(&self) -> JoinHandle<()> {
        let (core, clock, settings) =
            (Arc::clone(&self.core), self.clock.clone(), self.settings.janitor.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(settings.every).await;
                match janitor::tidy_in_good_time(&core, i64::from(settings.batch), clock.read()).await {
                    Ok(done) if done == Tidied::default() => {}
                    Ok(done) => tracing::info!(deleted = done.deleted, ended = done.ended, "tidied up"),
                    Err(error) => tracing::error!(%error, "tidying up failed; the next round goes on"),
                }
            }
        })
    }
}

/// A look at what is due, if the time can be believed.
async fn look<C: Courier>(core: &Core, clock: &Clock, messenger: &mut Messenger<C>) -> LookAtDue {
    let (reading, nothing) = (clock.read(), LookAtDue { begun: 0, lacks_places: false });
    if core.clock_watch.check(reading).is_err() {
        return nothing;
    }
    messenger.begin_due(reading.now).await.unwrap_or_else(|error| {
        let of = C::OUTBOX.as_str();
        tracing::error!(%error, of, "what is due could not be told; trying again");
        nothing
    })
}
