//! bcrypt: `$2a$`, `$2b$` and `$2y$`, which differ in bugs that nobody's hashes have any more; and Django's over a
//! digest.

use std::fmt::Write as _;
use std::hint::black_box;

use aws_lc_rs::digest;
use bcrypt::HashParts;

use crate::crypto::foreign_cost::{ForeignCost, ForeignKind};
use crate::crypto::unfit_hash::{HashBounds, UnfitHash};

const KIND: &str = "bcrypt";
const COST: HashBounds = HashBounds { kind: KIND, parameter: "cost", least: 8, most: 14 };

/// Before the hash of the hexadecimal SHA-256 of a password, as Django makes it.
pub(crate) const DJANGO_BCRYPT: &str = "bcrypt_sha256$";

#[derive(Debug)]
pub(in crate::crypto) struct Bcrypt {
    text: String,
    cost: u32,
    is_of_digest: bool,
}

impl Bcrypt {
    pub(super) fn read(text: &str) -> Result<Self, UnfitHash> {
        let (is_of_digest, hash) = match text.strip_prefix(DJANGO_BCRYPT) {
            Some(hash) => (true, hash),
            None => (false, text),
        };
        if !["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version)) {
            return Err(UnfitHash::Unreadable(KIND));
        }
        let cost = hash.parse::<HashParts>().map_err(|_| UnfitHash::Unreadable(KIND))?.get_cost();
        COST.check(cost.into())?;
        Ok(Self { text: hash.to_owned(), cost, is_of_digest })
    }

    pub(super) fn cost(&self) -> ForeignCost {
        ForeignCost::of(ForeignKind::Bcrypt, 1 << self.cost)
    }

    /// Of more than 72 bytes it takes the first, as those have who made it.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        if self.is_of_digest {
            bcrypt::verify(hex_digest(password), &self.text).unwrap_or(false)
        } else {
            bcrypt::verify(password, &self.text).unwrap_or(false)
        }
    }
}

fn hex_digest(password: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in digest::digest(&digest::SHA256, password).as_ref() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// A cost is a power of two, and what lies between two of them is a sum of such.
pub(super) fn spend(expansions: u64, password: &[u8]) {
    for cost in (4..=31).filter(|cost| expansions >> cost & 1 == 1) {
        let _ = black_box(bcrypt::hash_with_salt(password, cost, [0; 16]));
    }
}
