//! The composition root: settings become an [`App`], which binds, serves and drains.

use std::ffi::OsStr;
use std::fs;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{HttpServer, web};
use anyhow::Context as _;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::crypto::passwords::{Passwords, PoolSize};
use crate::domain::lifetimes::Lifetimes;
use crate::domain::sign_in::SignInLifetimes;
use crate::http::pages::{Look, Pages, template_names};
use crate::http::{self, Web};
use crate::master_keys;
use crate::outbound::{Limits, Outbound};
use crate::service::attempts::{AttemptLimits, Attempts};

use crate::service::clients::Clients;
use crate::service::documents::Documents;
use crate::service::keys::{Keys, Succession};
use crate::service::registration::{Registrar, Rules};
use crate::service::{Core, back_channel, client_admin, janitor, subject_key};
use crate::settings::{self, DatabaseUrl, Settings};
use crate::store::connect::PoolBounds;
use crate::store::migrate::{MigrationLock, Schema, migrate, schema};
use crate::store::rotations::{Rotations, Travel};
use crate::store::{Db, StoreError, clients};
use crate::tls::{self, Looked, Tls};

/// Everything that a serving process holds.
#[derive(Debug)]
pub struct App {
    core: Arc<Core>,
    clock: Clock,
    settings: Settings,
    pages: Pages,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
}

/// What to do about a schema that is older than this binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldSchema {
    /// Migrate. The embedded store always does.
    Migrate,
    /// Refuse, saying which command helps.
    Refuse,
}

