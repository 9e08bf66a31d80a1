//! Lists are shown in parts.

use std::fmt::Display;

/// How many things a page lists: it stays small.
pub(super) const LISTED: i64 = 25;

/// Where the next part begins, of a list that was read with one more than is shown.
pub(super) fn next_of<T, P: Display>(listed: &mut Vec<T>, place: impl Fn(&T) -> P) -> Option<String> {
    let most = usize::try_from(LISTED).unwrap_or(usize::MAX);
    if listed.len() <= most {
        return None;
    }
    listed.truncate(most);
    listed.last().map(|last| place(last).to_string())
}
