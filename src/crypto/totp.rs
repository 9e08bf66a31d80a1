//! The codes of authenticator apps (RFC 6238): six digits, every thirty seconds others, by HMAC-SHA-1, which is all
//! that every app can do.

use std::fmt;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

use crate::crypto::random;

/// Steps that an app's clock may be behind or ahead (RFC 6238 §5.2).
const SKEW: u16 = 1;

/// Seconds of a step.
const PERIOD: i64 = 30;
/// Bytes of a secret that another system made: RFC 4226 §4 (R6) wants 16 at least, and many systems made 10.
const TAKEN_ALONG: RangeInclusive<usize> = 10..=64;

/// Why an app of another system is not taken along. It shows nothing of its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitTotp {
    #[error("secret is not base32, which has the letters A to Z and the digits 2 to 7 (RFC 4648 §6)")]
    NotBase32,
    #[error("secret has {0} bytes; there must be {least} to {most}", least = TAKEN_ALONG.start(), most = TAKEN_ALONG.end())]
    Length(usize),
    #[error("it is counted (HOTP): nothing here makes such codes")]
    Counted,
    #[error("algorithm must be SHA1: codes are made by nothing else here")]
    Algorithm,
    #[error("digits must be 6: codes have no other number of them here")]
    Digits,
    #[error("period must be 30: codes change at no other pace here")]
    Period,
}

/// What a user's app and this server share.
#[derive(Clone)]
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// Makes a new one: as long as the hash (RFC 4226 §4, R6).
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(random::bytes::<20>().to_vec()))
    }

    /// Wraps one that was kept.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Reads one of another system: base32, in capitals or not, with or without its padding.
    ///
    /// # Errors
    /// [`UnfitTotp`].
    pub fn from_base32(text: &str) -> Result<Self, UnfitTotp> {
        let canonical = Zeroizing::new(text.trim_end_matches('=').to_ascii_uppercase());
        let secret = Secret::try_from_base32(canonical.as_str()).map_err(|_| UnfitTotp::NotBase32)?;
        let secret = Self(Zeroizing::new(secret.as_bytes().to_vec()));
        // Bits beyond the last byte, or letters that make no byte, belong to another secret than was meant.
        if secret.typed() != canonical {
            return Err(UnfitTotp::NotBase32);
        }
        Self::taken_along(secret.0)
    }

    /// Takes the bytes of another system.
    ///
    /// # Errors
    /// [`UnfitTotp::Length`].
    pub fn taken_along(bytes: Zeroizing<Vec<u8>>) -> Result<Self, UnfitTotp> {
        let length = bytes.len();
        if TAKEN_ALONG.contains(&length) { Ok(Self(bytes)) } else { Err(UnfitTotp::Length(length)) }
    }

    /// The step that a code of this moment is of.
    #[must_use]
    pub fn step_at(now: DateTime<Utc>) -> i64 {
        now.timestamp().div_euclid(PERIOD)
    }

    /// To be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The step that a code is of, now or a step away; `None` when it is of none of them. Blanks, which apps show
    /// between the digits, mean nothing.
    #[must_use]
    pub fn step_of(&self, code: &str, now: DateTime<Utc>) -> Option<i64> {
        let digits: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
        let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = u64::try_from(now.timestamp()).ok().filter(|_| is_code)?;
        i64::try_from(self.totp().build_noncompliant().check(&digits, seconds)?).ok()
    }

    /// The text in which it is typed into an app: base32.
    #[must_use]
    pub fn typed(&self) -> Zeroizing<String> {
        Zeroizing::new(Secret::from(self.0.to_vec()).to_base32())
    }

    /// The address by which an app takes it over, named after where it is for and whose it is.
    #[must_use]
    pub fn address(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        // A colon stands between the two there.
        let named = |text: &str| text.replace(':', " ");
        let totp = self.totp().with_issuer(Some(named(issuer))).with_account_name(named(account));
        let totp: Totp = totp.build_noncompliant();
        Zeroizing::new(totp.to_url().unwrap_or_else(|error| unreachable!("it has an account: {error}")))
    }

    fn totp(&self) -> Builder {
        Builder::new().with_secret(self.0.to_vec()).with_skew(SKEW)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_the_specification() {
        // RFC 6238, appendix B: the last six of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().step_of(code, at(seconds)), Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn a_clock_may_be_a_step_away_and_no_more() {
        let code = "005924";
        let step = 1_234_567_890 / 30;
        for (away, expected) in [(-60, None), (-30, Some(step)), (30, Some(step)), (60, None)] {
            assert_eq!(secret().step_of(code, at(1_234_567_890 + away)), expected, "{away}");
        }
        assert_eq!(secret().step_of("005 924", at(1_234_567_890)), Some(step));
        for other in ["", "5924", "005925", "0005924", "+05924", "00592x"] {
            assert_eq!(secret().step_of(other, at(1_234_567_890)), None, "{other}");
        }
    }

    #[test]
    fn a_secret_of_another_system_is_read_however_base32_is_written() {
        for text in ["GEZDGNBVGY3TQOJQGE", "gezdgnbvgy3tqojqge", "GEZDGNBVGY3TQOJQGE======"] {
            assert_eq!(TotpSecret::from_base32(text).unwrap().expose(), b"12345678901", "{text}");
        }
        for (bytes, expected) in
            [(9, Err(UnfitTotp::Length(9))), (10, Ok(())), (64, Ok(())), (65, Err(UnfitTotp::Length(65)))]
        {
            let secret = TotpSecret::from_bytes(Zeroizing::new(vec![7; bytes]));
            assert_eq!(TotpSecret::from_base32(&secret.typed()).map(drop), expected);
        }
        // Of other letters, between others, with bits too many, with letters that make no byte, and none at all.
        for text in [
            "GEZDGNBVGY3TQOJ1",
            "GEZD GNBV GY3T QOJQ",
            "GEZDGNBVGY3TQOJQGF",
            "GEZDGNBVGY3TQOJQG",
            "=GEZDGNBVGY3TQOJQ",
            "é",
        ] {
            assert_eq!(TotpSecret::from_base32(text).map(drop), Err(UnfitTotp::NotBase32), "{text}");
        }
        assert_eq!(TotpSecret::from_base32("").map(drop), Err(UnfitTotp::Length(0)));
    }

    #[test]
    fn an_app_takes_it_over_by_its_address() {
        assert_eq!(
            secret().address("Ex: ample", "ana@example.com").as_str(),
            "otpauth://totp/Ex%20%20ample:ana%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Ex%20%20ample"
        );
        assert_eq!(secret().typed().as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }
}
