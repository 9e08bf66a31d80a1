//! Another server, on loopback: it gives whatever a test lets it give, and counts how often it was asked.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::folder::Folder;

/// A server whose answers a test sets. It ends with the test's runtime.
pub struct Remote {
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answer: Mutex<Vec<u8>>,
    waits: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Remote {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { url, state }
    }

    /// One that speaks TLS, as `localhost`, vouched for by [`authority`].
    pub async fn start_secure() -> Self {
        Self::start_by(&authority()).await
    }

    /// One that speaks TLS, as `localhost`, vouched for by this authority.
    pub async fn start_by(authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let state = Arc::new(State::default());
        let (serving, acceptor) = (Arc::clone(&state), authority.acceptor.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, acceptor) = (Arc::clone(&serving), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, state).await;
                    }
                });
            }
        });
        Self { url, state }
    }

    /// What is sent from now on, to the letter.
    pub fn answer(&self, raw: impl Into<Vec<u8>>) {
        *self.state.answer.lock().unwrap() = raw.into();
        self.state.waits.store(false, Ordering::SeqCst);
    }

    /// What is sent from now on, and then the asker waits for ever.
    pub fn answer_and_wait(&self, raw: impl Into<Vec<u8>>) {
        self.answer(raw);
        self.state.waits.store(true, Ordering::SeqCst);
    }

    /// A document with these header lines.
    pub fn give(&self, document: &Value, headers: &str) {
        self.answer(json_answer(&document.to_string(), headers));
    }

    /// The requests so far, whole.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// A certificate authority of a test's own, and what it vouches for.
pub struct Authority {
    acceptor: TlsAcceptor,
    /// The file that makes it trusted.
    pub file: PathBuf,
    /// A certificate for this machine, and its key.
    pub signed: [PathBuf; 2],
    _folder: Folder,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(Vec::new()).unwrap();
        own.distinguished_name.push(DnType::CommonName, name);
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = own.self_signed(&key).unwrap();
        let host_key = KeyPair::generate().unwrap();
        let mut host = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        host.distinguished_name = DistinguishedName::new();
        // Python wants to see whose key it is (RFC 5280 §4.2.1.1).
        host.use_authority_key_identifier_extension = true;
        let host = host.signed_by(&host_key, &Issuer::new(own, key)).unwrap();
        let folder = Folder::new();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(host_key.serialize_der()));
        let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
        let config =
            ServerConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
        let config =
            config.unwrap().with_no_client_auth().with_single_cert(vec![host.der().clone()], private);
        Self {
            acceptor: Arc::new(config.unwrap()).into(),
            file: folder.keep("root.pem", root.pem()),
            signed: [folder.keep("host.pem", host.pem()), folder.keep("key.pem", host_key.serialize_pem())],
            _folder: folder,
        }
    }
}

thread_local! {
    // A test has a thread of its own: what it kept is gone with it, as nothing static would be.
    static AUTHORITY: Arc<Authority> = Arc::new(Authority::new("ours"));
    static STRANGER: Arc<Authority> = Arc::new(Authority::new("stranger"));
}

/// The one that this test has servers trust.
pub fn authority() -> Arc<Authority> {
    AUTHORITY.with(Arc::clone)
}

/// Looks the same, and nobody trusts it.
pub fn stranger() -> Arc<Authority> {
    STRANGER.with(Arc::clone)
}

pub fn json_answer(body: &str, headers: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let request = read(&mut stream).await;
    state.asked.lock().unwrap().push(request);
    let answer = state.answer.lock().unwrap().clone();
    // Whoever asks may hang up before it has read all.
    let _ = stream.write_all(&answer).await;
    if state.waits.load(Ordering::SeqCst) {
        return std::future::pending().await;
    }
    let _ = stream.shutdown().await;
}

/// The head, and as much of a body as `content-length` says.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        request.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
            });
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        if length == 0 {
            return text;
        }
    }
}
