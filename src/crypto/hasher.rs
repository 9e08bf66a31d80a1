//! Hashing and verifying, and what a verdict costs.
//!
//! A verdict of wrong costs the same whoever's password was tried, also nobody's: for each form of the password as much
//! as the dearest parameters in use, of each kind of hash that is in use.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, PasswordHash as PhcHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time;

use crate::crypto::foreign_cost::{ForeignCost, ForeignKind};
use crate::crypto::foreign_hash::{self, SignerKey};
use crate::crypto::password_hash::{Argon2Hash, PasswordHash, ReadHash, Verdict, work};
use crate::crypto::random;
use crate::domain::new_password::NewPassword;
use crate::domain::secrets::Password;

/// What a wrong password costs, whoever's it is.
#[derive(Debug, Clone)]
pub(super) struct Dearest {
    argon2: Params,
    foreign: BTreeMap<ForeignKind, ForeignCost>,
}

impl Dearest {
    pub(super) fn new(today: Params) -> Self {
        Self { argon2: today, foreign: BTreeMap::new() }
    }

    /// The same with this one, if it is dearer.
    pub(super) fn or(mut self, stored: &PasswordHash) -> Self {
        if let Some(params) = stored.argon2_params() {
            if work(&params) > work(&self.argon2) {
                self.argon2 = params;
            }
        } else if let Some(cost) = stored.foreign_cost() {
            let known = self.foreign.entry(cost.kind).or_insert(cost);
            if cost.work > known.work {
                *known = cost;
            }
        }
        self
    }
}

/// What all hashes so far have cost.
#[derive(Debug, Default)]
pub(super) struct Spent {
    argon2: AtomicU64,
    foreign: Mutex<BTreeMap<ForeignKind, u64>>,
}

impl Spent {
    pub(super) fn argon2(&self) -> u64 {
        self.argon2.load(Ordering::Relaxed)
    }

    pub(super) fn foreign(&self) -> BTreeMap<ForeignKind, u64> {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, cost: ForeignCost) {
        *self.foreign.lock().unwrap_or_else(PoisonError::into_inner).entry(cost.kind).or_default() +=
            cost.work;
    }
}

/// One thread's argon2 with its memory.
pub(super) struct Hasher {
    today: Params,
    memory: Vec<Block>,
    /// Whoever's thread computed them.
    spent: Arc<Spent>,
}

const OUTPUT: usize = 32;

impl Hasher {
    pub(super) fn new(today: Params, spent: Arc<Spent>) -> Self {
        Self { today, memory: Vec::new(), spent }
    }

    pub(super) fn hash(&mut self, password: &NewPassword) -> PasswordHash {
        self.hash_bytes(password.expose())
    }

