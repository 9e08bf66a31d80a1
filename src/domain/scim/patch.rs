//! Changes of parts of a user (RFC 7644 §3.5.2), in the forms in which directories send them.

use serde_json::{Map, Value, json};

use crate::domain::scim::fault::{FaultKind, ScimFault};
use crate::domain::scim::filter::Equality;
use crate::domain::scim::place::{Led, ScimPlace};
use crate::domain::scim::resource::{UserResource, check_schemas, fit, fit_one, fit_parts};
use crate::domain::scim::schema::{Plurality, ScimAttribute};

/// The schema of what is sent.
pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// So many operations at once, and no more.
const MOST: usize = 100;

/// A part that is to be otherwise.
#[derive(Debug, Clone)]
pub struct PatchOperation {
    kind: PatchKind,
    path: Option<String>,
    value: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatchKind {
    Add,
    Replace,
    Remove,
}

/// Reads what is sent.
///
/// # Errors
/// [`ScimFault`].
pub fn operations(mut object: Map<String, Value>) -> Result<Vec<PatchOperation>, ScimFault> {
    check_schemas(&object, PATCH)?;
    let sent = object.remove("Operations").or_else(|| object.remove("operations"));
    let Some(Value::Array(sent)) = sent else {
        return Err(syntax("Operations is a list of changes."));
    };
    if sent.is_empty() || sent.len() > MOST {
        return Err(syntax("Operations are 1 to 100 changes."));
    }
    if let Some(other) = object.keys().find(|name| *name != "schemas") {
        return Err(syntax(format!("There is no member {other} here: send schemas and Operations.")));
    }
    sent.into_iter().map(operation).collect()
}

fn operation(sent: Value) -> Result<PatchOperation, ScimFault> {
    let Value::Object(mut sent) = sent else { return Err(syntax("An operation is an object.")) };
    // Microsoft Entra ID writes it with a capital letter.
    let kind =
        match sent.remove("op").as_ref().and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
            Some("add") => PatchKind::Add,
            Some("replace") => PatchKind::Replace,
            Some("remove") => PatchKind::Remove,
            _ => return Err(syntax("op is add, replace or remove.")),
        };
    let path = match sent.remove("path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) => Some(path),
        Some(_) => return Err(FaultKind::InvalidPath.with("path is a text.")),
    };
    let value = sent.remove("value");
    match sent.keys().next() {
        None => Ok(PatchOperation { kind, path, value }),
        Some(other) => Err(syntax(format!("There is no member {other} here: send op, path and value."))),
    }
}

/// Makes changes one after the other: all of them, or none where one cannot be made.
///
/// # Errors
/// [`ScimFault`].
pub fn patched(user: &UserResource, operations: &[PatchOperation]) -> Result<UserResource, ScimFault> {
    let mut user = user.clone();
    for operation in operations {
        operation.apply(&mut user)?;
    }
    user.settle();
    Ok(user)
}

impl PatchOperation {
    fn apply(&self, user: &mut UserResource) -> Result<(), ScimFault> {
        let led = self.path.as_deref().map_or(Ok(Led::User), Led::by)?;
        match (self.kind, led) {
            (_, Led::Nowhere) => Ok(()),
            (_, Led::ReadOnly(name)) => {
                Err(FaultKind::Mutability.with(format!("{name} is the server's own to say.")))
            }
            (PatchKind::Remove, Led::User) => {
                Err(FaultKind::NoTarget.with("What is removed needs a path that leads to it."))
            }
            (PatchKind::Remove, Led::Place(place)) => place.remove_from(user),
            (kind, Led::Place(place)) => {
                let value = self.value.clone().ok_or_else(|| value_of("The operation needs a value."))?;
                place.set_in(user, kind, value)
            }
            (kind, Led::User) => match &self.value {
                Some(Value::Object(attributes)) => set_all(user, kind, attributes),
                _ => Err(value_of("Without a path the value is an object of attributes.")),
            },
        }
    }
}

/// Each member's name leads where a path would: Microsoft Entra ID sends `{"name.givenName": …}`.
fn set_all(
    user: &mut UserResource,
    kind: PatchKind,
    attributes: &Map<String, Value>,
) -> Result<(), ScimFault> {
    for (name, value) in attributes {
        match (Led::by(name)?, value) {
            (Led::Place(place), value) => place.set_in(user, kind, value.clone())?,
            (Led::User, Value::Object(attributes)) if !name.is_empty() => set_all(user, kind, attributes)?,
            (Led::User, _) => {
                return Err(FaultKind::InvalidPath.with(format!("There is no attribute {name}.")));
            }
            // It is told as it was seen.
            (Led::Nowhere | Led::ReadOnly(_), _) => {}
        }
    }
    Ok(())
}

