//! The sections of the settings, one struct each. Their bounds are in `rules.rs`, their defaults in `table.rs`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::addresses::{CollectorUrl, HttpsUrl, Listen};
use super::colour::Colour;
use super::header::Header;
use super::providers::ProviderTables;
use super::text;
use crate::domain::audience::Audience;
use crate::domain::client::CodeProtection;
use crate::domain::redirect_rule::RedirectScheme;
use crate::domain::registration::Mode;
use crate::domain::scope::ScopeSet;
use crate::domain::second_factor_policy::SecondFactorPolicy;
use crate::domain::signing_algorithm::{EdDsaName, SigningAlgorithm};

/// Lifetimes of tokens and families, where a client has none of its own.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// From the issue of an access token to its expiry.
    #[serde(with = "text::duration")]
    pub access_ttl: Duration,
    /// From a family's last refresh to its end.
    #[serde(with = "text::duration")]
    pub idle_ttl: Duration,
    /// From a login to its family's end, however often it is refreshed.
    #[serde(with = "text::duration")]
    pub absolute_ttl: Duration,
    /// How long the refresh token before the current one may honestly come back; zero is strict mode.
    #[serde(with = "text::duration")]
    pub leeway: Duration,
}

/// How long a browser stays signed in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignInSettings {
    /// From its last use for an app to its end.
    #[serde(with = "text::duration")]
    pub idle_ttl: Duration,
    /// From the sign-in to its end, however often it is used.
    #[serde(with = "text::duration")]
    pub absolute_ttl: Duration,
    /// Where users may sign in instead.
    pub providers: ProviderTables,
    /// Whether everybody signs in with two factors.
    #[serde(with = "text")]
    pub second_factor: SecondFactorPolicy,
}

/// What the pages look like.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PageSettings {
    /// What people know this server's owner by.
    pub name: String,
    /// A picture above it: a file in SVG, PNG, WebP or JPEG.
    #[serde(default)]
    pub logo: Option<PathBuf>,
    /// The colour of buttons and links.
    #[serde(with = "text")]
    pub accent: Colour,
    /// A folder whose files stand in for built-in templates, and for texts (en.json, de.json).
    #[serde(default)]
    pub templates: Option<PathBuf>,
    /// Whether users may remove their own accounts.
    pub account_deletion: bool,
}

/// Clients that no operator added.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationSettings {
    /// Who may register a client.
    #[serde(with = "text")]
    pub mode: Mode,
    /// Whether a client's id may be the URL of its metadata document.
    #[serde(deserialize_with = "text::deserialize")]
    pub metadata_documents: bool,
    /// How the codes of a confidential client are protected that registered itself.
    #[serde(with = "text")]
    pub code_protection: CodeProtection,
    /// The scopes that such a client may have.
    #[serde(deserialize_with = "text::scopes", serialize_with = "text::serialize")]
    pub scopes: ScopeSet,
    /// The services that its tokens may be for, beside the issuer.
    #[serde(with = "text::words")]
    pub audiences: Vec<Audience>,
    /// The schemes that its redirect URIs may have beside https and domain names in reverse.
    #[serde(with = "text::words")]
    pub redirect_schemes: Vec<RedirectScheme>,
    /// How many one address may register in an hour where registration is open.
    #[serde(deserialize_with = "text::deserialize")]
    pub per_hour: u32,
    /// How long a client stays that nobody signs in with.
    #[serde(with = "text::duration")]
    pub unused_ttl: Duration,
    /// How long the period may be in which the refresh tokens of such a client rotate.
    #[serde(with = "text::duration")]
    pub longest_rotation_period: Duration,
    /// Networks that what such a client names may lead to, although they are not public, by http, too.
    #[serde(deserialize_with = "text::networks")]
    pub allowed_networks: Vec<IpNet>,
}

