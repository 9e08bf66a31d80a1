//! The list itself (draft-ietf-oauth-status-list-20 §4): statuses of 1, 2, 4 or 8 bits, packed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use crate::status::StatusListError;

/// 134 million logins at one bit each. DEFLATE packs at most a thousand to one, so this bounds what a document of any
/// size can do, and a bound on the ratio would refuse honest lists: one without a single revocation packs as tightly.
const LARGEST: usize = 16 * 1024 * 1024;

pub(super) struct StatusList {
    bits: u8,
    /// How many times an index is halved to find its byte.
    halvings: u32,
    bytes: Vec<u8>,
}

impl StatusList {
    /// Reads the members `bits` and `lst` (§4.2).
    pub(super) fn read(bits: u64, lst: &str) -> Result<Self, StatusListError> {
        let (bits, halvings) = match bits {
            1 => (1, 3),
            2 => (2, 2),
            4 => (4, 1),
            8 => (8, 0),
            _ => return Err(StatusListError::InvalidBits),
        };
        let packed = URL_SAFE_NO_PAD.decode(lst).map_err(|_| StatusListError::NotBase64)?;
        let bytes =
            decompress_to_vec_zlib_with_limit(&packed, LARGEST).map_err(|error| match error.status {
                TINFLStatus::HasMoreOutput => StatusListError::UnpacksTooLarge,
                _ => StatusListError::NotZlib,
            })?;
        Ok(Self { bits, halvings, bytes })
    }

    /// `None` beyond the list's end. §4.1: within a byte, the first status stands in the lowest bits.
    pub(super) fn status(&self, index: u64) -> Option<u8> {
        let byte = *self.bytes.get(usize::try_from(index >> self.halvings).ok()?)?;
        let place = index & ((1 << self.halvings) - 1);
        Some((byte >> (place * u64::from(self.bits))) & (u8::MAX >> (8 - self.bits)))
    }
}

impl fmt::Debug for StatusList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusList({} bits, {} bytes)", self.bits, self.bytes.len())
    }
}
