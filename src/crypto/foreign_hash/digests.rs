//! Hashes that are put together of SHA-1, SHA-256 and SHA-512: PBKDF2 (RFC 8018), crypt(3) of glibc, and what LDAP
//! servers keep.

use std::hint::black_box;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, pbkdf2};
use sha_crypt::{PasswordVerifier as _, ShaCrypt as Verifier, sha256_crypt, sha512_crypt};

use crate::crypto::foreign_cost::{ForeignCost, ForeignKind};
use crate::crypto::foreign_hash::parts::{BASE64, count, number, salt_and_output, split};
use crate::crypto::unfit_hash::{HashBounds, UnfitHash};

use base64::Engine as _;

const PBKDF2: &str = "PBKDF2";
/// RFC 8018 §4.2 has 1,000 as the least.
const ITERATIONS: HashBounds =
    HashBounds { kind: PBKDF2, parameter: "iterations", least: 1_000, most: 3_000_000 };

const SHA_CRYPT: &str = "SHA-crypt";
const ROUNDS: HashBounds = HashBounds { kind: SHA_CRYPT, parameter: "rounds", least: 1_000, most: 1_000_000 };

/// Each round takes the password several times over, and no crypt(3) of today takes a longer one.
const LONGEST_OF_CRYPT: usize = 512;

/// `$pbkdf2-sha256$i=600000$salt$output`.
#[derive(Debug)]
pub(in crate::crypto) struct Pbkdf2 {
    kind: ForeignKind,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

fn pbkdf2_algorithm(kind: ForeignKind) -> (pbkdf2::Algorithm, usize) {
    match kind {
        ForeignKind::Pbkdf2Sha1 => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
        ForeignKind::Pbkdf2Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
        ForeignKind::Pbkdf2Sha256
        | ForeignKind::Bcrypt
        | ForeignKind::Scrypt
        | ForeignKind::Sha256Crypt
        | ForeignKind::Sha512Crypt => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
    }
}

impl Pbkdf2 {
    pub(super) fn read(text: &str) -> Result<Self, UnfitHash> {
        let unreadable = UnfitHash::Unreadable(PBKDF2);
        let [_, ident, iterations, salt, output] = split(text, '$').ok_or(unreadable)?;
        let kinds = [ForeignKind::Pbkdf2Sha1, ForeignKind::Pbkdf2Sha256, ForeignKind::Pbkdf2Sha512];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == ident).ok_or(unreadable)?;
        let iterations: u32 = number(iterations, "i").ok_or(unreadable)?;
        let (salt, output) = salt_and_output(PBKDF2, (salt, output))?;
        ITERATIONS.check(iterations.into())?;
        let read = Self { kind, iterations: NonZeroU32::new(iterations).ok_or(unreadable)?, salt, output };
        // Each block of output takes all of them.
        ITERATIONS.check(read.cost().work)?;
        Ok(read)
    }

    pub(super) fn cost(&self) -> ForeignCost {
        let (_, block) = pbkdf2_algorithm(self.kind);
        let blocks = u64::try_from(self.output.len().div_ceil(block)).unwrap_or(u64::MAX);
        ForeignCost::of(self.kind, u64::from(self.iterations.get()).saturating_mul(blocks))
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let (algorithm, _) = pbkdf2_algorithm(self.kind);
        pbkdf2::verify(algorithm, self.iterations, &self.salt, password, &self.output).is_ok()
    }
}

/// `$5$` and `$6$`, with `rounds=` or without.
#[derive(Debug)]
pub(in crate::crypto) struct ShaCrypt {
    kind: ForeignKind,
    rounds: u32,
    text: String,
}

