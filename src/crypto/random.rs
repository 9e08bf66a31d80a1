//! Randomness from the operating system.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

/// `N` random bytes, fit for secrets.
///
/// # Panics
/// When the operating system has no randomness to give: nothing here could go on safely.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without randomness no secret can be made; stopping is the only safe answer"
    )]
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A number below `bound`, for spreading retries; not for secrets.
#[must_use]
pub fn jitter(bound: u64) -> u64 {
    RandomState::new().build_hasher().finish() % bound.max(1)
}
