//! The machine: files, certificates, room, memory.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::finding::Finding;
use crate::app::parts::{client_authorities, cores, look as page_files, tls};
use crate::app::{mutual_tls, open_files, workers};
use crate::http::pages::renderer::Pages;
use crate::settings::{DatabaseUrl, Settings};
use crate::tls::Tls;

/// A certificate that ends sooner should have been renewed by now.
const DAYS_TO_RENEW: i64 = 14;

/// With less left, SQLite's log and a backup may not find room.
const LITTLE_ROOM: u64 = 1 << 30;
const NO_ROOM: u64 = 64 << 20;

pub(super) fn look(settings: &Settings, now: DateTime<Utc>) -> Vec<Finding> {
    let mut found = Vec::new();
    match tls(settings) {
        Ok(own) => {
            found.extend(own.iter().map(|tls| certificate("tls", tls, now)));
            match mutual_tls::certificate(settings, own.as_ref()) {
                Ok(of_clients) if settings.mtls.certificate.is_some() => {
                    found.extend(of_clients.iter().map(|tls| certificate("mtls", tls, now)));
                }
                Ok(_) => {}
                Err(error) => found.push(Finding::wrong("mtls", format!("{error:#}"))),
            }
        }
        Err(error) => found.push(Finding::wrong("tls", format!("{error:#}"))),
    }
    if let Err(error) = client_authorities(settings) {
        found.push(Finding::wrong("mtls", format!("{error:#}")));
    }
    let pages = page_files(settings).and_then(|look| Ok(Pages::new(look)?));
    if let Err(error) = pages {
        found.push(Finding::wrong("pages", format!("{error:#}")));
    }
    found.push(disk(settings));
    found.push(files(settings));
    found.push(passwords(settings));
    found
}

fn certificate(about: &'static str, tls: &Tls, now: DateTime<Utc>) -> Finding {
    let Some(ends) = tls.ends_at() else {
        return Finding::note(about, "the certificate does not say until when it is good");
    };
    let (days, until) = ((ends - now).num_days(), ends.format("%Y-%m-%d"));
    if ends <= now {
        Finding::wrong(about, format!("the certificate was good until {until}: clients refuse it"))
    } else if days < DAYS_TO_RENEW {
        Finding::note(about, format!("the certificate is good until {until}, {days} days more: renew it"))
    } else {
        Finding::ok(about, format!("the certificate is good until {until}"))
    }
}

/// Of PostgreSQL's disk nothing can be seen from here.
fn disk(settings: &Settings) -> Finding {
    let place = match &settings.database_url {
        DatabaseUrl::Sqlite(path) => path.clone(),
        DatabaseUrl::SqliteMemory | DatabaseUrl::Postgres(_) => settings.data_dir.clone(),
    };
    let Some(folder) = nearest_folder(&place) else {
        return Finding::wrong("disk", format!("there is no folder above {}", place.display()));
    };
    let free = match rustix::fs::statvfs(&folder) {
        Ok(of) => of.f_bavail.saturating_mul(of.f_frsize),
        Err(error) => return Finding::wrong("disk", format!("{}: {error}", folder.display())),
    };
    let says = format!("{} MiB are free at {}", free >> 20, folder.display());
    let holds_the_store = matches!(settings.database_url, DatabaseUrl::Sqlite(_));
    match free {
        0..NO_ROOM if holds_the_store => {
            Finding::wrong("disk", format!("only {says}: the store cannot grow"))
        }
        NO_ROOM..LITTLE_ROOM if holds_the_store => Finding::note("disk", format!("only {says}")),
        _ => Finding::ok("disk", says),
    }
}

fn nearest_folder(path: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(path).ok()?;
    whole.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned)
}

fn files(settings: &Settings) -> Finding {
    let room = match open_files::file_room(settings, workers(settings)) {
        Ok(room) => room,
        Err(error) => return Finding::note("limits", format!("that of open files cannot be read: {error}")),
    };
    let (each, wanted) = (room.of_a_worker, settings.http.max_connections);
    if each < wanted {
        let says = format!(
            "a process may open {} files, so a worker takes {each} connections, not the {wanted} of http.max_connections: \
             raise the limit (`ulimit -n`, or LimitNOFILE of the service)",
            room.open_files
        );
        return Finding::note("limits", says);
    }
    Finding::ok("limits", format!("a process may open {} files", room.open_files))
}

/// Each thread keeps the memory of one hash.
fn passwords(settings: &Settings) -> Finding {
    let it = &settings.passwords;
    let threads = it.threads.unwrap_or_else(cores);
    let each = u64::from(it.memory_kib) >> 10;
    let all = each * u64::try_from(threads).unwrap_or(u64::MAX);
    Finding::ok("passwords", format!("{threads} at once, {each} MiB each: {all} MiB in all"))
}
