//! Which store, and where.

use std::{borrow::Cow, fmt, path::PathBuf, str::FromStr};

use url::Url;

use super::secret::Secret;

/// The store's address: `sqlite:PATH`, `sqlite::memory:`, `postgres://…` or `postgresql://…`.
///
/// `Display` and `Debug` show a password as `***`.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// The embedded store in this file, a path taken as it is.
    Sqlite(PathBuf),
    /// The embedded store in memory: gone when the process ends.
    SqliteMemory,
    /// Postgres; the whole URL as the operator wrote it.
    Postgres(Secret),
}

impl FromStr for DatabaseUrl {
    type Err = NotADatabase;

    fn from_str(text: &str) -> Result<Self, NotADatabase> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                ":memory:" => Ok(Self::SqliteMemory),
                // A query would be taken for a part of the file's name.
                path if path.is_empty() || path.contains('?') => Err(NotADatabase),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(NotADatabase);
        }
        if names_several(text) {
            // Said by a rule of its own.
            return Ok(Self::Postgres(Secret::from(text.to_owned())));
        }
        let url = Url::parse(text).map_err(|_| NotADatabase)?;
        // An unescaped #, ? or / in a password ends it early: what follows would pass for something to be shown.
        let has_lost_its_password = url.path().contains('@') || url.query().unwrap_or_default().contains('@');
        if has_lost_its_password || url.fragment().is_some() {
            return Err(NotADatabase);
        }
        Ok(Self::Postgres(Secret::from(text.to_owned())))
    }
}

impl DatabaseUrl {
    /// What is expected instead of what the URL asks for and cannot have.
    pub(super) fn expected(&self) -> Option<&'static str> {
        let Self::Postgres(url) = self else { return None };
        if names_several(url.expose()) {
            return Some(ONE_HOST);
        }
        let url = Url::parse(url.expose()).ok()?;
        let is_met = |target: &str| matches!(target, "read-write" | "primary" | "any");
        let is_unmet = url.query_pairs().any(|(name, value)| name == TARGET && !is_met(&value));
        is_unmet.then_some(WRITES)
    }
}

const TARGET: &str = "target_session_attrs";
const ONE_HOST: &str = "one host, whose address leads to the primary after a failover, too: a name that follows it, or a \
     proxy; not several";
const WRITES: &str = "target_session_attrs=read-write, or none: no server is used but one that takes writes";

/// Whether a URL lists hosts, as libpq lets it, in their place or among the parameters.
fn names_several(url: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, rest) =
        after_scheme.split_at(after_scheme.find(['/', '?', '#']).unwrap_or(after_scheme.len()));
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let lists = |(name, value): (Cow<str>, Cow<str>)| {
        matches!(&*name, "host" | "hostaddr" | "port") && value.contains(',')
    };
    hosts.contains(',') || url::form_urlencoded::parse(query.as_bytes()).any(lists)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(to, "sqlite:{}", path.display()),
            Self::SqliteMemory => to.write_str("sqlite::memory:"),
            Self::Postgres(url) => to.write_str(&without_password(url.expose())),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "DatabaseUrl({self})")
    }
}

/// A Postgres URL may carry a password before the host and, as libpq has it, among the parameters.
fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "***".to_owned() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    if url.query().is_some() {
        let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let shown = parameters.iter().map(|(name, value)| {
            let is_password = name.to_lowercase().contains("pass");
            (name, if is_password { "***" } else { value })
        });
        url.query_pairs_mut().clear().extend_pairs(shown);
    }
    url.into()
}

/// The text names no store.
#[derive(Debug, thiserror::Error)]
#[error("it is not the address of a database")]
pub struct NotADatabase;
