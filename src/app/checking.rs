//! What `heirloom config check` tries: all that a start tries, but to listen. Nothing is made, and nothing is changed.

use std::fs::{self, OpenOptions};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::opening::{OldSchema, Seen, connect, master_keys_found, see_to_schema};
use super::parts::{check_clients, client_authorities, known_clients, look, password_cost, tls};
use super::{mail, mutual_tls};
use crate::clock::Clock;
use crate::crypto::random;
use crate::domain::audience::Audience;
use crate::domain::subject::SubjectKey;
use crate::http::pages::renderer::Pages;
use crate::master_keys;
use crate::service::keys::ring::Keys;
use crate::service::keys::{signer_keys, subject_key};
use crate::service::webhooks::secrets as webhook_secrets;
use crate::settings::{DatabaseUrl, Listen, Settings};
use crate::store::{Db, signing_keys};

/// Whether a server would start with these settings, if its address is free.
///
/// # Errors
/// What would keep it from that, in its own words.
pub async fn check(settings: &Settings) -> anyhow::Result<()> {
    mutual_tls::certificate(settings, tls(settings)?.as_ref())?;
    Pages::new(look(settings)?).context("pages")?;
    let (mtls, admin, metrics) = (&settings.mtls.listen, &settings.admin.listen, &settings.metrics.listen);
    for (key, listen) in [("mtls.listen", mtls), ("admin.listen", admin), ("metrics.listen", metrics)] {
        listen.as_ref().map(address_of).transpose().context(key)?;
    }
    let address = address_of(&settings.listen)?;
    let issuer = settings.issuer_at(address);
    issuer.as_str().parse::<Audience>().context("the issuer")?;
    mail::check(settings, &issuer)?;
    password_cost(settings)?;
    let (clients, ..) = known_clients(settings, &no_subjects(), Clock::system())?;
    client_authorities(settings)?;
    if master_keys::given(settings)?.is_none() {
        check_place(&master_keys::own_file(settings))?;
    }
    match &settings.database_url {
        DatabaseUrl::SqliteMemory => return Ok(()),
        DatabaseUrl::Sqlite(path) if !path.exists() => return check_place(path),
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => {}
    }
    let db = connect(settings).await?;
    if see_to_schema(&db, settings, OldSchema::LeaveAlone).await? == Seen::Current {
        check_keys(settings, &db).await?;
        check_clients(&db, &clients).await?;
        check_writable(&db).await.with_context(|| format!("cannot write to {}", settings.database_url))?;
    }
    db.close().await;
    Ok(())
}

/// In the place of the stored one, where nothing is counted.
pub(super) fn no_subjects() -> Arc<SubjectKey> {
    Arc::new(SubjectKey::new(&random::bytes()))
}

fn address_of(listen: &Listen) -> anyhow::Result<SocketAddr> {
    let mut found = listen.to_socket_addrs().with_context(|| format!("cannot listen on {listen}"))?;
    found.next().with_context(|| format!("{listen} is not an address"))
}

pub(super) async fn check_keys(settings: &Settings, db: &Db) -> anyhow::Result<()> {
    let Some(master) = master_keys_found(settings, db).await? else { return Ok(()) };
    let keys = Keys::new(master);
    keys.reload(db).await?;
    subject_key::check(&keys, db).await?;
    webhook_secrets::check(&keys, db).await?;
    signer_keys::check(&keys, db).await?;
    Ok(())
}

/// Writes what changes nothing, and undoes it.
pub(super) async fn check_writable(db: &Db) -> anyhow::Result<()> {
    let mut undone = db.begin().await?;
    signing_keys::allow_ttl(&mut undone, 0).await?;
    Ok(())
}

/// Whether a file could be made, with the folders above it.
pub(super) fn check_place(path: &Path) -> anyhow::Result<()> {
    let whole = std::path::absolute(path)?;
    let folder =
        whole.ancestors().skip(1).find(|folder| folder.exists()).context("there is no folder at all")?;
    let tried = folder.join(format!("heirloom-{:016x}", u64::from_be_bytes(random::bytes())));
    let made =
        OpenOptions::new().write(true).create_new(true).open(&tried).and_then(|_| fs::remove_file(&tried));
    made.with_context(|| format!("cannot make {}: cannot write in {}", whole.display(), folder.display()))
}
