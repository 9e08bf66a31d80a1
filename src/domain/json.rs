//! JSON that comes from outside.

use serde::de::DeserializeOwned;

/// Why JSON is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidJson {
    #[error("it is not the JSON that it must be")]
    Malformed,
    /// PostgreSQL's texts have no such character.
    #[error("a text in it holds the character U+0000")]
    Nul,
}

/// Reads JSON of which every text may go into a row.
///
/// # Errors
/// [`InvalidJson`].
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, InvalidJson> {
    let read = serde_json::from_slice(json).map_err(|_| InvalidJson::Malformed)?;
    if holds_nul(json) { Err(InvalidJson::Nul) } else { Ok(read) }
}

/// RFC 8259 §7: the character stands in well-formed JSON only in this way. A backslash that is itself escaped escapes
/// nothing.
pub(crate) fn holds_nul(json: &[u8]) -> bool {
    let text = String::from_utf8_lossy(json);
    text.contains(r"\u0000") && text.replace(r"\\", "").contains(r"\u0000")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_text_may_speak_of_the_character_but_not_hold_it() {
        for (json, holds) in [
            (r#"{"a": "\u0000"}"#, true),
            (r#"{"a": ["b", {"c\u0000": null}]}"#, true),
            (r#""\\\u0000""#, true),
            (r#""\"\u0000""#, true),
            (r#""\\u0000""#, false),
            (r#""\\\\u0000""#, false),
            (r#""\u00000 \u0001 u0000""#, true),
            (r#""\u0001 u0000 \u00010""#, false),
        ] {
            let read = read::<Value>(json.as_bytes()).map(|_| ());
            assert_eq!(read, if holds { Err(InvalidJson::Nul) } else { Ok(()) }, "{json}");
        }
        assert_eq!(read::<Value>(b"{"), Err(InvalidJson::Malformed));
    }
}
