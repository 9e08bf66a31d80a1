//! What each part of the server is told of the settings.

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;

use crate::clock::Clock;
use crate::crypto::client_authorities::ClientAuthorities;
use crate::crypto::passwords::{Passwords, PoolSize};
use crate::crypto::relying_party::RelyingParty;
use crate::domain::account_rules::AccountRules;
use crate::domain::client::{AuthMethod, Client, Origin};
use crate::domain::lifetimes::Lifetimes;
use crate::domain::new_password::PasswordRules;
use crate::domain::registration::Allowed;
use crate::domain::subject::SubjectKey;
use crate::http::pages::renderer::{Look, file_names};
use crate::outbound::{Limits, Outbound};
use crate::service::clients::documents::Documents;
use crate::service::clients::key_proof::KeyProofs;
use crate::service::clients::known_clients::Clients;
use crate::service::clients::registrar::Rules;
use crate::service::keys::succession::Succession;
use crate::service::limit::Limit;
use crate::service::mail::letters::letter_file_names;
use crate::service::users::attempts::AttemptLimits;
use crate::settings::{self, Issuer, Listen, Settings};
use crate::store::group_commit::Batching;
use crate::store::{Db, clients, distribution, families};
use crate::tls::{self, Tls};

/// The password threads that the settings describe.
///
/// # Errors
/// When the parameters are none, or the threads cannot start.
pub(super) fn password_pool(settings: &Settings) -> anyhow::Result<Passwords> {
    let it = &settings.passwords;
    let size = PoolSize { threads: it.threads.unwrap_or_else(cores), queue: it.queue };
    Passwords::start(password_cost(settings)?, size).context("cannot start the password threads")
}

/// What a password costs.
///
/// # Errors
/// When these numbers are no costs.
pub(super) fn password_cost(settings: &Settings) -> anyhow::Result<argon2::Params> {
    let cost = &settings.passwords;
    argon2::Params::new(cost.memory_kib, cost.iterations, cost.parallelism, None)
        .map_err(|error| anyhow::anyhow!("passwords: {error}"))
}

pub(super) fn password_rules(settings: &Settings, issuer: &Issuer) -> PasswordRules {
    let host = url::Url::parse(issuer.as_str()).ok().and_then(|url| url.host_str().map(ToOwned::to_owned));
    PasswordRules {
        min_length: settings.passwords.min_length,
        server_words: std::iter::once(settings.pages.name.clone()).chain(host).collect(),
    }
}

/// This server as passkeys know it; `None` where they are off, or browsers would not take it for one: its host has no
/// name, or whoever is in between could change its pages (Web Authentication §5.1.3, §13.4.9).
///
/// # Errors
/// When the settings name a domain or a site that cannot be one.
pub(super) fn relying_party(settings: &Settings, issuer: &Issuer) -> anyhow::Result<Option<RelyingParty>> {
    let it = &settings.passkeys;
    let origin = url::Url::parse(issuer.as_str()).context("the issuer")?;
    let Some(host) = origin.domain().filter(|_| it.enabled) else { return Ok(None) };
    let is_local = host == "localhost" || host.ends_with(".localhost");
    if origin.scheme() != "https" && !is_local {
        return Ok(None);
    }
    let related = it.related_origins.iter().map(|origin| url::Url::parse(origin.as_str()));
    let related: Vec<_> = related.collect::<Result<_, _>>().context("passkeys.related_origins")?;
    let id = it.rp_id.as_deref().unwrap_or(host);
    let name = it.rp_name.as_deref().unwrap_or(&settings.pages.name);
    RelyingParty::new(id, name, &origin, &related).map(Some).context("passkeys.rp_id")
}

/// The certificate, if the settings name one.
pub(super) fn tls(settings: &Settings) -> anyhow::Result<Option<Arc<Tls>>> {
    match (settings.tls.certificate.clone(), settings.tls.key.clone()) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Tls::load(tls::Files { section: "tls", certificate, key }).map(Some)
        }
        (Some(_), None) => anyhow::bail!("tls.certificate is set, so tls.key must be, too"),
        (None, Some(_)) => anyhow::bail!("tls.key is set, so tls.certificate must be, too"),
    }
}

pub(super) fn attempt_limits(settings: &Settings) -> AttemptLimits {
    let it = &settings.limits;
    AttemptLimits {
        account: it.account_attempts,
        everywhere: it.account_attempts_everywhere,
        address: it.address_attempts,
        window: it.attempts_window,
        // Who waits for a verdict waits for a password's thread, too.
        waiting: settings.passwords.queue,
    }
}

/// How many documents of strangers one address may have fetched.
fn fetch_limit(settings: &Settings, subjects: &Arc<SubjectKey>) -> Limit {
    const HOUR: Duration = Duration::from_hours(1);
    Limit::new("fetches", settings.limits.fetches, HOUR, Arc::clone(subjects))
}

