//! The attributes of a user that are kept (RFC 7643 §4.1), each with what may be done with it (§7). `/Schemas` tells
//! the same.

use crate::domain::scim::fault::{FaultKind, ScimFault};

/// The schema of users.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// What RFC 7643 §4.3 adds for enterprises: nothing of it is kept.
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeKind {
    Text,
    Boolean,
    /// A URL of a page elsewhere.
    Reference,
    Complex(&'static [ScimAttribute]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plurality {
    One,
    /// A list, of which one element is kept: a user has one address, not many.
    ListOfOne,
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScimAttribute {
    pub name: &'static str,
    pub kind: AttributeKind,
    pub plurality: Plurality,
    /// Whether it always has a value.
    pub is_required: bool,
    /// Whether its values differ that differ in case.
    pub is_case_exact: bool,
    /// Whether it is taken and never told.
    pub is_secret: bool,
    pub description: &'static str,
}

const fn text(name: &'static str, description: &'static str) -> ScimAttribute {
    attribute(name, AttributeKind::Text, description)
}

const fn attribute(name: &'static str, kind: AttributeKind, description: &'static str) -> ScimAttribute {
    ScimAttribute {
        name,
        kind,
        plurality: Plurality::One,
        is_required: false,
        is_case_exact: false,
        is_secret: false,
        description,
    }
}

const fn list(
    name: &'static str,
    plurality: Plurality,
    of: &'static [ScimAttribute],
    description: &'static str,
) -> ScimAttribute {
    ScimAttribute { plurality, ..attribute(name, AttributeKind::Complex(of), description) }
}

const TYPE: ScimAttribute = text("type", "A label, such as work or home.");
const PRIMARY: ScimAttribute =
    attribute("primary", AttributeKind::Boolean, "Whether it is the preferred one, of which there is one.");

const NAME: [ScimAttribute; 3] = [
    text("familyName", "The last name."),
    text("givenName", "The first name."),
    text("middleName", "The names in between."),
];
const EMAIL: [ScimAttribute; 3] = [text("value", "The address."), TYPE, PRIMARY];
const PHONE: [ScimAttribute; 3] = [text("value", "The number."), TYPE, PRIMARY];
const ADDRESS: [ScimAttribute; 7] = [
    text("formatted", "All of it, in lines, as it stands on a letter."),
    text("streetAddress", "Street and number."),
    text("locality", "The town."),
    text("region", "The state or province."),
    text("postalCode", "The postal code."),
    text("country", "The country."),
    TYPE,
];
const ROLE: [ScimAttribute; 1] =
    [ScimAttribute { is_case_exact: true, ..text("value", "The role, as services know it.") }];

/// All of a user's that are kept.
pub const ATTRIBUTES: [ScimAttribute; 13] = [
    ScimAttribute {
        is_required: true,
        ..text("userName", "The name to sign in with; unique, in whatever case.")
    },
    attribute("name", AttributeKind::Complex(&NAME), "The parts of the name."),
    text("displayName", "The full name, as apps are told it."),
    text("nickName", "What friends say."),
    attribute("profileUrl", AttributeKind::Reference, "A page about the user."),
    text("locale", "The language, such as de-AT."),
    text("timezone", "The time zone, such as Europe/Vienna."),
    ScimAttribute {
        is_required: true,
        ..attribute(
            "active",
            AttributeKind::Boolean,
            "Whether the user may sign in; a new one may, if not told.",
        )
    },
    ScimAttribute {
        is_case_exact: true,
        is_secret: true,
        ..text("password", "A new password; a change of it ends the user's logins.")
    },
    list(
        "emails",
        Plurality::ListOfOne,
        &EMAIL,
        "The mail address: of several the primary one, or the first.",
    ),
    list(
        "phoneNumbers",
        Plurality::ListOfOne,
        &PHONE,
        "The telephone number: of several the primary one, or the first.",
    ),
    list("addresses", Plurality::ListOfOne, &ADDRESS, "The postal address: of several the first."),
    list("roles", Plurality::List, &ROLE, "What the user may do, as services understand it."),
];

/// RFC 7643 §3.1: every resource has it.
pub const EXTERNAL_ID: ScimAttribute = ScimAttribute {
    is_case_exact: true,
    ..text("externalId", "What the client that provisions calls the user.")
};

/// What of every resource the server says (RFC 7643 §3.1), or the resource's form does.
const ITS_OWN: [&str; 3] = ["id", "meta", "schemas"];

/// What RFC 7643 has for users besides. Directories send much of it by default, and it is passed over: what is kept,
/// answers tell.
const NOT_KEPT: [&str; 8] =
    ["title", "userType", "preferredLanguage", "ims", "photos", "groups", "entitlements", "x509Certificates"];
const PARTS_NOT_KEPT: [&str; 7] =
    ["display", "type", "primary", "$ref", "formatted", "honorificPrefix", "honorificSuffix"];

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedAttribute {
    Kept(&'static ScimAttribute),
    /// There is such a thing in the standard, and nothing is kept of it.
    NotKept,
    /// The server's own to say.
    ReadOnly,
}

/// The attribute of this name. RFC 7643 §2.1: in whatever case.
#[must_use]
pub fn named(name: &str) -> Option<NamedAttribute> {
    if let Some(kept) = ATTRIBUTES.iter().chain([&EXTERNAL_ID]).find(|it| it.name.eq_ignore_ascii_case(name))
    {
        return Some(NamedAttribute::Kept(kept));
    }
    if ITS_OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Some(NamedAttribute::ReadOnly);
    }
    NOT_KEPT.iter().any(|it| it.eq_ignore_ascii_case(name)).then_some(NamedAttribute::NotKept)
}

impl ScimAttribute {
    /// What it consists of.
    #[must_use]
    pub fn parts(&self) -> &'static [ScimAttribute] {
        match self.kind {
            AttributeKind::Complex(parts) => parts,
            AttributeKind::Text | AttributeKind::Boolean | AttributeKind::Reference => &[],
        }
    }

    /// The part of this name; `None` if it is not kept.
    pub(crate) fn part(&self, name: &str, wrong: FaultKind) -> Result<Option<&'static Self>, ScimFault> {
        if let Some(part) = self.parts().iter().find(|part| part.name.eq_ignore_ascii_case(name)) {
            return Ok(Some(part));
        }
        let is_complex = matches!(self.kind, AttributeKind::Complex(_));
        if is_complex && PARTS_NOT_KEPT.iter().any(|it| it.eq_ignore_ascii_case(name)) {
            return Ok(None);
        }
        Err(wrong.with(format!("{} has no part {name}.", self.name)))
    }
}
