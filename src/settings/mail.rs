//! The section of the mail server, and of what is sent.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret::{self, Secret};
use super::text;

/// Mail to people.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The mail server; without it, and without a folder, mail is off.
    #[serde(default)]
    pub host: Option<String>,
    /// Its port; `None` is the usual one.
    #[serde(default, deserialize_with = "text::option::deserialize")]
    pub port: Option<u16>,
    /// How the way to it is made secret.
    pub tls: MailTls,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default, serialize_with = "secret::masked")]
    pub password: Option<Secret>,
    /// A file with the password; never set together with `password`.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Whom mail is from: an address, or a name with one.
    #[serde(default)]
    pub from: Option<String>,
    /// Who gets the answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// A folder that mails are written to instead of being sent.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// From the beginning of handing a mail over to its end.
    #[serde(with = "text::duration")]
    pub timeout: Duration,
    /// The language of letters to who has named none that there is.
    pub language: String,
    /// Whether owners are told of what happens to their accounts.
    #[serde(deserialize_with = "text::deserialize")]
    pub notices: bool,
    /// Mails to one address.
    #[serde(deserialize_with = "text::deserialize")]
    pub per_address: u32,
    /// Mails about one account.
    #[serde(deserialize_with = "text::deserialize")]
    pub per_account: u32,
    /// In this time.
    #[serde(with = "text::duration")]
    pub limit_window: Duration,
}

/// How the way to the mail server is made secret.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// From the connection's beginning.
    Implicit,
    /// By a command that the server must know.
    Starttls,
    /// Not at all: to this machine itself only.
    None,
}
