//! Open files: every connection is one, and the system gives a process only so many.

use crate::settings::Settings;

/// What a process keeps open beside its connections: its threads' own files, listener and log.
const OWN: u64 = 64;
/// Each worker has files of its own.
const OF_A_WORKER: u64 = 16;
/// What is fetched and told elsewhere, with the look-up of its addresses.
const OUTBOUND: u64 = 256;

/// How many connections each of the server's `workers` may hold: so many that none is ever accepted without a file for
/// it, or with one that the database needs. The soft limit of open files is raised to the hard one for that.
pub(super) fn most_connections(settings: &Settings, workers: usize) -> usize {
    let wanted = settings.http.max_connections;
    let FileRoom { open_files, of_a_worker } = match file_room(settings, workers) {
        Ok(room) => room,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be read");
            return wanted;
        }
    };
    if of_a_worker < wanted {
        tracing::warn!(
            open_files,
            connections_of_a_worker = of_a_worker,
            "the limit of open files allows a worker fewer connections than http.max_connections"
        );
    }
    of_a_worker.min(wanted)
}

/// What the limit of open files leaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileRoom {
    pub(super) open_files: u64,
    /// Connections for which there are files.
    pub(super) of_a_worker: usize,
}

pub(super) fn file_room(settings: &Settings, workers: usize) -> std::io::Result<FileRoom> {
    let open_files = rlimit::increase_nofile_limit(u64::MAX)?;
    Ok(FileRoom { open_files, of_a_worker: fitting(open_files, settings.database.max_connections, workers) })
}

/// The connections of a worker for which there are files.
fn fitting(open_files: u64, database: u32, workers: usize) -> usize {
    let workers = u64::try_from(workers).unwrap_or(u64::MAX).max(1);
    // SQLite has two files beside each connection's own.
    let others = OWN + OUTBOUND + OF_A_WORKER.saturating_mul(workers) + 3 * u64::from(database);
    // Where that leaves next to nothing, it is better to serve some all the same.
    let left = open_files.saturating_sub(others).max(open_files / 2);
    usize::try_from(left / workers).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_what_else_a_server_does() {
        for (open_files, database, workers, each) in [
            (1024, 10, 1, 658),
            (1024, 10, 4, 152),
            (1_048_576, 100, 8, 130_978),
            // The half of them.
            (256, 10, 1, 128),
            (256, 10_000, 4, 32),
            (1, 1, 8, 1),
        ] {
            assert_eq!(fitting(open_files, database, workers), each, "{open_files} {database} {workers}");
        }
    }
}
