//! Recovery codes: what stands in for a second factor that its user has lost, each of them once.

use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::domain::secrets::SecretHash;

/// How many a user is given at once.
pub const RECOVERY_CODES: usize = 10;

/// Letters and digits of which none looks like another one (Crockford's base32).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many of them a code has: 80 bits, so that a plain SHA-256 stores it safely.
const LENGTH: usize = 16;

/// One code, without what stands between its parts.
#[derive(Clone, ZeroizeOnDrop)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// Makes a code of random bytes; each gives five of its bits.
    #[must_use]
    pub fn from_random(bytes: &[u8; LENGTH]) -> Self {
        let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().unwrap_or_default();
        Self(bytes.iter().map(|byte| char::from(letter(byte))).collect())
    }

    /// Reads what somebody typed, in whatever case, with whatever stands between the parts: `None` when it can be none.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let is_between = |letter: &char| letter.is_whitespace() || *letter == '-';
        let meant = |letter: char| match letter.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        let letters: String =
            text.chars().filter(|letter| !is_between(letter)).take(LENGTH + 1).map(meant).collect();
        let is_code = letters.len() == LENGTH && letters.bytes().all(|letter| LETTERS.contains(&letter));
        is_code.then_some(Self(letters))
    }

    /// What the database stores.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.as_bytes())
    }

    /// The text to be shown to its owner, once.
    #[must_use]
    pub fn expose(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        let parts: Vec<String> = letters.chunks(4).map(|part| part.iter().collect()).collect();
        parts.join("-")
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_written() {
        let code = RecoveryCode::from_random(&std::array::from_fn(|at| u8::try_from(at * 17).unwrap()));
        let shown = code.expose();
        assert_eq!(shown.len(), 19);
        for typed in [shown.clone(), shown.to_uppercase(), shown.replace('-', ""), shown.replace('-', " ")] {
            assert_eq!(RecoveryCode::typed(&typed).unwrap().hash(), code.hash(), "{typed}");
        }
        let zeros = RecoveryCode::from_random(&[0; 16]);
        assert_eq!(RecoveryCode::typed("oooo-OOOO-0000-0000").unwrap().hash(), zeros.hash());
        for none in ["", "123456", "uuuu-uuuu-uuuu-uuuu", &format!("{shown}0"), &"-".repeat(100)] {
            assert!(RecoveryCode::typed(none).is_none(), "{none}");
        }
    }
}
