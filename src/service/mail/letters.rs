//! What letters say: templates, and a catalogue of texts a language. Both are built in; files of an operator's stand in
//! for templates and are laid over catalogues.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Map, Value, json};

use crate::domain::letter::Letter;

const TEMPLATES: [(&str, &str); 2] =
    [("mail.txt", include_str!("templates/mail.txt")), ("mail.html", include_str!("templates/mail.html"))];
/// The language for everybody else comes first.
const TEXTS: [(&str, &str); 2] =
    [("en", include_str!("texts/en.json")), ("de", include_str!("texts/de.json"))];

/// The names of the files that an operator's folder may have.
pub fn letter_file_names() -> impl Iterator<Item = String> {
    let templates = TEMPLATES.iter().map(|(name, _)| (*name).to_owned());
    templates.chain(TEXTS.iter().map(|(language, _)| format!("mail_{language}.json")))
}

/// Everything that letters are made of.
#[derive(Debug)]
pub struct Letters {
    environment: Environment<'static>,
    /// By language.
    texts: Vec<(&'static str, BTreeMap<String, String>)>,
    look: LetterLook,
}

/// What is the same in all letters.
#[derive(Debug, Clone, Default)]
pub struct LetterLook {
    /// What people know this server's owner by.
    pub brand: String,
    /// The server's URL.
    pub home: String,
    /// `#rrggbb`, and the colour that can be read on it.
    pub accent: (String, &'static str),
    /// For an account that names no language that there is.
    pub language: String,
}

/// A letter as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub struct WrittenLetter {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// The letters cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum UnfitLetters {
    #[error("{0}: {1}")]
    Template(String, minijinja::Error),
    #[error("{0}: it is not a JSON object of texts: {1}")]
    Catalogue(String, serde_json::Error),
    #[error("{0}: no letter has the text `{1}`")]
    UnknownText(String, String),
    #[error("mail.language: there are no texts in {0:?}; there are en and de")]
    Language(String),
}

/// When a letter was asked for, and how long what it holds is good.
#[derive(Debug, Clone, Copy)]
pub struct LetterTimes {
    pub created_at: DateTime<Utc>,
    pub good_until: Option<DateTime<Utc>>,
}

impl Letters {
    /// Reads templates and texts, with files (name and content) in their place, and tries them on every letter that
    /// there is.
    ///
    /// # Errors
    /// [`UnfitLetters`].
    pub fn new(look: LetterLook, files: Vec<(String, String)>) -> Result<Self, UnfitLetters> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|name| {
            if name == "mail.html" { AutoEscape::Html } else { AutoEscape::None }
        });
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut texts = Vec::new();
        for (language, source) in TEXTS {
            texts.push((language, read(&format!("mail_{language}.json"), source)?));
        }
        let built_in = TEMPLATES.map(|(name, source)| (name.to_owned(), source.to_owned()));
        for (name, source) in built_in.into_iter().chain(files) {
            let catalogue = name.strip_prefix("mail_").and_then(|rest| rest.strip_suffix(".json"));
            match texts.iter_mut().find(|(language, _)| catalogue == Some(language)) {
                Some((_, texts)) => lay_over(texts, &name, &source)?,
                None => environment
                    .add_template_owned(name.clone(), source)
                    .map_err(|error| UnfitLetters::Template(name, error))?,
            }
        }
        let letters = Self { environment, texts, look };
        if letters.known(&letters.look.language).is_none() {
            return Err(UnfitLetters::Language(letters.look.language));
        }
        letters.try_all()?;
        Ok(letters)
    }

    fn try_all(&self) -> Result<(), UnfitLetters> {
        let now = DateTime::UNIX_EPOCH;
        for (language, _) in &self.texts {
            for letter in Letter::samples() {
                let written =
                    self.write(&letter, language, LetterTimes { created_at: now, good_until: None });
                written.map_err(|error| {
                    UnfitLetters::Template(format!("the letter {} ({language})", letter.kind()), error)
                })?;
            }
        }
        Ok(())
    }

    /// The language that there are texts in: the one that is asked for, or that for everybody else.
    #[must_use]
    pub fn nearest(&self, language: Option<&str>) -> &str {
        language.and_then(|tag| self.known(tag)).unwrap_or(&self.look.language)
    }

    fn known(&self, tag: &str) -> Option<&'static str> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        self.texts.iter().map(|(language, _)| *language).find(|it| it.eq_ignore_ascii_case(primary))
    }

    /// Writes a letter.
    ///
    /// # Errors
    /// When an operator's template fails.
    pub fn write(
        &self,
        letter: &Letter,
        language: &str,
        times: LetterTimes,
    ) -> Result<WrittenLetter, minijinja::Error> {
        let context = self.context(letter, language, times);
        let say = |what: &str| match self.text(language, &format!("{}_{what}", letter.kind())) {
            Some(text) => self.environment.render_str(text, Serde(&context)),
            None => Ok(String::new()),
        };
        let paragraphs = |text: String| -> Vec<String> {
            text.split("\n\n").filter(|text| !text.is_empty()).map(ToOwned::to_owned).collect()
        };
        let footer = self.text(language, "footer").unwrap_or_default();
        let mut shown = context.clone();
        shown.extend([
            ("subject".to_owned(), json!(say("subject")?)),
            ("before".to_owned(), json!(paragraphs(say("before")?))),
            ("button".to_owned(), json!(say("button")?)),
            ("after".to_owned(), json!(paragraphs(say("after")?))),
            ("footer".to_owned(), json!(self.environment.render_str(footer, Serde(&context))?)),
        ]);
        let render = |name: &str| self.environment.get_template(name)?.render(Serde(&shown));
        Ok(WrittenLetter { subject: say("subject")?, text: render("mail.txt")?, html: render("mail.html")? })
    }

    fn context(&self, letter: &Letter, language: &str, times: LetterTimes) -> Map<String, Value> {
        let LetterLook { brand, home, accent: (accent, on_accent), .. } = &self.look;
        let minutes = times.good_until.map(|until| (until - times.created_at).num_minutes());
        let common = json!({
            "brand": brand, "home": home, "accent": accent, "on_accent": on_accent, "language": language,
            "minutes": minutes, "code": null, "link": null,
        });
        let mut own = json!(letter);
        if let Some(at) = own.get_mut("at") {
            *at = json!(self.moment(at.as_str().unwrap_or_default(), language));
        }
        let members = [common, own].into_iter().filter_map(|it| it.as_object().cloned());
        members.flatten().collect()
    }

    /// A time in the language's own form; one that cannot be as it stands in the letter.
    fn moment(&self, time: &str, language: &str) -> String {
        let form = self.text(language, "moment").unwrap_or_default();
        let mut text = String::new();
        match DateTime::parse_from_rfc3339(time).map(|time| write!(text, "{}", time.format(form))) {
            Ok(Ok(())) => text,
            Ok(Err(_)) | Err(_) => time.to_owned(),
        }
    }

    fn text(&self, language: &str, key: &str) -> Option<&str> {
        let of = |wanted: &str| self.texts.iter().find(|(it, _)| *it == wanted).map(|(_, texts)| texts);
        of(self.nearest(Some(language)))?.get(key).map(String::as_str)
    }
}

