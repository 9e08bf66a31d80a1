//! Signing in on a device without a browser (RFC 8628): its user types a short code elsewhere.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::audience::Audience;
use crate::domain::authentication::Authentication;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::SecretHash;

/// Consonants alone: no word comes of them by chance, and none is taken for another (RFC 8628 §6.1).
const ALPHABET: [char; 20] =
    ['B', 'C', 'D', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Z'];
const LENGTH: usize = 8;

/// RFC 8628 §3.5: each `slow_down` adds this to the interval.
pub(crate) const SLOWER: Duration = Duration::from_secs(5);

/// What a user types: 34 bits, enough for a code that lives for minutes and may be missed a few times only.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// Makes a code of fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        // So many more bits than letters that the remainder favours none of them.
        let mut number = u128::from_be_bytes(bytes);
        let radix = ALPHABET.len() as u128;
        let letter = |_| {
            let index = usize::try_from(number % radix).unwrap_or_default();
            number /= radix;
            ALPHABET.get(index).copied().unwrap_or('B')
        };
        Self((0..LENGTH).map(letter).collect())
    }

    /// Reads what was typed, whatever its case, dashes and spaces; `None` when it can be none of ours.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let letters = text.chars().filter(|it| !it.is_whitespace() && !is_dash(*it));
        let code: String = letters.map(|it| it.to_ascii_uppercase()).take(LENGTH + 1).collect();
        let fits = code.chars().count() == LENGTH && code.chars().all(|it| ALPHABET.contains(&it));
        fits.then_some(Self(code))
    }

    /// What the database stores.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(format!("heirloom user code v1\0{}", self.0).as_bytes())
    }
}

/// What keyboards and text programs make of a dash.
fn is_dash(letter: char) -> bool {
    matches!(letter, '-' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = self.0.split_at(LENGTH / 2);
        write!(f, "{left}-{right}")
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

/// A device that waits, as it is kept.
#[derive(Debug, Clone)]
pub struct DeviceCode {
    /// `sha256` of the device's own code.
    pub device_code_hash: SecretHash,
    /// The hash of the code that it shows.
    pub user_code_hash: SecretHash,
    pub client_id: ClientId,
    /// What it asks for.
    pub scope: ScopeSet,
    /// For which services.
    pub audiences: Vec<Audience>,
    /// Where it is, for its owner's eyes.
    pub agent: UserAgentInfo,
    /// When it waits no more.
    pub expires_at: DateTime<Utc>,
    /// What its user said.
    pub decision: Decision,
    /// The family that it gave, once it was used.
    pub family: Option<FamilyId>,
}

/// What a user said about a device.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Nothing yet.
    Open,
    /// No.
    Denied,
    /// Yes.
    Allowed(Authentication),
}

/// Why a device gets no tokens now (RFC 8628 §3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Its user has said nothing yet.
    Pending,
    /// The same, and it asks too often.
    SlowDown,
    /// Its user said no.
    Denied,
    /// Nobody said anything in time.
    Expired,
}

impl Waiting {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::Denied => "access_denied",
            Self::Expired => "expired_token",
        }
    }
}

/// The answer to a device's question.
#[derive(Debug)]
pub enum Poll<'a> {
    /// It may come in.
    Enter(&'a Authentication),
    /// It was let in before.
    Used,
    /// It has to go on waiting.
    Wait,
    /// It need not ask again.
    Over(Waiting),
}

impl DeviceCode {
    /// Decides about a question at `now`.
    #[must_use]
    pub fn poll(&self, now: DateTime<Utc>) -> Poll<'_> {
        if self.family.is_some() {
            return Poll::Used;
        }
        if now >= self.expires_at {
            return Poll::Over(Waiting::Expired);
        }
        match &self.decision {
            Decision::Allowed(approval) => Poll::Enter(approval),
            Decision::Denied => Poll::Over(Waiting::Denied),
            Decision::Open => Poll::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = UserCode::typed("WDJB-MJHT").unwrap();
        assert_eq!(code.to_string(), "WDJB-MJHT");
        for typed in ["wdjbmjht", " WDJB MJHT ", "w-d-j-b m_j_h_t", "WDJB\u{2013}MJHT", "wdjb\u{a0}mjht\n"] {
            assert_eq!(UserCode::typed(typed), Some(code.clone()), "{typed:?}");
        }
        for typed in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB-MJH0", "WDJBМJHT", "WDJB+MJHT"] {
            assert_eq!(UserCode::typed(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn every_letter_comes_up_and_every_code_can_be_typed() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..=255_u8 {
            let bytes: [u8; 16] = std::array::from_fn(|place| {
                seed.wrapping_mul(31).wrapping_add(u8::try_from(place).unwrap().wrapping_mul(97))
            });
            let code = UserCode::from_random(bytes);
            assert_eq!(UserCode::typed(&code.to_string()), Some(code.clone()));
            seen.extend(code.0.chars());
        }
        assert_eq!(seen.len(), ALPHABET.len());
    }
}
