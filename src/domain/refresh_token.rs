//! The refresh token's wire format and its MAC.
//!
//! ```text
//! hrt1_ base64url( key id 4 ‖ family id 16 ‖ generation 4 ‖ r 16 ‖ MAC 16 )
//! ```
//!
//! A token is opened without any database: what is forged, truncated, foreign or another client's fails here. The
//! successor of a token is computed, never stored, so a lost response can be answered again.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::secrets::FamilySecret;

/// What every refresh token begins with: for secret scanners, and to tell it from an access token.
pub const PREFIX: &str = "hrt1_";
const BODY: usize = 4 + 16 + 4 + 16;
const MAC: usize = 16;
const ENCODED: usize = ((BODY + MAC) * 4).div_ceil(3);
const DOMAIN_TAG: &[u8] = b"heirloom refresh token v1\0";

/// Which master key a token was made under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// A MAC key, derived from a master key, with its id.
pub struct MacKey {
    id: KeyId,
    key: hmac::Key,
}

impl MacKey {
    /// Takes 32 bytes of derived key material.
    #[must_use]
    pub fn new(id: KeyId, material: &[u8; 32]) -> Self {
        Self { id, key: hmac::Key::new(hmac::HMAC_SHA256, material) }
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacKey({})", self.id)
    }
}

/// A counter in the family's row, from 1; every token names the one it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u32);

impl Generation {
    /// The generation a login starts with.
    pub const FIRST: Self = Self(1);

    /// `None` for zero, and for what the wire format cannot carry.
    #[must_use]
    pub fn new(number: i64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| *number > 0).map(Self)
    }

    /// The generation after this one; `None` at the very end.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// The generation before this one; `None` at the very start.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        Self::new(self.number() - 1)
    }

    /// The number, as it is stored.
    #[must_use]
    pub fn number(self) -> i64 {
        i64::from(self.0)
    }
}

/// A genuine refresh token: its MAC was checked, or it was just made.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    /// The family it belongs to.
    pub family: FamilyId,
    /// The generation it names.
    pub generation: Generation,
    /// The family's `r`.
    pub secret: FamilySecret,
}

/// The text is no refresh token of this client under any of our keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotGenuine {
    /// It has another form, or is made under a key that is not ours.
    Foreign,
    /// It has the form and names one of our keys; its MAC is not this client's: it is another client's, or forged.
    NotOfClient,
}

impl RefreshToken {
    /// Writes the token down for `client`.
    #[must_use]
    pub fn encode(&self, client: &ClientId, key: &MacKey) -> String {
        let mut bytes = Vec::with_capacity(BODY + MAC);
        bytes.extend_from_slice(&key.id.0);
        bytes.extend_from_slice(self.family.0.as_bytes());
        bytes.extend_from_slice(&self.generation.0.to_be_bytes());
        bytes.extend_from_slice(self.secret.expose());
        let mac = self.mac(client, key);
        bytes.extend_from_slice(&mac);
        let mut text = String::with_capacity(PREFIX.len() + ENCODED);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
        text
    }

    /// Opens what `client` presented: canonical encoding, a key among `keys`, a matching MAC.
    ///
    /// # Errors
    /// [`NotGenuine`], whatever is wrong with it.
    pub fn open<'k>(
        presented: &str,
        client: &ClientId,
        keys: impl Iterator<Item = &'k MacKey>,
    ) -> Result<Self, NotGenuine> {
        let (token, key, mac) = read(presented, keys)?;
        let is_genuine = constant_time::verify_slices_are_equal(&token.mac(client, key), &mac).is_ok();
        if is_genuine { Ok(token) } else { Err(NotGenuine::NotOfClient) }
    }

    /// The family that a token names under one of `keys`, whichever client's it is. It is not genuine by that: whoever
    /// knows the family's client opens it.
    ///
    /// # Errors
    /// [`NotGenuine`].
    pub fn named_family<'k>(
        presented: &str,
        keys: impl Iterator<Item = &'k MacKey>,
    ) -> Result<FamilyId, NotGenuine> {
        read(presented, keys).map(|(token, _, _)| token.family)
    }

    fn mac(&self, client: &ClientId, key: &MacKey) -> [u8; MAC] {
        let mut context = hmac::Context::with_key(&key.key);
        context.update(DOMAIN_TAG);
        let generation = self.generation.0.to_be_bytes();
        let fields: [&[u8]; 5] = [
            &key.id.0,
            self.family.0.as_bytes(),
            &generation,
            self.secret.expose(),
            client.as_str().as_bytes(),
        ];
        for field in fields {
            context.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(field);
        }
        let tag = context.sign();
        let mut mac = [0; MAC];
        mac.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        mac
    }
}

