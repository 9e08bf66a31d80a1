//! Values that stand in files as texts.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::lifetimes::duration_text;
use crate::domain::scope::{MistypedScopes, ScopeSet};

/// What is read from a text and written as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AsText<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for AsText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData)).map(Self)
    }
}

/// While a value is read its place is known: what is wrong with it is told there.
struct TextVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<T: fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A duration as in the settings: `15m`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lasting(pub(super) Duration);

impl FromStr for Lasting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = humantime::parse_duration(text);
        read.map(Self).map_err(|_| "expected a duration such as \"30s\", \"15m\" or \"7d\"")
    }
}

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration_text(self.0))
    }
}

/// Scopes with spaces between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scopes(pub(super) ScopeSet);

impl FromStr for Scopes {
    type Err = MistypedScopes;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ScopeSet::typed(text).map(Self)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
