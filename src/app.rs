//! The composition root: settings become an [`App`], which binds, serves and drains.

mod background;
mod backup;
mod checking;
mod distributing;
mod doctor;
mod mail;
mod mutual_tls;
mod notes;
mod open_files;
mod opening;
mod parts;
mod traces;
mod worker_cores;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::middleware::{Condition, DefaultHeaders, from_fn};
use actix_web::web;
use anyhow::Context as _;
use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::domain::audience::Audience;
use crate::domain::sign_in::SignInLifetimes;
use crate::figures::BatchFigures;
use crate::http::address::TrustedProxies;
use crate::http::connections::Connections;
use crate::http::listening::{ConnectionLimits, Listener, listen};
use crate::http::metrics::counted::Metrics;
use crate::http::pages::renderer::Pages;
use crate::http::web::Entrance;
use crate::http::{self, Web};
use crate::master_keys;
use crate::service::clients::registrar::Registrar;
use crate::service::clock_watch::ClockWatch;
use crate::service::events::trail::Trail;
use crate::service::keys::ring::Keys;
use crate::service::keys::{signer_keys, subject_key};
use crate::service::status_lists::documents::StatusLists;
use crate::service::tokens::resource_servers::ResourceServers;
use crate::service::upstream::providers::Providers;
use crate::service::users::attempts::Attempts;
use crate::service::users::login_limit::LoginLimit;
use crate::service::writer::Writer;
use crate::service::{Core, admin, shared_limits};
use crate::settings::{self, Issuer, Settings};
use crate::store::group_commit::GroupCommit;
use crate::store::users;
use crate::tls::Tls;

pub use backup::{KeyCopy, backup, key_file_of, restore};
pub use checking::check;
pub use distributing::Spread;
pub use doctor::{Finding, Health, examine};
use mutual_tls::MutualTls;
pub use notes::notes;
pub use opening::{Migrated, OldSchema, Servers, connect, migrate_store, open_store};
pub use parts::lifetimes;
use parts::{
    account_rules, attempt_limits, batching, bind, check_clients, client_authorities, cores, key_proofs,
    known_clients, look, password_pool, password_rules, path_of, registration_rules, relying_party,
    succession, tls, waiting_limit,
};
use worker_cores::WorkerCores;

/// Browsers come back by https alone, for a year (RFC 6797). What else is on the host's subdomains is not ours to say.
const HSTS: (&str, &str) = ("Strict-Transport-Security", "max-age=31536000");

/// Everything that a serving process holds.
#[derive(Debug)]
pub struct App {
    core: Arc<Core>,
    clock: Clock,
    settings: Settings,
    pages: Pages,
    listener: TcpListener,
    address: SocketAddr,
    limits: ConnectionLimits,
    tls: Option<Arc<Tls>>,
    mutual_tls: Option<MutualTls>,
    /// Where the administration is, if not beside everything else.
    admin: Option<(TcpListener, SocketAddr)>,
    /// Where the metrics are, if anywhere.
    metrics: Option<(TcpListener, SocketAddr)>,
}

impl App {
    /// Opens the store, reads the keys, starts the password threads and binds the address.
    ///
    /// # Errors
    /// Whatever stands in the way, in words that an operator can act on.
    pub async fn build(settings: Settings, clock: Clock, old_schema: OldSchema) -> anyhow::Result<Self> {
        // Before anything else needs files.
        let limits = connection_limits(&settings);
        let tls = tls(&settings)?;
        let of_clients = mutual_tls::certificate(&settings, tls.as_ref())?;
        let pages = Pages::new(look(&settings)?).context("pages")?;
        let mut bound = None;
        let issuer = || {
            let (listener, address) = bind(&settings.listen)?;
            let admin = settings.admin.listen.as_ref().map(bind).transpose().context("admin.listen")?;
            let metrics = settings.metrics.listen.as_ref().map(bind).transpose().context("metrics.listen")?;
            bound = Some((listener, address, MutualTls::bind(&settings, of_clients)?, admin, metrics));
            Ok(settings.issuer_at(address))
        };
        let core = open_core(&beside_the_workers(&settings), &clock, old_schema, issuer).await?;
        let (listener, address, mutual_tls, admin, metrics) = bound.context("nothing is bound")?;
        let core = Arc::new(core);
        Ok(Self { core, clock, settings, pages, listener, address, limits, tls, mutual_tls, admin, metrics })
    }

