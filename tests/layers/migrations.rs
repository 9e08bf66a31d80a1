//! A schema says which releases it still serves.

use std::fs;
use std::path::Path;

/// What takes something away from a release that knows nothing of it, in a step for PostgreSQL. On SQLite one server
/// has the database for itself, and a table is changed by making another one.
const TAKES_AWAY: [&str; 6] =
    ["DROP TABLE", "DROP COLUMN", "RENAME", "SET NOT NULL", "ADD CONSTRAINT", "SET DATA TYPE"];
/// The step with the mark itself.
const FIRST: u32 = 18;

fn steps() -> Vec<(u32, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut steps: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let lines = fs::read_to_string(&path).unwrap();
            let code: Vec<_> = lines.lines().map(|line| line.split("--").next().unwrap()).collect();
            (name[..4].parse().unwrap(), code.join(" ").split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect();
    steps.sort();
    steps
}

/// What a step says about older releases, if anything.
fn lowest_in(code: &str) -> Option<u32> {
    let (_, after) = code.split_once("UPDATE schema_compatibility SET lowest = ")?;
    after.split(';').next().unwrap().trim().parse().ok()
}

#[test]
fn every_step_that_is_written_is_taken() {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrate.rs")).unwrap();
    for (number, _) in steps() {
        assert!(source.contains(&format!("step!({number}, ")), "src/store/migrate.rs has no step {number}");
    }
}

#[test]
fn what_takes_something_away_from_older_releases_says_so() {
    let steps = steps();
    let marks: Vec<_> = steps.iter().filter_map(|(number, code)| Some((*number, lowest_in(code)?))).collect();
    assert!(!marks.is_empty(), "no step says anything");
    for (number, lowest) in &marks {
        assert_eq!(number, lowest, "a step speaks for itself");
    }
    let last = marks.iter().map(|(number, _)| *number).max().unwrap();
    for (number, code) in steps.iter().filter(|(number, _)| *number > FIRST) {
        let found = TAKES_AWAY.iter().find(|words| code.to_uppercase().contains(**words));
        assert!(found.is_none() || *number <= last, "step {number} has {found:?}, and older ones may go on");
    }
}
