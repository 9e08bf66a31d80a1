//! `heirloom init`: an empty folder becomes an app with sign-in.

mod folder;
mod framework;
mod templates;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use folder::NewFolder;
use framework::Framework;

#[derive(Debug, Args)]
pub(super) struct Init {
    /// What the app is built with: axum, express, fastapi, flask, go, next or vite
    #[arg(long, value_name = "NAME")]
    framework: Framework,
    /// Where it is made: a new folder, or one that is empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write the files alone: what they need is not installed, nor looked for
    #[arg(long)]
    no_install: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Init) -> anyhow::Result<ExitCode> {
    let Init { framework, folder, no_install, json } = command;
    let new = NewFolder::at(&folder)?;
    if !no_install {
        tools::look_for(framework)?;
    }
    new.fill(&templates::files_of(framework))?;
    if !no_install && let Err(error) = tools::install(framework, &folder).await {
        new.undo();
        return Err(error);
    }
    let mut steps = vec![format!("cd {}", folder.display())];
    if no_install {
        steps.extend(framework.install().iter().map(|line| line.join(" ")));
    }
    steps.push(framework.start().to_owned());
    if json {
        let told = json!({
            "framework": framework.name(),
            "folder": folder,
            "files": templates::files_of(framework).iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "installed": !no_install,
            "steps": steps,
            "url": framework.url(),
        });
        println!("{told}");
    } else {
        println!("The app is in {}. Start it, and open {}:\n", folder.display(), framework.url());
        for step in steps {
            println!("    {step}");
        }
    }
    if !is_on_path("heirloom") {
        eprintln!(
            "note: there is no `heirloom` on the PATH, where the app looks for it: put this one there, {}",
            std::env::current_exe().unwrap_or_default().display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| Path::new(&folder).join(program).is_file())
}
