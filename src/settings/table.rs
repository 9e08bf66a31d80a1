//! The one list of all settings, in the order in which they are shown.

mod mail;
mod promises;
mod running;

use std::sync::LazyLock;

use super::setting::Setting;

/// Where the embedded store is within the data folder.
pub(super) const DATABASE_FILE: &str = "heirloom.db";

/// Variables with our prefix that only `docker-compose.yml` reads, from the same `.env`.
pub(super) const COMPOSE_ONLY: [&str; 2] = ["HEIRLOOM_IMAGE", "HEIRLOOM_PUBLISH"];

/// Variables with our prefix that only commands with `--server` read: they may lie beside the settings.
pub(super) const REMOTE_ONLY: [&str; 4] =
    ["HEIRLOOM_TOKEN", "HEIRLOOM_CLIENT_ID", "HEIRLOOM_CLIENT_SECRET", "HEIRLOOM_CLIENT_SECRET_FILE"];

pub(super) static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [promises::SETTINGS, mail::SETTINGS, running::SETTINGS].concat());

/// The setting with this key.
pub(super) fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}
