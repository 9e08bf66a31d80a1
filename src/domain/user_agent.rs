//! What people call the browser and the system behind a `User-Agent` header: enough to know one's own device by.

/// A program and the system that it runs on, as far as the header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described<'a> {
    /// The browser's name, or what another program calls itself.
    pub program: Option<&'a str>,
    /// The system's name.
    pub system: Option<&'static str>,
}

/// The marks of browsers. Each claims to be those below it too, so the first that fits is right.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

/// The marks of systems, in the same order of trust.
const SYSTEMS: [(&str, &str); 8] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
];

/// Describes a `User-Agent` header. Its version numbers say nothing to people, and browsers freeze them anyway.
#[must_use]
pub fn describe(header: &str) -> Described<'_> {
    let name = |marks: &[(&str, &'static str)]| {
        marks.iter().find(|(mark, _)| header.contains(mark)).map(|(_, name)| *name)
    };
    // RFC 9110 §10.1.5: the product comes first. Every browser says that it is Mozilla.
    let program = match header.split(['/', ' ']).next() {
        Some("Mozilla") => name(&BROWSERS),
        Some(product) => Some(product).filter(|product| (1..=32).contains(&product.len())),
        None => None,
    };
    Described { program, system: name(&SYSTEMS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_they_call_their_devices() {
        const WEBKIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (header, program, system) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
                "Firefox",
                "Linux",
            ),
            (
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/140.0 Safari/537.36"),
                "Chrome",
                "Windows",
            ),
            (
                format!("Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/140.0 Safari/537.36 Edg/140.0"),
                "Edge",
                "Windows",
            ),
            (
                format!("Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/140.0 Mobile Safari/537.36"),
                "Chrome",
                "Android",
            ),
            (
                format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {WEBKIT} Version/18.0 Safari/604.1"
                ),
                "Safari",
                "iPhone",
            ),
            (
                format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/18.0 Safari/605.1"),
                "Safari",
                "Mac",
            ),
            (
                format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/140.0 Safari/537.36"),
                "Chrome",
                "ChromeOS",
            ),
            ("Mozilla/5.0 (compatible)".to_owned(), "", ""),
            ("curl/8.14.1".to_owned(), "curl", ""),
            ("MyApp/3 Version/2 (Windows)".to_owned(), "MyApp", "Windows"),
            ("x".repeat(33), "", ""),
            (String::new(), "", ""),
        ] {
            let name = |name: &'static str| Some(name).filter(|name| !name.is_empty());
            let expected = Described { program: name(program), system: name(system) };
            assert_eq!(describe(&header), expected, "{header}");
        }
    }
}
