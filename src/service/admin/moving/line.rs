//! A user as a line of JSON: what is read when users move in, and written when they move out.

mod told;
mod totp;

use aws_lc_rs::digest;
use chrono::{DateTime, DurationRound as _, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::crypto::hash_forms::{GivenHash, HashRules};
use crate::crypto::password_hash::PasswordHash;
use crate::crypto::totp::TotpSecret;
use crate::crypto::unfit_hash::UnfitHash;
use crate::domain::ids::UserId;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{
    InvalidUsername, UnfitEmail, UnfitRole, UnfitUsername, User, Username, check_email, check_role,
};

use told::told;
use totp::{UnfitApp, WrittenTotp};

/// A line that was read: a user to be.
#[derive(Debug)]
pub struct ReadLine {
    /// `sub` in tokens, where the line tells one.
    pub id: Option<UserId>,
    pub username: Username,
    pub email: Option<String>,
    pub email_verified: bool,
    pub claims: StandardClaims,
    pub roles: Vec<String>,
    /// Without one nobody signs in with a password until it is set.
    pub password_hash: Option<PasswordHash>,
    /// The user's authenticator app.
    pub totp: Option<TotpSecret>,
    pub upstream_links: Vec<LineLink>,
    pub created_at: Option<DateTime<Utc>>,
    pub last_login_at: Option<DateTime<Utc>>,
    pub disabled_at: Option<DateTime<Utc>>,
}

/// Who a user is at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineLink {
    pub issuer: String,
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Why a line is not taken. It holds nothing of what the line says but the names of members.
#[derive(Debug, thiserror::Error)]
pub enum UnfitLine {
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not a JSON object")]
    NotAnObject,
    /// Broken JSON, or members that are unknown or there twice.
    #[error("{0}")]
    Members(String),
    #[error("username is missing")]
    NoUsername,
    /// By its name, and in words what it must be.
    #[error("{0} must be {1}")]
    OfOtherType(&'static str, &'static str),
    #[error("username: {0}")]
    InvalidUsername(#[from] InvalidUsername),
    #[error("username: {0}")]
    UnfitUsername(#[from] UnfitUsername),
    #[error("email: {0}")]
    UnfitEmail(#[from] UnfitEmail),
    #[error("email_verified is true, and there is no email")]
    NothingVerified,
    #[error("roles: {0}")]
    UnfitRole(#[from] UnfitRole),
    #[error("claims: {0}")]
    Claims(String),
    #[error("password_hash: {0}")]
    UnfitHash(#[from] UnfitHash),
    #[error("totp: {0}")]
    UnfitApp(#[from] UnfitApp),
    #[error("it has more than {} bytes", LONGEST_LINE)]
    TooLong,
    #[error("the name is taken by a user who did not come from this line")]
    NameTaken,
    #[error("the id is taken by another user")]
    IdTaken,
    #[error("the address is verified as another user's")]
    EmailTaken,
    #[error("upstream_links: {0}")]
    Links(String),
    #[error("upstream_links: one of them is another user's")]
    LinkTaken,
}

/// Bytes of a line. No user needs a tenth of it.
pub const LONGEST_LINE: usize = 65_536;

/// Every member, whatever it holds: what it must hold is told in our words, which show nothing of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct LineMembers {
    id: Option<Value>,
    username: Option<Value>,
    email: Option<Value>,
    email_verified: Option<Value>,
    claims: Option<Value>,
    roles: Option<Value>,
    password_hash: Option<Value>,
    totp: Option<Value>,
    upstream_links: Option<Value>,
    created_at: Option<Value>,
    last_login_at: Option<Value>,
    disabled_at: Option<Value>,
}

impl ReadLine {
    /// Reads a line, whose hash keeps to `hash_rules`.
    ///
    /// # Errors
    /// [`UnfitLine`].
    pub fn read(line: &[u8], hash_rules: &HashRules) -> Result<Self, UnfitLine> {
        let text = std::str::from_utf8(line).map_err(|_| UnfitLine::NotUtf8)?.trim();
        if !text.starts_with('{') {
            return Err(UnfitLine::NotAnObject);
        }
        let it: LineMembers = serde_json::from_str(text).map_err(|error| UnfitLine::Members(told(&error)))?;
        let username: Username = of_text("username", it.username)?.ok_or(UnfitLine::NoUsername)?.parse()?;
        username.check_new()?;
        let email = of_text("email", it.email)?;
        email.as_deref().map_or(Ok(()), check_email)?;
        let email_verified = of_bool("email_verified", it.email_verified.as_ref())?.unwrap_or(false);
        if email_verified && email.is_none() {
            return Err(UnfitLine::NothingVerified);
        }
        let roles = roles(it.roles)?;
        let claims = match it.claims {
            None => StandardClaims::default(),
            Some(claims @ Value::Object(_)) => {
                serde_json::from_value(claims).map_err(|error| UnfitLine::Claims(told(&error)))?
            }
            Some(_) => return Err(UnfitLine::OfOtherType("claims", "an object")),
        };
        Ok(Self {
            id: id(it.id)?,
            username,
            email,
            email_verified,
            claims,
            roles,
            password_hash: password_hash(it.password_hash, hash_rules)?,
            totp: it.totp.map(totp::read).transpose()?,
            upstream_links: links(it.upstream_links)?,
            created_at: time("created_at", it.created_at)?,
            last_login_at: time("last_login_at", it.last_login_at)?,
            disabled_at: time("disabled_at", it.disabled_at)?,
        })
    }

    /// What the same line always has, however its members are ordered, and no other one.
    #[must_use]
    pub fn digest(&self) -> Vec<u8> {
        let mut digest = digest::Context::new(&digest::SHA256);
        digest.update(b"heirloom user line v1\0");
        digest.update(self.to_json().as_bytes());
        let digest = digest.finish();
        // Half of it is enough: nobody but the operator writes lines.
        digest.as_ref().iter().copied().take(16).collect()
    }

    fn to_json(&self) -> String {
        let typed = self.totp.as_ref().map(TotpSecret::typed);
        let line = WrittenLine {
            id: self.id,
            username: self.username.as_str(),
            email: self.email.as_deref(),
            email_verified: self.email_verified,
            claims: &self.claims,
            roles: &self.roles,
            password_hash: self.password_hash.as_ref().map(PasswordHash::as_str),
            totp: typed.as_ref().map(|typed| WrittenTotp::of(typed)),
            upstream_links: &self.upstream_links,
            created_at: written_time(self.created_at),
            last_login_at: written_time(self.last_login_at),
            disabled_at: written_time(self.disabled_at),
        };
        line.to_json()
    }
}

/// A line as it is written.
#[derive(Debug, Serialize)]
struct WrittenLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<UserId>,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    email_verified: bool,
    #[serde(skip_serializing_if = "has_no_claims")]
    claims: &'a StandardClaims,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totp: Option<WrittenTotp<'a>>,
    #[serde(skip_serializing_if = "<[LineLink]>::is_empty")]
    upstream_links: &'a [LineLink],
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<String>,
}

impl WrittenLine<'_> {
    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("texts and times are JSON: {error}"))
    }
}

/// What a user has beside the row of its own.
#[derive(Debug, Default)]
pub struct Belongings<'a> {
    pub password_hash: Option<&'a PasswordHash>,
    pub totp: Option<&'a TotpSecret>,
    pub links: &'a [LineLink],
}

/// A user with everything that is known, without the line's end.
#[must_use]
pub fn write(user: &User, belongings: &Belongings<'_>) -> String {
    let typed = belongings.totp.map(TotpSecret::typed);
    let line = WrittenLine {
        id: Some(user.id),
        username: user.username.as_str(),
        email: user.email.as_deref(),
        email_verified: user.email_verified,
        claims: &user.claims,
        roles: &user.roles,
        password_hash: belongings.password_hash.map(PasswordHash::as_str),
        totp: typed.as_ref().map(|typed| WrittenTotp::of(typed)),
        upstream_links: belongings.links,
        created_at: written_time(Some(user.created_at)),
        last_login_at: written_time(user.last_login_at),
        disabled_at: written_time(user.disabled_at),
    };
    line.to_json()
}

fn has_no_claims(claims: &StandardClaims) -> bool {
    *claims == StandardClaims::default()
}

fn written_time(time: Option<DateTime<Utc>>) -> Option<String> {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn of_text(name: &'static str, value: Option<Value>) -> Result<Option<String>, UnfitLine> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(UnfitLine::OfOtherType(name, "a text")),
    }
}

fn of_bool(name: &'static str, value: Option<&Value>) -> Result<Option<bool>, UnfitLine> {
    match value {
        None => Ok(None),
        Some(Value::Bool(said)) => Ok(Some(*said)),
        Some(_) => Err(UnfitLine::OfOtherType(name, "true or false")),
    }
}

fn roles(value: Option<Value>) -> Result<Vec<String>, UnfitLine> {
    let unfit = UnfitLine::OfOtherType("roles", "an array of texts");
    let Some(value) = value else { return Ok(Vec::new()) };
    let roles: Vec<String> = serde_json::from_value(value).map_err(|_| unfit)?;
    roles.iter().try_for_each(|role| check_role(role))?;
    Ok(roles)
}

/// More than a user has anywhere.
const MOST_LINKS: usize = 20;

fn links(value: Option<Value>) -> Result<Vec<LineLink>, UnfitLine> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let links: Vec<LineLink> =
        serde_json::from_value(value).map_err(|error| UnfitLine::Links(told(&error)))?;
    let fits = |text: &str| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
    let fit =
        |link: &LineLink| fits(&link.issuer) && fits(&link.subject) && link.label.as_deref().is_none_or(fits);
    if links.len() > MOST_LINKS || !links.iter().all(fit) {
        return Err(UnfitLine::OfOtherType(
            "upstream_links",
            "an array of up to 20 objects with issuer and subject, of 1 to 255 bytes each",
        ));
    }
    Ok(links)
}

