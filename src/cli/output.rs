//! What commands print: a table for people, JSON for scripts.

use serde::Serialize;
use serde_json::json;

/// Prints one JSON document.
pub(super) fn json(document: &impl Serialize) {
    println!("{:#}", json!(document));
}

/// Prints a row for each of the things under headings, as wide as they need to be.
pub(super) fn table<T, const N: usize>(headings: [&str; N], things: &[T], row: impl Fn(&T) -> [String; N]) {
    let headings = headings.map(str::to_uppercase);
    let rows: Vec<[String; N]> = things.iter().map(row).collect();
    let all = || std::iter::once(&headings).chain(&rows);
    let mut widths = [0; N];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in all() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// `-` for what is not there.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}