impl ScimPlace {
    fn set_in(&self, user: &mut UserResource, kind: PatchKind, value: Value) -> Result<(), ScimFault> {
        let attribute = self.attribute;
        if !self.which.is_empty() {
            return self.set_in_elements(user, value);
        }
        if let Some(part) = self.part {
            return set_part(user, attribute, part, value);
        }
        let Some(value) = fit(attribute, value)? else { return self.remove_from(user) };
        let known = user.0.entry(attribute.name).or_insert(Value::Null);
        match (known, value, kind) {
            // RFC 7644 §3.5.2.1, §3.5.2.3: parts that are not named stay.
            (Value::Object(known), Value::Object(parts), _) => known.extend(parts),
            (Value::Array(known), Value::Array(elements), PatchKind::Add) => {
                known.extend(elements.into_iter().filter(|it| !known.contains(it)).collect::<Vec<_>>());
            }
            (known, value, _) => *known = value,
        }
        Ok(())
    }

    /// Sets what stands in brackets. Where there is no such element, there is one from then on: RFC 7644 §3.5.2.3 would
    /// refuse that, and directories rely on it.
    fn set_in_elements(&self, user: &mut UserResource, value: Value) -> Result<(), ScimFault> {
        let (attribute, which) = (self.attribute, Selected::by(self)?);
        let parts = match self.part {
            Some(part) => Map::from_iter([(part.name.to_owned(), fit_one(part, value)?.unwrap_or_default())]),
            None => match value {
                Value::Object(parts) => fit_parts(attribute, parts)?,
                _ => return Err(value_of(format!("{} consists of parts: send an object.", attribute.name))),
            },
        };
        let Value::Array(elements) = user.0.entry(attribute.name).or_insert_with(|| json!([])) else {
            return Ok(());
        };
        if !elements.iter().any(|element| which.has(element)) {
            elements.push(Value::Object(which.0.clone()));
        }
        for element in elements.iter_mut().filter(|element| which.has(element)) {
            let Value::Object(known) = element else { continue };
            known.extend(parts.clone());
            known.retain(|_, value| !value.is_null());
        }
        Ok(())
    }

    fn remove_from(&self, user: &mut UserResource) -> Result<(), ScimFault> {
        let attribute = self.attribute;
        if attribute.is_required || attribute.is_secret {
            // RFC 7644 §3.5.2.2
            return Err(FaultKind::Mutability.with(format!("{} always has a value.", attribute.name)));
        }
        if self.which.is_empty() && self.part.is_none() {
            user.0.remove(attribute.name);
            return Ok(());
        }
        let which = Selected::by(self)?;
        match (user.0.get_mut(attribute.name), self.part) {
            (Some(Value::Object(parts)), Some(part)) => {
                parts.remove(part.name);
            }
            (Some(Value::Array(elements)), part) if elements.iter().any(|element| which.has(element)) => {
                match part {
                    None => elements.retain(|element| !which.has(element)),
                    Some(part) => {
                        for element in elements.iter_mut().filter(|element| which.has(element)) {
                            element.as_object_mut().map(|parts| parts.remove(part.name));
                        }
                    }
                }
            }
            _ if self.which.is_empty() => {}
            _ => return Err(FaultKind::NoTarget.with(format!("No element of {} is so.", attribute.name))),
        }
        if user.0.get(attribute.name) == Some(&json!({})) {
            user.0.remove(attribute.name);
        }
        Ok(())
    }
}

/// Sets a part of an attribute, or of all elements of a list; of the first one where there is none.
fn set_part(
    user: &mut UserResource,
    attribute: &'static ScimAttribute,
    part: &'static ScimAttribute,
    value: Value,
) -> Result<(), ScimFault> {
    let place = ScimPlace { attribute, which: Vec::new(), part: Some(part) };
    let Some(value) = fit_one(part, value)? else { return place.remove_from(user) };
    let empty = if attribute.plurality == Plurality::One { json!({}) } else { json!([{}]) };
    match user.0.entry(attribute.name).or_insert(empty) {
        Value::Array(elements) => {
            for parts in elements.iter_mut().filter_map(Value::as_object_mut) {
                parts.insert(part.name.to_owned(), value.clone());
            }
        }
        Value::Object(parts) => {
            parts.insert(part.name.to_owned(), value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

/// The parts that the elements have that are meant.
struct Selected(Map<String, Value>);

impl Selected {
    fn by(place: &ScimPlace) -> Result<Self, ScimFault> {
        let mut parts = Map::new();
        for Equality { name, value } in &place.which {
            let part = place.attribute.part(name, FaultKind::InvalidFilter)?;
            let part = part.ok_or_else(|| {
                FaultKind::InvalidFilter.with(format!("{}.{name} is not kept.", place.attribute.name))
            })?;
            let value =
                fit_one(part, value.clone()).map_err(|fault| FaultKind::InvalidFilter.with(fault.detail))?;
            parts.insert(part.name.to_owned(), value.unwrap_or_default());
        }
        Ok(Self(parts))
    }

    fn has(&self, element: &Value) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let exact = element.get(name).unwrap_or(&Value::Null) == wanted;
            let alike = || match (element.get(name), wanted) {
                // RFC 7643 §2.2: in whatever case, as none of these parts says otherwise.
                (Some(Value::String(text)), Value::String(wanted)) => text.eq_ignore_ascii_case(wanted),
                _ => false,
            };
            exact || alike()
        })
    }
}

fn syntax(detail: impl Into<String>) -> ScimFault {
    FaultKind::InvalidSyntax.with(detail)
}

fn value_of(detail: impl Into<String>) -> ScimFault {
    FaultKind::InvalidValue.with(detail)
}
