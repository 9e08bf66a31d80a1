//! How the story looks in a terminal.

use std::io::IsTerminal as _;

/// Prints the story and keeps count of what did not go as told.
pub(super) struct Teller {
    colour: bool,
    scene: usize,
    failed: usize,
}

impl Teller {
    pub(super) fn new() -> Self {
        // https://no-color.org
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour: wanted && std::io::stdout().is_terminal(), scene: 0, failed: 0 }
    }

    /// Begins a scene.
    pub(super) fn scene(&mut self, title: &str) {
        self.scene += 1;
        println!("\n{}", self.paint("1", &format!("{}. {title}", self.scene)));
    }

    /// A command for the reader to try.
    pub(super) fn curl(&self, command: &str) {
        for line in command.lines() {
            println!("   {}", self.paint("36", line));
        }
    }

    /// What was to be seen, and whether it was.
    pub(super) fn check(&mut self, seen: bool, what: &str) {
        let mark = if seen { self.paint("32", "✓") } else { self.paint("31", "✗") };
        println!("   {mark} {what}");
        if !seen {
            self.failed += 1;
        }
    }

    /// Whether everything went as told.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        match self.failed {
            0 => Ok(()),
            1 => anyhow::bail!("1 step did not go as told"),
            failed => anyhow::bail!("{failed} steps did not go as told"),
        }
    }

    pub(super) fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Prints a sentence of the story.
pub(super) fn say(text: &str) {
    println!("   {text}");
}

/// A token short enough to be looked at.
pub(super) fn short(token: &str) -> String {
    let tail = token.len().saturating_sub(5);
    match (token.get(..10), token.get(tail..)) {
        (Some(head), Some(tail)) if token.len() > 20 => format!("{head}…{tail}"),
        _ => token.to_owned(),
    }
}
