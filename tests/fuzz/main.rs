//! Whatever reads bytes of outsiders is given seeds (`corpus/`), bent in every way that comes to proptest's mind.
//! Nothing may panic or hang, and of what is taken something must hold that is said beside each target (`targets`).
//!
//! `tests/run` tries ten thousand inputs a target, `tests/trust fuzz` a million. An input that breaks something becomes
//! a seed.

#![expect(clippy::print_stdout, clippy::panic, reason = "tests fail by panicking, and tell what they tried")]

mod bent;
mod targets;

use std::cell::Cell;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::bent::{Bent, bend};
use crate::targets::{TARGETS, Target};

/// Inputs a target; a million for long.
fn tries() -> u32 {
    match std::env::var("HEIRLOOM_FUZZ").ok().map(|tries| tries.parse()) {
        Some(Ok(tries)) => tries,
        Some(Err(_)) => panic!("HEIRLOOM_FUZZ is the number of inputs a target"),
        None if std::env::var_os("HEIRLOOM_TRUST").is_some() => 1_000_000,
        None => 10_000,
    }
}

/// As many as that, or fewer where each takes a thousand times as long as elsewhere: a new password is looked up in a
/// long list.
fn tries_of(target: &Target) -> u32 {
    if target.name == "new_password" { (tries() / 100).max(1) } else { tries() }
}

/// The seeds of a target, by their names.
fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.unwrap_or_else(|error| panic!("{error}")).path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect();
    seeds.sort();
    assert!(seeds.len() >= 2, "{} has {} seeds", target.name, seeds.len());
    seeds
}

/// Tries the seeds as they are, then bent.
fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no {name}"));
    let seeds = seeds(target);
    let taken = Cell::new(0_u32);
    for (seed, bytes) in &seeds {
        match (target.run)(bytes) {
            Ok(is_taken) => taken.set(taken.get() + u32::from(is_taken)),
            Err(broken) => panic!("{name}: the seed {seed}: {broken}"),
        }
    }
    let refused = seeds.len() - usize::try_from(taken.get()).unwrap_or_default();
    assert!(
        taken.get() > 0 && refused > 0,
        "{name}: of the seeds some must be taken, some refused: {taken:?}"
    );
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
    let config = Config {
        cases: tries_of(target),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let ran = TestRunner::new(config).run(&bent::seeds_bent(), |bent: Bent| {
        let input = bend(&seeds, &bent);
        match (target.run)(&input) {
            Ok(is_taken) => {
                taken.set(taken.get() + u32::from(is_taken));
                Ok(())
            }
            Err(broken) => Err(TestCaseError::fail(broken)),
        }
    });
    match ran {
        Ok(()) => println!(
            "fuzz {name}: {} seeds, {} inputs, of which {} were taken: no finding",
            seeds.len(),
            tries_of(target),
            taken.get()
        ),
        Err(TestError::Fail(reason, bent)) => {
            let input = bend(&seeds, &bent);
            panic!("fuzz {name}: {reason}\nkeep it as a seed: b\"{}\"", input.escape_ascii());
        }
        Err(TestError::Abort(reason)) => panic!("fuzz {name}: {reason}"),
    }
}

macro_rules! fuzz_tests {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            fuzz(stringify!($name));
        })+

        #[test]
        fn every_target_is_tried() {
            let tried = [$(stringify!($name)),+];
            let missing: Vec<&str> =
                TARGETS.iter().map(|target| target.name).filter(|name| !tried.contains(name)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    };
}

fuzz_tests! {
    access_token accept_language authorization certificate client_address client_jwt client_metadata claims_request
    cookies dpop_proof event_line form import_line json mail_address new_password origins password_hash redirect_uri
    refresh_token scim_filter scim_patch scim_user scopes settings user_agent user_code username
}
