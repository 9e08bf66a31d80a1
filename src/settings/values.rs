//! All settings together, and their defaults.

use std::{net::SocketAddr, path::PathBuf};

use config::Config;
use serde::{Deserialize, Serialize};

use super::{
    accounts::AccountSettings,
    addresses::{HttpsUrl, Issuer, Listen},
    database_url::DatabaseUrl,
    mail::MailSettings,
    origin::Origins,
    passkeys::PasskeySettings,
    secret::{self, Secret},
    sections::{
        AdminSettings, DatabaseSettings, DpopSettings, EventSettings, HttpSettings, JanitorSettings,
        KeySettings, LimitSettings, LogSettings, MetricsSettings, MtlsSettings, OutboundSettings,
        PageSettings, PasswordSettings, RegistrationSettings, SignInSettings, StatusListSettings,
        TlsSettings, TokenSettings, TraceSettings,
    },
    table::SETTINGS,
    text,
};

/// Everything an operator may choose. [`Settings::default`] holds what applies when nothing is set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the server listens; port 0 lets the system choose one.
    #[serde(with = "text")]
    pub listen: Listen,
    /// The issuer as configured; [`Settings::issuer_at`] gives the one in force.
    #[serde(default, with = "text::option")]
    pub issuer: Option<Issuer>,
    /// The store.
    #[serde(with = "text")]
    pub database_url: DatabaseUrl,
    /// The folder for what the server itself keeps: the embedded store and a master key it made.
    pub data_dir: PathBuf,
    /// The master keys' text: base64 of 32 bytes each, several with commas, not yet parsed.
    #[serde(default, serialize_with = "secret::masked")]
    pub master_key: Option<Secret>,
    /// A file with the master keys' text; never set together with `master_key`.
    #[serde(default)]
    pub master_key_file: Option<PathBuf>,
    /// Lifetimes of tokens and families, where a client has none of its own.
    pub tokens: TokenSettings,
    /// How long a sign-in at the pages lasts.
    pub sign_in: SignInSettings,
    /// What the pages look like.
    pub pages: PageSettings,
    /// What people may do with their mail.
    pub accounts: AccountSettings,
    /// Clients that no operator added.
    pub registration: RegistrationSettings,
    /// The cost of argon2id and the bounds of its pool.
    pub passwords: PasswordSettings,
    /// What users may sign in with instead.
    pub passkeys: PasskeySettings,
    /// How many wrong passwords are forgiven.
    pub limits: LimitSettings,
    /// Signing keys.
    pub keys: KeySettings,
    /// How soon services learn of ended logins.
    pub status_lists: StatusListSettings,
    /// What is kept of what happened.
    pub events: EventSettings,
    /// How clients prove their keys.
    pub dpop: DpopSettings,
    /// Who administers the server by its API, and where.
    pub admin: AdminSettings,
    /// What monitoring reads.
    #[serde(default)]
    pub metrics: MetricsSettings,
    /// Where traces go.
    pub traces: TraceSettings,
    /// How clients show certificates.
    #[serde(default)]
    pub mtls: MtlsSettings,
    /// The HTTP server's limits.
    pub http: HttpSettings,
    /// What the server itself fetches and calls.
    pub outbound: OutboundSettings,
    /// Mail to people.
    pub mail: MailSettings,
    /// TLS served directly.
    pub tls: TlsSettings,

    /// The pool of database connections.
    pub database: DatabaseSettings,
    /// The deletion of expired families.
    pub janitor: JanitorSettings,
    pub log: LogSettings,
    /// Where each value came from.
    #[serde(skip)]
    pub origins: Origins,
}

impl Settings {
    /// What the server speaks: `https` when it has a certificate.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.certificate.is_some() { "https" } else { "http" }
    }

    /// The issuer in force once the server is bound: the configured one, or `http://` (`https://` with a certificate)
    /// and the listen address with the port that was bound. A wildcard address stands for this machine itself.
    #[must_use]
    pub fn issuer_at(&self, bound: SocketAddr) -> Issuer {
        self.issuer.clone().unwrap_or_else(|| self.listen.as_issuer(self.scheme(), bound.port()))
    }

    /// The URL of the listener for clients' certificates once it is bound, which is at `listen`: the configured one, or
    /// made as that of the issuer is.
    #[must_use]
    pub fn mtls_url_at(&self, listen: &Listen, bound: SocketAddr) -> HttpsUrl {
        self.mtls.url.clone().unwrap_or_else(|| listen.as_https_url(bound.port()))
    }
}

impl Default for Settings {
    #[expect(clippy::expect_used, reason = "the defaults are constants, and tests read them")]
    fn default() -> Self {
        defaults().try_deserialize().expect("the table's defaults fit the settings")
    }
}

#[expect(clippy::expect_used, reason = "the defaults are constants, and tests read them")]
pub(super) fn defaults() -> Config {
    let set = SETTINGS.iter().filter_map(|setting| Some((setting.key, setting.default.text()?)));
    let builder = set.fold(Config::builder(), |builder, (key, value)| {
        builder.set_default(key, value).expect("the table's keys are paths")
    });
    builder.build().expect("the table's defaults are values")
}
