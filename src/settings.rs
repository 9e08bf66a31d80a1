//! The settings: what an operator may choose, where each choice came from, and what is wrong with it.
//!
//! Layers, each over the one before: the defaults, `heirloom.toml` (or `--config`), `.env` (or `--env-file`), the
//! process's own `HEIRLOOM_*` variables. `table.rs` is the one list of all settings; the unknown-key check,
//! `.env.example` and `config print` come from it, and a test holds it to the fields of [`Settings`]. Everything wrong
//! is told at once, with its key and origin, and no secret is ever echoed.

mod accounts;
mod addresses;
mod colour;
mod database_url;
mod example;
mod header;
mod layers;
mod loading;
mod mail;
mod origin;
mod passkeys;
mod print;
mod problem;
mod providers;
mod rules;
mod secret;
mod sections;
mod setting;
mod suggest;
mod table;
mod text;
mod values;

pub use self::{
    accounts::AccountSettings,
    addresses::{HttpsUrl, Issuer, Listen},
    colour::Colour,
    database_url::DatabaseUrl,
    example::env_example,
    header::Header,
    layers::{LoadFrom, UnnamedFiles},
    mail::{MailSettings, MailTls},
    origin::{Origins, SettingOrigin},
    passkeys::PasskeySettings,
    problem::SettingsError,
    providers::ProviderTables,
    secret::Secret,
    sections::{
        AdminSettings, DatabaseSettings, DpopSettings, EventSettings, HttpSettings, JanitorSettings,
        KeySettings, LimitSettings, LogFormat, LogSettings, MtlsSettings, OutboundSettings, PageSettings,
        PasswordSettings, RegistrationSettings, SignInSettings, StatusListSettings, TlsSettings,
        TokenSettings,
    },
    values::Settings,
};

#[cfg(test)]
mod tests;
