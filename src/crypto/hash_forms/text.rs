//! Pieces of the texts that hashes are stored as.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

pub(super) fn pbkdf2(digest: &str, iterations: &str, salt: &str, output: &str) -> String {
    format!("$pbkdf2-{digest}$i={iterations}${}${}", unpadded(salt), unpadded(output))
}

/// Some systems' salts are texts.
pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

pub(super) fn unpadded(base64: &str) -> &str {
    base64.trim_end_matches('=')
}
