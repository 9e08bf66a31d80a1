//! The section of what people may do with their mail.

use serde::{Deserialize, Serialize};

use super::text;
use crate::domain::account_rules::{MailedSignIn, SignUp};

/// What people may do with their mail, where there is some.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// Whether whoever forgot the password gets a link for a new one.
    #[serde(deserialize_with = "text::deserialize")]
    pub forgotten_password: bool,
    /// How one signs in by mail, without the password.
    #[serde(with = "text")]
    pub mailed_sign_in: MailedSignIn,
    /// Who may make an account at the pages.
    #[serde(with = "text")]
    pub sign_up: SignUp,
    /// Where those have their mail who may, if not everybody may.
    #[serde(with = "text::words")]
    pub sign_up_domains: Vec<String>,
}
