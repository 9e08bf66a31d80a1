//! The pages that people see: rendered here, readable without a script, in their own language.
//!
//! A page is a template and a catalogue of texts. Both are built in; the files in an operator's folder stand in for
//! templates and are laid over catalogues. These are read when the server starts, so that a mistake in them is told
//! then.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use minijinja::value::{Serde, merge_maps};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde_json::{Value, json};

use crate::http::pages::language::{self, Catalogue, LANGUAGES, UnfitTexts};
use crate::http::pages::qr;
use crate::http::pages::templates::TEMPLATES;

const STYLE: &str = include_str!("style.css");
const CONSOLE_STYLE: &str = include_str!("console.css");
const ICON: &str = include_str!("icon.svg");

/// The names of the files that an operator's folder may have: templates, and catalogues such as `en.json`.
pub(crate) fn file_names() -> impl Iterator<Item = String> {
    let templates = TEMPLATES.iter().map(|(name, _)| (*name).to_owned());
    templates.chain(LANGUAGES.iter().map(|language| format!("{language}.json")))
}

/// What an operator chooses of the pages' look.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// What people know this server's owner by.
    pub(crate) name: String,
    /// A picture, with its media type.
    pub(crate) logo: Option<(Vec<u8>, &'static str)>,
    /// `#rrggbb`, and the colour that can be read on it.
    pub(crate) accent: (String, &'static str),
    /// Files beside the built-in ones, by [`file_names`]: name and source.
    pub(crate) files: Vec<(String, String)>,
}

/// Everything that a page is made of.
#[derive(Debug)]
pub(crate) struct Pages {
    environment: Environment<'static>,
    /// Each language's catalogue as templates read it: made once, as most of a page's time would go into it.
    texts: Vec<(&'static str, minijinja::Value)>,
    /// What every page is told.
    always: minijinja::Value,
    /// What people know this server's owner by.
    pub(crate) name: String,
    /// The one style sheet of a page, but for those of the console.
    pub(crate) style: File,
    /// The one of those.
    pub(crate) console_style: File,
    /// The picture.
    pub(crate) logo: Option<File>,
    /// What stands for this server in a browser's tab.
    pub(crate) icon: File,
    /// The script of every page.
    pub(crate) page: File,
    /// The script that presses a button that is there for everybody.
    pub(crate) submit: File,
    /// The script that asks for a passkey.
    pub(crate) passkey: File,
    /// The script that goes on by itself from where there is a link.
    pub(crate) onward: File,
}

/// What a page links to. Its address changes with its content, so that browsers may keep it for good.
#[derive(Debug)]
pub(crate) struct File {
    content: Vec<u8>,
    media_type: &'static str,
    version: String,
}

/// The pages cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotRender {
    /// A template that is none.
    #[error(transparent)]
    Template(#[from] minijinja::Error),
    /// A catalogue that is none.
    #[error(transparent)]
    Catalogue(#[from] serde_json::Error),
    /// An operator's catalogue that does not fit.
    #[error("{0}: {1}")]
    Texts(String, UnfitTexts),
    /// How a language writes times is not a format of a time.
    #[error("{0}.json: `moment` is not a format of a time such as %d.%m.%Y")]
    Moment(&'static str),
}

/// One page to be shown.
#[derive(Debug)]
pub(crate) struct Page {
    /// The template's name.
    pub(crate) template: &'static str,
    /// What it shows.
    pub(crate) content: Value,
    /// The answer's status.
    pub(crate) status: StatusCode,
    pub(crate) language: &'static str,
    /// Whether its forms lead to an app, or to a provider, in the end.
    pub(crate) leads_away: bool,
}

/// Where whoever sends a form may end, with all redirects after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormsEnd {
    Here,
    Anywhere,
}

impl Pages {
    /// Reads templates and catalogues.
    ///
    /// # Errors
    /// [`CannotRender`], with the template's name and line.
    pub(crate) fn new(look: Look) -> Result<Self, CannotRender> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_filter("moment", moment);
        environment.add_filter("qr", qr::picture);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        // Compiled when a page is first shown: together they take 2 MB.
        environment.set_loader(|name| Ok(built_in(name).map(ToOwned::to_owned)));
        let mut catalogues = language::catalogues()?;
        for (name, source) in look.files {
            match catalogues.iter_mut().find(|it| name.strip_suffix(".json") == Some(it.language)) {
                Some(catalogue) => {
                    catalogue.lay_over(&source).map_err(|unfit| CannotRender::Texts(name, unfit))?;
                }
                None => environment.add_template_owned(name, source)?,
            }
        }
        for Catalogue { language, texts } in &catalogues {
            let form = texts.get("moment").map(String::as_str).unwrap_or_default();
            moment("2000-01-01T00:00:00Z", form).map_err(|_| CannotRender::Moment(language))?;
        }
        let (accent, on_accent) = look.accent;
        let icon = ICON.replace("{accent}", &accent).replace("{on_accent}", on_accent);
        let style = format!(":root{{--accent:{accent};--on-accent:{on_accent}}}\n{STYLE}");
        let file = |(content, media_type)| File::new(content, media_type);
        let console_style = File::new((style.clone() + CONSOLE_STYLE).into_bytes(), CSS);
        let style = File::new(style.into_bytes(), CSS);
        let logo = look.logo.map(file);
        let icon = File::new(icon.into_bytes(), "image/svg+xml");
        let page = File::script(include_bytes!("page.js"));
        let submit = File::script(include_bytes!("submit.js"));
        let passkey = File::script(include_bytes!("passkey.js"));
        let onward = File::script(include_bytes!("onward.js"));
        let always = json!({
            "brand": look.name,
            "style_version": style.version,
            "console_style_version": console_style.version,
            "icon_version": icon.version,
            "page_version": page.version,
            "submit_version": submit.version,
            "passkey_version": passkey.version,
            "onward_version": onward.version,
            "logo_version": logo.as_ref().map(|logo| &logo.version),
        });
        Ok(Self {
            environment,
            texts: catalogues.iter().map(|it| (it.language, Serde(&it.texts).into())).collect(),
            always: Serde(&always).into(),
            name: look.name,
            style,
            console_style,
            logo,
            icon,
            page,
            submit,
            passkey,
            onward,
        })
    }

    /// Renders a page below `base`, the issuer's path, with what links to other pages of ours keep of the address
    /// (`kept`); it may hold pages of the places in `frames`.
    pub(crate) fn render(
        &self,
        page: &Page,
        (frames, ends): (&[String], FormsEnd),
        base: &str,
        kept: &str,
    ) -> HttpResponse {
        let texts = self.texts.iter().find(|(language, _)| *language == page.language);
        let context = context! {
            base,
            kept,
            language => page.language,
            t => texts.map(|(_, texts)| texts.clone()),
            ..merge_maps([Serde(&page.content).into(), self.always.clone()])
        };
        let template = self.environment.get_template(page.template);
        match template.and_then(|template| template.render(context)) {
            Ok(html) => document(page.status, (frames, ends), html),
            Err(error) => {
                tracing::error!(%error, template = page.template, "a page cannot be rendered");
                HttpResponse::InternalServerError().insert_header((CACHE_CONTROL, "no-store")).finish()
            }
        }
    }
}

/// The source of a built-in template.
fn built_in(name: &str) -> Option<&'static str> {
    TEMPLATES.iter().find(|(known, _)| *known == name).map(|(_, source)| *source)
}

/// A time (RFC 3339) in a language's own form.
fn moment(time: &str, form: &str) -> Result<String, minijinja::Error> {
    let wrong = |what: &'static str| minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, what);
    let time = DateTime::parse_from_rfc3339(time).map_err(|_| wrong("no time"))?;
    let mut text = String::new();
    write!(text, "{}", time.format(form)).map_err(|_| wrong("no form of a time"))?;
    Ok(text)
}

fn document(status: StatusCode, (frames, ends): (&[String], FormsEnd), html: String) -> HttpResponse {
    let frames = if frames.is_empty() { String::new() } else { format!("frame-src {}; ", frames.join(" ")) };
    // Chromium holds every redirect after a form to `form-action`: those by which the app sends its user on to another
    // of its places, which nobody here knows, would end at our button without a word.
    let forms = match ends {
        FormsEnd::Anywhere => "",
        FormsEnd::Here => "; form-action 'self'",
    };
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; {frames}base-uri 'none'; \
         frame-ancestors 'none'{forms}"
    );
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        // For what does not know `frame-ancestors`.
        .insert_header(("X-Frame-Options", "DENY"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(html)
}

const CSS: &str = "text/css; charset=utf-8";

impl File {
    fn new(content: Vec<u8>, media_type: &'static str) -> Self {
        let hash = digest::digest(&digest::SHA256, &content);
        let (start, _) = hash.as_ref().split_at(9);
        Self { version: URL_SAFE_NO_PAD.encode(start), content, media_type }
    }

    fn script(content: &[u8]) -> Self {
        Self::new(content.to_vec(), "text/javascript; charset=utf-8")
    }

    /// The file itself.
    pub(crate) fn answer(&self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
            // A picture in SVG may carry a script.
            .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
            .insert_header((CONTENT_TYPE, self.media_type))
            .body(self.content.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one() {
        let pages = Pages::new(Look::default()).unwrap();
        for (name, _) in TEMPLATES {
            pages.environment.get_template(name).unwrap();
        }
    }
}
