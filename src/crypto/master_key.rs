//! Master keys: the one secret an operator keeps. Everything else is derived from it (HKDF, RFC 5869) or sealed
//! under it.

use std::fmt;

use aws_lc_rs::aead::{self, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::{Zeroize as _, Zeroizing};

use crate::crypto::chain_key::ChainKey;
use crate::crypto::dpop_nonce::NonceKey;
use crate::crypto::random;
use crate::domain::refresh_token::{KeyId, MacKey};

const SEALED_VERSION: u8 = 1;

/// The master keys in force: the first makes and seals, the others still open what was made under them.
#[derive(Debug)]
pub struct MasterKeys {
    active: MasterKey,
    retired: Vec<MasterKey>,
}

/// What is derived from one master key.
pub struct MasterKey {
    mac: MacKey,
    nonce: NonceKey,
    chain: ChainKey,
    seal: RandomizedNonceKey,
}

/// Why a text is no list of master keys. The text itself is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMasterKey {
    /// One entry is not 32 bytes in base64 or base64url.
    #[error(
        "master key {position} is not 32 bytes in base64 or base64url (`heirloom keys new-master` makes one)"
    )]
    Malformed {
        /// Which entry of the list, from 1.
        position: usize,
    },
    /// One entry is nothing but zeros: a file that was never filled, or an example.
    #[error("master key {position} is 32 zero bytes (`heirloom keys new-master` makes one)")]
    Zeros {
        /// Which entry of the list, from 1.
        position: usize,
    },
    /// The same key stands twice in the list.
    #[error("master key {position} stands in the list twice")]
    Repeated {
        /// Which entry of the list, from 1.
        position: usize,
    },
}

/// A sealed value that does not open: made under a master key that is not given, or changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    /// The master key that it was sealed under is not among those given.
    #[error("the value is sealed under master key {0}, which is not among those given")]
    MissingKey(KeyId),
    /// The value was changed, or belongs elsewhere.
    #[error("the sealed value is damaged")]
    Damaged,
}

impl MasterKeys {
    /// Reads one key, or several separated by commas: the first is active.
    ///
    /// # Errors
    /// [`InvalidMasterKey`], naming the entry.
    pub fn parse(text: &str) -> Result<Self, InvalidMasterKey> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (position, entry) in (1..).zip(text.split(',')) {
            let bytes = decode(entry.trim()).ok_or(InvalidMasterKey::Malformed { position })?;
            if bytes.iter().all(|byte| *byte == 0) {
                return Err(InvalidMasterKey::Zeros { position });
            }
            let key = MasterKey::derive(&bytes);
            if keys.iter().any(|other| other.id() == key.id()) {
                return Err(InvalidMasterKey::Repeated { position });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let active = keys.next().ok_or(InvalidMasterKey::Malformed { position: 1 })?;
        Ok(Self { active, retired: keys.collect() })
    }

    /// The key that makes and seals.
    #[must_use]
    pub fn active(&self) -> &MasterKey {
        &self.active
    }

    /// Every key, the active one first.
    pub fn iter(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.active).chain(&self.retired)
    }

    /// Seals under the active key; only the same `context` opens it again.
    #[must_use]
    pub fn seal(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        self.active.seal(context, plain)
    }

    /// Opens what any of the keys sealed.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let (&version, rest) = sealed.split_first().ok_or(CannotOpen::Damaged)?;
        let (key_id, rest) = rest.split_first_chunk::<4>().ok_or(CannotOpen::Damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<12>().ok_or(CannotOpen::Damaged)?;
        if version != SEALED_VERSION {
            return Err(CannotOpen::Damaged);
        }
        let id = KeyId(*key_id);
        let key = self.iter().find(|key| key.id() == id).ok_or(CannotOpen::MissingKey(id))?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key
            .seal
            .open_in_place(nonce, Aad::from(context), &mut buffer)
            .map_err(|_| CannotOpen::Damaged)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl MasterKey {
    fn derive(bytes: &[u8; 32]) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"heirloom").extract(bytes);
        let mut seal_material = expand::<32>(&prk, b"seal v1");
        let mut mac_material = expand::<32>(&prk, b"refresh token mac v1");
        let mut nonce_material = expand::<32>(&prk, b"dpop nonce v1");
        let nonce = NonceKey::new(&nonce_material);
        nonce_material.zeroize();
        let mut chain_material = expand::<32>(&prk, b"event chain v1");
        let chain = ChainKey::new(&chain_material);
        chain_material.zeroize();
        let mac = MacKey::new(KeyId(expand(&prk, b"key id v1")), &mac_material);
        #[expect(clippy::expect_used, reason = "the key has the algorithm's length by type")]
        let seal =
            RandomizedNonceKey::new(&aead::AES_256_GCM, &seal_material).expect("32 bytes are an AES-256 key");
        seal_material.zeroize();
        mac_material.zeroize();
        Self { mac, nonce, chain, seal }
    }

    /// The key's id: derived, so that it tells nothing of the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.mac.id()
    }

    /// The key for refresh tokens' MACs.
    #[must_use]
    pub fn mac(&self) -> &MacKey {
        &self.mac
    }

    /// The key for nonces.
    #[must_use]
    pub fn nonce_key(&self) -> &NonceKey {
        &self.nonce
    }

    /// The key for the chain of events.
    #[must_use]
    pub fn chain_key(&self) -> &ChainKey {
        &self.chain
    }

    fn seal(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        let mut buffer = plain.to_vec();
        #[expect(clippy::expect_used, reason = "AES-GCM fails only past 64 GiB")]
        let nonce = self
            .seal
            .seal_in_place_append_tag(Aad::from(context), &mut buffer)
            .expect("a short text can be sealed");
        let mut sealed = vec![SEALED_VERSION];
        sealed.extend_from_slice(&self.id().0);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut buffer);
        sealed
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

