//! Where the master keys come from: the settings, or on the embedded store a file that makes itself.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::crypto::master_key::{self, MasterKeys};
use crate::crypto::random;
use crate::settings::{DatabaseUrl, Settings};
use crate::store::private_file::is_open_to_others;

const FILE: &str = "master.key";

/// Reads the master keys.
///
/// # Errors
/// When there is none, or what there is is none; the message says how to make one.
pub fn load(settings: &Settings) -> anyhow::Result<MasterKeys> {
    if let Some(text) = &settings.master_key {
        return MasterKeys::parse(text.expose().trim()).context("HEIRLOOM_MASTER_KEY");
    }
    if let Some(path) = &settings.master_key_file {
        return read_keys(path);
    }
    match settings.database_url {
        DatabaseUrl::SqliteMemory => Ok(MasterKeys::parse(&master_key::generate())?),
        DatabaseUrl::Sqlite(_) => {
            make_private_folder(&settings.data_dir)?;
            let path = settings.data_dir.join(FILE);
            if !path.exists() {
                make(&path).with_context(|| format!("cannot make the master key {}", path.display()))?;
            }
            read_keys(&path)
        }
        DatabaseUrl::Postgres(_) => anyhow::bail!(
            "there is no master key: `heirloom keys new-master` prints a new one; give it as HEIRLOOM_MASTER_KEY, or in \
             a file that HEIRLOOM_MASTER_KEY_FILE names, the same on every replica"
        ),
    }
}

fn read_keys(path: &Path) -> anyhow::Result<MasterKeys> {
    let (text, metadata) =
        read_with_metadata(path).with_context(|| format!("cannot read the master key {}", path.display()))?;
    // A group may be let in on purpose, as for a mounted secret; everybody never is.
    if metadata.is_file() && is_open_to_others(&metadata) {
        anyhow::bail!(
            "the master key {} is open to every user of this machine: `chmod 600` it, or 640 with a group of its own (a \
             mounted secret of Kubernetes: `defaultMode: 0440`); if others are there, make a new one",
            path.display()
        );
    }
    MasterKeys::parse(text.trim()).with_context(|| path.display().to_string())
}

fn read_with_metadata(path: &Path) -> std::io::Result<(Zeroizing<String>, Metadata)> {
    let mut file = File::open(path)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok((text, file.metadata()?))
}

/// Written whole under another name first: whoever sees the file sees a key, and of two processes one wins.
fn make(path: &Path) -> std::io::Result<()> {
    let draft = path.with_extension(format!("{:016x}", u64::from_be_bytes(random::bytes())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(master_key::generate().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Makes a folder that only its owner may enter, unless it is there.
///
/// # Errors
/// When it cannot be made.
pub fn make_private_folder(path: &Path) -> anyhow::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the folder {}", path.display()))
}
