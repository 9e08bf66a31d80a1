//! The authorities that vouch for clients' certificates (RFC 8705 §2.1).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::domain::certificate::ClientCertificate;

/// Who vouches for clients' certificates.
pub struct ClientAuthorities(Arc<dyn ClientCertVerifier>);

/// The text holds no authorities.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAuthorities {
    #[error("it is not PEM")]
    NotPem,
    #[error("it does not hold a certificate in PEM")]
    Empty,
    #[error("it holds a certificate that cannot be used")]
    Unusable(#[source] rustls::Error),
}

impl ClientAuthorities {
    /// Reads certificates in PEM: whoever one of them vouches for is believed.
    ///
    /// # Errors
    /// [`InvalidAuthorities`].
    pub fn read(pem: &[u8]) -> Result<Self, InvalidAuthorities> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| InvalidAuthorities::NotPem)?;
            roots.add(certificate).map_err(InvalidAuthorities::Unusable)?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        // It refuses to be without any root.
        verifier.map(Self).map_err(|_| InvalidAuthorities::Empty)
    }

    /// Whether one of them vouches for a certificate, by itself or by those that came with it.
    #[must_use]
    pub fn vouch_for(&self, certificate: &ClientCertificate, now: DateTime<Utc>) -> bool {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let chain: Vec<_> = certificate.chain().map(CertificateDer::from).collect();
        self.0.verify_client_cert(&certificate.der().into(), &chain, now).is_ok()
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAuthorities(…)")
    }
}
