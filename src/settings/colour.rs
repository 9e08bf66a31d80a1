//! A colour for the pages.

use std::fmt;
use std::str::FromStr;

/// `#rrggbb`: nothing else may reach a style sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colour(String);

impl Colour {
    /// Whether dark text is easier to read on it than white: by relative luminance (WCAG 2.2).
    #[must_use]
    pub fn is_light(&self) -> bool {
        let channel = |at: usize| {
            let byte = self.0.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let value = f64::from(byte.unwrap_or(0)) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
        // Where the contrast with white and the contrast with black are the same.
        luminance > 0.179
    }
}

/// The text is no colour.
#[derive(Debug)]
pub struct NotAColour;

impl FromStr for Colour {
    type Err = NotAColour;

    fn from_str(text: &str) -> Result<Self, NotAColour> {
        let digits = text.strip_prefix('#').ok_or(NotAColour)?;
        let fits = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if fits { Ok(Self(text.to_ascii_lowercase())) } else { Err(NotAColour) }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}
