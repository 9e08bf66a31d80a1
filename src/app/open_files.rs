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
    let open_files = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be read");
            return wanted;
        }
    };
    let fitting = fitting(open_files, settings.database.max_connections, workers);
    if fitting < wanted {
        tracing::warn!(
            open_files,
            connections_of_a_worker = fitting,
            "the limit of open files allows a worker fewer connections than http.max_connections"
        );
    }
    fitting.min(wanted)
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
