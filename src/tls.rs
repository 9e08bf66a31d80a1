//! TLS served directly: a certificate and its key from files, read again when the files change.
//!
//! What is offered is what FAPI 2.0 §5.2.2 and RFC 9325 §4.2 recommend: TLS 1.3, and TLS 1.2 with ephemeral ECDH and
//! AES-GCM. A connection that is open keeps its certificate; a pair of files that does not fit changes nothing.

mod any_certificate;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ConfigBuilder, ServerConfig, SupportedCipherSuite, WantsVerifier};
use x509_cert::der::Decode as _;

use any_certificate::AnyCertificate;

/// Where the certificate and its key are.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The settings that name them.
    pub(crate) section: &'static str,
    /// The certificate and those that vouch for it, in PEM.
    pub(crate) certificate: PathBuf,
    /// The private key, in PEM.
    pub(crate) key: PathBuf,
}

/// The certificate in force.
pub(crate) struct Tls {
    files: Files,
    provider: Arc<CryptoProvider>,
    current: RwLock<LoadedCertificate>,
}

struct LoadedCertificate {
    key: Arc<CertifiedKey>,
    /// The files' text as it was last looked at, whether it could be used or not: a mistake is told once.
    seen: Text,
}

/// What stands in the files.
#[derive(PartialEq, Eq)]
struct Text {
    certificate: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
}

/// What a look at the files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    /// They are the same.
    Same,
    /// There is a new certificate, and it is in force.
    Renewed,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be read, or the key is not the certificate's.
    pub(crate) fn load(files: Files) -> anyhow::Result<Arc<Self>> {
        let provider = Arc::new(provider());
        let seen = Text::read_files(&files)?;
        let key = Arc::new(seen.parse(&files, &provider)?);
        Ok(Arc::new(Self { files, provider, current: RwLock::new(LoadedCertificate { key, seen }) }))
    }

    /// Looks whether the files have changed, and if they have, serves what is in them from now on.
    ///
    /// # Errors
    /// When they cannot be read, or the key is not the certificate's: then the old one goes on. A mistake that was told
    /// before is told no more.
    pub(crate) fn look_again(&self) -> anyhow::Result<Looked> {
        let found = Text::read_files(&self.files)?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).seen == found {
            return Ok(Looked::Same);
        }
        let parsed = found.parse(&self.files, &self.provider);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.seen = found;
        current.key = Arc::new(parsed?);
        Ok(Looked::Renewed)
    }

    /// How connections are secured.
    ///
    /// # Errors
    /// When the library cannot do what is wanted.
    pub(crate) fn server_config(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
        let config = self.builder()?.with_no_client_auth();
        Ok(config.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>))
    }

    /// The same where clients are asked for a certificate of theirs.
    ///
    /// # Errors
    /// When the library cannot do what is wanted.
    pub(crate) fn server_config_asking_clients(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
        let any = AnyCertificate(self.provider.signature_verification_algorithms);
        let config = self.builder()?.with_client_cert_verifier(Arc::new(any));
        Ok(config.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>))
    }

    fn builder(&self) -> anyhow::Result<ConfigBuilder<ServerConfig, WantsVerifier>> {
        ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("TLS")
    }
}

impl Tls {
    /// Until when the certificate is good, if it says so.
    pub(crate) fn ends_at(&self) -> Option<DateTime<Utc>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = x509_cert::Certificate::from_der(current.key.cert.first()?).ok()?;
        let ends = certificate.tbs_certificate().validity().not_after.to_unix_duration();
        DateTime::from_timestamp(i64::try_from(ends.as_secs()).ok()?, 0)
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Text {
    fn read_files(files: &Files) -> anyhow::Result<Self> {
        let read =
            |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        Ok(Self { certificate: read(&files.certificate)?, key: read(&files.key)?.into() })
    }

    fn parse(&self, files: &Files, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
        let (section, path) = (files.section, files.certificate.display());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.with_context(|| format!("{section}.certificate: {path} is not PEM"))?;
        anyhow::ensure!(
            !chain.is_empty(),
            "{section}.certificate: {path} does not hold a certificate in PEM"
        );
        let path = files.key.display();
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| anyhow::anyhow!("{section}.key: {path} does not hold a private key in PEM"))?;
        // Checks that they belong together.
        CertifiedKey::from_der(chain, key, provider)
            .with_context(|| format!("{section}.key: {path} does not fit the certificate"))
    }
}

fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(is_recommended);
    provider
}

/// RFC 9325 §4.2, for TLS 1.2; all of TLS 1.3's are good.
fn is_recommended(suite: &SupportedCipherSuite) -> bool {
    match suite {
        SupportedCipherSuite::Tls13(_) => true,
        SupportedCipherSuite::Tls12(_) => matches!(
            suite.suite(),
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gone with its owner.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("heirloom-tls-files-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_mistake_in_the_files_is_told_once() {
        let folder = Folder::new();
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.0.join(name));
        let files = Files { section: "tls", certificate, key };
        let write = || {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(&files.certificate, made.cert.pem()).unwrap();
            std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        };
        write();
        let tls = Tls::load(files.clone()).unwrap();
        let good = std::fs::read(&files.key).unwrap();
        assert_eq!(tls.look_again().unwrap(), Looked::Same);
        std::fs::write(&files.key, "rubbish").unwrap();
        assert!(tls.look_again().is_err());
        assert_eq!(tls.look_again().unwrap(), Looked::Same, "it was told");
        std::fs::write(&files.key, good).unwrap();
        assert_eq!(tls.look_again().unwrap(), Looked::Renewed);
        write();
        assert_eq!(tls.look_again().unwrap(), Looked::Renewed);
    }
}
