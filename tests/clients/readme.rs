//! What the README says is there.

use std::fs;

use crate::program::repository;

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).unwrap()
}

#[test]
fn the_readme_shows_lines_of_the_example() {
    let example = fs::read_to_string(repository().join("deploy/example-client/app.py")).unwrap();
    let readme = readme();
    let (_, shown) = readme.split_once("```python\nheirloom = OAuth(app)").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert!(example.contains(&format!("heirloom = OAuth(app){shown}")), "{shown}");
}

#[test]
fn what_the_readme_links_to_is_there() {
    let readme = readme();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let pictures = readme.split(" src=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    let places: Vec<&str> = links.chain(pictures).map(|(place, _)| place).collect();
    let own: Vec<&&str> =
        places.iter().filter(|place| !place.contains("://") && !place.starts_with('#')).collect();
    assert!(own.len() > 30, "{own:?}");
    for place in own {
        assert!(repository().join(place).exists(), "{place}");
    }
}
