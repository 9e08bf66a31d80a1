//! scrypt (RFC 7914), plain and as Firebase uses it.

use std::fmt;
use std::hint::black_box;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, digest};
use scrypt::Params;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::crypto::foreign_cost::{ForeignCost, ForeignKind};
use crate::crypto::foreign_hash::parts::{number, salt_and_output, split};
use crate::crypto::unfit_hash::{HashBounds, UnfitHash};

const KIND: &str = "scrypt";
const MEMORY: HashBounds =
    HashBounds { kind: KIND, parameter: "KiB of memory", least: 1 << 10, most: 1 << 17 };
/// Memory times lanes.
const WORK: HashBounds =
    HashBounds { kind: KIND, parameter: "KiB to pass over", least: 1 << 10, most: 1 << 20 };
/// The power of two of 128-byte blocks in a KiB.
const LOG_BLOCKS_OF_KIB: u8 = 3;

/// `$scrypt$ln=14,r=8,p=1$salt$output`.
#[derive(Debug)]
pub(in crate::crypto) struct Scrypt {
    params: Params,
    cost: ForeignCost,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Scrypt {
    pub(super) fn read(rest: &str) -> Result<Self, UnfitHash> {
        let unreadable = UnfitHash::Unreadable(KIND);
        let [params, salt, output] = split(rest, '$').ok_or(unreadable)?;
        let [log_n, r, p] = split(params, ',').ok_or(unreadable)?;
        let log_n = number(log_n, "ln").ok_or(unreadable)?;
        let r = number(r, "r").ok_or(unreadable)?;
        let p = number(p, "p").ok_or(unreadable)?;
        Self::new((log_n, r, p), salt_and_output(KIND, (salt, output))?)
    }

    fn new((log_n, r, p): (u8, u32, u32), (salt, output): (Vec<u8>, Vec<u8>)) -> Result<Self, UnfitHash> {
        let unreadable = UnfitHash::Unreadable(KIND);
        let n = 1_u64.checked_shl(log_n.into()).ok_or(unreadable)?;
        let blocks = n.saturating_mul(r.into());
        let kib = blocks >> LOG_BLOCKS_OF_KIB;
        MEMORY.check(kib)?;
        WORK.check(kib.saturating_mul(p.into()))?;
        let log_memory = u8::try_from(kib.ilog2()).map_err(|_| unreadable)?;
        let work = blocks.saturating_mul(p.into());
        let cost = ForeignCost { kind: ForeignKind::Scrypt, work, log_memory };
        Ok(Self { params: Params::new(log_n, r, p).map_err(|_| unreadable)?, cost, salt, output })
    }

    pub(super) fn cost(&self) -> ForeignCost {
        self.cost
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        scrypt::scrypt(password, &self.salt, &self.params, &mut output).is_ok()
            && constant_time::verify_slices_are_equal(&output, &self.output).is_ok()
    }
}

/// The key of a Firebase project, by which alone its hashes can be verified.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SignerKey(Vec<u8>);

/// A part of a signer key's digest. The key is long and random: this tells nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignerKeyId([u8; 8]);

impl SignerKey {
    /// `None` when this is too short to be one.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (32..=128).contains(&bytes.len()).then_some(Self(bytes))
    }

    #[must_use]
    pub fn id(&self) -> SignerKeyId {
        let mut id = [0; 8];
        id.iter_mut()
            .zip(digest::digest(&digest::SHA256, &self.0).as_ref())
            .for_each(|(to, from)| *to = *from);
        SignerKeyId(id)
    }

    /// To be sealed, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.id())
    }
}

impl fmt::Display for SignerKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl SignerKeyId {
    /// Reads 16 hexadecimal digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let id = Self(u64::from_str_radix(text, 16).ok()?.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

/// `$firebase-scrypt$ln=14,r=8,k=…$salt$output`: the salt with the project's separator behind it; the output is the
/// project's signer key, encrypted (AES-256 in counter mode) with what scrypt makes of the password.
#[derive(Debug)]
pub(in crate::crypto) struct Firebase {
    pub(super) scrypt: Scrypt,
    pub(super) key: SignerKeyId,
}

impl Firebase {
    pub(super) fn read(rest: &str) -> Result<Self, UnfitHash> {
        let unreadable = UnfitHash::Unreadable("Firebase's scrypt");
        let [params, salt, output] = split(rest, '$').ok_or(unreadable)?;
        let [log_n, r, key] = split(params, ',').ok_or(unreadable)?;
        let log_n = number(log_n, "ln").ok_or(unreadable)?;
        let r = number(r, "r").ok_or(unreadable)?;
        let key = key.strip_prefix("k=").and_then(SignerKeyId::read).ok_or(unreadable)?;
        let scrypt = Scrypt::new((log_n, r, 1), salt_and_output(KIND, (salt, output))?)?;
        Ok(Self { scrypt, key })
    }

    pub(super) fn matches(&self, password: &[u8], key: Option<&SignerKey>) -> bool {
        let Scrypt { params, salt, output: expected, .. } = &self.scrypt;
        let mut derived = Zeroizing::new([0; 32]);
        if scrypt::scrypt(password, salt, params, &mut *derived).is_err() {
            return false;
        }
        let Some(SignerKey(signer)) = key else { return false };
        let mut encrypted = Zeroizing::new(signer.clone());
        let context = EncryptionContext::Iv128(FixedLength::from([0; 16]));
        let encrypting = UnboundCipherKey::new(&AES_256, &*derived).and_then(EncryptingKey::ctr);
        encrypting.is_ok_and(|it| it.less_safe_encrypt(&mut encrypted, context).is_ok())
            && constant_time::verify_slices_are_equal(&encrypted, expected).is_ok()
    }
}

/// Passes over so many blocks: as often as it takes over that memory, and over less for what remains.
pub(super) fn spend(blocks: u64, log_memory: u8, password: &[u8]) {
    const R: u32 = 8;
    let mut rest = blocks >> LOG_BLOCKS_OF_KIB;
    for log_n in (1..=log_memory).rev() {
        let lanes = u32::try_from(rest >> log_n).unwrap_or(u32::MAX);
        rest &= (1 << log_n) - 1;
        let Some(params) = (lanes > 0).then(|| Params::new(log_n, R, lanes).ok()).flatten() else { continue };
        let mut output = [0; 32];
        let _ = scrypt::scrypt(password, &[0; 16], &params, &mut output);
        black_box(output);
    }
}