impl App {
    /// Opens the store, reads the keys, starts the password threads and binds the address.
    ///
    /// # Errors
    /// Whatever stands in the way, in words that an operator can act on.
    pub async fn build(settings: Settings, clock: Clock, old_schema: OldSchema) -> anyhow::Result<Self> {
        let now = clock.now();
        let keys = Keys::new(master_keys::load(&settings)?);
        let db = open_store(&beside_the_workers(&settings), old_schema).await?;
        client_admin::ensure_built_in(&db, now).await?;
        keys.prepare(&db, succession(&settings), now).await?;
        let subjects = subject_key::load(&keys, &db).await?;
        let defaults = lifetimes(&settings)?;
        let outbound = Arc::new(outbound(&settings.outbound)?);
        let registered = clients_cache(defaults, &settings.registration, &outbound);
        check_clients(&db, &registered).await?;
        let tls = tls(&settings)?;
        let host = settings.listen.host().trim_matches(['[', ']']);
        let listener = TcpListener::bind((host, settings.listen.port()))
            .with_context(|| format!("cannot listen on {}", settings.listen))?;
        let address = listener.local_addr()?;
        let issuer = settings.issuer_at(address);
        let core = Core {
            issuer: issuer.as_str().parse().context("the issuer")?,
            keys: Arc::new(keys),
            subjects: Arc::new(subjects),
            sign_in: SignInLifetimes {
                idle: settings.sign_in.idle_ttl,
                absolute: settings.sign_in.absolute_ttl,
            },
            passwords: Arc::new(password_pool(&settings)?),
            attempts: Arc::new(Attempts::new(attempt_limits(&settings))),
            logouts: Arc::default(),
            clients: Arc::new(registered),
            registrar: Arc::new(Registrar::new(registration_rules(&settings.registration))),
            outbound,
            rotations: Arc::new(Rotations::new(db.clone(), travel(&settings.database))),
            db,
        };
        let pages = Pages::new(look(&settings)?).context("pages")?;
        Ok(Self { core: Arc::new(core), clock, settings, pages, listener, address, tls })
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

    /// Serves until `stop`, then lets open requests finish.
    ///
    /// # Errors
    /// When the server cannot run.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let tasks = [self.poll_keys(), self.tidy(), self.tell_of_logouts(), self.renew_certificate()];
        let Self { core, clock, settings, pages, listener, tls, .. } = self;
        let limits = settings.http.clone();
        let workers = workers(&settings);
        let connections = connections_of_a_worker(&settings);
        let shared = Web {
            pages: Arc::new(pages),
            base: base_path(core.issuer.as_str()),
            core: Arc::clone(&core),
            clock,
            body_limit: limits.body_limit,
            deadline: limits.request_timeout,
            jwks_max_age: settings.keys.publish_ahead.min(Duration::from_mins(20)) / 4,
            trusted_proxies: limits.trusted_proxies,
        };
        let server = HttpServer::new(move || {
            let own = connections.map(|connections| Arc::new(shared.core.with_own_connections(connections)));
            let core = own.unwrap_or_else(|| Arc::clone(&shared.core));
            let web = web::Data::new(Web { core, ..shared.clone() });
            actix_web::App::new()
                .wrap(from_fn(http::edge))
                .configure(move |config| http::configure(config, &web))
        })
        .workers(workers)
        .max_connections(limits.max_connections)
        .keep_alive(limits.keep_alive)
        .client_request_timeout(limits.header_timeout)
        .shutdown_timeout(limits.drain_timeout.as_secs().max(1))
        .tls_handshake_timeout(limits.header_timeout)
        .disable_signals();
        let server = match &tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls.server_config()?)?,
            None => server.listen(listener)?,
        }
        .run();
        let handle = server.handle();
        let mut running = std::pin::pin!(server);
        tokio::select! {
            ended = &mut running => ended?,
            () = stop => {
                tracing::info!("stopping: open requests may finish");
                let (ended, ()) = tokio::join!(running, handle.stop(true));
                ended?;
            }
        }
        tasks.iter().for_each(JoinHandle::abort);
        core.db.close().await;
        tracing::info!("stopped");
        Ok(())
    }

    /// Replicas agree on the signing keys by looking for new ones now and then.
    fn poll_keys(&self) -> JoinHandle<()> {
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

    /// Clients are told of logouts at once, and of those that another process noted, or that failed, soon.
    fn tell_of_logouts(&self) -> JoinHandle<()> {
        const EVERY: Duration = Duration::from_secs(5);
        let (core, clock) = (Arc::clone(&self.core), self.clock.clone());
        tokio::spawn(async move {
            loop {
                match back_channel::deliver_due(&core, clock.now()).await {
                    Ok(0) => drop(tokio::time::timeout(EVERY, core.logouts.notified()).await),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(%error, "clients could not be told of logouts; trying again");
                        tokio::time::sleep(EVERY).await;
                    }
                }
            }
        })
    }

    /// A certificate is renewed without a restart; a broken one changes nothing.
    fn renew_certificate(&self) -> JoinHandle<()> {
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

    fn tidy(&self) -> JoinHandle<()> {
        let (core, clock, settings) =
            (Arc::clone(&self.core), self.clock.clone(), self.settings.janitor.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(settings.every).await;
                match janitor::tidy(&core, i64::from(settings.batch), clock.now()).await {
                    Ok(done) if done == janitor::Tidied::default() => {}
                    Ok(done) => tracing::info!(deleted = done.deleted, ended = done.ended, "tidied up"),
                    Err(error) => tracing::error!(%error, "tidying up failed; the next round goes on"),
                }
            }
        })
    }
}

/// Opens the store and sees to its schema.
///
/// # Errors
/// When it cannot be opened, or its schema does not fit.
pub async fn open_store(settings: &Settings, old_schema: OldSchema) -> anyhow::Result<Db> {
    let db = connect(settings).await?;
    let found = schema(&db).await.with_context(|| format!("cannot read {}", settings.database_url))?;
    match (found, &db, old_schema) {
        (Schema::Current, _, _) => Ok(db),
        (Schema::TooOld { .. }, Db::Sqlite(_), _) => {
            migrate_embedded(&db).await.context("cannot migrate the database")?;
            Ok(db)
        }
        (Schema::TooOld { .. }, _, OldSchema::Migrate) => {
            migrate(&db, MigrationLock::Take).await.context("cannot migrate the database")?;
            Ok(db)
        }
        (Schema::TooOld { version: 0, .. }, _, OldSchema::Refuse) => anyhow::bail!(
            "the database has no Heirloom schema yet: run `heirloom migrate`, or start with `heirloom serve --migrate`"
        ),
        (Schema::TooOld { version, wanted }, _, OldSchema::Refuse) => anyhow::bail!(
            "the database's schema is version {version}, this binary needs {wanted}: run `heirloom migrate`, or start \
             with `heirloom serve --migrate`"
        ),
        (Schema::TooNew { version, known }, _, _) => anyhow::bail!(
            "the database's schema is version {version}, newer than this binary knows ({known}): run the newer heirloom \
             that migrated it"
        ),
        (Schema::Damaged { version }, _, _) => anyhow::bail!(
            "migration {version} of the database was left half done or is not this binary's: restore the database from \
             a backup, then run `heirloom migrate`"
        ),
    }
}