/// Reads canonical encoding, and finds the key among `keys`; gives the MAC beside. Nothing of it is believed yet.
fn read<'k>(
    presented: &str,
    mut keys: impl Iterator<Item = &'k MacKey>,
) -> Result<(RefreshToken, &'k MacKey, [u8; MAC]), NotGenuine> {
    const BAD: NotGenuine = NotGenuine::Foreign;
    let encoded = presented.strip_prefix(PREFIX).filter(|rest| rest.len() == ENCODED).ok_or(BAD)?;
    let mut bytes = [0; BODY + MAC];
    // The engine refuses padding and non-zero trailing bits: one token has one spelling.
    let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).map_err(|_| BAD)?;
    let (key_id, rest) = bytes.split_first_chunk::<4>().ok_or(BAD)?;
    let (family, rest) = rest.split_first_chunk::<16>().ok_or(BAD)?;
    let (generation, rest) = rest.split_first_chunk::<4>().ok_or(BAD)?;
    let (secret, mac) = rest.split_first_chunk::<16>().ok_or(BAD)?;
    let token = RefreshToken {
        family: FamilyId(Uuid::from_bytes(*family)),
        generation: Generation::new(u32::from_be_bytes(*generation).into()).ok_or(BAD)?,
        secret: FamilySecret::new(*secret),
    };
    let key = keys.find(|key| key.id.0 == *key_id).ok_or(BAD)?;
    let mac = <[u8; MAC]>::try_from(mac).map_err(|_| BAD)?;
    if length == bytes.len() { Ok((token, key, mac)) } else { Err(BAD) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8) -> MacKey {
        MacKey::new(KeyId([id; 4]), &[id; 32])
    }

    fn token() -> RefreshToken {
        RefreshToken {
            family: FamilyId(Uuid::from_bytes([7; 16])),
            generation: Generation::new(41).unwrap(),
            secret: FamilySecret::new([9; 16]),
        }
    }

    fn client(id: &str) -> ClientId {
        id.parse().unwrap()
    }

    #[test]
    fn a_token_opens_for_its_client_and_no_other() {
        let (key, other) = (key(1), key(2));
        let text = token().encode(&client("app"), &key);
        assert_eq!(text.len(), PREFIX.len() + ENCODED);
        let opened = RefreshToken::open(&text, &client("app"), [&other, &key].into_iter()).unwrap();
        assert_eq!((opened.family, opened.generation), (token().family, token().generation));
        assert!(RefreshToken::open(&text, &client("ap"), [&key].into_iter()).is_err());
        assert!(RefreshToken::open(&text, &client("app"), [&other].into_iter()).is_err());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let key = key(1);
        let text = token().encode(&client("app"), &key);
        let encoded = text.strip_prefix(PREFIX).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(forged));
            assert!(RefreshToken::open(&forged, &client("app"), [&key].into_iter()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_token_has_one_spelling() {
        let key = key(1);
        let text = token().encode(&client("app"), &key);
        let last = text.chars().last().unwrap();
        // The last character carries spare bits: a lenient decoder would take several for the same token.
        for replacement in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            if replacement != last {
                let variant = format!("{}{replacement}", &text[..text.len() - 1]);
                assert!(RefreshToken::open(&variant, &client("app"), [&key].into_iter()).is_err());
            }
        }
        for variant in [format!("{text}="), format!(" {text}"), text.to_uppercase(), text[1..].to_owned()] {
            assert!(RefreshToken::open(&variant, &client("app"), [&key].into_iter()).is_err());
        }
    }

    #[test]
    fn generation_zero_does_not_exist() {
        assert_eq!(Generation::new(0), None);
        assert_eq!(Generation::new(-1), None);
        assert_eq!(Generation::new(i64::from(u32::MAX)).unwrap().next(), None);
    }
}
