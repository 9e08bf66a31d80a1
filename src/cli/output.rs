//! What commands print: a table for people, JSON for scripts.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Write as _};

use serde::Serialize;
use serde_json::{Value, json};

/// In the place of `std`'s for every command, which panics when whoever reads has seen enough.
macro_rules! print {
    ($($text:tt)*) => { $crate::cli::output::write_out(format_args!($($text)*)) };
}

macro_rules! println {
    () => { print!("\n") };
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}

/// Writes to standard output. When nobody reads it any more (`heirloom family list | head`), the command ends, quietly.
pub(super) fn write_out(text: fmt::Arguments<'_>) {
    match io::stdout().write_fmt(text) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("heirloom: cannot write to standard output: {error}");
            std::process::exit(1);
        }
    }
}

/// Prints one JSON document.
pub(super) fn json(document: &impl Serialize) {
    println!("{:#}", json!(document));
}

/// Prints a row for each of the things under headings, as wide as they need to be.
pub(super) fn table<T, const N: usize>(headings: [&str; N], things: &[T], row: impl Fn(&T) -> [String; N]) {
    rows(Some(headings), things, row, [0; N]);
}

/// Prints rows, at least so wide; gives how wide.
fn rows<T, const N: usize>(
    headings: Option<[&str; N]>,
    things: &[T],
    row: impl Fn(&T) -> [String; N],
    mut widths: [usize; N],
) -> [usize; N] {
    let headings = headings.map(|headings| headings.map(str::to_uppercase));
    let rows: Vec<[String; N]> = things.iter().map(row).collect();
    let all = || headings.iter().chain(&rows);
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
    widths
}

/// How many things of a list are read at once.
pub(super) const PART: i64 = 1000;

/// A list that is read and printed a part at a time: it may be longer than memory.
pub(super) struct List<T, const N: usize> {
    json: bool,
    headings: Option<[&'static str; N]>,
    row: fn(&T) -> [String; N],
    widths: [usize; N],
    is_empty: bool,
}

impl<T: Serialize, const N: usize> List<T, N> {
    /// As one JSON array, or as a table with these headings.
    pub(super) fn new(json: bool, headings: [&'static str; N], row: fn(&T) -> [String; N]) -> Self {
        Self { json, headings: Some(headings), row, widths: [0; N], is_empty: true }
    }

    /// Reads and prints all parts, each after the key of the last thing before it.
    pub(super) async fn print_all<K, E>(
        mut self,
        key: impl Fn(&T) -> K,
        mut read: impl AsyncFnMut(Option<K>) -> Result<Vec<T>, E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let part = read(after).await?;
            let Some(last) = part.last() else { break };
            after = Some(key(last));
            self.print(&part);
        }
        self.end();
        Ok(())
    }

    /// The next things.
    pub(super) fn print(&mut self, part: &[T]) {
        if !self.json {
            self.widths = rows(self.headings.take(), part, self.row, self.widths);
            return;
        }
        for thing in part {
            let lines = format!("{:#}", json!(thing)).replace('\n', "\n  ");
            print!("{}\n  {lines}", if self.is_empty { "[" } else { "," });
            self.is_empty = false;
        }
    }

    /// There are no more.
    pub(super) fn end(self) {
        match (self.json, self.is_empty) {
            (true, true) => println!("[]"),
            (true, false) => println!("\n]"),
            (false, _) => drop(rows(self.headings, &[], self.row, self.widths)),
        }
    }
}

/// `-` for what is not there.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}

/// The same for a member of what a server answered.
pub(super) fn member(object: &Value, name: &str) -> String {
    cell(object.get(name).unwrap_or(&Value::Null))
}

/// What a table shows of a member of a JSON object.
pub(super) fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => Some(values.iter().map(cell).collect::<Vec<_>>().join(",")),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Some(value.to_string()),
    };
    or_dash(text)
}

/// How many logins have ended, as a sentence.
pub(super) fn logins_ended(count: impl Display) -> String {
    match count.to_string().as_str() {
        "1" => "1 login has ended".to_owned(),
        count => format!("{count} logins have ended"),
    }
}
