//! What a server can ask a proof to say, so that it cannot have been made long before (RFC 9449 §8).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How many seconds a nonce is the one that is handed out.
const PERIOD: i64 = 120;

/// Nonces that nobody has to remember: each is a keyed hash of the time, another one every two minutes. The one before
/// is accepted, too, and the one after, because clocks are apart: a proof that is made in advance for later is good for
/// six minutes at the most.
///
/// All processes that share a secret accept each other's.
///
/// ```
/// use heirloom_verifier::dpop::Nonces;
///
/// let nonces = Nonces::new([7; 32]);
/// let nonce = nonces.at(1_900_000_000);
/// assert!(Nonces::new([7; 32]).accepts(&nonce, 1_900_000_100));
/// assert!(!Nonces::new([8; 32]).accepts(&nonce, 1_900_000_000));
/// assert!(!nonces.accepts(&nonce, 1_900_000_300));
/// ```
pub struct Nonces(Key);

impl Nonces {
    /// Makes nonces of a secret of 32 random bytes, the same for all processes.
    ///
    /// ```
    /// let nonces = heirloom_verifier::dpop::Nonces::new([7; 32]);
    /// ```
    #[must_use]
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self(Key::new(HMAC_SHA256, secret.as_ref()))
    }

    /// The one to hand out now, as `DPoP-Nonce`; `now` in seconds since 1970.
    ///
    /// ```
    /// let nonces = heirloom_verifier::dpop::Nonces::new([7; 32]);
    /// assert_eq!(nonces.at(1_900_000_000).len(), 22);
    /// ```
    #[must_use]
    pub fn at(&self, now: i64) -> String {
        self.of(now.div_euclid(PERIOD))
    }

    /// Whether this one was handed out lately.
    ///
    /// ```
    /// let nonces = heirloom_verifier::dpop::Nonces::new([7; 32]);
    /// assert!(!nonces.accepts("rubbish", 1_900_000_000));
    /// ```
    #[must_use]
    pub fn accepts(&self, nonce: &str, now: i64) -> bool {
        let period = now.div_euclid(PERIOD);
        [period, period.saturating_sub(1), period.saturating_add(1)]
            .into_iter()
            .any(|period| verify_slices_are_equal(self.of(period).as_bytes(), nonce.as_bytes()).is_ok())
    }

    fn of(&self, period: i64) -> String {
        let tag = sign(&self.0, format!("heirloom dpop nonce {period}").as_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref().split_at(16).0)
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_from_two_minutes_before_its_time_to_two_after() {
        let nonces = Nonces::new([7; 32]);
        let begins = 15_833_333 * PERIOD;
        let nonce = nonces.at(begins);
        assert_eq!(nonce, nonces.at(begins + PERIOD - 1));
        assert_ne!(nonce, nonces.at(begins + PERIOD));
        assert_ne!(nonce, nonces.at(begins - 1));
        for (now, accepted) in [
            (begins - PERIOD - 1, false),
            (begins - PERIOD, true),
            (begins + PERIOD, true),
            (begins + 2 * PERIOD - 1, true),
            (begins + 2 * PERIOD, false),
        ] {
            assert_eq!(nonces.accepts(&nonce, now), accepted, "{}", now - begins);
        }
        for other in ["", &nonce[1..], &format!("{nonce}A"), &Nonces::new([8; 32]).at(begins)] {
            assert!(!nonces.accepts(other, begins), "{other}");
        }
    }
}
