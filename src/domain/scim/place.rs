//! Where a change goes (RFC 7644 §3.5.2, figure 7): `active`, `name.givenName`, `emails[type eq "work"].value`.

use crate::domain::scim::fault::{FaultKind, ScimFault};
use crate::domain::scim::filter::{Equality, comparisons};
use crate::domain::scim::schema::{ENTERPRISE_USER, NamedAttribute, Plurality, ScimAttribute, USER, named};

/// A place that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScimPlace {
    pub(crate) attribute: &'static ScimAttribute,
    /// Which elements of a list.
    pub(crate) which: Vec<Equality>,
    pub(crate) part: Option<&'static ScimAttribute>,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Led {
    Place(ScimPlace),
    /// What the standard has, and is not kept.
    Nowhere,
    /// What is the server's own to say.
    ReadOnly(String),
    /// The user as a whole: its schema alone was named.
    User,
}

impl Led {
    pub(crate) fn by(path: &str) -> Result<Self, ScimFault> {
        let path = path.trim();
        let Some(own) = without_schema(path)? else { return Ok(Self::Nowhere) };
        if own.is_empty() {
            return Ok(Self::User);
        }
        let (name, filter, part) = split(own)?;
        let attribute = match named(name) {
            Some(NamedAttribute::Kept(attribute)) => attribute,
            Some(NamedAttribute::NotKept) => return Ok(Self::Nowhere),
            Some(NamedAttribute::ReadOnly) => return Ok(Self::ReadOnly(name.to_owned())),
            None => return Err(wrong(format!("There is no attribute {name}."))),
        };
        let which = match filter {
            Some(_) if attribute.plurality == Plurality::One => {
                return Err(wrong(format!("{name} is no list: nothing in brackets stands behind it.")));
            }
            Some(filter) => comparisons(filter)?,
            None => Vec::new(),
        };
        let part = match part {
            None => None,
            Some(part) => match attribute.part(part, FaultKind::InvalidPath)? {
                Some(part) => Some(part),
                None => return Ok(Self::Nowhere),
            },
        };
        Ok(Self::Place(ScimPlace { attribute, which, part }))
    }
}

/// A path without the name of its schema; `None` when that is one of which nothing is kept.
fn without_schema(path: &str) -> Result<Option<&str>, ScimFault> {
    let has = |schema: &str| path.get(..schema.len()).is_some_and(|head| head.eq_ignore_ascii_case(schema));
    let behind = |schema: &str| {
        let rest = path.get(schema.len()..).unwrap_or_default();
        if rest.is_empty() { Some("") } else { rest.strip_prefix(':') }
    };
    if has(USER)
        && let Some(rest) = behind(USER)
    {
        return Ok(Some(rest));
    }
    if has(ENTERPRISE_USER) && behind(ENTERPRISE_USER).is_some() {
        return Ok(None);
    }
    if has("urn:") { Err(wrong(format!("There is no schema of {path}."))) } else { Ok(Some(path)) }
}

/// The name, what stands in brackets, and the part.
fn split(path: &str) -> Result<(&str, Option<&str>, Option<&str>), ScimFault> {
    let malformed = || wrong("A path is like active, name.givenName or emails[type eq \"work\"].value.");
    let (head, filter, tail) = match path.split_once('[') {
        None => (path, None, ""),
        Some((name, rest)) => {
            let end = end_of_brackets(rest).ok_or_else(malformed)?;
            let (filter, tail) = rest.split_at(end);
            (name, Some(filter), tail.strip_prefix(']').unwrap_or_default())
        }
    };
    let (name, part) = match (filter, head.split_once('.')) {
        (None, Some((name, part))) => (name, Some(part)),
        _ if tail.is_empty() => (head, None),
        _ => (head, Some(tail.strip_prefix('.').ok_or_else(malformed)?)),
    };
    let is_name = |text: &str| {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '$');
        !text.is_empty() && text.chars().all(fits)
    };
    if is_name(name) && part.is_none_or(is_name) { Ok((name, filter, part)) } else { Err(malformed()) }
}

/// Where the brackets end that were opened before: not in a text.
fn end_of_brackets(text: &str) -> Option<usize> {
    let (mut is_in_text, mut is_escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_in_text => is_escaped = true,
            '"' => is_in_text = !is_in_text,
            ']' if !is_in_text => return Some(at),
            _ => {}
        }
    }
    None
}

fn wrong(detail: impl Into<String>) -> ScimFault {
    FaultKind::InvalidPath.with(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(path: &str) -> Result<String, FaultKind> {
        Led::by(path).map_err(|fault| fault.kind).map(|led| match led {
            Led::Place(ScimPlace { attribute, which, part }) => {
                let part = part.map(|part| format!(".{}", part.name)).unwrap_or_default();
                format!("{}[{}]{part}", attribute.name, which.len())
            }
            Led::Nowhere => "nowhere".to_owned(),
            Led::ReadOnly(name) => format!("read-only {name}"),
            Led::User => "user".to_owned(),
        })
    }

    #[test]
    fn a_path_leads_to_its_attribute_in_whatever_case() {
        for (path, expected) in [
            ("active", "active[0]"),
            ("ACTIVE", "active[0]"),
            ("name.givenname", "name[0].givenName"),
            ("emails.value", "emails[0].value"),
            ("emails[type eq \"work\"]", "emails[1]"),
            ("emails[type eq \"a]b\\\"]\" and primary eq true].value", "emails[2].value"),
            ("externalId", "externalId[0]"),
            ("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName", "name[0].familyName"),
            ("urn:ietf:params:scim:schemas:core:2.0:User", "user"),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "nowhere"),
            ("name.formatted", "nowhere"),
            ("title", "nowhere"),
            ("roles[primary eq \"True\"].display", "nowhere"),
            ("meta.created", "read-only meta"),
        ] {
            assert_eq!(led(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_path_to_nothing_is_told() {
        for path in [
            "",
            "shoeSize",
            "name.shoeSize",
            "userName.value",
            "userName[type eq \"x\"]",
            "emails[type eq \"work\"",
            "emails[type eq \"work]\".value",
            "emails[type eq \"work\"]value",
            "emails[type eq \"work\"].",
            "name.",
            "name.a.b",
            "urn:ietf:params:scim:schemas:core:2.0:Group:displayName",
            "urn:é",
            "é",
        ] {
            let expected = if path.is_empty() { Ok("user".to_owned()) } else { Err(FaultKind::InvalidPath) };
            assert_eq!(led(path), expected, "{path}");
        }
        assert_eq!(led("emails[type co \"w\"].value"), Err(FaultKind::InvalidFilter));
    }
}
