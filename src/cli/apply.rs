//! `heirloom apply`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::{Office, output};
use crate::service::admin::files::apply::{self, FileOrder, Risks};
use crate::service::admin::files::client_entry::SecretReference;
use crate::service::admin::files::mistake::FilePlace;
use crate::service::admin::files::plan::{
    ChangedField, DeclaredKind, FileAction, FileChange, Plan, Undeclared,
};
use crate::service::admin::files::reading::{self, SourceFile};

/// What a script is told of differences: as by `terraform plan -detailed-exitcode`.
const THERE_ARE_DIFFERENCES: u8 = 2;

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The file, or the folder with the .toml files that count together; may be given more than once
    #[arg(short, long = "file", required = true, value_name = "DIR_OR_FILE")]
    files: Vec<PathBuf>,
    /// Show what would change, and change nothing; exits 2 if something would
    #[arg(long)]
    dry_run: bool,
    /// Remove what an earlier apply added and no file names any more; what was added otherwise stays
    #[arg(long)]
    prune: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Do not refuse a change that may end logins
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(command: Apply, office: &Office) -> anyhow::Result<ExitCode> {
    let (core, now) = (office.core.acting_for("apply"), office.clock.now());
    let mut declared = reading::read(&source_files(&command.files)?, now)?;
    declared.look_secrets_up(secret)?;
    let order = FileOrder {
        declared: &declared,
        undeclared: if command.prune { Undeclared::IsRemoved } else { Undeclared::Stays },
        risks: if command.yes { Risks::Known } else { Risks::Unknown },
        batch: i64::from(office.settings.janitor.batch),
    };
    let plan = if command.dry_run {
        apply::plan(&core, &order, now).await?
    } else {
        apply::apply(&core, &order, now).await?
    };
    if command.json {
        print_json(&plan, command.dry_run);
    } else {
        print_text(&plan, command.dry_run);
    }
    let differs = command.dry_run && !plan.changes.is_empty();
    Ok(if differs { THERE_ARE_DIFFERENCES.into() } else { ExitCode::SUCCESS })
}

/// The files themselves, and those of folders by their names, so that each run reads them in the same order.
fn source_files(named: &[PathBuf]) -> anyhow::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in named {
        if fs::metadata(path).with_context(|| cannot_read(path))?.is_dir() {
            let within = files_within(path)?;
            anyhow::ensure!(!within.is_empty(), "there is no .toml file in {}", path.display());
            files.extend(within);
        } else {
            files.push(path.clone());
        }
    }
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).with_context(|| cannot_read(path))?;
        Ok(SourceFile { name: path.display().to_string(), text })
    };
    files.iter().map(read).collect()
}

/// A folder that Kubernetes makes of a `ConfigMap` has links to files in it, and hidden folders beside.
fn files_within(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| cannot_read(folder))? {
        let path = entry.with_context(|| cannot_read(folder))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// A secret where its reference says it is: a relative path begins at the file that names it.
fn secret(reference: &SecretReference, place: &FilePlace) -> Result<String, String> {
    match reference {
        SecretReference::Env(name) => {
            env::var(name).map_err(|_| format!("there is no variable {name}, or it is not text"))
        }
        SecretReference::File(path) => {
            let folder = Path::new(place.file()).parent().unwrap_or(Path::new(""));
            let path = folder.join(path);
            fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        }
    }
}

fn count(plan: &Plan, action: FileAction) -> usize {
    plan.changes.iter().filter(|change| change.action == action).count()
}

fn print_json(plan: &Plan, dry_run: bool) {
    output::json(&json!({
        "applied": !dry_run,
        "add": count(plan, FileAction::Add),
        "change": count(plan, FileAction::Change),
        "remove": count(plan, FileAction::Remove),
        "changes": plan.changes,
        "notes": plan.notes,
    }));
}

fn print_text(plan: &Plan, dry_run: bool) {
    if plan.changes.is_empty() {
        return println!("Nothing to do: the store is as the files say.");
    }
    for change in &plan.changes {
        print_change(change);
    }
    let [add, change, remove] =
        [FileAction::Add, FileAction::Change, FileAction::Remove].map(|action| count(plan, action));
    if dry_run {
        println!("Plan: {add} to add, {change} to change, {remove} to remove.");
    } else {
        println!("Applied: {add} added, {change} changed, {remove} removed.");
    }
    for note in &plan.notes {
        eprintln!("note: {note}");
    }
}

fn print_change(change: &FileChange) {
    let sign = match change.action {
        FileAction::Add => '+',
        FileAction::Change => '~',
        FileAction::Remove => '-',
    };
    let kind = match change.kind {
        DeclaredKind::Client => "client",
        DeclaredKind::ResourceServer => "resource server",
    };
    println!("{sign} {kind} {}", change.id);
    let width = change.fields.keys().map(String::len).max().unwrap_or_default();
    for (name, ChangedField { before, after }) in &change.fields {
        match (before, after) {
            (None, Some(after)) => println!("    + {name:<width$} = {}", text(after)),
            (Some(before), None) => println!("    - {name:<width$} = {}", text(before)),
            (before, after) => {
                let text = |value: &Option<Value>| value.as_ref().map(text).unwrap_or_default();
                println!("    ~ {name:<width$} = {} -> {}", text(before), text(after));
            }
        }
    }
}

/// As a file would have it, in one line.
fn text(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name} = {}", text(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
