//! What the README and the pages under `docs/` say is there.

use std::fs;
use std::path::PathBuf;

use crate::program::repository;

struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn at(path: PathBuf) -> Page {
        let text = fs::read_to_string(&path).unwrap();
        Page { path, text }
    }

    /// Its lines, each with the language of the block that it stands in; outside of blocks it is `None`.
    fn lines(&self) -> Vec<(Option<&str>, &str)> {
        let mut block = None;
        let mut found = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("```"), block) {
                (Some(language), None) => block = Some(language),
                (Some(_), Some(_)) => block = None,
                (None, _) => found.push((block, line)),
            }
        }
        assert_eq!(block, None, "{}: a block has no end", self.path.display());
        found
    }

    fn prose(&self) -> String {
        let lines: Vec<&str> =
            self.lines().into_iter().filter(|(block, _)| block.is_none()).map(|(_, line)| line).collect();
        lines.join("\n")
    }

    /// Where it leads within the repository, by links and pictures.
    fn own_links(&self) -> Vec<String> {
        let prose = self.prose();
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let pictures = prose.split(" src=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        let places = links.chain(pictures).map(|(place, _)| place.to_owned());
        places.filter(|place| !place.contains("://")).collect()
    }

    /// What leads to its headings, as GitHub makes it.
    fn anchors(&self) -> Vec<String> {
        let anchor = |heading: &str| -> String {
            let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        };
        let prose = self.prose();
        prose
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| anchor(line.trim_matches(['#', ' '])))
            .collect()
    }

    fn leads_somewhere(&self, link: &str) -> bool {
        let (place, anchor) = link.split_once('#').map_or((link, None), |(place, it)| (place, Some(it)));
        let target = match place {
            "" => self.path.clone(),
            place => self.path.parent().unwrap().join(place),
        };
        target.exists()
            && anchor.is_none_or(|anchor| Page::at(target).anchors().iter().any(|known| known == anchor))
    }
}

fn readme() -> Page {
    Page::at(repository().join("README.md"))
}

/// The pages under `docs/`.
fn docs() -> Vec<Page> {
    let entries = fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension() == Some("md".as_ref())).map(Page::at).collect()
}

/// The page of `deploy/`, and those of its folders.
fn deploy() -> Vec<Page> {
    let folder = repository().join("deploy");
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .chain([folder])
        .map(|place| place.join("README.md"))
        .filter(|page| page.exists())
        .map(Page::at)
        .collect()
}

fn all_pages() -> Vec<Page> {
    let sdk = Page::at(repository().join("sdk/README.md"));
    docs().into_iter().chain(deploy()).chain([readme(), sdk]).collect()
}

#[test]
fn the_page_about_sign_in_shows_lines_of_the_example() {
    let example = fs::read_to_string(repository().join("deploy/example-client/app.py")).unwrap();
    let page = Page::at(repository().join("docs/sign-in.md"));
    let (_, shown) = page.text.split_once("```python\ndef refreshed").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert!(example.contains(&format!("def refreshed{shown}")), "{shown}");
}

#[test]
fn the_page_of_services_shows_them_as_they_run() {
    let page = Page::at(repository().join("docs/services.md"));
    let mut shown = 0;
    for part in page.text.split("\n[`").skip(1) {
        let (file, rest) = part.split_once("`]").unwrap();
        let (_, block) = rest.split_once("\n```").unwrap();
        let (block, _) = block.split_once("\n```\n").unwrap();
        let (_language, text) = block.split_once('\n').unwrap();
        let there = fs::read_to_string(repository().join("tests/interop").join(file)).unwrap();
        assert_eq!(there.trim_end(), text, "docs/services.md shows {file} otherwise");
        shown += 1;
    }
    assert_eq!(shown, 10);
}

#[test]
fn what_the_pages_link_to_is_there() {
    let mut links = 0;
    for page in all_pages() {
        for link in page.own_links() {
            assert!(page.leads_somewhere(&link), "{}: {link}", page.path.display());
            links += 1;
        }
    }
    assert!(links > 100, "{links}");
}

#[test]
fn the_index_leads_to_every_page() {
    let index = Page::at(repository().join("docs/README.md"));
    let links = index.own_links();
    for page in docs().into_iter().filter(|page| page.path != index.path) {
        let name = page.path.file_name().unwrap().to_str().unwrap();
        assert!(links.iter().any(|link| link == name), "docs/README.md has no link to {name}");
    }
}

#[test]
fn llms_txt_lists_every_page_as_the_index_does() {
    let listed = Page::at(repository().join("docs/llms.txt"));
    let index = Page::at(repository().join("docs/README.md"));
    // A page a number there, a line here, in the same order and words.
    let numbered = |line: &str| line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
    let mut pages: Vec<String> = Vec::new();
    for line in index.text.lines() {
        match pages.last_mut() {
            _ if numbered(line) => pages.push(line.split_once(". ").unwrap().1.to_owned()),
            Some(page) if line.starts_with(' ') => *page = format!("{page} {}", line.trim()),
            _ => {}
        }
    }
    let told: Vec<&str> = listed.text.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    assert!(pages.len() > 15, "{pages:?}");
    assert_eq!(told[..pages.len()], pages);
    let links = listed.own_links();
    for link in &links {
        assert!(listed.leads_somewhere(link), "{link}");
    }
    for entry in fs::read_dir(repository().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_list = ["README.md", "llms.txt"].contains(&name.as_str());
        assert!(is_list || links.contains(&name), "docs/llms.txt has no link to {name}");
    }
}

#[test]
fn the_readme_is_read_in_one_sitting() {
    let lines = readme().text.lines().count();
    assert!(lines <= 250, "{lines} lines: what is more belongs to docs/");
}

#[test]
fn lines_to_paste_hold_no_comment() {
    // zsh takes none at its prompt: what follows the # would be arguments.
    let mut pasted = 0;
    for page in all_pages() {
        for (block, line) in page.lines() {
            if matches!(block, Some("sh" | "bash" | "zsh" | "shell" | "console")) {
                let comment = line.split_whitespace().any(|word| word.starts_with('#'));
                assert!(!comment, "{}: {line}", page.path.display());
                pasted += 1;
            }
        }
    }
    assert!(pasted > 50, "{pasted}");
}
