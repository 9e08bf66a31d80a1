//! Token Status List (draft-ietf-oauth-status-list): a bit for every login, by which services that verify offline learn
//! that it was ended.

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde::Serialize;

/// How many positions a list has.
pub const SIZE: u32 = 1 << 17;

/// So many are reserved at once.
pub const BLOCK: u32 = 1 << 10;

/// The lists' place below the issuer, and each one's with its number behind; the place itself names them all.
pub const PATH: &str = "/status-lists";

/// Which list: from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListNumber(i64);

impl ListNumber {
    pub const FIRST: Self = Self(1);

    /// `None` below 1.
    #[must_use]
    pub fn new(number: i64) -> Option<Self> {
        (number >= 1).then_some(Self(number))
    }

    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The list's address, which is its name in tokens.
    #[must_use]
    pub fn uri(self, issuer: &str) -> String {
        format!("{issuer}{PATH}/{self}")
    }
}

impl fmt::Display for ListNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not a list's number as this server writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAList;

impl FromStr for ListNumber {
    type Err = NotAList;

    fn from_str(text: &str) -> Result<Self, NotAList> {
        let number = text.parse().ok().and_then(Self::new).ok_or(NotAList)?;
        // A list has one name: neither `+1` nor `01`.
        if number.to_string() == text { Ok(number) } else { Err(NotAList) }
    }
}

/// A family's bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusPlace {
    pub list: ListNumber,
    /// Below [`SIZE`].
    pub index: u32,
}

/// The claim `status` of a token (§6.2).
#[derive(Debug, Serialize)]
pub struct StatusClaim {
    status_list: Reference,
}

#[derive(Debug, Serialize)]
struct Reference {
    idx: u32,
    uri: String,
}

impl StatusPlace {
    /// How a token of the issuer names it.
    #[must_use]
    pub fn claim(self, issuer: &str) -> StatusClaim {
        StatusClaim { status_list: Reference { idx: self.index, uri: self.list.uri(issuer) } }
    }
}

/// The member `lst` of a list of 1 bit (§4.2) in which these positions are invalid and all others valid. Those that no
/// family has cannot be told from them.
#[must_use]
pub fn compressed(invalid: &[u32]) -> String {
    let mut bits = vec![0_u8; SIZE as usize / 8];
    for index in invalid {
        // From the least significant bit of each byte on (§4.1).
        if let Some(byte) = bits.get_mut(*index as usize / 8) {
            *byte |= 1 << (index % 8);
        }
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(&bits).and_then(|()| encoder.finish());
    URL_SAFE_NO_PAD.encode(in_memory(written))
}

/// As HTTP knows it (RFC 9110 §8.4.1.3).
#[must_use]
pub fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(content.as_bytes()).and_then(|()| encoder.finish());
    in_memory(written)
}

fn in_memory(written: std::io::Result<Vec<u8>>) -> Vec<u8> {
    written.unwrap_or_else(|error| unreachable!("memory takes what is written to it: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;

    fn unpacked(lst: &str) -> Vec<u8> {
        let packed = URL_SAFE_NO_PAD.decode(lst).unwrap();
        let mut bits = Vec::new();
        ZlibDecoder::new(packed.as_slice()).read_to_end(&mut bits).unwrap();
        bits
    }

    /// §4.1 and §4.2.
    #[test]
    fn bits_are_packed_as_in_the_drafts_example() {
        let bits = unpacked(&compressed(&[0, 3, 4, 5, 7, 8, 9, 13, 15]));
        assert_eq!(unpacked("eNrbuRgAAhcBXQ"), bits[..2]);
        assert_eq!(bits[2..], [0; SIZE as usize / 8 - 2]);
        assert_eq!(unpacked(&compressed(&[SIZE - 1, SIZE]))[SIZE as usize / 8 - 1], 0x80);
    }

    #[test]
    fn a_list_with_one_in_a_hundred_ended_takes_three_kilobytes() {
        let mut state = 7_u64;
        let mut random = || {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        };
        let ended: Vec<u32> = (0..1311).map(|_| u32::try_from(random() % u64::from(SIZE)).unwrap()).collect();
        let claims = format!(
            r#"{{"iss":"https://login.example.com","sub":"https://login.example.com/status-lists/1","iat":1800000000,"exp":1800000900,"ttl":5,"status_list":{{"bits":1,"lst":"{}","aggregation_uri":"https://login.example.com/status-lists"}}}}"#,
            compressed(&ended)
        );
        let signature: Vec<u8> = (0..8).flat_map(|_| random().to_be_bytes()).collect();
        let [claims, signature] = [claims.as_bytes(), &signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        let header =
            "eyJ0eXAiOiJzdGF0dXNsaXN0K2p3dCIsImFsZyI6IkVTMjU2Iiwia2lkIjoiQUFBQUFBQUFBQUFBQUFBQUFBQSJ9";
        let bytes = gzip(&format!("{header}.{claims}.{signature}")).len();
        assert!(bytes <= 3000, "{bytes}");
    }

    #[test]
    fn a_list_has_one_name() {
        assert_eq!("17".parse(), Ok(ListNumber(17)));
        assert_eq!(ListNumber(17).uri("https://as.example/x"), "https://as.example/x/status-lists/17");
        for text in ["", "0", "-1", "+1", "01", "1 ", "1.0", "9223372036854775808"] {
            assert_eq!(text.parse::<ListNumber>(), Err(NotAList), "{text}");
        }
    }
}
