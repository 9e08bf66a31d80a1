//! Where the development server is, and what its settings are.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

use url::{Host, Url};

use super::place::DevPlace;
use crate::domain::account_rules::SignUp;
use crate::settings::{DatabaseUrl, LogSettings, MtlsSettings, SettingOrigin, Settings};

/// Where a free port is looked for, from one that is in use on.
const NEIGHBOURS: u16 = 100;

/// What is about the server's place and what it keeps is its own; all else is as the settings say.
pub(super) fn settings_at(place: &DevPlace, settings: Settings, port: u16) -> Settings {
    let plain = Settings::default();
    let log = log(&settings);
    let mut dev = Settings {
        listen: format!("127.0.0.1:{port}").parse().unwrap_or(plain.listen),
        // Browsers know passkeys at a host that has a name.
        issuer: format!("http://localhost:{port}").parse().ok(),
        database_url: DatabaseUrl::Sqlite(place.store()),
        data_dir: place.folder(),
        master_key: None,
        master_key_file: None,
        mail: plain.mail,
        tls: plain.tls,
        mtls: MtlsSettings::default(),
        log,
        ..settings
    };
    dev.admin.listen = None;
    dev.mail.folder = Some(place.mails());
    if !is_chosen(&dev, "accounts.sign_up") {
        dev.accounts.sign_up = SignUp::Open;
    }
    dev
}

/// Developers see what went wrong, beside what their app says.
fn log(settings: &Settings) -> LogSettings {
    let filter =
        if is_chosen(settings, "log.filter") { settings.log.filter.clone() } else { "warn".to_owned() };
    LogSettings { filter, ..settings.log }
}

fn is_chosen(settings: &Settings, key: &str) -> bool {
    *settings.origins.of(key) != SettingOrigin::Default
}

/// The development server's own, if this folder has one and no setting names another store.
pub(in crate::cli) fn settings_to_examine(settings: &Settings) -> Option<Settings> {
    let place = DevPlace::here();
    let names_store = is_chosen(settings, "database_url") || is_chosen(settings, "data_dir");
    if names_store || !place.store().exists() {
        return None;
    }
    let known = place.surroundings(false).ok()?;
    let port = Url::parse(known.issuer()).ok()?.port_or_known_default()?;
    Some(settings_at(&place, settings.clone(), port))
}

/// The port to serve at, if nobody has it.
///
/// # Errors
/// When somebody has, or the settings want to serve others than this machine.
pub(super) fn free_port(settings: &Settings, given: Option<u16>) -> anyhow::Result<u16> {
    let (host, port) = (settings.listen.host(), given.unwrap_or(settings.listen.port()));
    anyhow::ensure!(
        is_this_machine(host),
        "`heirloom dev` serves this machine alone, and HEIRLOOM_LISTEN names {host}: take it away, or use `heirloom serve`"
    );
    if port == 0 {
        return Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port());
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) if !answers(port) => Ok(port),
        Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
            anyhow::bail!("port {port} cannot be used: {error}; choose another one with --port")
        }
        _ => {
            let free = (port..=port.saturating_add(NEIGHBOURS))
                .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok() && !answers(*port));
            let other = free.unwrap_or(0);
            anyhow::bail!(
                "port {port} is in use: stop what listens there, or take another one, by `--port {other}` or \
                 HEIRLOOM_LISTEN=127.0.0.1:{other}"
            )
        }
    }
}

/// Whether somebody is at the other address that `localhost` stands for.
fn answers(port: u16) -> bool {
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok()
}

fn is_this_machine(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}