    /// The services' world: for commands that run beside the server.
    #[must_use]
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Where the server is bound, as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.settings.scheme(), self.address)
    }

    /// Where clients show their certificates, and the URL that they know it by, if that is a listener of its own.
    #[must_use]
    pub fn mutual_tls(&self) -> Option<(SocketAddr, &str)> {
        self.mutual_tls.as_ref().map(|it| (it.address(), it.url()))
    }

    /// Where the administration is, as a URL, if that is a listener of its own.
    #[must_use]
    pub fn admin_url(&self) -> Option<String> {
        let (_, address) = self.admin.as_ref()?;
        Some(format!("{}://{address}", self.settings.scheme()))
    }

    /// Where the metrics are, as a URL, if anywhere.
    #[must_use]
    pub fn metrics_url(&self) -> Option<String> {
        let (_, address) = self.metrics.as_ref()?;
        Some(format!("{}://{address}", self.settings.scheme()))
    }

    /// Serves until `stop`, then lets open requests finish.
    ///
    /// # Errors
    /// When the server cannot run.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let background = self.begin_background();
        let (admin_url, metrics_url) = (self.admin_url(), self.metrics_url());
        let Self { core, clock, settings, pages, listener, limits, tls, mutual_tls, admin, metrics, .. } =
            self;
        let given = settings.http.clone();
        let stopped_by = clock.clone();
        let stopping = Arc::new(AtomicBool::new(false));
        let all_connections = Connections::new(limits.most(), given.trusted_proxies.clone());
        let worker_cores = WorkerCores::new(Arc::clone(&core), connections_of_a_worker(&settings));
        let worlds = worker_cores.clone();
        let (exporting, traces) = traces::start(&settings)?.unzip();
        let counted = metrics.as_ref().map(|_| Metrics::new(move || worlds.all())).transpose()?;
        let named = settings.mtls.client_cert_header.as_ref();
        let client_cert_header = named.map(|name| name.as_str().parse()).transpose()?;
        let web = Web {
            entrance: Entrance::Main { client_cert_header, has_admin: admin.is_none() },
            url: core.issuer.to_string(),
            base: path_of(core.issuer.as_str()),
            mutual_tls_url: mutual_tls.as_ref().map(|it| it.url().to_owned()),
            pages: Arc::new(pages),
            account_deletion: settings.pages.account_deletion,
            related_origins: settings.passkeys.related_origins.clone(),
            settings: Arc::new(settings.to_json()),
            metrics: counted.map(Arc::new),
            traces,
            core: Arc::clone(&core),
            clock,
            body_limit: given.body_limit,
            import_limit: settings.admin.import_limit,
            deadline: given.request_timeout,
            stopping: Arc::clone(&stopping),
            jwks_max_age: settings.keys.publish_ahead.min(Duration::from_mins(20)) / 4,
            trusted_proxies: Arc::new(TrustedProxies::new(given.trusted_proxies)),
        };
        let is_tls = tls.is_some();
        let tls = tls.as_ref().map(Tls::server_config).transpose()?;
        let of_clients = mutual_tls.map(|it| it.beside(&web)).transpose()?;
        let beside = |bound: Option<(TcpListener, SocketAddr)>, url: Option<String>, entrance| {
            let (socket, _) = bound?;
            Some(Listener { socket, tls: tls.clone(), web: web.alone(entrance, url?) })
        };
        let of_operators = beside(admin, admin_url, Entrance::Admin);
        let of_monitoring = beside(metrics, metrics_url, Entrance::Metrics);
        let listeners =
            [Some(Listener { socket: listener, tls, web }), of_clients, of_operators, of_monitoring];
        let server = listen(listeners.into_iter().flatten(), limits, &all_connections, move |web| {
            let web = web::Data::new(Web { core: worker_cores.of_this_worker(), ..web.clone() });
            actix_web::App::new()
                .wrap(from_fn(http::edge::edge))
                // RFC 6797 §7.2: not where something else ends TLS, or nothing does.
                .wrap(Condition::new(is_tls, DefaultHeaders::new().add(HSTS)))
                .configure(move |config| http::routes::configure(config, &web))
        })?;
        until_stopped(server, stop, given.drain_delay, &stopping).await?;
        background.end(given.drain_timeout).await;
        if let Some(exporting) = exporting {
            traces::end(exporting).await;
        }
        rest(&core, stopped_by.now()).await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Serves until `stop`, says so where somebody asks, and lets open requests finish.