/// SQLite has no lock that migrations could take: of several processes that open a new file one migrates it, and the
/// others, whose own try fails, look whether it is done.
async fn migrate_embedded(db: &Db) -> Result<(), StoreError> {
    const LOOKS: u32 = 50;
    for _ in 0..LOOKS {
        let migrated = migrate(db, MigrationLock::Take).await.is_ok();
        if migrated || schema(db).await.is_ok_and(|found| found == Schema::Current) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    migrate(db, MigrationLock::Take).await
}

/// Opens the store whatever its schema.
///
/// # Errors
/// When it cannot be opened.
pub async fn connect(settings: &Settings) -> anyhow::Result<Db> {
    let bounds = PoolBounds {
        max_connections: settings.database.max_connections,
        acquire_timeout: settings.database.acquire_timeout,
        statement_cache: settings.database.statement_cache,
    };
    let opened = match &settings.database_url {
        DatabaseUrl::Postgres(url) => Db::postgres(url.expose(), bounds).await,
        DatabaseUrl::SqliteMemory => Db::sqlite_memory(bounds).await,
        DatabaseUrl::Sqlite(path) => {
            if let Some(folder) = path.parent() {
                master_keys::make_private_folder(folder)?;
            }
            Db::sqlite_file(path, bounds).await
        }
    };
    opened.with_context(|| format!("cannot open {}", settings.database_url))
}

/// The password threads that the settings describe.
///
/// # Errors
/// When the parameters are none, or the threads cannot start.
pub fn password_pool(settings: &Settings) -> anyhow::Result<Passwords> {
    let cost = &settings.passwords;
    let params = argon2::Params::new(cost.memory_kib, cost.iterations, cost.parallelism, None)
        .map_err(|error| anyhow::anyhow!("passwords: {error}"))?;
    let size = PoolSize { threads: cost.threads.unwrap_or_else(cores), queue: cost.queue };
    Passwords::start(params, size).context("cannot start the password threads")
}

/// The certificate, if the settings name one.
fn tls(settings: &Settings) -> anyhow::Result<Option<Arc<Tls>>> {
    match (settings.tls.certificate.clone(), settings.tls.key.clone()) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Tls::load(tls::Files { certificate, key }).map(Some),
        (Some(_), None) => anyhow::bail!("tls.certificate is set, so tls.key must be, too"),
        (None, Some(_)) => anyhow::bail!("tls.key is set, so tls.certificate must be, too"),
    }
}

fn attempt_limits(settings: &Settings) -> AttemptLimits {
    let it = &settings.limits;
    AttemptLimits {
        account: it.account_attempts,
        everywhere: it.account_attempts_everywhere,
        address: it.address_attempts,
        window: it.attempts_window,
    }
}

/// How the next signing key comes in, as the settings have it.
#[must_use]
pub fn succession(settings: &Settings) -> Succession {
    Succession {
        algorithm: settings.keys.algorithm,
        publish_ahead: settings.keys.publish_ahead,
        default_ttl: settings.tokens.access_ttl,
    }
}

/// The lifetimes of clients that set none of their own.
///
/// # Errors
/// When they contradict each other.
pub fn lifetimes(settings: &Settings) -> anyhow::Result<Lifetimes> {
    let it = &settings.tokens;
    Lifetimes::new(it.access_ttl, it.idle_ttl, it.absolute_ttl, it.leeway).context("tokens")
}