    fn hash_bytes(&mut self, password: &[u8]) -> PasswordHash {
        let salt = random::bytes::<16>();
        let params = self.today.clone();
        let output = self.compute((Algorithm::Argon2id, Version::V0x13, &params), password, &salt, OUTPUT);
        #[expect(clippy::expect_used, reason = "16 and 32 bytes are within the format's bounds")]
        let phc = Salt::new(&salt).ok().zip(Output::new(&output).ok()).expect("in bounds");
        let text = PhcHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: (&params).try_into().unwrap_or_default(),
            salt: Some(phc.0),
            hash: Some(phc.1),
        };
        PasswordHash::from_stored(text.to_string())
    }

    /// Tries every form of the password. A stored hash that is not there, or cannot be read, matches none of them; nor
    /// does one that takes a `key` that is not there.
    pub(super) fn verify(
        &mut self,
        password: &Password,
        (stored, key): (Option<&PasswordHash>, Option<&SignerKey>),
        dearest: &Dearest,
    ) -> Verdict {
        let read = stored.and_then(ReadHash::read);
        for form in password.forms() {
            if let Some(read) = &read
                && self.matches(&form, read, key)
            {
                return self.right(password, &form, read);
            }
            self.make_up_for(read.as_ref(), dearest, &form);
        }
        Verdict::Wrong
    }

    fn matches(&mut self, form: &Password, read: &ReadHash, key: Option<&SignerKey>) -> bool {
        match read {
            ReadHash::Argon2(Argon2Hash { algorithm, version, params, salt, expected }) => {
                let (expected, how) = (expected.as_ref(), (*algorithm, *version, params));
                let output = self.compute(how, form.expose(), salt.as_ref(), expected.len());
                constant_time::verify_slices_are_equal(&output, expected).is_ok()
            }
            ReadHash::Foreign(foreign) => {
                if let Some(cost) = foreign.cost() {
                    self.spent.add(cost);
                }
                foreign.matches(form.expose(), key)
            }
        }
    }

    fn right(&mut self, password: &Password, form: &Password, read: &ReadHash) -> Verdict {
        let canonical = password.canonical();
        if self.is_of_today(read) && form.expose() == canonical.expose() {
            Verdict::Right
        } else {
            Verdict::RightOutdated(self.hash_bytes(canonical.expose()))
        }
    }

    fn is_of_today(&self, read: &ReadHash) -> bool {
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        match read {
            ReadHash::Argon2(Argon2Hash { algorithm, version, params, .. }) => {
                (*algorithm, *version) == (Algorithm::Argon2id, Version::V0x13)
                    && cost(params) == cost(&self.today)
            }
            ReadHash::Foreign(_) => false,
        }
    }

    /// Does the work that others' hashes would have cost beyond this one, to no avail.
    fn make_up_for(&mut self, read: Option<&ReadHash>, dearest: &Dearest, form: &Password) {
        let (argon2, foreign) = match read {
            Some(ReadHash::Argon2(read)) => (work(&read.params), None),
            Some(ReadHash::Foreign(read)) => (0, read.cost()),
            None => (0, None),
        };
        for most in dearest.foreign.values() {
            let done = foreign.filter(|done| done.kind == most.kind).map_or(0, |done| done.work);
            let missing = ForeignCost { work: most.work.saturating_sub(done), ..*most };
            if missing.work > 0 {
                self.spent.add(missing);
                foreign_hash::spend(missing, form.expose());
            }
        }
        let (most, t) = (&dearest.argon2, u64::from(dearest.argon2.t_cost()));
        let memory = u32::try_from(work(most).saturating_sub(argon2) / t).unwrap_or(u32::MAX);
        // Less than the least that argon2 takes is less than anybody can measure.
        if let Ok(params) = Params::new(memory, most.t_cost(), most.p_cost(), None) {
            let how = (Algorithm::Argon2id, Version::V0x13, &params);
            black_box(self.compute(how, form.expose(), &random::bytes::<16>(), OUTPUT));
        }
    }

    fn compute(
        &mut self,
        (algorithm, version, params): (Algorithm, Version, &Params),
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Vec<u8> {
        self.spent.argon2.fetch_add(work(params), Ordering::Relaxed);
        let mut output = vec![0; length];
        if self.memory.len() < params.block_count() {
            self.memory.resize(params.block_count(), Block::default());
        }
        let argon2 = Argon2::new(algorithm, version, params.clone());
        let memory = self.memory.get_mut(..params.block_count()).unwrap_or_default();
        // Lengths were checked when the parameters were made; an error would leave a zero output, which is random
        // to nobody, so it must never pass for a hash.
        if argon2.hash_password_into_with_memory(password, salt, &mut output, memory).is_err() {
            output = random::bytes::<64>().to_vec();
        }
        // What another system's hash took beyond that is not kept.
        if self.memory.len() > self.today.block_count() {
            self.memory.truncate(self.today.block_count());
            self.memory.shrink_to_fit();
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
        let dearest = Dearest::new(hasher.today.clone());
        hasher.verify(&password(text), (Some(stored), None), &dearest)
    }

    /// What a verdict of wrong costs.
    fn cost_of_wrong(text: &str, stored: Option<&PasswordHash>, dearest: &Params) -> u64 {
        let mut hasher = hasher(params(64));
        let dearest = Dearest::new(dearest.clone());
        assert_eq!(hasher.verify(&password(text), (stored, None), &dearest), Verdict::Wrong);
        hasher.spent.argon2()
    }

    #[test]
    fn hashes_are_readable_by_the_argon2_crate_and_the_reverse() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params(64));
        let mut hasher = hasher(params(64));
        let ours = hash(&mut hasher, "correct horse");
        let parsed = PhcHash::new(ours.as_str()).unwrap();
        assert!(argon2.verify_password(b"correct horse", &parsed).is_ok());
        let theirs = PasswordHash::from_stored(argon2.hash_password(b"correct horse").unwrap().to_string());
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
        let rubbish = PasswordHash::from_stored("rubbish".to_owned());
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
    fn a_wrong_password_costs_as_much_wherever_its_hash_was_made() {
        let kept = [
            "$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq",
            "$2b$10$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq",
            "$scrypt$ln=10,r=8,p=1$pzSmVOo9h3AuZey9l/Kesw$EnFFRFc3JFhPK1EmJLVgVzFru35Ax5sGZ5YvipaILe0",
            "$scrypt$ln=11,r=8,p=3$pzSmVOo9h3AuZey9l/Kesw$EnFFRFc3JFhPK1EmJLVgVzFru35Ax5sGZ5YvipaILe0",
            "$firebase-scrypt$ln=11,r=8,k=0123456789abcdef$pzSmVOo9h3AuZey9l/Kesw$EnFFRFc3JFhPK1EmJLVgVzFru35Ax5sGZ5Yvip",
            "$pbkdf2-sha1$i=1000$pzSmVOo9h3AuZey9l/Kesw$EnFFRFc3JFhPK1EmJLVgVzFru35Ax5sGZ5YvipaILe0",
            "$pbkdf2-sha256$i=3000$pzSmVOo9h3AuZey9l/Kesw$EnFFRFc3JFhPK1EmJLVgVzFru35Ax5sGZ5YvipaILe0",
            "$pbkdf2-sha512$i=1000$pzSmVOo9h3AuZey9l/Kesw$EnFFRFc3JFhPK1EmJLVgVzFru35Ax5sGZ5YvipaILe0",
            "$5$rounds=2000$etDseRaJqDoDUhTI$byEJZJFqVrf1eGo9yrbg.c1/8DNoR6f2cQKddSAAv2/",
            "$5$rounds=5000$etDseRaJqDoDUhTI$byEJZJFqVrf1eGo9yrbg.c1/8DNoR6f2cQKddSAAv2/",
            "$6$abcd$1BFzm.cgyvNBaVYrO1ruClLsrQ4hJeIWwrjscrA6jHC2fKdstH.KeI75qKx3NncJ2GfbmguWuUaC0A5F1X3l/0",
            "{SSHA}tt5amJzuc96QzQW4lsvOwKY0LNiF0Fpr",
            "rubbish",
        ]
        .map(|text| PasswordHash::from_stored(text.to_owned()));
        let ours = hash(&mut hasher(params(64)), "correct horse");
        let dearest = kept.iter().fold(Dearest::new(params(256)), Dearest::or);
        let expected = BTreeMap::from([
            (ForeignKind::Bcrypt, 1 << 10),
            (ForeignKind::Scrypt, 3 << 14),
            // Two blocks of output.
            (ForeignKind::Pbkdf2Sha1, 2000),
            (ForeignKind::Pbkdf2Sha256, 3000),
            (ForeignKind::Pbkdf2Sha512, 1000),
            (ForeignKind::Sha256Crypt, 5000),
            (ForeignKind::Sha512Crypt, 5000),
        ]);
        for stored in kept.iter().chain([&ours]).map(Some).chain([None]) {
            for (typed, forms) in [("a wrong horse", 1), ("a wröng horse", 2)] {
                let mut hasher = hasher(params(64));
                assert_eq!(hasher.verify(&password(typed), (stored, None), &dearest), Verdict::Wrong);
                assert_eq!(hasher.spent.argon2(), forms * 256, "{stored:?}");
                let each =
                    expected.iter().map(|(kind, work)| (*kind, forms * work)).collect::<BTreeMap<_, _>>();
                assert_eq!(hasher.spent.foreign(), each, "{:?}", stored.map(PasswordHash::as_str));
            }
        }
    }

    #[test]
    fn rubbish_in_the_database_matches_nothing() {
        let mut hasher = hasher(params(32));
        for stored in [
            "",
            "!",
            "$argon2id$v=19$m=32,t=1,p=1$c2FsdHNhbHQ",
            "$argon2i$v=19$m=32,t=1,p=1$c2FsdHNhbHQ$eA",
            "$2b$99$x",
            "$scrypt$$",
        ] {
            let stored = PasswordHash::from_stored(stored.to_owned());
            assert_eq!(verdict(&mut hasher, "correct horse", &stored), Verdict::Wrong);
        }
    }
}
