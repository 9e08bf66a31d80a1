//! Where the master keys come from: the settings, or on the embedded store a file that makes itself.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::crypto::master_key::{self, MasterKeys};
use crate::crypto::random;
use crate::settings::{DatabaseUrl, Settings};
use crate::store::private_file::is_open_to_others;

const FILE: &str = "master.key";

/// Reads the master keys: `None` where the embedded store makes its own and has not yet.
///
/// # Errors
/// When there must be one and is not, or what there is cannot be one; the message says how to make one.
pub fn given(settings: &Settings) -> anyhow::Result<Option<MasterKeys>> {
    let parsed = found(settings)?.map(|(text, origin)| MasterKeys::parse(text.trim()).context(origin));
    parsed.transpose()
}

/// The same as text, for who keeps a copy.
///
/// # Errors
/// When there must be one and is not.
pub fn text(settings: &Settings) -> anyhow::Result<Option<Zeroizing<String>>> {
    Ok(found(settings)?.map(|(text, _)| text))
}

/// The text of the master keys, and where it stands.
fn found(settings: &Settings) -> anyhow::Result<Option<(Zeroizing<String>, String)>> {
    let in_file = |path: &Path| anyhow::Ok((read_text(path)?, path.display().to_string()));
    if let Some(text) = &settings.master_key {
        return Ok(Some((Zeroizing::new(text.expose().to_owned()), "HEIRLOOM_MASTER_KEY".to_owned())));
    }
    if let Some(path) = &settings.master_key_file {
        return in_file(path).map(Some);
    }
    match settings.database_url {
        DatabaseUrl::SqliteMemory => Ok(Some((master_key::generate(), "a new master key".to_owned()))),
        DatabaseUrl::Sqlite(_) => {
            let path = own_file(settings);
            path.exists().then(|| in_file(&path)).transpose()
        }
        DatabaseUrl::Postgres(_) => anyhow::bail!(
            "there is no master key: `heirloom keys new-master` prints a new one; give it as HEIRLOOM_MASTER_KEY, or in \
             a file that HEIRLOOM_MASTER_KEY_FILE names, the same on every replica"
        ),
    }
}

/// Makes the embedded store's own, unless another process was faster, and reads it.
///
/// # Errors
/// When it cannot be made.
pub fn make_own(settings: &Settings) -> anyhow::Result<MasterKeys> {
    make_private_folder(&settings.data_dir)?;
    let path = own_file(settings);
    match write_new(&path, &master_key::generate()) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.with_context(|| format!("cannot make the master key {}", path.display()))?,
    }
    read_keys(&path)
}

/// Where the embedded store has its own.
#[must_use]
pub fn own_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(FILE)
}

/// Reads the master keys in a file.
///
/// # Errors
/// As [`read_text`]; when it holds something else.
pub fn read_keys(path: &Path) -> anyhow::Result<MasterKeys> {
    MasterKeys::parse(read_text(path)?.trim()).with_context(|| path.display().to_string())
}

/// Reads a file of master keys as text.
///
/// # Errors
/// When it cannot be read, or everybody can.
pub fn read_text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
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
    Ok(text)
}

fn read_with_metadata(path: &Path) -> std::io::Result<(Zeroizing<String>, Metadata)> {
    let mut file = File::open(path)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok((text, file.metadata()?))
}

/// Writes master keys to a file that is not there yet, whole under another name first: whoever sees the file sees a
/// key, and of two processes one wins.
///
/// # Errors
/// When it cannot be written, or is there.
pub fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension(format!("{:016x}", u64::from_be_bytes(random::bytes())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.trim().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
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
