//! A user as SCIM clients write it: JSON of which each attribute has the name and the form that [`schema`] says.
//!
//! [`schema`]: crate::domain::scim::schema

use serde_json::{Map, Value, json};

use crate::domain::scim::fault::{FaultKind, ScimFault};
use crate::domain::scim::place::Led;
use crate::domain::scim::schema::{AttributeKind, Plurality, ScimAttribute, USER};

/// No text of a user is longer, in bytes.
const LONGEST_TEXT: usize = 1024;
/// No list has more elements.
const LONGEST_LIST: usize = 100;

/// What is said of a user: attributes without a value are not there (RFC 7643 §2.5).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserResource(pub(crate) Map<String, Value>);

impl UserResource {
    /// What somebody sends as a whole user. What is the server's to say is passed over (RFC 7644 §3.3, §3.5.1), and so
    /// is what the standard has and nobody keeps.
    ///
    /// # Errors
    /// [`ScimFault`].
    pub fn sent(object: Map<String, Value>) -> Result<Self, ScimFault> {
        check_schemas(&object, USER)?;
        let mut user = Self::default();
        for (name, value) in object {
            let led = Led::by(&name).map_err(|fault| FaultKind::InvalidSyntax.with(fault.detail))?;
            let place = match led {
                Led::Place(place) if place.part.is_none() && place.which.is_empty() => place,
                Led::Nowhere | Led::ReadOnly(_) => continue,
                Led::Place(_) | Led::User => {
                    return Err(FaultKind::InvalidSyntax.with(format!("There is no attribute {name}.")));
                }
            };
            let Some(value) = fit(place.attribute, value)? else { continue };
            if user.0.insert(place.attribute.name.to_owned(), value).is_some() {
                return Err(FaultKind::InvalidSyntax.with(format!("{name} is sent twice.")));
            }
        }
        user.settle();
        Ok(user)
    }

    /// Of what there is one only, one is left; and nothing without a value.
    pub(crate) fn settle(&mut self) {
        for attribute in crate::domain::scim::schema::ATTRIBUTES {
            let Some(Value::Array(elements)) = self.0.get_mut(attribute.name) else { continue };
            elements.retain(|element| says_something(&attribute, element));
            if attribute.plurality == Plurality::ListOfOne {
                let primary = |element: &Value| element.get("primary") == Some(&Value::Bool(true));
                // One that becomes primary takes that from the others (RFC 7644 §3.5.2).
                let kept = elements.iter().rposition(primary).unwrap_or(0);
                *elements = elements.drain(..).skip(kept).take(1).collect();
            }
        }
        self.0.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    }

    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// A part of an attribute, or of the one element of a list.
    #[must_use]
    pub fn part(&self, name: &str, part: &str) -> Option<&str> {
        self.one(name)?.get(part)?.as_str()
    }

