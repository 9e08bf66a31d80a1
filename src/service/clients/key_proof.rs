//! A client proves that it holds a key (DPoP, RFC 9449), and its tokens are bound to that.

use std::time::Duration;

use chrono::{DateTime, Utc};
use heirloom_verifier::dpop::{self, InvalidProof, NotRemembered, Proof, ProofRequest, SeenProofs};

use crate::crypto::dpop_nonce::NonceKey;
use crate::crypto::master_key::MasterKey;
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::service::Failure;
use crate::service::failure::BadKeyProof;
use crate::service::keys::ring::Keys;

/// Proofs that are remembered at once, for each core: some 16,000 a second, of about 100 bytes each. It verifies no
/// more, so nobody fills the memory by sending proofs.
const CAPACITY_OF_A_CORE: usize = 1_000_000;

/// A key that a request proved: whoever sent it holds it now.
#[derive(Debug)]
pub struct ProvenKey {
    pub thumbprint: KeyThumbprint,
    proof: Proof,
}

/// What this process knows of proofs.
#[derive(Debug)]
pub struct KeyProofs {
    seen: SeenProofs,
    /// How long a nonce is handed out, where proofs need one.
    nonce_lifetime: Option<Duration>,
}

impl KeyProofs {
    /// Knows of no proof yet, and will of as many as so many cores can verify. Where nonces have a lifetime, every
    /// proof needs one.
    #[must_use]
    pub fn new(cores: usize, nonce_lifetime: Option<Duration>) -> Self {
        Self { seen: SeenProofs::new(CAPACITY_OF_A_CORE.saturating_mul(cores)), nonce_lifetime }
    }

    /// Judges a proof by itself and by its request. Whether it came before is told when it is spent.
    ///
    /// # Errors
    /// [`Failure::KeyProof`]; [`Failure::NonceNeeded`].
    pub(crate) fn judge(
        &self,
        keys: &Keys,
        jwt: &str,
        request: &ProofRequest<'_>,
        now: DateTime<Utc>,
    ) -> Result<ProvenKey, Failure> {
        let proof = dpop::verify_proof(jwt, request, now.timestamp()).map_err(BadKeyProof::from)?;
        self.check_nonce(keys, &proof, now)?;
        let thumbprint = proof.thumbprint.parse();
        let thumbprint = thumbprint.map_err(|_| BadKeyProof::Invalid(InvalidProof::InvalidKey))?;
        Ok(ProvenKey { thumbprint, proof })
    }

    /// Uses a proof up, when all else that can be told at once is right.
    ///
    /// # Errors
    /// [`BadKeyProof::Spent`] when it came before; [`Failure::Busy`] when too many came lately.
    pub(crate) fn spend(&self, key: &ProvenKey, now: DateTime<Utc>) -> Result<(), Failure> {
        self.seen.remember(&key.proof, now.timestamp()).map_err(|why| match why {
            NotRemembered::Replayed | NotRemembered::TooOld => BadKeyProof::Spent(why).into(),
            NotRemembered::Full => Failure::Busy,
        })
    }

    /// The nonce that a client is to use from now on, if its proof did not have that one already.
    #[must_use]
    pub(crate) fn next_nonce(&self, keys: &Keys, key: &ProvenKey, now: DateTime<Utc>) -> Option<String> {
        let lifetime = self.nonce_lifetime?;
        let nonce = nonce_key(keys).nonce(slot(lifetime, now));
        (key.proof.nonce.as_ref() != Some(&nonce)).then_some(nonce)
    }

    /// RFC 9449 §8. The nonce of the slot before is good, too, and, as replicas' clocks differ a little, that of the
    /// slot after.
    fn check_nonce(&self, keys: &Keys, proof: &Proof, now: DateTime<Utc>) -> Result<(), Failure> {
        let Some(lifetime) = self.nonce_lifetime else { return Ok(()) };
        let current = slot(lifetime, now);
        let is_ours = |nonce: &String| {
            let mut keys = keys.master().iter().map(MasterKey::nonce_key);
            let slots = [current, current - 1, current + 1];
            keys.any(|key| slots.into_iter().any(|slot| key.is_of(nonce, slot)))
        };
        if proof.nonce.as_ref().is_some_and(is_ours) {
            Ok(())
        } else {
            Err(Failure::NonceNeeded(nonce_key(keys).nonce(current)))
        }
    }
}

fn nonce_key(keys: &Keys) -> &NonceKey {
    keys.master().active().nonce_key()
}

fn slot(lifetime: Duration, now: DateTime<Utc>) -> i64 {
    let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX).max(1);
    now.timestamp().div_euclid(lifetime)
}