impl ShaCrypt {
    pub(super) fn read(text: &str) -> Result<Self, UnfitHash> {
        let unreadable = UnfitHash::Unreadable(SHA_CRYPT);
        let (kind, output_length) = if text.starts_with("$5$") {
            (ForeignKind::Sha256Crypt, 43)
        } else {
            (ForeignKind::Sha512Crypt, 86)
        };
        let (rounds, salt, output) = if let Some([_, _, salt, output]) = split(text, '$') {
            (sha_crypt::Params::RECOMMENDED_ROUNDS, salt, output)
        } else {
            let [_, _, rounds, salt, output] = split(text, '$').ok_or(unreadable)?;
            (number(rounds, "rounds").ok_or(unreadable)?, salt, output)
        };
        let in_alphabet = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'/');
        let fits = output.len() == output_length && output.bytes().chain(salt.bytes()).all(in_alphabet);
        if !fits || salt.len() > 16 {
            return Err(unreadable);
        }
        HashBounds { kind: SHA_CRYPT, parameter: "letters of salt", least: 4, most: 16 }
            .check(count(salt.as_bytes()))?;
        ROUNDS.check(rounds.into())?;
        Ok(Self { kind, rounds, text: text.to_owned() })
    }

    pub(super) fn cost(&self) -> ForeignCost {
        ForeignCost::of(self.kind, self.rounds.into())
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let (taken, rest) = password.split_at(password.len().min(LONGEST_OF_CRYPT));
        Verifier::default().verify_password(taken, self.text.as_str()).is_ok() && rest.is_empty()
    }
}

/// `{SSHA}`, `{SSHA256}`, `{SSHA512}`: the digest of password and salt, and the salt behind it.
#[derive(Debug)]
pub(in crate::crypto) struct Salted {
    algorithm: &'static digest::Algorithm,
    output: Vec<u8>,
    salt: Vec<u8>,
}

impl Salted {
    pub(super) fn read(text: &str) -> Result<Self, UnfitHash> {
        const KIND: &str = "salted SHA";
        let schemes = [
            ("{SSHA}", &digest::SHA1_FOR_LEGACY_USE_ONLY),
            ("{SSHA256}", &digest::SHA256),
            ("{SSHA512}", &digest::SHA512),
        ];
        let mut read = schemes.iter().filter_map(|(scheme, it)| Some((*it, text.strip_prefix(scheme)?)));
        let (algorithm, encoded) = read.next().ok_or(UnfitHash::Unreadable(KIND))?;
        let mut output = BASE64.decode(encoded).map_err(|_| UnfitHash::Unreadable(KIND))?;
        if output.len() < algorithm.output_len() {
            return Err(UnfitHash::Unreadable(KIND));
        }
        let salt = output.split_off(algorithm.output_len());
        HashBounds { kind: KIND, parameter: "bytes of salt", least: 4, most: 128 }.check(count(&salt))?;
        Ok(Self { algorithm, output, salt })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut context = digest::Context::new(self.algorithm);
        context.update(password);
        context.update(&self.salt);
        constant_time::verify_slices_are_equal(context.finish().as_ref(), &self.output).is_ok()
    }
}

pub(super) fn spend(kind: ForeignKind, rounds: u64, password: &[u8]) {
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    match kind {
        ForeignKind::Sha256Crypt | ForeignKind::Sha512Crypt => {
            // Fewer than the least are fewer than anybody can measure.
            let Ok(params) = sha_crypt::Params::new(rounds) else { return };
            let taken = password.get(..LONGEST_OF_CRYPT).unwrap_or(password);
            if kind == ForeignKind::Sha256Crypt {
                black_box(sha256_crypt(taken, &[0; 16], params));
            } else {
                black_box(sha512_crypt(taken, &[0; 16], params));
            }
        }
        ForeignKind::Pbkdf2Sha1
        | ForeignKind::Pbkdf2Sha256
        | ForeignKind::Pbkdf2Sha512
        | ForeignKind::Bcrypt
        | ForeignKind::Scrypt => {
            let Some(iterations) = NonZeroU32::new(rounds) else { return };
            let (algorithm, _) = pbkdf2_algorithm(kind);
            let mut output = [0; 16];
            pbkdf2::derive(algorithm, iterations, &[0; 16], password, &mut output);
            black_box(output);
        }
    }
}
