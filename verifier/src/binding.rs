//! Whether whoever shows a token holds what it is bound to.

use std::time::SystemTime;

use crate::access_token::Claims;
use crate::challenge::Scheme;
use crate::clock::unix_seconds;
use crate::dpop::{Nonces, ProofRequest, SeenProofs, verify_proof};
use crate::error::VerifyError;
use crate::place::Place;
use crate::presented::Presented;

#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) demand: Demand,
    /// `None` where nobody can say what a proof has to be made for.
    pub(crate) place: Option<Place>,
    pub(crate) seen: SeenProofs,
    /// `None` when proofs need none.
    pub(crate) nonces: Option<Nonces>,
}

/// Which tokens are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    AnyToken,
    BoundTokens,
}

impl Binding {
    /// How clients are told to send their tokens.
    pub(crate) fn schemes(&self) -> &'static [Scheme] {
        match (&self.place, self.demand) {
            (None, _) => &[Scheme::Bearer],
            (Some(_), Demand::AnyToken) => &[Scheme::Bearer, Scheme::DPoP],
            (Some(_), Demand::BoundTokens) => &[Scheme::DPoP],
        }
    }

    /// A token that is good in itself is good for whoever shows it so.
    pub(crate) fn judge(
        &self,
        claims: &Claims,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Result<(), VerifyError> {
        let Some(confirmation) = &claims.confirmation else {
            // RFC 9449 §7.1: what comes with a proof has to be bound to its key.
            return match (self.demand, &presented.proof) {
                (Demand::AnyToken, None) => Ok(()),
                (Demand::BoundTokens, _) | (_, Some(_)) => Err(VerifyError::UnboundToken),
            };
        };
        // RFC 7800 §3.1 lets others be ignored: then a token would be good for those who cannot prove what it asks for.
        if !confirmation.understood {
            return Err(VerifyError::UnknownConfirmation);
        }
        if let Some(thumbprint) = &confirmation.certificate_thumbprint {
            let certificate = presented.certificate.ok_or(VerifyError::BoundToken)?;
            if certificate.thumbprint() != thumbprint {
                return Err(VerifyError::WrongKey);
            }
        }
        match (&confirmation.key_thumbprint, &presented.proof) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(VerifyError::UnboundToken),
            (Some(_), None) => Err(VerifyError::BoundToken),
            (Some(thumbprint), Some((proof, request))) => {
                self.prove(thumbprint, proof, request, unix_seconds(now))
            }
        }
    }

    fn prove(
        &self,
        thumbprint: &str,
        proof: &str,
        request: &ProofRequest<'_>,
        now: i64,
    ) -> Result<(), VerifyError> {
        let proof = verify_proof(proof, request, now)?;
        if proof.thumbprint != thumbprint {
            return Err(VerifyError::WrongKey);
        }
        if let Some(nonces) = &self.nonces
            && !proof.nonce.as_deref().is_some_and(|nonce| nonces.accepts(nonce, now))
        {
            return Err(VerifyError::UseNonce { nonce: nonces.at(now) });
        }
        // Last: a proof that is refused for something else is not spent.
        Ok(self.seen.remember(&proof, now)?)
    }
}
