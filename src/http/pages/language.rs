//! The texts of the pages: one catalogue a language, and what an operator lays over it.

use std::collections::BTreeMap;

/// A language's texts.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// The language's tag (RFC 5646).
    pub(crate) language: &'static str,
    /// Each text by its key.
    pub(crate) texts: BTreeMap<String, String>,
}

/// An operator's catalogue cannot be laid over ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnfitTexts {
    /// It is none.
    #[error("it is not a JSON object of texts: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A key that no page looks up.
    #[error("no page has the text `{0}`; the text of your own scope is named `scope_` and the scope")]
    Unknown(String),
}

impl Catalogue {
    /// Lays an operator's texts over these. A scope's is `scope_` and its name.
    ///
    /// # Errors
    /// [`UnfitTexts`].
    pub(crate) fn lay_over(&mut self, source: &str) -> Result<(), UnfitTexts> {
        let texts: BTreeMap<String, String> = serde_json::from_str(source)?;
        for (key, text) in texts {
            if !self.texts.contains_key(&key) && !key.starts_with("scope_") {
                return Err(UnfitTexts::Unknown(key));
            }
            self.texts.insert(key, text);
        }
        Ok(())
    }
}

/// The texts of everybody's pages, and those of the console.
const SOURCES: [(&str, [&str; 2]); 2] = [
    ("en", [include_str!("texts/en.json"), include_str!("texts/console_en.json")]),
    ("de", [include_str!("texts/de.json"), include_str!("texts/console_de.json")]),
];

/// The languages that there is a catalogue for, the one for everybody else first.
pub(crate) const LANGUAGES: [&str; 2] = ["en", "de"];

/// Every catalogue.
pub(crate) fn catalogues() -> Result<Vec<Catalogue>, serde_json::Error> {
    let read = |(language, sources): &(&'static str, [&str; 2])| {
        let mut texts = BTreeMap::new();
        for source in sources {
            texts.extend(serde_json::from_str::<BTreeMap<String, String>>(source)?);
        }
        Ok::<_, serde_json::Error>(Catalogue { language, texts })
    };
    SOURCES.iter().map(read).collect()
}

/// The language for a reader: the first of `ui_locales` (OpenID Connect Core §3.1.2.1) that we have, else the best of
/// `Accept-Language` (RFC 9110 §12.5.4), else English.
pub(crate) fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> &'static str {
    asked(ui_locales).or_else(|| accepted(accept_language.unwrap_or_default())).unwrap_or("en")
}

/// The first of `ui_locales` that we have.
pub(crate) fn asked(ui_locales: Option<&str>) -> Option<&'static str> {
    ui_locales.unwrap_or_default().split(' ').find_map(known)
}

fn known(tag: &str) -> Option<&'static str> {
    let primary = tag.split('-').next().unwrap_or_default();
    LANGUAGES.into_iter().find(|language| language.eq_ignore_ascii_case(primary))
}

fn accepted(header: &str) -> Option<&'static str> {
    let mut best: Option<(&'static str, f32)> = None;
    for part in header.split(',') {
        let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()).unwrap_or(0.0);
        if let Some(language) = known(tag.trim())
            && weight > best.map_or(0.0, |(_, best)| best)
        {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_before_the_browser_and_english_is_for_everybody_else() {
        for (ui_locales, accept, language) in [
            (None, None, "en"),
            (None, Some("de"), "de"),
            (None, Some("fr, de-AT;q=0.7, en;q=0.8"), "en"),
            (None, Some("fr-CH, fr;q=0.9, de;q=0.7, *;q=0.5"), "de"),
            (None, Some("en;q=0, de;q=0.1"), "de"),
            (Some("fr DE-ch en"), Some("en"), "de"),
            (Some("fr"), Some("de"), "de"),
            (Some(""), Some(";;,q="), "en"),
        ] {
            assert_eq!(choose(ui_locales, accept), language, "{ui_locales:?} {accept:?}");
        }
    }

    #[test]
    fn every_catalogue_has_the_same_texts_and_the_same_blanks() {
        let catalogues = catalogues().unwrap();
        assert_eq!(catalogues.iter().map(|it| it.language).collect::<Vec<_>>(), LANGUAGES);
        let shape = |texts: &BTreeMap<String, String>| -> Vec<(String, usize)> {
            texts.iter().map(|(key, text)| (key.clone(), text.matches('{').count())).collect()
        };
        let mut shapes = catalogues.iter().map(|it| shape(&it.texts));
        let first = shapes.next().unwrap();
        assert!(shapes.all(|other| other == first));
    }
}
