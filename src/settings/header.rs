//! The name of a header.

use std::{fmt, str::FromStr};

/// A name that a header can have, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(String);

/// The text is no name of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be the name of a header")]
pub struct InvalidHeader;

impl Header {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Header {
    type Err = InvalidHeader;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // RFC 9110 §5.6.2 has more, which nobody uses.
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = !text.is_empty() && text.bytes().all(is_usual);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidHeader) }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
