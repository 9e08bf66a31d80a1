//! What the letters of a text are worth: which of them nobody sees, and which texts are the same to people.

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// What texts are compared by: equal where they differ only in case, in width or in how accents are encoded.
pub(crate) fn folded(text: &str) -> String {
    // Upper case first folds what lower case alone leaves apart: ß and SS, σ and ς.
    text.nfkc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
}

/// Whether a letter cannot be seen, or changes how those around it are seen: controls, formats (the bidirectional ones
/// among them), what no font shows, and what is assigned to nothing (RFC 8264 §9.11, §9.13, §9.15).
pub(crate) fn is_hidden(letter: char) -> bool {
    let shows_nothing = matches!(
        letter.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );
    shows_nothing || is_variation_selector(letter) || is_blank_letter(letter)
}

/// Letters and marks by their category that show nothing by themselves (UAX #44, `Default_Ignorable_Code_Point`), and
/// the pattern of Braille without a dot.
fn is_blank_letter(letter: char) -> bool {
    matches!(
        letter,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
    )
}

fn is_variation_selector(letter: char) -> bool {
    matches!(letter, '\u{180b}'..='\u{180d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether a letter joins those around it, or keeps them apart, as Persian and pictures of families want it.
fn is_joiner(letter: char) -> bool {
    matches!(letter, '\u{200c}' | '\u{200d}')
}

/// Whether a text can name a thing for people: nothing hidden in it but what shapes a letter that is seen, and no
/// blanks at its ends. Nothing is compared with such a name.
pub(crate) fn is_label(text: &str) -> bool {
    let mut after_letter = false;
    let fits = text.chars().all(|letter| {
        let shapes = is_joiner(letter) || is_variation_selector(letter);
        let fits = if shapes { after_letter } else { !is_hidden(letter) };
        // A picture may be followed by a selector and that by a joiner, but nothing by a second of its kind.
        after_letter =
            if shapes { after_letter && is_variation_selector(letter) } else { !letter.is_whitespace() };
        fits
    });
    fits && text.trim() == text && !text.ends_with(is_joiner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_hidden_and_every_script_is_not() {
        for letter in [
            '\0',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{61c}',
            '\u{34f}',
            '\u{115f}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{2800}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{e000}',
            '\u{378}',
            '\u{fdd0}',
            '\u{180e}',
        ] {
            assert!(is_hidden(letter), "{letter:?}");
        }
        for letter in "aÄß œ'-_.@+ αשعकไ名가かЖ\u{301}€🦀９".chars() {
            assert!(!is_hidden(letter), "{letter:?}");
        }
    }

    #[test]
    fn a_label_may_be_joined_but_not_turned() {
        for label in [
            "",
            "Ana's phone",
            "Änne's 🦀",
            "❤\u{fe0f}",
            "👩\u{200d}💻",
            "❤\u{fe0f}\u{200d}🔥",
            "می\u{200c}خواهم",
        ] {
            assert!(is_label(label), "{label:?}");
        }
        for label in [
            " a",
            "a ",
            "\u{a0}a",
            "a\u{3000}",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{200d}a",
            "a\u{200d}",
            "a\u{200d}\u{200d}b",
            "\u{fe0f}",
            "a \u{fe0f}b",
            "a\u{fe0f}\u{e0041}",
            "a\tb",
            "\u{2066}a\u{2069}",
        ] {
            assert!(!is_label(label), "{label:?}");
        }
    }
}
