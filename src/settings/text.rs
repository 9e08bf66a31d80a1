//! How values are read from text and written back. Every layer gives text in the end: a variable is nothing
//! else, and a number in TOML reads as its digits, so `yes` or 2.7 never passes for a number.
//!
//! The errors made here are never shown: the table says what a setting expects.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serializer, de::Error};
use tracing_subscriber::filter::Targets;

use crate::domain::one_or_many::OneOrMany;
use crate::domain::scope::ScopeSet;

pub(super) fn deserialize<'de, D: Deserializer<'de>, T: FromStr>(from: D) -> Result<T, D::Error> {
    parse(&String::deserialize(from)?)
}

pub(super) fn serialize<S: Serializer, T: Display>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn scopes<'de, D: Deserializer<'de>>(from: D) -> Result<ScopeSet, D::Error> {
    ScopeSet::typed(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// A list with commas, or a list of texts; an address alone is the network of that one address.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let parts = match OneOrMany::<String>::deserialize(from)? {
        OneOrMany::One(text) if text.trim().is_empty() => Vec::new(),
        OneOrMany::One(text) => text.split(',').map(str::to_owned).collect(),
        OneOrMany::Many(list) => list,
    };
    parts
        .iter()
        .map(|part| part.trim())
        .map(|part| parse(part).or_else(|_: D::Error| parse::<IpAddr, _>(part).map(IpNet::from)))
        .collect()
}

/// Values with spaces between them.
pub(super) mod words {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer, parse};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, T: FromStr>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        String::deserialize(from)?.split_whitespace().map(parse).collect()
    }

    pub(in super::super) fn serialize<S: Serializer, T: Display>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }
}

pub(super) fn log_filter<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    // A word alone would be taken for the name of a part whose lines are all that is logged: it is a mistyped level.
    let is_meant =
        |directive: &str| directive.contains('=') || LEVELS.contains(&directive.to_lowercase().as_str());
    if !text.split(',').all(|directive| is_meant(directive.trim())) {
        return Err(D::Error::custom("a directive is neither a level nor a part with one"));
    }
    parse::<Targets, _>(&text).map(|_| text)
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn parse<T: FromStr, E: Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|_| E::custom("does not parse"))
}

pub(super) mod option {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer, parse};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, T: FromStr>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(from)?.map(|text| parse(&text)).transpose()
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer, T: Display>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }
}

/// `15m`, `7d`, `1h 30m`.
pub(super) mod duration {
    use std::time::Duration;

    use super::{Deserializer, Serializer};
    use crate::domain::lifetimes::duration_text;

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        super::deserialize(from).map(|duration: humantime::Duration| duration.into())
    }

    pub(in super::super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&duration_text(*value))
    }
}
