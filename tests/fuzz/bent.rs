//! How seeds are bent.

use proptest::collection::vec;
use proptest::prelude::*;

/// One way to bend bytes. Places are thousandths of the whole.
#[derive(Debug, Clone)]
pub(crate) enum Bend {
    /// Another byte there.
    Set(u16, u8),
    /// A piece of the list there.
    Insert(u16, usize),
    /// Some bytes are gone.
    Remove(u16, u8),
    /// Some bytes again and again.
    Repeat(u16, u8, u8),
    /// It ends there.
    End(u16),
    /// The rest of another seed from there.
    Splice(u16, usize, u16),
}

/// A seed, and what is done to it; or bytes that nobody thought of.
#[derive(Debug, Clone)]
pub(crate) enum Bent {
    Seed(usize, Vec<Bend>),
    Bytes(Vec<u8>),
}

/// What parsers stumble over.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"  ",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b",",
    b":",
    b";",
    b"=",
    b"&",
    b"%",
    b"%00",
    b"%2e%2e",
    b"%ff",
    b"+",
    b"/",
    b"//",
    b"../",
    b"?",
    b"#",
    b"@",
    b"*",
    b".",
    b"..",
    b"-",
    b"_",
    b"~",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"0",
    b"-1",
    b"1e400",
    b"1e-400",
    b"0.1",
    b"NaN",
    b"inf",
    b"18446744073709551616",
    b"9223372036854775808",
    b"4294967296",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    "\u{feff}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{200b}".as_bytes(),
    "é".as_bytes(),
    "e\u{301}".as_bytes(),
    "ﬃ".as_bytes(),
    "İ".as_bytes(),
    "ß".as_bytes(),
    "🦀".as_bytes(),
    "\u{10ffff}".as_bytes(),
    b"https://",
    b"http://localhost",
    b"javascript:",
    b"[::1]",
    b"127.0.0.1",
    b"evil.example",
    b"none",
    b"HS256",
    b"jwk",
    b"kid",
    b"crit",
    b"q=1",
    b"for=",
    b"$2b$",
    b"$argon2id$",
    b"m=4294967295",
    b" and ",
    b" eq ",
    b"[type eq \"x\"]",
    b"hrt1_",
    b"AAAA",
    b"====",
];

/// Most seeds are bent a little.
pub(crate) fn seeds_bent() -> impl Strategy<Value = Bent> {
    let place = || 0..=1000_u16;
    let bend = prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Bend::Set(at, byte)),
        (place(), 0..PIECES.len()).prop_map(|(at, piece)| Bend::Insert(at, piece)),
        (place(), any::<u8>()).prop_map(|(at, length)| Bend::Remove(at, length)),
        (place(), any::<u8>(), 1..50_u8).prop_map(|(at, length, times)| Bend::Repeat(at, length, times)),
        place().prop_map(Bend::End),
        (place(), any::<usize>(), place()).prop_map(|(at, seed, from)| Bend::Splice(at, seed, from)),
    ];
    prop_oneof![
        15 => (any::<usize>(), vec(bend, 0..5)).prop_map(|(seed, bends)| Bent::Seed(seed, bends)),
        1 => vec(any::<u8>(), 0..200).prop_map(Bent::Bytes),
    ]
}

/// The bytes.
pub(crate) fn bend(seeds: &[Vec<u8>], bent: &Bent) -> Vec<u8> {
    match bent {
        Bent::Bytes(bytes) => bytes.clone(),
        Bent::Seed(seed, bends) => {
            let mut bytes = seed_of(seeds, *seed).to_vec();
            for bend in bends {
                apply(&mut bytes, seeds, bend);
            }
            bytes
        }
    }
}

fn seed_of(seeds: &[Vec<u8>], number: usize) -> &[u8] {
    seeds.get(number % seeds.len().max(1)).map_or(&[], Vec::as_slice)
}

fn place_in(bytes: &[u8], thousandth: u16) -> usize {
    bytes.len() * usize::from(thousandth) / 1000
}

fn apply(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], bend: &Bend) {
    match *bend {
        Bend::Set(at, byte) => {
            let at = place_in(bytes, at);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        Bend::Insert(at, piece) => {
            let at = place_in(bytes, at);
            bytes.splice(at..at, PIECES.get(piece).copied().unwrap_or_default().iter().copied());
        }
        Bend::Remove(at, length) => {
            let (from, to) = range(bytes, at, length);
            bytes.drain(from..to);
        }
        Bend::Repeat(at, length, times) => {
            let (from, to) = range(bytes, at, length % 16 + 1);
            let again = bytes.get(from..to).unwrap_or_default().repeat(usize::from(times));
            bytes.splice(from..from, again);
        }
        Bend::End(at) => {
            let at = place_in(bytes, at);
            bytes.truncate(at);
        }
        Bend::Splice(at, seed, from) => {
            let other = seed_of(seeds, seed);
            let rest = other.get(place_in(other, from)..).unwrap_or_default();
            let at = place_in(bytes, at);
            bytes.truncate(at);
            bytes.extend_from_slice(rest);
        }
    }
}

fn range(bytes: &[u8], at: u16, length: u8) -> (usize, usize) {
    let from = place_in(bytes, at);
    (from, (from + usize::from(length)).min(bytes.len()))
}
