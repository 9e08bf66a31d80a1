//! The parts that the texts of hashes are put together of.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::crypto::unfit_hash::{HashBounds, UnfitHash};

/// Base64 with or without padding: systems differ in that.
pub(in crate::crypto) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A salt and what came out with it, in base64, both of a length that can be.
pub(super) fn salt_and_output(
    kind: &'static str,
    (salt, output): (&str, &str),
) -> Result<(Vec<u8>, Vec<u8>), UnfitHash> {
    let salt = BASE64.decode(salt).map_err(|_| UnfitHash::Unreadable(kind))?;
    let output = BASE64.decode(output).map_err(|_| UnfitHash::Unreadable(kind))?;
    HashBounds { kind, parameter: "bytes of salt", least: 8, most: 128 }.check(count(&salt))?;
    HashBounds { kind, parameter: "bytes of output", least: 16, most: 128 }.check(count(&output))?;
    Ok((salt, output))
}

pub(super) fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The number behind `name=`.
pub(super) fn number<T: std::str::FromStr>(text: &str, name: &str) -> Option<T> {
    let digits = text.strip_prefix(name)?.strip_prefix('=')?;
    // No sign and no zero before it: the same hash has one text.
    let is_plain = digits == "0" || digits.starts_with(|first: char| matches!(first, '1'..='9'));
    digits.parse().ok().filter(|_| is_plain)
}

/// Exactly so many parts between the separators.
pub(super) fn split<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
    let parts: Vec<&str> = text.splitn(N + 1, separator).collect();
    parts.try_into().ok()
}
