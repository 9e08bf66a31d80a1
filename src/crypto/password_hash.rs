//! One password and one hash: argon2id (RFC 9106), and what a verdict costs.
//!
//! A verdict of wrong costs the same whoever's password was tried, also nobody's: for each form of the password as much
//! as the dearest parameters in use.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::{Output, PasswordHash as PhcHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time;

use crate::crypto::random;
use crate::domain::new_password::NewPassword;
use crate::domain::secrets::Password;

/// A password's hash in PHC string format: parameters, salt and output in one text.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps what was stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it cost: KiB of memory, times the passes over them. `None` when it cannot be read.
    #[must_use]
    pub fn cost(&self) -> Option<i64> {
        Some(i64::try_from(work(&self.params()?)).unwrap_or(i64::MAX))
    }

    pub(super) fn params(&self) -> Option<Params> {
        Params::try_from(&PhcHash::new(&self.0).ok()?).ok()
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// How a presented password fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// It is right, and was hashed with other parameters than today's, or in another form than is stored today: here is
    /// a new hash to store.
    RightOutdated(PasswordHash),
}

/// KiB that argon2 passes over.
fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// The parameters that cost more.
pub(super) fn dearer(one: Params, other: Params) -> Params {
    if work(&other) > work(&one) { other } else { one }
}

/// One thread's argon2 with its memory.
pub(super) struct Hasher {
    today: Params,
    memory: Vec<Block>,
    /// What all hashes so far have cost, whoever's thread computed them.
    spent: Arc<AtomicU64>,
}

const OUTPUT: usize = 32;

/// A stored hash, read.
struct ReadHash {
    params: Params,
    salt: Salt,
    expected: Output,
}

impl ReadHash {
    fn read(stored: &PasswordHash) -> Option<Self> {
        let phc = PhcHash::new(stored.as_str()).ok()?;
        let argon2id =
            phc.algorithm == Algorithm::Argon2id.ident() && phc.version == Some(Version::V0x13.into());
        let params = Params::try_from(&phc).ok()?;
        argon2id.then_some(Self { params, salt: phc.salt?, expected: phc.hash? })
    }
}

impl Hasher {
    pub(super) fn new(today: Params, spent: Arc<AtomicU64>) -> Self {
        Self { today, memory: Vec::new(), spent }
    }

    pub(super) fn hash(&mut self, password: &NewPassword) -> PasswordHash {
        self.hash_bytes(password.expose())
    }

