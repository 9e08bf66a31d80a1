//! What an app needs of the machine: whether it is there, and what it fetches.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::framework::{Framework, Tool};

const WAY_ON: &str = "or write the files alone with --no-install";

/// Whether the machine has what the framework needs.
///
/// # Errors
/// What it lacks, and where that is to be had.
pub(super) fn look_for(framework: Framework) -> anyhow::Result<()> {
    for tool in framework.tools() {
        let Tool { name, asked, least: (major, minor), from } = *tool;
        let wanted = format!("{} needs {name} {major}.{minor} or newer", framework.name());
        let Some((program, arguments)) = asked.split_first() else { continue };
        let said = match Command::new(program).args(arguments).stderr(Stdio::null()).output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                anyhow::bail!(
                    "{wanted}, and there is no {program} on the PATH: install it from {from}, {WAY_ON}"
                )
            }
            said => said.with_context(|| format!("cannot run {program}"))?.stdout,
        };
        let said = String::from_utf8_lossy(&said);
        let version = version_in(&said).with_context(|| format!("{program} tells no version"))?;
        anyhow::ensure!(
            version >= (major, minor),
            "{wanted}, and {program} is {}.{}: install a newer one from {from}, {WAY_ON}",
            version.0,
            version.1
        );
    }
    Ok(())
}

/// The first numbers with a dot in between.
fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches(|letter: char| !letter.is_ascii_digit()).split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

/// Fetches the libraries. What the tools say goes to standard error.
///
/// # Errors
/// When that fails, or is interrupted.
pub(super) async fn install(framework: Framework, folder: &Path) -> anyhow::Result<()> {
    // The terminal tells the tool, too: it ends, and we go on to undo what there is.
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    for line in framework.install() {
        let (said, shown) = (line.split_first().context("there is no command")?, line.join(" "));
        eprintln!("{shown}");
        let mut command = tokio::process::Command::new(said.0);
        command.args(said.1).current_dir(folder).stdin(Stdio::null()).stdout(std::io::stderr());
        let mut tool = command.kill_on_drop(true).spawn().with_context(|| format!("cannot run {shown}"))?;
        let ended = tokio::select! {
            ended = tool.wait() => ended?.success(),
            _ = interrupt.recv() => { tool.wait().await?; false }
        };
        anyhow::ensure!(
            ended,
            "`{shown}` failed, so nothing was made in {}: try again, {WAY_ON}",
            folder.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn a_version_is_found_in_what_a_tool_says() {
        for (said, version) in [
            ("v20.20.2\n", (20, 20)),
            ("10.8.2\n", (10, 8)),
            ("Python 3.11.7\n", (3, 11)),
            ("go version go1.26.8 linux/amd64\n", (1, 26)),
            ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)\n", (1, 95)),
        ] {
            assert_eq!(version_in(said), Some(version), "{said}");
        }
        assert_eq!(version_in("command not found"), None);
    }
}