/// What a new password must be, the cost of argon2id (RFC 9106) and the bounds of the pool that computes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSettings {
    /// Characters of a new password.
    #[serde(deserialize_with = "text::deserialize")]
    pub min_length: u32,
    /// Whether apps may send their users' passwords, to `/login` or for a code.
    #[serde(deserialize_with = "text::deserialize")]
    pub simple_face: bool,
    /// Memory of one hash in KiB.
    #[serde(deserialize_with = "text::deserialize")]
    pub memory_kib: u32,
    /// Passes over that memory.
    #[serde(deserialize_with = "text::deserialize")]
    pub iterations: u32,
    /// Lanes of one hash.
    #[serde(deserialize_with = "text::deserialize")]
    pub parallelism: u32,
    /// Hashes computed at the same time, one fewer while refreshes come; `None` is one for each core.
    #[serde(default, deserialize_with = "text::option::deserialize")]
    pub threads: Option<usize>,
    /// Requests that may wait for a thread; one more is turned away.
    #[serde(deserialize_with = "text::deserialize")]
    pub queue: usize,
}

/// How much is taken in a while, by all replicas together.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Wrong passwords for one account, from one address.
    #[serde(deserialize_with = "text::deserialize")]
    pub account_attempts: u32,
    /// For one account, from everywhere.
    #[serde(deserialize_with = "text::deserialize")]
    pub account_attempts_everywhere: u32,
    /// From one address, for all accounts.
    #[serde(deserialize_with = "text::deserialize")]
    pub address_attempts: u32,
    /// In this time.
    #[serde(with = "text::duration")]
    pub attempts_window: Duration,
    /// Live logins of one user; the longest unused ones end.
    #[serde(deserialize_with = "text::deserialize")]
    pub logins_per_user: u32,
    /// Requests that wait for their users, from one address.
    #[serde(deserialize_with = "text::deserialize")]
    pub waiting_requests: u32,
    /// In this time.
    #[serde(with = "text::duration")]
    pub waiting_window: Duration,
    /// Documents of strangers that are fetched in an hour for one address.
    #[serde(deserialize_with = "text::deserialize")]
    pub fetches: u32,
}

/// Signing keys.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// What is signed with where nobody asks for an algorithm, from the next `keys rotate` on.
    #[serde(deserialize_with = "text::deserialize")]
    pub algorithm: SigningAlgorithm,
    /// What keys of `EdDSA` that are made from now on are called.
    pub eddsa_name: EdDsaName,
    /// From the publication of the next key to its first signature.
    #[serde(with = "text::duration")]
    pub publish_ahead: Duration,
    /// How often a replica looks for keys that another one made; never longer than `publish_ahead`.
    #[serde(with = "text::duration")]
    pub poll_every: Duration,
}

/// What tells services that verify offline of the logins that were ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatusListSettings {
    /// How old a list may be, in whole seconds.
    #[serde(with = "text::duration")]
    pub interval: Duration,
}

/// What is kept of what happened.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// How long; zero keeps nothing.
    #[serde(with = "text::duration")]
    pub retention: Duration,
    /// Whether each is chained to the one before it.
    #[serde(deserialize_with = "text::deserialize")]
    pub chain: bool,
}

/// How clients prove their keys (DPoP).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DpopSettings {
    /// Whether each proof needs a nonce of the server's.
    #[serde(deserialize_with = "text::deserialize")]
    pub require_nonce: bool,
    /// How long a nonce is handed out, in whole seconds; it is good for as long again.
    #[serde(with = "text::duration")]
    pub nonce_lifetime: Duration,
}

/// Who administers the server by its API, and where.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// The role of those users who may.
    pub role: String,
    /// Where the API is, if not beside everything else; port 0 lets the system choose one.
    #[serde(default, with = "text::option")]
    pub listen: Option<Listen>,
    /// The longest body of users who move in, in bytes.
    pub import_limit: usize,
}

/// What monitoring reads, and where.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSettings {
    /// Where the metrics are, if anywhere; port 0 lets the system choose one.
    #[serde(default, with = "text::option")]
    pub listen: Option<Listen>,
}