fn id(value: Option<Value>) -> Result<Option<UserId>, UnfitLine> {
    let unfit = UnfitLine::OfOtherType("id", "a UUID with hyphens in lower case");
    let Some(text) = of_text("id", value)? else { return Ok(None) };
    let id: Uuid = text.parse().map_err(|_| UnfitLine::OfOtherType("id", "a UUID"))?;
    // It is what tokens tell services: one that was written otherwise would be another one there.
    if id.is_nil() || id.hyphenated().to_string() != text { Err(unfit) } else { Ok(Some(UserId(id))) }
}

/// In whole microseconds, which is what databases keep.
fn time(name: &'static str, value: Option<Value>) -> Result<Option<DateTime<Utc>>, UnfitLine> {
    let unfit = || UnfitLine::OfOtherType(name, "a time such as 2026-01-31T12:00:00Z");
    let Some(text) = of_text(name, value)? else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(&text).map_err(|_| unfit())?.to_utc();
    time.duration_trunc(TimeDelta::microseconds(1)).map(Some).map_err(|_| unfit())
}

fn password_hash(value: Option<Value>, rules: &HashRules) -> Result<Option<PasswordHash>, UnfitLine> {
    let given = match value {
        None => return Ok(None),
        Some(Value::String(text)) => GivenHash::Text(text),
        Some(object @ Value::Object(_)) => {
            let read = serde_json::from_value(object);
            GivenHash::Keycloak(
                read.map_err(|error| UnfitLine::Members(format!("password_hash: {}", told(&error))))?,
            )
        }
        Some(_) => return Err(UnfitLine::OfOtherType("password_hash", "a text or Keycloak's credential")),
    };
    Ok(Some(rules.accept(&given)?))
}

#[cfg(test)]
mod tests;
