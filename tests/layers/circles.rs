//! No file leads back to itself over what the files name: each can be read, moved and tested with what stands below it
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::files_of;

type Words = Vec<String>;

/// What a `use` brings in: the name it is known by, and its path.
struct Import {
    name: String,
    path: Words,
    /// Whether it only passes something on.
    passes_on: bool,
}

#[derive(Default)]
struct File {
    imports: Vec<Import>,
    /// The paths that stand in its code: two words at least.
    paths: Vec<Words>,
}

/// The files by their modules' names; the crate's own is empty.
struct House(BTreeMap<String, File>);

fn is_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// The length of the text or letter that stands at the start, quotes and all.
fn literal(text: &str) -> Option<usize> {
    let opening = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - opening.len();
    let raw = opening.strip_prefix('r').map(|rest| (rest, rest.len() - rest.trim_start_matches('#').len()));
    if let Some((rest, hashes)) = raw.filter(|(rest, hashes)| rest[*hashes..].starts_with('"')) {
        let closing = format!("\"{}", "#".repeat(hashes));
        let end = rest[hashes + 1..].find(&closing).unwrap();
        return Some(prefix + 1 + hashes + 1 + end + closing.len());
    }
    let quote = opening.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
    let mut letters = opening.char_indices().skip(1);
    let mut count = 0;
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            letter if letter == quote => return Some(prefix + at + 1),
            _ => {}
        }
        count += 1;
        // `'a` is a lifetime.
        if quote == '\''
            && letter != '\\'
            && count == 1
            && !opening[at + letter.len_utf8()..].starts_with('\'')
        {
            return None;
        }
    }
    None
}

/// Words, `::`, and every other sign that is neither space nor comment nor part of a text.
fn tokens(mut text: &str) -> Words {
    let mut found = Words::new();
    while let Some(first) = text.chars().next() {
        let (length, counts) = if text.starts_with("//") {
            (text.find('\n').unwrap_or(text.len()), false)
        } else if text.starts_with("/*") {
            (text.find("*/").unwrap() + 2, false)
        } else if let Some(length) = literal(text) {
            (length, false)
        } else if is_word(first) {
            (text.find(|letter| !is_word(letter)).unwrap_or(text.len()), true)
        } else if text.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        let (token, rest) = text.split_at(length);
        found.extend(counts.then(|| token.to_owned()));
        text = rest;
    }
    found
}

/// Reads a `use` tree; gives how many tokens it has. `a::{b, c as d}` brings in `a::b` as `b` and `a::c` as `d`.
fn read_tree(tokens: &[String], prefix: &[String], found: &mut Vec<(String, Words)>) -> usize {
    let token = |at: usize| tokens.get(at).map_or(";", String::as_str);
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        if token(at) == "{" {
            while token(at) != "}" {
                at += 1;
                if token(at) != "}" {
                    at += read_tree(tokens.get(at..).unwrap(), &path, found);
                }
            }
            return at + 1;
        }
        path.push(token(at).to_owned());
        at += 1;
        match token(at) {
            "::" => at += 1,
            "as" => {
                found.push((token(at + 1).to_owned(), path));
                return at + 2;
            }
            _ => break,
        }
    }
    if path.len() > 1 {
        path.pop_if(|last| last == "self");
    }
    found.push((path.last().unwrap().clone(), path));
    at
}