/// Where traces go, and of which requests there are some.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TraceSettings {
    /// Where a collector takes them by OTLP, if there is one.
    #[serde(default, with = "text::option")]
    pub endpoint: Option<CollectorUrl>,
    /// One request of so many is traced.
    #[serde(deserialize_with = "text::deserialize")]
    pub one_in: NonZeroU32,
    /// Whose word counts instead.
    #[serde(deserialize_with = "text::networks")]
    pub trusted_networks: Vec<IpNet>,
}

/// How clients show certificates (mutual TLS).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MtlsSettings {
    /// Where they show them to the server itself; port 0 lets the system choose one.
    #[serde(default, with = "text::option")]
    pub listen: Option<Listen>,
    /// The URL that they know that listener by.
    #[serde(default, with = "text::option")]
    pub url: Option<HttpsUrl>,
    /// A file with the listener's certificate and those that vouch for it, in PEM, if it is not the server's.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// A file with that certificate's private key, in PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The header in which trusted proxies tell of them.
    #[serde(default, with = "text::option")]
    pub client_cert_header: Option<Header>,
    /// Who vouches for them: a file in PEM.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// The HTTP server's limits.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Threads that serve requests; `None` is one for each core.
    #[serde(default, deserialize_with = "text::option::deserialize")]
    pub workers: Option<usize>,
    /// The longest request body in bytes.
    #[serde(deserialize_with = "text::deserialize")]
    pub body_limit: usize,
    /// From a request's arrival to its answer.
    #[serde(with = "text::duration")]
    pub request_timeout: Duration,
    /// From a connection's start to the end of its request's header.
    #[serde(with = "text::duration")]
    pub header_timeout: Duration,
    /// How long an idle connection stays open.
    #[serde(with = "text::duration")]
    pub keep_alive: Duration,
    /// How long the server goes on once it is told to stop, so that whoever sends it requests can look elsewhere.
    #[serde(with = "text::duration")]
    pub drain_delay: Duration,
    /// How long open requests may take to finish after that.
    #[serde(with = "text::duration")]
    pub drain_timeout: Duration,
    /// Open connections of one worker.
    #[serde(deserialize_with = "text::deserialize")]
    pub max_connections: usize,
    /// The proxies whose forwarding headers are believed.
    #[serde(deserialize_with = "text::networks")]
    pub trusted_proxies: Vec<IpNet>,
}

/// What the server itself fetches and calls: clients' keys and metadata, their logout addresses.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundSettings {
    /// Networks that may be reached for operators' clients although they are not public, by http, too.
    #[serde(deserialize_with = "text::networks")]
    pub allowed_networks: Vec<IpNet>,
    /// Certificate authorities beside those of the machine: a file in PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// From the beginning of a request to the end of its answer.
    #[serde(with = "text::duration")]
    pub timeout: Duration,
    /// The longest answer that is read, in bytes.
    #[serde(deserialize_with = "text::deserialize")]
    pub body_limit: usize,
}

/// TLS served directly, without a proxy in front.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// A file with the certificate and those that vouch for it, in PEM.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// A file with the certificate's private key, in PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// How often the files are looked at for a new certificate.
    #[serde(with = "text::duration")]
    pub reload_every: Duration,
}

/// The pool of database connections.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// Connections of one server process.
    #[serde(deserialize_with = "text::deserialize")]
    pub max_connections: u32,
    /// Whether refreshes that arrive together are written together.
    #[serde(deserialize_with = "text::deserialize")]
    pub batch_rotations: bool,
    /// How long a request waits for a connection.
    #[serde(with = "text::duration")]
    pub acquire_timeout: Duration,
    /// Prepared statements kept for each connection. With 0 nothing stays on one: for a pooler in transaction mode.
    #[serde(deserialize_with = "text::deserialize")]
    pub statement_cache: usize,
}

/// The deletion of expired families.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JanitorSettings {
    /// From one sweep to the next.
    #[serde(with = "text::duration")]
    pub every: Duration,
    /// Families deleted by one statement.
    #[serde(deserialize_with = "text::deserialize")]
    pub batch: u32,
}

/// The log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// What is logged, as `LEVEL` and `TARGET=LEVEL`, with commas between.
    #[serde(deserialize_with = "text::log_filter")]
    pub filter: String,
}

/// The form of a line in the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}
