//! Tests that the documentation names as proof are there.

use std::fs;
use std::path::Path;

/// Pages that name tests: `[test](../file.rs)`.
const PAGES: [&str; 3] = ["SECURITY.md", "docs/asvs.md", "docs/limits.md"];

/// Links to tests: the words of the link, and the file, from the root. Where many are meant, the link leads to the head
/// of a target.
fn links(page: &str, text: &str) -> Vec<(String, String)> {
    let folder = Path::new(page).parent().unwrap();
    let ends = |part: &str| part.find(".rs)").map(|end| part[..end + 3].to_owned());
    text.split('[')
        .skip(1)
        .filter_map(|rest| {
            let (words, rest) = rest.split_once("](")?;
            let place =
                ends(rest).filter(|place| !place.contains([')', ' ']) && !place.ends_with("/main.rs"))?;
            let own = || folder.join(&place).to_str().unwrap().to_owned();
            let file = place.strip_prefix("../").map_or_else(own, ToOwned::to_owned);
            Some((words.to_owned(), file))
        })
        .collect()
}

#[test]
fn tests_that_pages_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut named, mut missing) = (0, Vec::new());
    for page in PAGES {
        let text = fs::read_to_string(root.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        for (words, file) in links(page, &text) {
            let source = fs::read_to_string(root.join(&file)).unwrap_or_default();
            let is_there = match words.strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
                Some(name) => source.contains(&format!("fn {name}(")),
                None => {
                    source.contains("#[test]")
                        || source.contains("::test]")
                        || source.contains("both_")
                        || source.contains("attacks! {")
                }
            };
            named += 1;
            if !is_there {
                missing.push(format!("{page}: {words} in {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(named > 150, "{named} tests are named");
}

/// Each bound has a test, and each requirement a word on whether it is met.
#[test]
fn no_row_is_without_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = |page: &str| -> Vec<Vec<String>> {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let rows =
            text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| endpoint or act"));
        rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
            .collect()
    };
    for row in rows("docs/limits.md") {
        assert!(row.len() == 4 && row[3].contains(".rs)"), "{row:?}");
    }
    let requirements: Vec<Vec<String>> = rows("docs/asvs.md")
        .into_iter()
        .filter(|row| row[0].starts_with(|it: char| it.is_ascii_digit()))
        .collect();
    assert!(requirements.len() > 100, "{} requirements", requirements.len());
    for row in requirements {
        let shown = row[3].contains("](");
        let fits = match row[2].as_str() {
            "met" => shown,
            // Why not stands beside.
            "not met" => shown && row[3].contains(". ") || !row[3].is_empty(),
            "not ours" => !row[3].is_empty(),
            _ => false,
        };
        assert!(fits, "{row:?}");
    }
}
