//! Firebase's scrypt: what is the whole project's, and what is one user's.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::crypto::foreign_hash::{SignerKey, SignerKeyId};
use crate::crypto::hash_forms::text::encoded;
use crate::crypto::unfit_hash::UnfitHash;

/// A project's hash parameters, as its console shows them.
#[derive(Debug)]
pub struct FirebaseConfig {
    pub signer_key: SignerKey,
    salt_separator: Vec<u8>,
    rounds: u32,
    mem_cost: u8,
}

/// The text does not hold a project's hash parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFirebaseConfig {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    #[error("the algorithm must be SCRYPT")]
    OtherAlgorithm,
}

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Firebase's tools write one alphabet or the other.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

impl FirebaseConfig {
    /// Reads `hash_config { algorithm: SCRYPT, base64_signer_key: …, … }`.
    ///
    /// # Errors
    /// [`InvalidFirebaseConfig`].
    pub fn read(text: &str) -> Result<Self, InvalidFirebaseConfig> {
        let value = |name: &'static str| {
            let mut values = text.lines().filter_map(|line| {
                let (before, value) = line.trim().split_once(':')?;
                (before.trim() == name).then(|| value.trim().trim_end_matches(',').trim_matches('"'))
            });
            values.next().ok_or(InvalidFirebaseConfig::Missing(name))
        };
        let bytes = |name| decode(value(name)?).ok_or(InvalidFirebaseConfig::Unreadable(name));
        if value("algorithm")? != "SCRYPT" {
            return Err(InvalidFirebaseConfig::OtherAlgorithm);
        }
        let key = "base64_signer_key";
        Ok(Self {
            signer_key: SignerKey::new(bytes(key)?).ok_or(InvalidFirebaseConfig::Unreadable(key))?,
            salt_separator: bytes("base64_salt_separator")?,
            rounds: value("rounds")?.parse().map_err(|_| InvalidFirebaseConfig::Unreadable("rounds"))?,
            mem_cost: value("mem_cost")?
                .parse()
                .map_err(|_| InvalidFirebaseConfig::Unreadable("mem_cost"))?,
        })
    }
}

/// The stored form of `SALT$HASH` as Firebase exports them, or of what this server exported itself.
pub(super) fn stored(rest: &str, config: Option<&FirebaseConfig>) -> Result<String, UnfitHash> {
    let unreadable = UnfitHash::Unreadable("Firebase's scrypt");
    let config = config.ok_or(UnfitHash::NoSignerKey)?;
    let parts: Vec<&str> = rest.split('$').collect();
    match parts[..] {
        [salt, output] => {
            let salt = [decode(salt).ok_or(unreadable)?, config.salt_separator.clone()].concat();
            let output = decode(output).ok_or(unreadable)?;
            let (log_n, r, key) = (config.mem_cost, config.rounds, config.signer_key.id());
            Ok(format!("$firebase-scrypt$ln={log_n},r={r},k={key}${}${}", encoded(salt), encoded(output)))
        }
        [params, _, _] => {
            let key = params.rsplit_once(",k=").and_then(|(_, key)| SignerKeyId::read(key));
            if key.ok_or(unreadable)? == config.signer_key.id() {
                Ok(format!("$firebase-scrypt${rest}"))
            } else {
                Err(UnfitHash::OtherSignerKey)
            }
        }
        _ => Err(unreadable),
    }
}