impl File {
    /// Reads a file, all but its `tests`.
    fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let token = |at: usize| tokens.get(at).map_or("", String::as_str);
        let mut file = Self::default();
        let mut loose = BTreeSet::new();
        // How deep in braces this is, and how deep the modules in this file began that this is in.
        let (mut depth, mut inner) = (0, Vec::<usize>::new());
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map_or("", token);
            match token(at) {
                "mod" if token(at + 1) == "tests" => {
                    let start = depth;
                    at += 2;
                    while token(at) == "{" || depth > start {
                        depth = depth + usize::from(token(at) == "{") - usize::from(token(at) == "}");
                        at += 1;
                    }
                    continue;
                }
                "mod" if token(at + 2) == "{" => inner.push(depth),
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inner.pop_if(|began| *began == depth);
                }
                "use" if token(at + 1) != "<" => {
                    let mut found = Vec::new();
                    at += 1 + read_tree(tokens.get(at + 1..).unwrap(), &[], &mut found);
                    let passes_on = matches!(before, "pub" | ")");
                    for (name, path) in found {
                        // What a module inside knows by a name, the file does not.
                        if inner.is_empty() {
                            file.imports.push(Import { name, path, passes_on });
                        } else {
                            file.paths.push(from_file(path, inner.len()));
                        }
                    }
                    continue;
                }
                word if word.starts_with(is_word) && before != "::" => {
                    let mut path = vec![word.to_owned()];
                    while token(at + 1) == "::" && token(at + 2).starts_with(is_word) {
                        path.push(token(at + 2).to_owned());
                        at += 2;
                    }
                    loose.insert(word.to_owned());
                    // `pub(in …)` names nothing that the file needs.
                    if path.len() > 1 && before != "in" {
                        file.paths.push(from_file(path, inner.len()));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        for import in &mut file.imports {
            import.passes_on &= !loose.contains(&import.name);
        }
        file
    }
}

/// A path as it would stand outside the modules that a file has in itself.
fn from_file(mut path: Words, inner: usize) -> Words {
    let supers = path.iter().take_while(|word| *word == "super").count().min(inner);
    path.splice(..supers, (supers > 0).then(|| "self".to_owned()));
    path
}

fn below(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

impl House {
    fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_test = |name: &str| name.split('/').any(|part| part == "tests");
        let files = files.into_iter().filter(|(name, _)| !is_test(name));
        let name = |name: String| if name == "lib" { String::new() } else { name.replace('/', "::") };
        Self(files.map(|(path, text)| (name(path), File::read(&text))).collect())
    }

    /// The file in which that stands which a path in `module` leads to; `None` outside this crate.
    fn place(&self, module: &str, path: &[String], steps: usize) -> Option<String> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => String::new(),
            "self" => module.to_owned(),
            "super" => {
                let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
                return self.place(parent, &[&["self".to_owned()], rest].concat(), steps);
            }
            name if self.0.contains_key(&below(module, name)) => below(module, name),
            name => return self.over(module, name, rest, steps),
        };
        if rest.first().is_some_and(|next| next == "super") {
            return self.place(&at, rest, steps);
        }
        while let Some((next, after)) = rest.split_first() {
            let inside = below(&at, next);
            if !self.0.contains_key(&inside) {
                return self.over(&at, next, after, steps).or(Some(at));
            }
            (at, rest) = (inside, after);
        }
        Some(at)
    }

    /// Follows what a module knows by a name because it imports it.
    fn over(&self, module: &str, name: &str, rest: &[String], steps: usize) -> Option<String> {
        let imports = &self.0.get(module)?.imports;
        let import = imports.iter().find(|import| import.name == name && import.path.len() > 1)?;
        assert!(steps < 20, "{module} imports {name} from itself");
        self.place(module, &[&import.path, rest].concat(), steps + 1)
    }

    /// The files that each file needs.
    fn arrows(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let needs = |module: &str, file: &File| {
            let imports = file.imports.iter().filter(|import| !import.passes_on).map(|import| &import.path);
            let places = imports.chain(&file.paths).filter_map(|path| self.place(module, path, 0));
            places.filter(|place| place != module).collect()
        };
        self.0.iter().map(|(module, file)| (module.as_str(), needs(module, file))).collect()
    }

    /// The files of a circle, in its order.
    fn circle(&self) -> Option<Words> {
        let arrows = self.arrows();
        let mut done = BTreeSet::new();
        arrows.keys().find_map(|module| walk(module, &arrows, &mut Words::new(), &mut done))
    }
}

fn walk(
    module: &str,
    arrows: &BTreeMap<&str, BTreeSet<String>>,
    way: &mut Words,
    done: &mut BTreeSet<String>,
) -> Option<Words> {
    if let Some(start) = way.iter().position(|before| before == module) {
        return Some(way.split_off(start));
    }
    if done.contains(module) {
        return None;
    }
    way.push(module.to_owned());
    let circle = arrows.get(module).into_iter().flatten().find_map(|next| walk(next, arrows, way, done));
    if circle.is_none() {
        way.pop();
        done.insert(module.to_owned());
    }
    circle
}

#[test]
fn no_file_stands_in_a_circle() {
    let house = House::of(files_of("src"));
    let arrows: usize = house.arrows().values().map(BTreeSet::len).sum();
    assert!(arrows > house.0.len(), "the arrows were found: {arrows}");
    assert_eq!(house.circle(), None, "each of these files names the next one, and the last the first");
}

#[test]
fn a_circle_is_found_whichever_way_it_is_written() {
    let circle = |files: &[(&str, &str)]| {
        House::of(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))).circle()
    };
    let list = "pub mod b; pub mod c; pub use b::B; pub(crate) use c::C as D;";
    for (one, other) in [
        ("use crate::a::c::C;", "use crate::a::b::B;"),
        ("use crate::a::D;", "use super::B;"),
        ("use crate::{x::Y, a::{self, z}}; fn f() { a::D::new() }", "fn f(b: &super::b::B) {}"),
        ("use crate::a; fn f() -> a::c::C { '\"' }", "mod inner { use super::super::B; }"),
        (
            "const S: &str = r#\"\"//\"#; fn f<'a>() { crate::a::D::<u8>::f() }",
            "use super::{b::{self as x}};",
        ),
    ] {
        let found = circle(&[("a", list), ("a/b", one), ("a/c", other)]);
        assert_eq!(found.unwrap_or_default(), ["a::b", "a::c"], "{one} {other}");
    }
    for (one, other) in [
        ("use crate::a::D;", "// use super::B;"),
        ("use crate::a::D;", "/// [`super::B`]\nconst TEXT: &str = \"crate::a::b\";"),
        ("use crate::a::D;", "#[cfg(test)] mod tests { fn f() { crate::a::B } }"),
        ("use crate::a::D;", "pub(in super::super) struct C; mod inner { use super::C; }"),
    ] {
        assert_eq!(circle(&[("a", list), ("a/b", one), ("a/c", other)]), None, "{one} {other}");
    }
}
