//! An access token as a request shows it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::dpop::ProofRequest;

/// A token, and what came along to prove that whoever shows it may: for
/// [`Verifier::verify_presented`](crate::Verifier::verify_presented).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heirloom_verifier::{Presented, VerifyError};
///
/// let verifier = sample().build().await?;
/// let stolen = Presented::bearer(BOUND_TOKEN);
/// assert_eq!(verifier.verify_presented(&stolen).await, Err(VerifyError::BoundToken));
///
/// let presented = Presented::with_proof(BOUND_TOKEN, PROOF, "GET", "https://api.example.com/orders");
/// assert!(verifier.verify_presented(&presented).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Presented<'a> {
    pub(crate) token: &'a str,
    pub(crate) proof: Option<(&'a str, ProofRequest<'a>)>,
    pub(crate) certificate: Option<&'a ClientCertificate>,
}

impl<'a> Presented<'a> {
    /// A token that came alone: `Authorization: Bearer`.
    ///
    /// ```
    /// # let token = "eyJ0eXAiOiJhdCtqd3Qi…";
    /// let presented = heirloom_verifier::Presented::bearer(token);
    /// ```
    #[must_use]
    pub fn bearer(token: &'a str) -> Self {
        Self { token, proof: None, certificate: None }
    }

    /// A token that came with a proof: `Authorization: DPoP` and one `DPoP` header, which is the proof (RFC 9449 §7.1).
    /// The URL is the one that the client called, before any proxy; its query and fragment are ignored.
    ///
    /// ```
    /// use heirloom_verifier::Presented;
    ///
    /// # let (token, proof) = ("eyJ0eXAiOiJhdCtqd3Qi…", "eyJ0eXAiOiJkcG9wK2p3dCIs…");
    /// let presented = Presented::with_proof(token, proof, "GET", "https://api.example.com/orders?page=2");
    /// ```
    #[must_use]
    pub fn with_proof(token: &'a str, proof: &'a str, method: &'a str, url: &'a str) -> Self {
        let request = ProofRequest { method, url, access_token: Some(token) };
        Self { token, proof: Some((proof, request)), certificate: None }
    }

    /// The same on a connection for which the client had this certificate.
    ///
    /// ```
    /// use heirloom_verifier::{ClientCertificate, Presented};
    ///
    /// # let (token, der) = ("eyJ0eXAiOiJhdCtqd3Qi…", b"");
    /// let certificate = ClientCertificate::from_der(der);
    /// let presented = Presented::bearer(token).with_certificate(&certificate);
    /// ```
    #[must_use]
    pub fn with_certificate(self, certificate: &'a ClientCertificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }
}

impl fmt::Debug for Presented<'_> {
    /// Without token and proof: both are good for something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").finish_non_exhaustive()
    }
}

/// The certificate that a client showed when the connection was made (RFC 8705). Tokens can be bound to it.
///
/// Whoever ends the TLS connection knows it: your service itself, or a proxy that says so in a header (RFC 9440), which
/// must be believed of nobody else. Put this into the request's extensions before the extractor or middleware of this
/// crate sees the request, and it is checked.
///
/// ```
/// use heirloom_verifier::ClientCertificate;
///
/// # let der = b"not a certificate";
/// let certificate = ClientCertificate::from_der(der);
/// assert_eq!(certificate.thumbprint().len(), 43);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    thumbprint: String,
}

impl ClientCertificate {
    /// From its bytes (X.509, DER).
    ///
    /// ```
    /// # let der = b"";
    /// let certificate = heirloom_verifier::ClientCertificate::from_der(der);
    /// ```
    #[must_use]
    pub fn from_der(der: &[u8]) -> Self {
        Self { thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, der)) }
    }

    /// SHA-256 of the certificate, base64url: what stands in `x5t#S256`.
    ///
    /// ```
    /// let certificate = heirloom_verifier::ClientCertificate::from_der(b"");
    /// assert_eq!(certificate.thumbprint(), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    /// ```
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }
}
