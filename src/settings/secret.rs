//! Text that must not be seen: redacted in `Debug`, without `Display`, `Serialize` or `PartialEq`,
//! wiped when dropped.

use std::fmt;

use serde::{Deserialize, Serializer};
use zeroize::Zeroizing;

/// A secret as the operator gave it.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself: only for the code that needs it, never for a message.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Secret(***)")
    }
}

/// Tells whether a secret is set, and nothing of it.
#[expect(clippy::ref_option, reason = "serde's signature")]
pub(super) fn masked<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => to.serialize_str("(set)"),
        None => to.serialize_none(),
    }
}