    /// The parts of an attribute, or of the one element of a list.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&Map<String, Value>> {
        match self.0.get(name)? {
            Value::Array(elements) => elements.first()?.as_object(),
            other => other.as_object(),
        }
    }

    /// The values of a list.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<String> {
        let elements = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        elements.filter_map(|element| Some(element.get("value")?.as_str()?.to_owned())).collect()
    }

    /// Takes an attribute out, as what is never told.
    pub fn take_text(&mut self, name: &str) -> Option<String> {
        let Value::String(text) = self.0.remove(name)? else { return None };
        Some(text)
    }

    /// Says something of a user; nothing without a value.
    pub fn say(&mut self, name: &str, value: Value) {
        let is_empty = match &value {
            Value::Null => true,
            Value::Array(elements) => elements.is_empty(),
            Value::Object(parts) => parts.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        };
        if !is_empty {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// The same with these attributes of another one, where it says nothing of them.
    #[must_use]
    pub fn keeping(mut self, names: &[&str], other: &Self) -> Self {
        for name in names {
            if let Some(value) = other.0.get(*name).filter(|_| !self.0.contains_key(*name)) {
                self.0.insert((*name).to_owned(), value.clone());
            }
        }
        self
    }

    #[must_use]
    pub fn into_object(self) -> Map<String, Value> {
        self.0
    }
}

/// RFC 7643 §3: what is sent says by which schemas it is to be read.
pub(crate) fn check_schemas(object: &Map<String, Value>, needed: &str) -> Result<(), ScimFault> {
    let named = object.get("schemas").and_then(Value::as_array).into_iter().flatten();
    let is_named = named.filter_map(Value::as_str).any(|schema| schema.eq_ignore_ascii_case(needed));
    if is_named {
        Ok(())
    } else {
        Err(FaultKind::InvalidSyntax.with(format!("schemas must have {needed} in it.")))
    }
}

/// Whether an element of a list has more than labels.
fn says_something(attribute: &ScimAttribute, element: &Value) -> bool {
    let is_label = |name: &str| matches!(name, "type" | "primary");
    attribute.parts().iter().any(|part| !is_label(part.name) && element.get(part.name).is_some())
}

/// A value in the form that an attribute has; `None` for no value.
pub(crate) fn fit(attribute: &ScimAttribute, value: Value) -> Result<Option<Value>, ScimFault> {
    if attribute.plurality == Plurality::One {
        return fit_one(attribute, value);
    }
    let elements = match value {
        Value::Null => return Ok(None),
        Value::Array(elements) => elements,
        one => vec![one],
    };
    if elements.len() > LONGEST_LIST {
        return Err(wrong(attribute, "has 100 elements at most"));
    }
    let fitted: Result<Vec<_>, _> = elements.into_iter().map(|element| fit_one(attribute, element)).collect();
    let mut list: Vec<Value> = Vec::new();
    for element in fitted?.into_iter().flatten() {
        if !list.contains(&element) {
            list.push(element);
        }
    }
    Ok((!list.is_empty()).then(|| json!(list)))
}

pub(crate) fn fit_one(attribute: &ScimAttribute, value: Value) -> Result<Option<Value>, ScimFault> {
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        // What has no letters says nothing: directories send it for what they do not know.
        (AttributeKind::Text | AttributeKind::Reference, Value::String(text)) if text.is_empty() => Ok(None),
        (AttributeKind::Text | AttributeKind::Reference, Value::String(text)) => {
            let is_plain = text.chars().all(|letter| letter == '\n' || !letter.is_control());
            // A password has rules of its own.
            if attribute.is_secret || (text.len() <= LONGEST_TEXT && is_plain) {
                return Ok(Some(Value::String(text)));
            }
            Err(wrong(attribute, "must have 1,024 bytes at most, and no control characters"))
        }
        (AttributeKind::Text | AttributeKind::Reference, _) => Err(wrong(attribute, "is a text")),
        (AttributeKind::Boolean, Value::Bool(flag)) => Ok(Some(Value::Bool(flag))),
        // Microsoft Entra ID sends "True" and "False".
        (AttributeKind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => {
            Ok(Some(Value::Bool(true)))
        }
        (AttributeKind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => {
            Ok(Some(Value::Bool(false)))
        }
        (AttributeKind::Boolean, _) => Err(wrong(attribute, "is true or false")),
        (AttributeKind::Complex(_), Value::Object(parts)) => {
            let fitted = fit_parts(attribute, parts)?;
            Ok((!fitted.is_empty()).then_some(Value::Object(fitted)))
        }
        (AttributeKind::Complex(_), _) => Err(wrong(attribute, "consists of parts: send an object")),
    }
}

pub(crate) fn fit_parts(
    attribute: &ScimAttribute,
    parts: Map<String, Value>,
) -> Result<Map<String, Value>, ScimFault> {
    let mut fitted = Map::new();
    for (name, value) in parts {
        let Some(part) = attribute.part(&name, FaultKind::InvalidSyntax)? else { continue };
        if let Some(value) = fit_one(part, value)? {
            fitted.insert(part.name.to_owned(), value);
        }
    }
    Ok(fitted)
}

fn wrong(attribute: &ScimAttribute, what: &str) -> ScimFault {
    FaultKind::InvalidValue.with(format!("{} {what}.", attribute.name))
}
