//! A form of the console: fields with what was typed into them, what does not fit beside each, and a button. One
//! without fields asks whether something is really meant.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::http::console::seat::Seat;
use crate::http::console::trouble::Mistyped;

/// How something is typed.
#[derive(Debug, Clone, Copy)]
pub(super) enum FieldKind {
    Text,
    Email,
    NewPassword,
    /// One thing a line.
    Lines,
    Check,
}

/// A field: its label is the text `console_field_` and its name, and what is said of it the same with `_hint`.
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    kind: FieldKind,
    value: String,
    is_required: bool,
}

impl Field {
    pub(super) fn new(name: &'static str, kind: FieldKind, value: impl Into<String>) -> Self {
        Self { name, kind, value: value.into(), is_required: false }
    }

    pub(super) fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    fn to_json(&self) -> Value {
        let kind = match self.kind {
            FieldKind::Text => "text",
            FieldKind::Email => "email",
            FieldKind::NewPassword => "password",
            FieldKind::Lines => "lines",
            FieldKind::Check => "check",
        };
        json!({ "name": self.name, "kind": kind, "value": self.value, "required": self.is_required })
    }
}

/// Where somebody goes instead, and what the navigation shows as the place.
#[derive(Debug)]
pub(super) struct FormPage<'a> {
    /// The key of the headline; the other texts have it at their beginnings.
    pub(super) text: &'a str,
    /// Which thing the texts name.
    pub(super) name: &'a str,
    /// Keys of further sentences.
    pub(super) sentences: &'a [&'a str],
    /// What is known of it, by the keys of the labels.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) fields: Vec<Field>,
    /// What is sent along unseen.
    pub(super) hidden: Vec<(&'static str, String)>,
    /// Where it is sent.
    pub(super) action: String,
    /// Where somebody goes who does not mean it.
    pub(super) back: String,
    /// The part of the console that it belongs to.
    pub(super) section: &'static str,
}

impl FormPage<'_> {
    /// Shows it, with what did not fit.
    pub(super) fn show(&self, seat: &Seat, mistake: Option<&Mistyped>) -> HttpResponse {
        let status = if mistake.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let is_of_field = |mistake: &&Mistyped| self.fields.iter().any(|field| field.name == mistake.field);
        let (beside, above) = match mistake {
            Some(mistake) if is_of_field(&mistake) => (Some(mistake), None),
            mistake => (None, mistake),
        };
        let content = json!({
            "text": self.text,
            "name": self.name,
            "sentences": self.sentences,
            "facts": self.facts,
            "fields": self.fields.iter().map(Field::to_json).collect::<Vec<_>>(),
            "hidden": self.hidden,
            "beside": beside.map(Mistyped::to_json),
            "above": above.map(Mistyped::to_json),
            "action": self.action,
            "back": self.back,
            "section": self.section,
            "least": seat.core.password_rules.min_length,
        });
        seat.page_with("console_form.html", content, status)
    }
}

/// What was typed, one thing a line.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
}
