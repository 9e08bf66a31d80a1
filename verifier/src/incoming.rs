//! A request as a web framework hands it over.

use crate::bearer::token_and_scheme;
use crate::challenge::Scheme;
use crate::{AccessToken, ClientCertificate, Presented, Verifier, VerifyError};

/// What counts of a request.
pub(crate) struct Incoming<'r> {
    pub(crate) method: &'r str,
    pub(crate) path: &'r str,
    pub(crate) query: &'r str,
    pub(crate) certificate: Option<&'r ClientCertificate>,
}

/// What was found of a request that came with a proof. The proof is good once: whoever asks again, within the same
/// request, gets this.
#[derive(Clone)]
pub(crate) struct Proven {
    by: Verifier,
    access: AccessToken,
}

impl Proven {
    pub(crate) fn access(&self, verifier: &Verifier) -> Option<AccessToken> {
        self.by.is(verifier).then(|| self.access.clone())
    }
}

impl Incoming<'_> {
    /// Verifies the request's token; `Authorization` and `DPoP` headers: all that there are. What is to be put aside
    /// for later within this request comes along.
    pub(crate) async fn verify<'h>(
        &self,
        verifier: &Verifier,
        authorization: impl IntoIterator<Item = &'h [u8]>,
        proofs: impl IntoIterator<Item = &'h [u8]>,
    ) -> Result<(AccessToken, Option<Proven>), VerifyError> {
        let (scheme, token) = token_and_scheme(authorization)?;
        // RFC 6750 §2: clients must not use more than one method in a request. One that is only in the query counts for
        // nothing: there it ends up in logs (RFC 9700 §4.3.2).
        if self.query.split('&').any(|parameter| parameter.split('=').next() == Some("access_token")) {
            return Err(VerifyError::SeveralTokens);
        }
        match scheme {
            Scheme::Bearer => {
                let presented = self.with_certificate(Presented::bearer(token));
                Ok((verifier.verify_presented(&presented).await?, None))
            }
            Scheme::DPoP => {
                let url = verifier.url(self.path).ok_or(VerifyError::Missing)?;
                let proof = only_proof(proofs)?;
                let presented = Presented::with_proof(token, proof, self.method, &url);
                let access = verifier.verify_presented(&self.with_certificate(presented)).await?;
                Ok((access.clone(), Some(Proven { by: verifier.clone(), access })))
            }
        }
    }

    fn with_certificate<'p>(&'p self, presented: Presented<'p>) -> Presented<'p> {
        match self.certificate {
            Some(certificate) => presented.with_certificate(certificate),
            None => presented,
        }
    }
}

/// RFC 9449 §4.3: there is one, and not more.
fn only_proof<'h>(headers: impl IntoIterator<Item = &'h [u8]>) -> Result<&'h str, VerifyError> {
    let mut headers = headers.into_iter();
    match (headers.next(), headers.next()) {
        (Some(proof), None) => std::str::from_utf8(proof).map_err(|_| VerifyError::NotOneProof),
        _ => Err(VerifyError::NotOneProof),
    }
}
