//! What is wrong with the files, and where.

use std::fmt;
use std::sync::Arc;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlace {
    file: Arc<str>,
    /// Both from 1.
    line: usize,
    column: usize,
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl FilePlace {
    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place of a byte of a file's text.
    #[must_use]
    pub(super) fn of(file: &Arc<str>, text: &str, byte: usize) -> Self {
        // A parser may point behind the end, or into a letter.
        let before: String = text.char_indices().take_while(|(at, _)| *at < byte).map(|it| it.1).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        Self { file: Arc::clone(file), line, column }
    }
}

/// One thing that is wrong, in words that say what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub place: FilePlace,
    pub what: String,
}

/// All that is wrong with the files: one line for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|it| format!("{}: {}", it.place, it.what)).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<Mistake>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_in_lines_and_letters() {
        let (file, text) = (Arc::from("a.toml"), "é = 1\nüb = 2\n");
        for (byte, told) in
            [(0, "1:1"), (3, "1:3"), (7, "2:1"), (9, "2:2"), (8, "2:2"), (text.len(), "3:1"), (99, "3:1")]
        {
            assert_eq!(FilePlace::of(&file, text, byte).to_string(), format!("a.toml:{told}"), "{byte}");
        }
    }
}