/// Settings may have changed since a client was registered: better to say so now than to refuse its users later.
async fn check_clients(db: &Db, known: &Clients) -> anyhow::Result<()> {
    for client in clients::list(db).await? {
        known.lifetimes_of(&client).with_context(|| {
            format!("client {}: change it with `heirloom client update`, or the settings", client.id)
        })?;
    }
    Ok(())
}

/// Reads the files that an operator has put in the place of the pages' own.
fn look(settings: &Settings) -> anyhow::Result<Look> {
    let pages = &settings.pages;
    let mut templates = Vec::new();
    for name in template_names() {
        let Some(path) = pages.templates.as_ref().map(|folder| folder.join(name)) else { break };
        if path.exists() {
            let source =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            templates.push((name.to_owned(), source));
        }
    }
    let logo = match &pages.logo {
        None => None,
        Some(path) => {
            let media_type = match path.extension().and_then(OsStr::to_str) {
                Some("svg") => "image/svg+xml",
                Some("png") => "image/png",
                Some("webp") => "image/webp",
                Some("jpg" | "jpeg") => "image/jpeg",
                Some(_) | None => {
                    anyhow::bail!("pages.logo: {} is no .svg, .png, .webp or .jpg", path.display())
                }
            };
            let picture = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Some((picture, media_type))
        }
    };
    let on_accent = if pages.accent.is_light() { "#000000" } else { "#ffffff" };
    Ok(Look { name: pages.name.clone(), logo, accent: (pages.accent.to_string(), on_accent), templates })
}

fn clients_cache(
    defaults: Lifetimes,
    settings: &settings::Registration,
    outbound: &Arc<Outbound>,
) -> Clients {
    let clients = Clients::new(defaults).with_audiences(settings.audiences.clone());
    if settings.metadata_documents {
        clients.with_documents(Documents::new(Arc::clone(outbound), settings.scopes.clone()))
    } else {
        clients
    }
}

fn registration_rules(settings: &settings::Registration) -> Rules {
    Rules {
        mode: settings.mode,
        scopes: settings.scopes.clone(),
        audiences: settings.audiences.clone(),
        per_hour: settings.per_hour,
        unused_ttl: settings.unused_ttl,
    }
}

fn outbound(settings: &settings::Outbound) -> anyhow::Result<Outbound> {
    let limits = Limits {
        allowed_networks: settings.allowed_networks.clone(),
        timeout: settings.timeout,
        body_limit: settings.body_limit,
    };
    let Some(path) = &settings.ca_file else { return Ok(Outbound::new(limits, None)?) };
    let pem = fs::read(path).with_context(|| format!("outbound.ca_file: cannot read {}", path.display()))?;
    Outbound::new(limits, Some(&pem))
        .with_context(|| format!("outbound.ca_file: {} holds no certificates in PEM", path.display()))
}

fn travel(database: &settings::Database) -> Travel {
    if database.batch_rotations { Travel::Together } else { Travel::Alone }
}

/// Measured: a worker serves some 20,000 refreshes a second, and a thread more than the cores can run only moves work
/// between caches.
fn workers(settings: &Settings) -> usize {
    settings.http.workers.unwrap_or_else(|| cores().div_ceil(2)).max(1)
}

/// How many of the server's connections each worker has to itself; `None` when there are too few to divide.
fn connections_of_a_worker(settings: &Settings) -> Option<u32> {
    const BESIDE_THE_WORKERS: u32 = 2;
    let each = settings.database.max_connections.saturating_sub(BESIDE_THE_WORKERS) / worker_count(settings);
    (each > 0).then_some(each)
}

/// The settings for what runs beside the workers: the connections that they leave.
fn beside_the_workers(settings: &Settings) -> Settings {
    let of_workers = connections_of_a_worker(settings).unwrap_or(0) * worker_count(settings);
    let max_connections = settings.database.max_connections - of_workers;
    let database = settings::Database { max_connections, ..settings.database.clone() };
    Settings { database, ..settings.clone() }
}

fn worker_count(settings: &Settings) -> u32 {
    u32::try_from(workers(settings)).unwrap_or(u32::MAX)
}

/// The issuer's path, below which everything is served.
fn base_path(issuer: &str) -> String {
    url::Url::parse(issuer).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}