async fn until_stopped(
    server: actix_web::dev::Server,
    stop: impl Future<Output = ()>,
    drain_delay: Duration,
    stopping: &AtomicBool,
) -> anyhow::Result<()> {
    let handle = server.handle();
    let mut running = std::pin::pin!(server);
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        () = stop => {}
    }
    stopping.store(true, Ordering::Relaxed);
    if !drain_delay.is_zero() {
        let delay = tracing::field::debug(drain_delay);
        tracing::info!(delay, "stopping: /readyz says so, requests are still taken");
        tokio::time::sleep(drain_delay).await;
    }
    tracing::info!("stopping: open requests may finish");
    let (ended, ()) = tokio::join!(running, handle.stop(true));
    Ok(ended?)
}

/// The description of the administration's API (OpenAPI 3.1).
#[must_use]
pub fn admin_api() -> String {
    http::admin::document()
}

/// Leaves the store as it is found when nobody serves it.
async fn rest(core: &Core, now: DateTime<Utc>) {
    if let Err(error) = core.writer.store_last_counts(now).await {
        tracing::warn!(%error, "what was counted last is in the log alone");
    }
    if let Err(error) = shared_limits::share(core, now).await {
        tracing::warn!(%error, "what was counted last for limits is forgotten");
    }
    if let Err(error) = admin::usage::store(core, now).await {
        tracing::warn!(%error, "what was counted last is missing in the console's figures");
    }
    core.group_commit.rest();
    match core.db.take_log_back().await {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!("somebody else uses the store: what was changed last may be in its log alone");
        }
        Err(error) => tracing::warn!(%error, "what was changed last may be in the store's log alone"),
    }
    core.db.close().await;
}

