//! What is known of a user by the names of OpenID Connect Core §5.1, and which scope opens which of it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::domain::client::WebUri;

/// The claims about a user, `sub` aside, with the scope that opens each (OpenID Connect Core §5.4).
pub const CLAIMS: [(&str, &str); 20] = [
    ("preferred_username", "profile"),
    ("name", "profile"),
    ("given_name", "profile"),
    ("family_name", "profile"),
    ("middle_name", "profile"),
    ("nickname", "profile"),
    ("profile", "profile"),
    ("picture", "profile"),
    ("website", "profile"),
    ("gender", "profile"),
    ("birthdate", "profile"),
    ("locale", "profile"),
    ("zoneinfo", "profile"),
    ("updated_at", "profile"),
    ("email", "email"),
    ("email_verified", "email"),
    ("phone_number", "phone"),
    ("phone_number_verified", "phone"),
    ("address", "address"),
    ("roles", "roles"),
];

/// The part of them that a user need not have. Stored as one JSON object without the absent members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandardClaims {
    /// The full name, as people write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ClaimText>,
    /// The first name or names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<ClaimText>,
    /// The last name or names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<ClaimText>,
    /// The names in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<ClaimText>,
    /// What friends say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<ClaimText>,
    /// A page about the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<WebUri>,
    /// Where a picture of the user is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<WebUri>,
    /// The user's own page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<WebUri>,
    /// The gender, in the user's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<ClaimText>,
    /// The day of birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birthdate: Option<Birthdate>,
    /// The language, such as `de-AT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<ClaimText>,
    /// The time zone, such as `Europe/Vienna`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoneinfo: Option<ClaimText>,
    /// The telephone number, such as `+43 1 234 567`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<ClaimText>,
    /// Whether somebody made sure that this number is the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number_verified: Option<bool>,
    /// Where the user lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// When any of it was last changed, in seconds since 1970; set by whoever changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<i64>,
}

/// A postal address (OpenID Connect Core §5.1.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Address {
    /// All of it, in lines, as it stands on a letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<ClaimText>,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<ClaimText>,
    /// The town.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<ClaimText>,
    /// The state or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<ClaimText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<ClaimText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<ClaimText>,
}

/// A text of 1 to 1,024 bytes without control characters but line breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ClaimText(String);

/// The text can be no claim's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a claim must have 1 to 1,024 bytes and must not have control characters")]
pub struct InvalidClaimText;

impl ClaimText {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClaimText {
    type Error = InvalidClaimText;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = text.chars().all(|letter| letter == '\n' || !letter.is_control());
        if (1..=1024).contains(&text.len()) && plain { Ok(Self(text)) } else { Err(InvalidClaimText) }
    }
}

/// A day of birth as `YYYY-MM-DD`; with the year `0000` if it is not told, or the year alone (OpenID Connect Core
/// §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Birthdate(String);

/// The text is no day of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a birthdate must be YYYY-MM-DD, 0000-MM-DD or YYYY")]
pub struct InvalidBirthdate;

impl TryFrom<String> for Birthdate {
    type Error = InvalidBirthdate;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_year = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        // Written anew, so that no second way to write the same day passes.
        let is_day = || {
            let read = NaiveDate::parse_from_str(&text, "%Y-%m-%d");
            text.len() == 10 && read.is_ok_and(|day| day.format("%Y-%m-%d").to_string() == text)
        };
        if is_year || is_day() { Ok(Self(text)) } else { Err(InvalidBirthdate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthdate_has_one_of_three_forms() {
        for text in ["2000-02-29", "0000-02-29", "1970-01-01", "1999"] {
            assert!(Birthdate::try_from(text.to_owned()).is_ok(), "{text}");
        }
        for text in [
            "",
            "2001-02-29",
            "2000-2-9",
            "2000-02-30",
            "29.2.2000",
            "20000229",
            "+2000-02-29",
            " 2000-02-29",
            "2000-02-29T00:00",
            "99",
            "-999",
            "20000",
            "--02-29",
            "12000-01-01",
            "+12000-01-01",
            "２０００",
        ] {
            assert!(Birthdate::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
