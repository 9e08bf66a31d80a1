//! Pictures that a telephone reads (ISO/IEC 18004), as part of a page.

use minijinja::Value;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// A text as an SVG that may stand in HTML: it has no script, no style and nothing of the text but its squares. The
/// page's words for it stand beside it, so those who hear a page are told nothing by it. Nothing stands for a text that
/// is too long.
pub(crate) fn picture(text: &str) -> Option<Value> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // Dark on light in every theme, or some cameras see nothing.
    let drawn = code.render::<svg::Color<'_>>().module_dimensions(1, 1).build();
    let (_, svg) = drawn.split_once("?>")?;
    let svg = svg.replacen("<svg ", r#"<svg class="qr" aria-hidden="true" focusable="false" "#, 1);
    Some(Value::from_safe_string(svg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_squares_and_nothing_else() {
        let picture = picture("otpauth://totp/<script>&\"").unwrap().to_string();
        assert!(picture.starts_with("<svg class=\"qr\" ") && picture.ends_with("</svg>"), "{picture}");
        let tags: Vec<&str> =
            picture.split('<').skip(1).filter_map(|tag| tag.split([' ', '>']).next()).collect();
        assert_eq!(tags, ["svg", "rect", "path", "/svg"]);
        assert!(super::picture(&"x".repeat(5000)).is_none());
    }
}