fn read(name: &str, source: &str) -> Result<BTreeMap<String, String>, UnfitLetters> {
    serde_json::from_str(source).map_err(|error| UnfitLetters::Catalogue(name.to_owned(), error))
}

fn lay_over(texts: &mut BTreeMap<String, String>, name: &str, source: &str) -> Result<(), UnfitLetters> {
    for (key, text) in read(name, source)? {
        if !texts.contains_key(&key) {
            return Err(UnfitLetters::UnknownText(name.to_owned(), key));
        }
        texts.insert(key, text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> LetterLook {
        LetterLook {
            brand: "B & Co".to_owned(),
            home: "https://id.example.com".to_owned(),
            accent: ("#0b57d0".to_owned(), "#ffffff"),
            language: "en".to_owned(),
        }
    }

    fn with(files: &[(&str, &str)]) -> Result<Letters, UnfitLetters> {
        let owned = |(name, source): &(&str, &str)| ((*name).to_owned(), (*source).to_owned());
        Letters::new(look(), files.iter().map(owned).collect())
    }

    fn times(minutes: i64) -> LetterTimes {
        let created_at = DateTime::UNIX_EPOCH;
        LetterTimes { created_at, good_until: Some(created_at + chrono::TimeDelta::minutes(minutes)) }
    }

    #[test]
    fn every_letter_is_written_in_every_language() {
        let letters = with(&[]).unwrap();
        for letter in Letter::samples() {
            let written = ["en", "de"].map(|language| letters.write(&letter, language, times(20)).unwrap());
            let [english, german] = &written;
            assert_ne!(english.subject, german.subject, "{letter:?}");
            for WrittenLetter { subject, text, html } in &written {
                assert!(!subject.is_empty() && !subject.contains('{'), "{subject}");
                assert!(text.contains("B & Co") && html.contains("B &amp; Co"), "{text}{html}");
                let value = json!(letter);
                for secret in ["link", "code"].into_iter().filter_map(|name| value[name].as_str()) {
                    assert!(text.contains(secret), "{text}");
                    assert!(html.replace("&#x2f;", "/").contains(secret), "{html}");
                }
            }
        }
        let mine = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(mine(&letters.texts[0].1), mine(&letters.texts[1].1));
    }

    #[test]
    fn a_reader_is_written_to_in_the_nearest_language_that_there_is() {
        let letters = with(&[]).unwrap();
        for (asked, found) in [
            (Some("de-AT"), "de"),
            (Some("DE"), "de"),
            (Some("de_CH"), "de"),
            (Some("fr"), "en"),
            (None, "en"),
        ] {
            assert_eq!(letters.nearest(asked), found, "{asked:?}");
        }
    }

    #[test]
    fn an_operators_files_stand_in_for_ours() {
        let letters = with(&[
            ("mail.txt", "{{ before[0] }} {{ link }}"),
            (
                "mail_en.json",
                r#"{"verify_address_before":"{{ brand }} says hello for {{ minutes }} minutes."}"#,
            ),
        ]);
        let written = letters.unwrap().write(&Letter::samples()[0], "en", times(20)).unwrap();
        assert_eq!(written.text, "B & Co says hello for 20 minutes. https://id.example.com/a?token=b");
    }

    #[test]
    fn a_mistake_in_an_operators_file_is_told_at_the_start() {
        for (name, source, told) in [
            ("mail.txt", "{{ lnik }}", "undefined"),
            ("mail.html", "{% if %}", "mail.html"),
            ("mail_de.json", "[]", "mail_de.json: it is not a JSON object"),
            ("mail_de.json", r#"{"verify":"a"}"#, "mail_de.json: no letter has the text `verify`"),
            ("mail_en.json", r#"{"verify_address_after":"{{ nobody }}"}"#, "the letter verify_address (en)"),
        ] {
            let error = with(&[(name, source)]).unwrap_err().to_string();
            assert!(error.contains(told), "{name}: {error}");
        }
        let unknown = Letters::new(LetterLook { language: "fr".to_owned(), ..look() }, Vec::new());
        assert!(unknown.unwrap_err().to_string().starts_with("mail.language"));
    }
}