    fn hash_bytes(&mut self, password: &[u8]) -> PasswordHash {
        let salt = random::bytes::<16>();
        let params = self.today.clone();
        let output = self.compute(&params, password, &salt, OUTPUT);
        #[expect(clippy::expect_used, reason = "16 and 32 bytes are within the format's bounds")]
        let phc = Salt::new(&salt).ok().zip(Output::new(&output).ok()).expect("in bounds");
        let text = PhcHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: (&params).try_into().unwrap_or_default(),
            salt: Some(phc.0),
            hash: Some(phc.1),
        };
        PasswordHash(text.to_string())
    }

    /// Tries every form of the password. A stored hash that is not there, or cannot be read, matches none of them.
    pub(super) fn verify(
        &mut self,
        password: &Password,
        stored: Option<&PasswordHash>,
        dearest: &Params,
    ) -> Verdict {
        let read = stored.and_then(ReadHash::read);
        for form in password.forms() {
            let mut missing = work(dearest);
            if let Some(read) = &read {
                if self.matches(&form, read) {
                    return self.right(password, &form, read);
                }
                missing = missing.saturating_sub(work(&read.params));
            }
            self.make_up_for(missing, dearest, &form);
        }
        Verdict::Wrong
    }

    fn matches(&mut self, form: &Password, read: &ReadHash) -> bool {
        let expected = read.expected.as_ref();
        let output = self.compute(&read.params, form.expose(), read.salt.as_ref(), expected.len());
        constant_time::verify_slices_are_equal(&output, expected).is_ok()
    }

    fn right(&mut self, password: &Password, form: &Password, read: &ReadHash) -> Verdict {
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let canonical = password.canonical();
        if cost(&read.params) == cost(&self.today) && form.expose() == canonical.expose() {
            Verdict::Right
        } else {
            Verdict::RightOutdated(self.hash_bytes(canonical.expose()))
        }
    }

    /// Does the work that others' hashes would have cost, to no avail.
    fn make_up_for(&mut self, missing: u64, dearest: &Params, form: &Password) {
        let memory = u32::try_from(missing / u64::from(dearest.t_cost())).unwrap_or(u32::MAX);
        // Less than the least that argon2 takes is less than anybody can measure.
        if let Ok(params) = Params::new(memory, dearest.t_cost(), dearest.p_cost(), None) {
            black_box(self.compute(&params, form.expose(), &random::bytes::<16>(), OUTPUT));
        }
    }

    fn compute(&mut self, params: &Params, password: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
        self.spent.fetch_add(work(params), Ordering::Relaxed);
        let mut output = vec![0; length];
        if self.memory.len() < params.block_count() {
            self.memory.resize(params.block_count(), Block::default());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let memory = self.memory.get_mut(..params.block_count()).unwrap_or_default();
        // Lengths were checked when the parameters were made; an error would leave a zero output, which is random
        // to nobody, so it must never pass for a hash.
        if argon2.hash_password_into_with_memory(password, salt, &mut output, memory).is_err() {
            output = random::bytes::<64>().to_vec();
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(memory: u32) -> Params {
        Params::new(memory, 1, 1, None).unwrap()
    }

    fn hasher(today: Params) -> Hasher {
        Hasher::new(today, Arc::default())
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    fn hash(hasher: &mut Hasher, text: &str) -> PasswordHash {
        hasher.hash_bytes(text.as_bytes())
    }

    fn verdict(hasher: &mut Hasher, text: &str, stored: &PasswordHash) -> Verdict {
        let dearest = hasher.today.clone();
        hasher.verify(&password(text), Some(stored), &dearest)
    }

    /// What a verdict of wrong costs.
    fn cost_of_wrong(text: &str, stored: Option<&PasswordHash>, dearest: &Params) -> u64 {
        let mut hasher = hasher(params(64));
        assert_eq!(hasher.verify(&password(text), stored, dearest), Verdict::Wrong);
        hasher.spent.load(Ordering::Relaxed)
    }

    #[test]
    fn hashes_are_readable_by_the_argon2_crate_and_the_reverse() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params(64));
        let mut hasher = hasher(params(64));
        let ours = hash(&mut hasher, "correct horse");
        let parsed = PhcHash::new(ours.as_str()).unwrap();
        assert!(argon2.verify_password(b"correct horse", &parsed).is_ok());
        let theirs = PasswordHash(argon2.hash_password(b"correct horse").unwrap().to_string());
        assert_eq!(verdict(&mut hasher, "correct horse", &theirs), Verdict::Right);
        assert_eq!(verdict(&mut hasher, "correct h0rse", &theirs), Verdict::Wrong);
    }

    #[test]
    fn other_parameters_are_verified_and_replaced() {
        let old = hash(&mut hasher(params(32)), "correct horse");
        let mut today = hasher(params(64));
        let Verdict::RightOutdated(new) = verdict(&mut today, "correct horse", &old) else {
            panic!("an old hash is replaced");
        };
        assert!(new.as_str().contains("m=64,t=1,p=1"));
        assert_eq!(verdict(&mut today, "correct horse", &new), Verdict::Right);
    }

    #[test]
    fn a_password_is_right_in_every_form_and_stored_anew_in_one() {
        const COMPOSED: &str = "pässwört";
        const DECOMPOSED: &str = "pa\u{308}sswo\u{308}rt";
        const MIXED: &str = "pa\u{308}sswört";
        let mut hasher = hasher(params(32));
        for (set, typed) in
            [(DECOMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (DECOMPOSED, MIXED), (MIXED, MIXED)]
        {
            let stored = hash(&mut hasher, set);
            let Verdict::RightOutdated(new) = verdict(&mut hasher, typed, &stored) else {
                panic!("{set:?} {typed:?}")
            };
            assert_eq!(verdict(&mut hasher, COMPOSED, &new), Verdict::Right);
        }
        let stored = hash(&mut hasher, COMPOSED);
        for typed in [COMPOSED, DECOMPOSED, MIXED] {
            assert_eq!(verdict(&mut hasher, typed, &stored), Verdict::Right, "{typed:?}");
        }
        assert_eq!(verdict(&mut hasher, "passwort", &stored), Verdict::Wrong);
    }

    #[test]
    fn a_wrong_password_costs_as_much_whoever_it_is() {
        let rubbish = PasswordHash("rubbish".to_owned());
        let [cheap, today, dear] =
            [16, 64, 256].map(|memory| hash(&mut hasher(params(memory)), "correct horse"));
        let everybody = [None, Some(&rubbish), Some(&cheap), Some(&today), Some(&dear)];
        let passes = Params::new(128, 2, 1, None).unwrap();
        for dearest in [&params(256), &passes] {
            for (typed, forms) in [("a wrong horse", 1), ("a wröng horse", 2), ("a wro\u{308}ng hörse", 3)]
            {
                let costs = everybody.map(|stored| cost_of_wrong(typed, stored, dearest));
                assert_eq!(costs, [forms * 256; 5], "{typed}");
            }
        }
    }

    #[test]
    fn rubbish_in_the_database_matches_nothing() {
        let mut hasher = hasher(params(32));
        for stored in
            ["", "!", "$argon2id$v=19$m=32,t=1,p=1$c2FsdHNhbHQ", "$argon2i$v=19$m=32,t=1,p=1$c2FsdHNhbHQ$eA"]
        {
            let stored = PasswordHash(stored.to_owned());
            assert_eq!(verdict(&mut hasher, "correct horse", &stored), Verdict::Wrong);
        }
    }
}