/// A new master key as text: 32 random bytes in base64.
#[must_use]
pub fn generate() -> Zeroizing<String> {
    let mut bytes = random::bytes::<32>();
    let text = STANDARD.encode(bytes);
    bytes.zeroize();
    Zeroizing::new(text)
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes =
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|it| it.decode(text).ok())?;
    let key = <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new);
    bytes.zeroize();
    key
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(prk: &hkdf::Prk, purpose: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    #[expect(clippy::expect_used, reason = "HKDF-SHA-256 gives up to 8,160 bytes (RFC 5869 §2.3)")]
    prk.expand(&[purpose], Length(N))
        .and_then(|okm| okm.fill(&mut out))
        .expect("N is far below HKDF's limit");
    out
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::domain::ids::FamilyId;
    use crate::domain::refresh_token::{Generation, RefreshToken};
    use crate::domain::secrets::FamilySecret;

    /// `docs/token-vectors.json`, for whoever writes or reads refresh tokens elsewhere.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct TokenVectors {
        keys: Vec<DerivedVector>,
        genuine: Vec<GenuineVector>,
        refused: Vec<RefusedVector>,
    }

    #[derive(Deserialize)]
    struct DerivedVector {
        master_key: String,
        key_id: String,
        mac_key: String,
    }

    #[derive(Deserialize)]
    struct GenuineVector {
        name: String,
        master_key: String,
        master_keys: Vec<String>,
        family_id: FamilyId,
        generation: i64,
        r: String,
        secret_hash: String,
        client_id: String,
        mac: String,
        token: String,
    }

    #[derive(Deserialize)]
    struct RefusedVector {
        name: String,
        reason: String,
        master_keys: Vec<String>,
        client_id: String,
        token: String,
    }

    fn vectors() -> TokenVectors {
        serde_json::from_str(include_str!("../../docs/token-vectors.json")).unwrap()
    }

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        assert_eq!(text.len(), 2 * N);
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    fn open(text: &str, client: &str, keys: &[String]) -> Option<RefreshToken> {
        let keys = MasterKeys::parse(&keys.join(",")).unwrap();
        RefreshToken::open(text, &client.parse().unwrap(), keys.iter().map(MasterKey::mac)).ok()
    }

    #[test]
    fn tokens_are_as_documented() {
        let vectors = vectors();
        for vector in &vectors.genuine {
            let client = vector.client_id.parse().unwrap();
            let secret = FamilySecret::new(unhex(&vector.r));
            assert_eq!(*secret.hash().as_bytes(), unhex::<32>(&vector.secret_hash));
            let token = RefreshToken {
                family: vector.family_id,
                generation: Generation::new(vector.generation).unwrap(),
                secret,
            };
            let derived = MasterKeys::parse(&vector.master_key).unwrap();
            let key = vectors.keys.iter().find(|key| key.master_key == vector.master_key).unwrap();
            let given = MacKey::new(KeyId(unhex(&key.key_id)), &unhex(&key.mac_key));
            for key in [derived.active().mac(), &given] {
                assert_eq!(token.encode(&client, key), vector.token, "{}", vector.name);
            }
            let bytes = URL_SAFE_NO_PAD.decode(&vector.token[5..]).unwrap();
            assert_eq!(bytes[40..], unhex::<16>(&vector.mac));
            let opened = open(&vector.token, &vector.client_id, &vector.master_keys).unwrap();
            assert_eq!((opened.family, opened.generation), (token.family, token.generation));
            assert_eq!(*opened.secret.expose(), unhex(&vector.r));
        }
        for RefusedVector { name, reason, master_keys, client_id, token } in &vectors.refused {
            assert!(open(token, client_id, master_keys).is_none(), "{name} ({reason})");
        }
        assert!(vectors.genuine.len() > 5 && vectors.refused.len() > 20, "the vectors were found");
    }

    fn text(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    #[test]
    fn base64_and_base64url_are_the_same_key() {
        let bytes = [0xfb; 32];
        let ids: Vec<KeyId> = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .map(|engine| MasterKeys::parse(&engine.encode(bytes)).unwrap().active().id())
            .collect();
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[test]
    fn a_bad_entry_is_named_and_not_shown() {
        let malformed = |position| Err(InvalidMasterKey::Malformed { position });
        let parse = |text: &str| MasterKeys::parse(text).map(|keys| keys.iter().count());
        assert_eq!(parse(""), malformed(1));
        assert_eq!(parse("c2hvcnQ="), malformed(1));
        assert_eq!(parse(&format!("{},rubbish", text(1))), malformed(2));
        assert_eq!(parse(&format!("{},{}", text(1), text(0))), Err(InvalidMasterKey::Zeros { position: 2 }));
        assert_eq!(parse(&format!("{0},{0}", text(1))), Err(InvalidMasterKey::Repeated { position: 2 }));
        assert_eq!(parse(&format!("{}, {}", text(1), text(2))), Ok(2));
    }

    #[test]
    fn what_was_sealed_opens_under_the_same_key_and_context_only() {
        let old = MasterKeys::parse(&text(1)).unwrap();
        let both = MasterKeys::parse(&format!("{},{}", text(2), text(1))).unwrap();
        let new = MasterKeys::parse(&text(2)).unwrap();
        let sealed = old.seal("a", b"secret");
        assert_eq!(both.open("a", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(both.open("b", &sealed).unwrap_err(), CannotOpen::Damaged);
        assert_eq!(new.open("a", &sealed).unwrap_err(), CannotOpen::MissingKey(old.active().id()));
        for position in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[position] ^= 1;
            assert!(old.open("a", &damaged).is_err());
        }
    }
}
