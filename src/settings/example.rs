//! The text of `.env.example`.

use super::{
    setting::{Default, Setting},
    table::SETTINGS,
};

const HEADING: &str = "\
# Copy this file to .env and change what you need. An empty value is as if it were not there, the process's own
# variables win over this file, and in 'single quotes' a $ stays as it is. What is commented out shows the default.
# `heirloom config print` shows what is in force and where it came from.

# --- For docker-compose -------------------------------------------------------------------------------------------

# The password of the Postgres container: letters and digits, such as `openssl rand -hex 24` gives.
POSTGRES_PASSWORD=

# Seals the signing keys and signs refresh tokens: make it with `heirloom keys new-master` or
# `openssl rand -base64 32`, and keep a copy in a safe place.
HEIRLOOM_MASTER_KEY=

# The URL that clients and resource services know this server by; without a slash at the end.
HEIRLOOM_ISSUER=http://127.0.0.1:8080

# Where docker-compose publishes the server's port on this machine.
HEIRLOOM_PUBLISH=127.0.0.1:8080
";

/// The text of `.env.example`: each variable, commented out with its default, and those for docker-compose.
#[must_use]
pub fn env_example() -> String {
    let mut text = HEADING.to_owned();
    let mut section = None;
    let is_above = |setting: &&Setting| HEADING.contains(&format!("\n{}=", setting.variable()));
    for setting in SETTINGS.iter().filter(|setting| !is_above(setting)) {
        if section != Some(setting.section()) {
            section = Some(setting.section());
            text.push_str(&rule(setting));
        }
        text.push_str(&entry(setting));
    }
    text
}

fn rule(setting: &Setting) -> String {
    let title = match setting.section() {
        "" => "The server",
        section => section,
    };
    format!("\n{:-<116}\n", format!("# --- {title} "))
}

fn entry(setting: &Setting) -> String {
    let (instead, default) = match setting.default {
        Default::Text(text) => (String::new(), text),
        Default::Unset(instead) => (format!(" If not set: {instead}."), ""),
    };
    let quote = if default.contains(' ') { "'" } else { "" };
    format!("\n# {}{instead}\n# {}={quote}{default}{quote}\n", setting.doc, setting.variable())
}
