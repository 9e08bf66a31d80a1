//! TLS served by the server itself, with real certificates.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::tls::Version;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, ClientConnection, ProtocolVersion, RootCertStore};

use crate::browser::*;
use crate::folder::Folder;
use crate::harness::*;
use crate::remote::{authority, stranger};

/// A certificate for this machine, in files.
struct Pair {
    folder: Folder,
    pem: String,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self { folder: Folder::new(), pem: String::new() };
        pair.renew();
        pair
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Puts another certificate in the files.
    fn renew(&mut self) {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        self.pem = made.cert.pem();
        std::fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(self.certificate(), &self.pem).unwrap();
    }

    /// Lets a server use the files.
    fn used(&self) -> impl FnOnce(&mut heirloom::settings::Settings) + use<> {
        let (certificate, key) = (self.certificate(), self.key());
        move |settings| {
            settings.tls.certificate = Some(certificate);
            settings.tls.key = Some(key);
            settings.tls.reload_every = Duration::from_millis(10);
        }
    }

    /// A client that trusts this certificate and no other.
    fn client(&self, newest: Version) -> reqwest::Client {
        // Each has a memory of its own: no session is resumed.
        let certificate = Certificate::from_pem(self.pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([certificate]).tls_version_max(newest);
        client.redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0).build().unwrap()
    }

    /// Shakes hands by this suite alone.
    fn handshake(&self, app: &TestApp, suite: CipherSuite) -> Option<ProtocolVersion> {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|it| it.suite() == suite);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect(app.url.strip_prefix("https://").unwrap()).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).ok()?;
        }
        connection.protocol_version()
    }
}

async fn answers(app: &TestApp, client: &reqwest::Client) -> bool {
    client.get(app.at("/readyz")).send().await.is_ok_and(|answer| answer.status() == 200)
}

#[test]
fn a_server_with_a_certificate_speaks_https() {
    let pair = Pair::new();
    run(Store::Sqlite, pair.used(), async |app| {
        assert!(app.url.starts_with("https://127.0.0.1:"), "{}", app.url);
        assert_eq!(app.core.issuer.as_str(), app.url);
        for version in [Version::TLS_1_2, Version::TLS_1_3] {
            assert!(answers(&app, &pair.client(version)).await, "{version:?}");
        }
        assert!(!answers(&app, &app.http).await, "nobody vouches for it elsewhere");
        let plain = reqwest::get(app.at("/readyz").replace("https:", "http:")).await;
        assert!(plain.is_err(), "{plain:?}");
        let app = TestApp { http: pair.client(Version::TLS_1_3), ..app };
        for place in ["/readyz", "/sign-in", "/oauth/token", "/nowhere"] {
            let answer = app.send(app.http.get(app.at(place))).await;
            let hsts = answer.header("strict-transport-security");
            assert_eq!(hsts, Some("max-age=31536000"), "RFC 6797 §7.1: {place}");
        }
        app.with_apps().await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[]).await;
        assert!(browser.cookie("__Host-heirloom-session").is_some(), "cookies are for https alone");
        assert_eq!(app.exchange(&code, &[]).await.tokens().claims()["iss"], app.url);
    });
}

#[test]
fn whoever_trusts_the_authority_trusts_what_it_signed() {
    let [certificate, key] = authority().signed.clone();
    let change = |settings: &mut heirloom::settings::Settings| {
        (settings.tls.certificate, settings.tls.key) = (Some(certificate), Some(key));
    };
    run(Store::Sqlite, change, async |app| {
        for (authority, trusted) in [(&authority(), true), (&stranger(), false)] {
            let root = Certificate::from_pem(&std::fs::read(&authority.file).unwrap()).unwrap();
            let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
            assert_eq!(answers(&app, &client).await, trusted);
        }
    });
}

#[test]
fn a_new_certificate_is_served_without_a_restart_and_a_broken_one_is_not() {
    let mut pair = Pair::new();
    run(Store::Sqlite, pair.used(), async |app| {
        assert!(answers(&app, &pair.client(Version::TLS_1_3)).await);
        let old = pair.client(Version::TLS_1_3);
        pair.renew();
        let new = pair.client(Version::TLS_1_3);
        for _ in 0..500 {
            if answers(&app, &new).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(answers(&app, &new).await && !answers(&app, &old).await);
        // Long enough for many looks at each.
        let look = || tokio::time::sleep(Duration::from_millis(200));
        let good = std::fs::read(pair.certificate()).unwrap();
        for broken in [&b"-----BEGIN CERTIFICATE-----\nrubbish\n"[..], b"", Pair::new().pem.as_bytes()] {
            std::fs::write(pair.certificate(), broken).unwrap();
            look().await;
            assert!(answers(&app, &new).await, "{}", String::from_utf8_lossy(broken));
        }
        std::fs::remove_file(pair.certificate()).unwrap();
        look().await;
        assert!(answers(&app, &new).await, "without a file");
        std::fs::write(pair.certificate(), good).unwrap();
        look().await;
        assert!(answers(&app, &new).await);
    });
}

#[test]
fn only_recommended_cipher_suites_are_spoken() {
    let pair = Pair::new();
    run(Store::Sqlite, pair.used(), async |app| {
        let (old, new) = (Some(ProtocolVersion::TLSv1_2), Some(ProtocolVersion::TLSv1_3));
        for (suite, spoken) in [
            (CipherSuite::TLS13_AES_128_GCM_SHA256, new),
            (CipherSuite::TLS13_AES_256_GCM_SHA384, new),
            (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, old),
            (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, old),
            // RFC 9325 §4.2, FAPI 2.0 §5.2.2: none but the recommended ones.
            (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, None),
            // The certificate is no RSA one.
            (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, None),
        ] {
            assert_eq!(tokio::task::block_in_place(|| pair.handshake(&app, suite)), spoken, "{suite:?}");
        }
    });
}

#[test]
fn files_that_do_not_fit_keep_a_server_from_starting() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (certificate, key) in [(Some(PathBuf::new()), None), (None, Some(PathBuf::new()))] {
        let refused = runtime.block_on(start_refused("sqlite::memory:", |settings| {
            (settings.tls.certificate, settings.tls.key) = (certificate, key);
        }));
        assert!(refused.contains("is set, so tls."), "{refused}");
    }
    let (one, other) = (Pair::new(), Pair::new());
    let rubbish = one.folder.path().join("rubbish");
    std::fs::write(&rubbish, "rubbish").unwrap();
    for (certificate, key, told) in [
        (one.folder.path().join("nowhere"), one.key(), "cannot read"),
        (one.certificate(), one.folder.path().join("nowhere"), "cannot read"),
        (rubbish.clone(), one.key(), "does not hold a certificate in PEM"),
        (one.key(), one.key(), "does not hold a certificate in PEM"),
        (one.certificate(), rubbish.clone(), "does not hold a private key in PEM"),
        (one.certificate(), one.certificate(), "does not hold a private key in PEM"),
        (one.certificate(), other.key(), "does not fit the certificate"),
    ] {
        let refused = runtime.block_on(start_refused("sqlite::memory:", |settings| {
            settings.tls.certificate = Some(certificate);
            settings.tls.key = Some(key);
        }));
        assert!(refused.contains(told), "{refused}");
    }
}
