//! How the story looks in a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// No line is longer, so that none breaks in a terminal of the usual width.
const WIDTH: usize = 80;

/// Prints the story and keeps count of what did not go as told.
pub(super) struct Teller {
    terminal: bool,
    colour: bool,
    scene: usize,
    failed: usize,
}

impl Teller {
    pub(super) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        // https://no-color.org
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, colour: wanted && terminal, scene: 0, failed: 0 }
    }

    pub(super) fn title(&self, title: &str) {
        println!("\n{}\n", self.paint("1", title));
    }

    /// Begins a scene.
    pub(super) fn scene(&mut self, title: &str) {
        self.scene += 1;
        println!("\n{}", self.paint("1", &format!("{}. {title}", self.scene)));
    }

    /// What was to be seen, and whether it was.
    pub(super) fn check(&mut self, seen: bool, what: &str) {
        let mark = if seen { self.paint("32", "✓") } else { self.paint("31", "✗") };
        for (number, line) in wrapped(what).iter().enumerate() {
            println!("   {} {line}", if number == 0 { &mark } else { " " });
        }
        if !seen {
            self.failed += 1;
        }
    }

    /// A name and its value.
    pub(super) fn fact(&self, name: &str, value: &str) {
        println!("     {} {value}", self.paint("2", &format!("{name:<8}")));
    }

    /// What an answer said, word for word.
    pub(super) fn quote(&self, words: &str) {
        for line in wrapped(words) {
            println!("     {}", self.paint("3", &line));
        }
    }

    /// Commands for the reader to paste.
    pub(super) fn curl(&self, commands: &str) {
        println!("   {}", self.paint("2", "with curl:"));
        for line in commands.lines() {
            println!("{}", self.paint("36", line));
        }
    }

    /// Lets time pass; a terminal shows how much is left.
    pub(super) async fn wait(&self, seconds: u64) {
        for left in (1..=seconds).rev() {
            if self.terminal {
                print!("\r     … {left}");
                let _ = std::io::stdout().flush();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        println!("{}     … {seconds} seconds later", if self.terminal { "\r" } else { "" });
    }

    /// Whether everything went as told.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        match self.failed {
            0 => Ok(()),
            1 => anyhow::bail!("1 step did not go as told"),
            failed => anyhow::bail!("{failed} steps did not go as told"),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Prints a sentence of the story.
pub(super) fn say(text: &str) {
    for line in wrapped(text) {
        println!("   {line}");
    }
}

/// A token short enough to be looked at.
pub(super) fn short(token: &str) -> String {
    let tail = token.len().saturating_sub(5);
    match (token.get(..10), token.get(tail..)) {
        (Some(head), Some(tail)) if token.len() > 20 => format!("{head}…{tail}"),
        _ => token.to_owned(),
    }
}

/// The text in lines that fit behind the widest margin, five columns.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => word.clone_into(line),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH - 5 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