/// Opens the store, reads the keys and starts the password threads: all that the services work with. `issuer` is asked
/// last, as a server knows its port only when it is bound.
///
/// # Errors
/// Whatever stands in the way, in words that an operator can act on.
pub async fn open_core(
    settings: &Settings,
    clock: &Clock,
    old_schema: OldSchema,
    issuer: impl FnOnce() -> anyhow::Result<Issuer>,
) -> anyhow::Result<Core> {
    // Before anything is asked of the database: without a key there is no use in it.
    master_keys::given(settings)?;
    let trail = Trail::new(settings.events.retention);
    let writer = Writer::new(open_store(settings, old_schema).await?, trail);
    let db = writer.db().clone();
    let keys = Keys::new(opening::master_keys(settings, &db).await?).calling_eddsa(settings.keys.eddsa_name);
    let clock_watch = ClockWatch::new(settings.tokens.leeway);
    clock_watch.compare(&db, || clock.read()).await?;
    clock_watch.check(clock.read())?;
    let now = clock.now();
    admin::clients::ensure_built_in(&writer, now).await?;
    admin::emails::settle(&writer, now).await?;
    let succession = succession(settings);
    keys.prepare(&writer, succession, now).await?;
    let subjects = Arc::new(subject_key::load(&keys, &writer, now).await?);
    opening::reseal(&keys, &writer, now).await?;
    let (clients, outbound, fetches) = known_clients(settings, &subjects, clock.clone())?;
    check_clients(&db, &clients).await?;
    let passwords = password_pool(settings)?;
    passwords.expect_stored(&users::dearest_hashes(&db).await?);
    signer_keys::load_all(&keys, &writer, &passwords, now).await?;
    let batching = batching(&settings.database, &db).await?;
    let issuer = issuer()?;
    let own_audience: Audience = issuer.as_str().parse().context("the issuer")?;
    let resource_servers = ResourceServers::read(&db, own_audience.clone()).await?;
    let keys = Arc::new(keys);
    let mail = Arc::new(mail::post_office(settings, &issuer, keys.shared_master())?);
    let writer = writer.telling_owners(&mail);
    Ok(Core {
        mail,
        passwords: Arc::new(passwords),
        password_rules: Arc::new(password_rules(settings, &issuer)),
        relying_party: relying_party(settings, &issuer)?.map(Arc::new),
        issuer: own_audience.clone(),
        resource_servers: Arc::new(resource_servers),
        keys,
        succession,
        admin_role: settings.admin.role.clone(),
        second_factor: settings.sign_in.second_factor,
        takes_passwords: settings.passwords.simple_face,
        sign_in: SignInLifetimes { idle: settings.sign_in.idle_ttl, absolute: settings.sign_in.absolute_ttl },
        attempts: Arc::new(Attempts::new(attempt_limits(settings), Arc::clone(&subjects))),
        login_limit: Arc::new(LoginLimit::new(settings.limits.logins_per_user)),
        waiting: Arc::new(waiting_limit(settings, &subjects)),
        refreshes: Arc::default(),
        rounds: Arc::default(),
        seen_limits: Arc::default(),
        usage: Arc::default(),
        replays: Arc::default(),
        clock_watch: Arc::new(clock_watch),
        status_places: Arc::default(),
        status_lists: Arc::new(StatusLists::new(own_audience, settings.status_lists.interval)),
        polling: Arc::default(),
        clients: Arc::new(clients),
        key_proofs: Arc::new(key_proofs(&settings.dpop)),
        client_authorities: client_authorities(settings)?,
        registrar: Arc::new(Registrar::new(registration_rules(settings), Arc::clone(&subjects))),
        subjects,
        accounts: Arc::new(account_rules(settings)),
        mail_requests: Arc::default(),
        import_jobs: Arc::default(),
        providers: Arc::new(Providers::new(settings.sign_in.providers.read().context("sign_in.providers")?)),
        outbound,
        fetches,
        group_commit: Arc::new(GroupCommit::new(db.clone(), batching, BatchFigures::new()?)),
        writer,
        db,
    })
}

/// Measured: a worker serves some 20,000 refreshes a second, and a thread more than the cores can run only moves work
/// between caches.
fn workers(settings: &Settings) -> usize {
    settings.http.workers.unwrap_or_else(|| cores().div_ceil(2)).max(1)
}

fn connection_limits(settings: &Settings) -> ConnectionLimits {
    let (workers, http) = (workers(settings), &settings.http);
    ConnectionLimits {
        workers,
        of_a_worker: open_files::most_connections(settings, workers),
        keep_alive: http.keep_alive,
        header_timeout: http.header_timeout,
        drain_timeout: http.drain_timeout,
    }
}

/// How many of the database's connections each worker has to itself; `None` when there are too few to divide.
fn connections_of_a_worker(settings: &Settings) -> Option<u32> {
    const BESIDE_THE_WORKERS: u32 = 2;
    let each = settings.database.max_connections.saturating_sub(BESIDE_THE_WORKERS) / worker_count(settings);
    (each > 0).then_some(each)
}

/// The settings for what runs beside the workers: the connections that they leave.
fn beside_the_workers(settings: &Settings) -> Settings {
    let of_workers = connections_of_a_worker(settings).unwrap_or(0) * worker_count(settings);
    let max_connections = settings.database.max_connections - of_workers;
    let database = settings::DatabaseSettings { max_connections, ..settings.database.clone() };
    Settings { database, ..settings.clone() }
}

fn worker_count(settings: &Settings) -> u32 {
    u32::try_from(workers(settings)).unwrap_or(u32::MAX)
}
