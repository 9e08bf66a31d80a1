//! Broken JSON in our words.

/// What is wrong, and where in the line; without the number of the line, which is always the first here.
pub(super) fn told(error: &serde_json::Error) -> String {
    let text = error.to_string().replace("field `", "member `");
    let (what, _) = text.split_once(" at line ").unwrap_or((&text, ""));
    match error.column() {
        0 => what.to_owned(),
        column => format!("{what} (column {column})"),
    }
}