pub(super) fn waiting_limit(settings: &Settings, subjects: &Arc<SubjectKey>) -> Limit {
    let it = &settings.limits;
    Limit::new("waiting", it.waiting_requests, it.waiting_window, Arc::clone(subjects))
}

/// How the next signing key comes in, as the settings have it.
pub(super) fn succession(settings: &Settings) -> Succession {
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
pub(super) async fn check_clients(db: &Db, known: &Clients) -> anyhow::Result<()> {
    const PART: i64 = 1000;
    let mut after = None;
    loop {
        let part = clients::list_some(db, after.as_ref(), PART).await?;
        let Some(last) = part.last() else { return Ok(()) };
        after = Some(last.id.clone());
        part.iter().try_for_each(|client| check_client(client, known))?;
    }
}

fn check_client(client: &Client, known: &Clients) -> anyhow::Result<()> {
    let lifetimes = known.lifetimes_of(client).map_err(anyhow::Error::from);
    let checked = lifetimes.and_then(|lifetimes| match client.origin {
        Origin::Operator => Ok(client.metadata.refresh_token_rotation.checked(&lifetimes).map(drop)?),
        Origin::Registered | Origin::Document => Ok(()),
    });
    checked.with_context(|| {
        format!("client {}: change it with `heirloom client update`, or the settings", client.id)
    })
}

/// Reads the files that an operator has put in the place of the pages' own.
pub(super) fn look(settings: &Settings) -> anyhow::Result<Look> {
    let pages = &settings.pages;
    let files =
        templates(settings)?.into_iter().filter(|(name, _)| file_names().any(|it| it == *name)).collect();
    let logo = match &pages.logo {
        None => None,
        Some(path) => {
            let media_type = match path.extension().and_then(OsStr::to_str) {
                Some("svg") => "image/svg+xml",
                Some("png") => "image/png",
                Some("webp") => "image/webp",
                Some("jpg" | "jpeg") => "image/jpeg",
                Some(_) | None => {
                    anyhow::bail!("pages.logo: {} is not a .svg, .png, .webp or .jpg file", path.display())
                }
            };
            let picture = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Some((picture, media_type))
        }
    };
    let on_accent = if pages.accent.is_light() { "#000000" } else { "#ffffff" };
    let accent = (pages.accent.to_string(), on_accent);
    Ok(Look { name: pages.name.clone(), logo, accent, files })
}

/// The files that an operator has put in the place of the letters' own.
pub(super) fn letter_files(settings: &Settings) -> anyhow::Result<Vec<(String, String)>> {
    let is_of_letters = |name: &str| letter_file_names().any(|it| it == name);
    Ok(templates(settings)?.into_iter().filter(|(name, _)| is_of_letters(name)).collect())
}

fn templates(settings: &Settings) -> anyhow::Result<Vec<(String, String)>> {
    let files =
        settings.pages.templates.as_deref().map(template_files).transpose().context("pages.templates")?;
    Ok(files.unwrap_or_default())
}

/// The templates and catalogues in a folder. One of another name would never be seen, so it is a mistake; what is
/// neither, such as a picture, may lie there too.
fn template_files(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let cannot_read = |path: &Path| format!("cannot read {}", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| cannot_read(folder))? {
        let path = entry.with_context(|| cannot_read(folder))?.path();
        if !matches!(path.extension().and_then(OsStr::to_str), Some("html" | "json" | "txt")) {
            continue;
        }
        let mut names = file_names().chain(letter_file_names());
        let name = names.find(|name| path.file_name() == Some(OsStr::new(name)));
        let name = name.with_context(|| {
            let known: Vec<String> = file_names().chain(letter_file_names()).collect();
            format!("{} stands in for nothing; there are {}", path.display(), known.join(", "))
        })?;
        files.push((name, fs::read_to_string(&path).with_context(|| cannot_read(&path))?));
    }
    Ok(files)
}

/// The clients, with the way to their documents and what bounds it.
///
/// # Errors
/// When lifetimes contradict each other, or the certificates for that way cannot be read.
pub(super) fn known_clients(
    settings: &Settings,
    subjects: &Arc<SubjectKey>,
    clock: Clock,
) -> anyhow::Result<(Clients, Arc<Outbound>, Arc<Limit>)> {
    let registration = &settings.registration;
    let outbound = Arc::new(outbound(&settings.outbound, registration)?);
    let fetches = Arc::new(fetch_limit(settings, subjects));
    let clients = Clients::new(lifetimes(settings)?, clock).with_audiences(registration.audiences.clone());
    let clients = if registration.metadata_documents {
        let (outbound, fetches) = (Arc::clone(&outbound), Arc::clone(&fetches));
        clients.with_documents(Documents::new(outbound, allowed(settings), fetches))
    } else {
        clients
    };
    Ok((clients, outbound, fetches))
}

pub(super) fn key_proofs(settings: &settings::DpopSettings) -> KeyProofs {
    KeyProofs::new(cores(), settings.require_nonce.then_some(settings.nonce_lifetime))
}

/// The authorities that vouch for clients' certificates, if the settings name some.
pub(super) fn client_authorities(settings: &Settings) -> anyhow::Result<Option<Arc<ClientAuthorities>>> {
    let (mtls, proxies) = (&settings.mtls, &settings.http.trusted_proxies);
    anyhow::ensure!(
        mtls.client_cert_header.is_none() || !proxies.is_empty(),
        "mtls.client_cert_header is set, so http.trusted_proxies must be, too: nobody else is believed"
    );
    let Some(path) = &mtls.client_ca else { return Ok(None) };
    let pem = fs::read(path).with_context(|| format!("mtls.client_ca: cannot read {}", path.display()))?;
    let read = ClientAuthorities::read(&pem);
    read.map(Arc::new).map(Some).with_context(|| format!("mtls.client_ca: {}", path.display()))
}

/// What people may do with their mail.
pub(super) fn account_rules(settings: &Settings) -> AccountRules {
    let it = &settings.accounts;
    AccountRules {
        forgotten_password: it.forgotten_password,
        mailed_sign_in: it.mailed_sign_in,
        sign_up: it.sign_up,
        sign_up_domains: it.sign_up_domains.iter().map(|domain| domain.to_lowercase()).collect(),
    }
}

pub(super) fn registration_rules(settings: &Settings) -> Rules {
    let it = &settings.registration;
    Rules {
        mode: it.mode,
        code_protection: it.code_protection,
        allowed: allowed(settings),
        audiences: it.audiences.clone(),
        per_hour: it.per_hour,
        unused_ttl: it.unused_ttl,
    }
}

fn outbound(
    settings: &settings::OutboundSettings,
    of_strangers: &settings::RegistrationSettings,
) -> anyhow::Result<Outbound> {
    let limits = Limits {
        allowed_networks: settings.allowed_networks.clone(),
        strangers_networks: of_strangers.allowed_networks.clone(),
        timeout: settings.timeout,
        body_limit: settings.body_limit,
    };
    let Some(path) = &settings.ca_file else { return Ok(Outbound::new(limits, None)?) };
    Outbound::new(limits, authorities(settings)?.as_deref())
        .with_context(|| format!("outbound.ca_file: {} does not hold certificates in PEM", path.display()))
}

/// Who vouches for other servers beside those whom the machine trusts, in PEM.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn authorities(settings: &settings::OutboundSettings) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(path) = &settings.ca_file else { return Ok(None) };
    let pem = fs::read(path).with_context(|| format!("outbound.ca_file: cannot read {}", path.display()))?;
    Ok(Some(pem))
}

