//! Files that are not everybody's: those of the embedded store are for their owner alone, whatever the umask is.

use std::ffi::OsString;
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

const OWNER_ONLY: u32 = 0o600;
const OTHERS: u32 = 0o007;

/// Whether those who are neither its owner nor of its group may do anything with a file.
#[must_use]
pub fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & OTHERS != 0
}

/// Makes the database's file, unless it is there: an empty one is an empty database. The files that SQLite puts beside
/// it get its mode.
pub(in crate::store) fn make(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Closes the files of an older release, which left them to the umask. What only a group may read was opened to it on
/// purpose. A file of another owner's cannot be changed, and is told.
pub(in crate::store) fn close_to_others(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = OsString::from(path);
        file.push(suffix);
        match fs::metadata(&file) {
            Ok(metadata) if is_open_to_others(&metadata) => {}
            Ok(_) => continue,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        match fs::set_permissions(&file, Permissions::from_mode(OWNER_ONLY)) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                tracing::warn!(file = %file.display(), "every user of this machine may read the database");
            }
            done => done?,
        }
    }
    Ok(())
}
