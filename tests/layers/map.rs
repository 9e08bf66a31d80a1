//! The map on the crate's front page shows the house as it is.

use std::collections::BTreeSet;

use crate::files_of;

/// The layers whose folders are rooms.
const WITH_ROOMS: [&str; 2] = ["http", "service"];

#[test]
fn the_front_page_is_the_map_of_the_house() {
    let files = files_of("src");
    let is_place = |name: &&str| match name.split_once('/') {
        None => !matches!(*name, "lib" | "main"),
        Some((layer, room)) => {
            let inside = format!("{name}/");
            let is_room = files.iter().any(|(other, _)| other.starts_with(&inside));
            WITH_ROOMS.contains(&layer) && !room.contains('/') && is_room
        }
    };
    let there: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).filter(is_place).collect();
    let (_, page) = files.iter().find(|(name, _)| name == "lib").unwrap();
    let page: Vec<&str> = page.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let map =
        page.iter().skip_while(|line| !line.contains("The map")).skip_while(|line| **line != " ```text");
    let lines = map.skip(1).take_while(|line| **line != " ```");
    let shown: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        shown.iter().copied().collect::<BTreeSet<_>>(),
        there,
        "the map in src/lib.rs, and what is there"
    );
    assert_eq!(shown.len(), there.len(), "a place is shown twice");
}
