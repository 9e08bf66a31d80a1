//! Filters (RFC 7644 §3.4.2.2), as far as directories send them: `eq`, and several of them with `and`.

use serde_json::{Deserializer, Value};

use crate::domain::scim::fault::{FaultKind, ScimFault};
use crate::domain::scim::schema::USER;
use crate::domain::user::Username;

/// An attribute by its name, which is to have this value.
#[derive(Debug, Clone, PartialEq)]
pub struct Equality {
    pub name: String,
    pub value: Value,
}

/// What is looked for among users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criterion {
    Id(String),
    UserName(Username),
    ExternalId(String),
    Active(bool),
    /// What nobody has.
    Nobody,
}

/// Operators that there are besides `eq`.
const OTHERS: [&str; 9] = ["ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"];

/// Reads comparisons that are all to hold.
pub(crate) fn comparisons(text: &str) -> Result<Vec<Equality>, ScimFault> {
    let mut read = Vec::new();
    let mut rest = text.trim();
    loop {
        let (name, after) = word(rest);
        let (operator, after) = word(after);
        if name.is_empty() || name.contains(['(', ')', '[', ']', '"']) {
            return Err(wrong(
                "Compare attributes by eq, with and between comparisons: userName eq \"ana\".",
            ));
        }
        if OTHERS.iter().any(|other| operator.eq_ignore_ascii_case(other)) {
            return Err(wrong(format!("There is no {operator} here: compare by eq.")));
        }
        if !operator.eq_ignore_ascii_case("eq") {
            return Err(wrong("Compare attributes by eq: userName eq \"ana\"."));
        }
        let (value, after) = literal(after)?;
        read.push(Equality { name: name.to_owned(), value });
        let (and, after) = word(after);
        if and.is_empty() {
            return Ok(read);
        }
        if !and.eq_ignore_ascii_case("and") {
            return Err(wrong("Between comparisons stands and, nothing else."));
        }
        rest = after;
    }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// RFC 7644 figure 1: a value is JSON.
fn literal(text: &str) -> Result<(Value, &str), ScimFault> {
    let unread = || wrong("A comparison ends with a text in quotation marks, true or false.");
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next().and_then(Result::ok).ok_or_else(unread)?;
    let rest = text.get(values.byte_offset()..).unwrap_or_default();
    let ends = rest.is_empty() || rest.starts_with(char::is_whitespace);
    if ends && (value.is_string() || value.is_boolean()) { Ok((value, rest)) } else { Err(unread()) }
}

/// Reads a filter for users.
///
/// # Errors
/// [`FaultKind::InvalidFilter`].
pub fn criteria(text: &str) -> Result<Vec<Criterion>, ScimFault> {
    let criteria: Result<Vec<_>, _> = comparisons(text)?.into_iter().map(criterion).collect();
    let criteria = criteria?;
    if criteria.iter().all(|it| matches!(it, Criterion::Active(_))) {
        return Err(wrong("Filter by userName, externalId or id; active may stand beside."));
    }
    Ok(criteria)
}

fn criterion(Equality { name, value }: Equality) -> Result<Criterion, ScimFault> {
    let own = name.get(..USER.len()).filter(|head| head.eq_ignore_ascii_case(USER));
    let short = own.and_then(|_| name.get(USER.len()..)?.strip_prefix(':')).unwrap_or(&name);
    match (short.to_ascii_lowercase().as_str(), value) {
        ("id", Value::String(id)) => Ok(Criterion::Id(id)),
        // What can be nobody's name is not wrong to ask for.
        ("username", Value::String(name)) => Ok(name.parse().map_or(Criterion::Nobody, Criterion::UserName)),
        ("externalid", Value::String(id)) => Ok(Criterion::ExternalId(id)),
        ("active", Value::Bool(active)) => Ok(Criterion::Active(active)),
        ("active", Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Criterion::Active(true)),
        ("active", Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Criterion::Active(false)),
        ("id" | "username" | "externalid", _) => Err(wrong(format!("{short} is compared with a text."))),
        ("active", _) => Err(wrong("active is compared with true or false.")),
        _ => Err(wrong(format!("Users are not found by {name}: filter by userName, externalId or id."))),
    }
}

fn wrong(detail: impl Into<String>) -> ScimFault {
    FaultKind::InvalidFilter.with(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_directories_send_is_read() {
        let name = |text: &str| Criterion::UserName(text.parse().unwrap());
        for (filter, expected) in [
            ("userName eq \"ana\"", vec![name("ana")]),
            ("USERNAME EQ \"ana\"", vec![name("ana")]),
            (
                "  externalId   eq \"a \\\"b\\\" and c\"  ",
                vec![Criterion::ExternalId("a \"b\" and c".to_owned())],
            ),
            ("userName eq \"ana\" and active eq true", vec![name("ana"), Criterion::Active(true)]),
            ("userName eq \"ana\" AND active eq \"False\"", vec![name("ana"), Criterion::Active(false)]),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"ana\"", vec![name("ana")]),
            ("id eq \"x\"", vec![Criterion::Id("x".to_owned())]),
            ("userName eq \"\"", vec![Criterion::Nobody]),
        ] {
            assert_eq!(criteria(filter), Ok(expected), "{filter}");
        }
    }

    #[test]
    fn what_else_there_is_is_refused() {
        for filter in [
            "",
            "userName",
            "userName eq",
            "userName eq ana",
            "userName eq 'ana'",
            "userName eq \"ana",
            "userName eq \"ana\"x",
            "userName eq 5",
            "userName eq true",
            "userName eq null",
            "userName co \"a\"",
            "userName pr",
            "not (userName eq \"ana\")",
            "(userName eq \"ana\")",
            "userName eq \"ana\" or userName eq \"bob\"",
            "userName eq \"ana\" and",
            "userName eq \"ana\" externalId eq \"x\"",
            "active eq true",
            "active eq \"x\" and userName eq \"ana\"",
            "emails[type eq \"work\"].value eq \"ana@example.com\"",
            "title eq \"x\"",
            "é eq \"x\"",
        ] {
            assert_eq!(criteria(filter).map_err(|it| it.kind), Err(FaultKind::InvalidFilter), "{filter}");
        }
    }
}