/// Whether rotations share statements: where the settings want it, and the engine can.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn batching(settings: &settings::DatabaseSettings, db: &Db) -> anyhow::Result<Batching> {
    if !settings.batch_rotations {
        return Ok(Batching::Off);
    }
    if distribution::is_marked(db).await? {
        tracing::info!("the database is distributed: each rotation goes in a statement of its own");
        return Ok(Batching::Off);
    }
    if families::can_rotate_together(db).await {
        return Ok(Batching::On);
    }
    tracing::warn!("the database cannot rotate several logins in one statement: each goes in one of its own");
    Ok(Batching::Off)
}

pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

fn allowed(settings: &Settings) -> Allowed {
    let it = &settings.registration;
    Allowed {
        // No client makes itself an administrator.
        scopes: it.scopes.without_rights(),
        auth_methods: auth_methods(&settings.mtls),
        redirect_schemes: it.redirect_schemes.clone(),
        longest_rotation_period: it.longest_rotation_period,
    }
}

/// Those by certificate are offered where certificates are seen, and that of authorities where there are some.
fn auth_methods(settings: &settings::MtlsSettings) -> Vec<AuthMethod> {
    let sees_certificates = settings.client_cert_header.is_some() || settings.listen.is_some();
    let is_offered = |method: &AuthMethod| match method {
        AuthMethod::None
        | AuthMethod::ClientSecretBasic
        | AuthMethod::ClientSecretPost
        | AuthMethod::PrivateKeyJwt => true,
        AuthMethod::SelfSignedTlsClientAuth => sees_certificates,
        AuthMethod::TlsClientAuth => sees_certificates && settings.client_ca.is_some(),
    };
    AuthMethod::ALL.into_iter().filter(is_offered).collect()
}

/// Binds an address; gives it with the port that it has.
///
/// # Errors
/// When that cannot be done.
pub(super) fn bind(listen: &Listen) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let host = listen.host().trim_matches(['[', ']']);
    let listener =
        TcpListener::bind((host, listen.port())).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The path of a URL, below which everything is served.
pub(super) fn path_of(url: &str) -> String {
    url::Url::parse(url).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}
