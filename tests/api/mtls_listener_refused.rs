//! What the listener for clients' certificates does not take and does not serve, and what no other listener takes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{KeyPair, date_time_ymd};
use reqwest::Method;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use serde_json::{Value, json};

use crate::certificates::*;
use crate::harness::*;
use crate::mtls::*;
use crate::mtls_listener::*;
use crate::remote::{authority, stranger};

const NOT_THERE: &str = "404 not_found This listener is for clients that show a certificate. Pages, and all else that is not here, \
                         are at the issuer's own URL.";

/// What a client shows when it is asked, and how often it was, and by the names of which authorities.
#[derive(Debug)]
struct Shower {
    shown: Option<Arc<CertifiedKey>>,
    asked: AtomicUsize,
    hinted: AtomicUsize,
}

impl ResolvesClientCert for Shower {
    fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.hinted.fetch_add(hints.len(), Ordering::SeqCst);
        self.shown.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl Shower {
    /// Shows a certificate, and signs with a key that may be another's.
    fn new(shown: Option<(&[u8], &Holder)>) -> Arc<Self> {
        let shown = shown.map(|(der, signer)| {
            let key = PrivateKeyDer::from_pem_slice(signer.key_pem.as_bytes()).unwrap();
            let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
            Arc::new(CertifiedKey::new(vec![CertificateDer::from(der.to_vec())], key))
        });
        Arc::new(Self { shown, asked: AtomicUsize::new(0), hinted: AtomicUsize::new(0) })
    }
}

/// How a client connects that shows this, and remembers its sessions.
fn connecting_by(shower: &Arc<Shower>, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&std::fs::read(&authority().file).unwrap()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
    Arc::new(config.with_client_cert_resolver(Arc::clone(shower) as Arc<dyn ResolvesClientCert>))
}

/// Asks for a token of the client's own; gives the answer's JSON, if there is one, and how hands were shaken.
fn asked(url: &str, config: &Arc<ClientConfig>, client: &str) -> Option<(Value, HandshakeKind)> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = TcpStream::connect(url.strip_prefix("https://").unwrap()).unwrap();
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    let body = format!("grant_type=client_credentials&client_id={client}");
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    tls.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // Some close a connection without a word, when they have said all.
    let _ = tls.read_to_end(&mut answer);
    let (_, json) = std::str::from_utf8(&answer).unwrap().split_once("\r\n\r\n")?;
    Some((serde_json::from_str(json).unwrap(), connection.handshake_kind().unwrap()))
}

fn thumbprint(token: &Value) -> Option<String> {
    Some(claims(token["access_token"].as_str()?)["cnf"]["x5t#S256"].as_str()?.to_owned())
}

/// By https everywhere, with proxies on this machine that tell of certificates.
fn with_both(settings: &mut heirloom::settings::Settings) {
    with_listener(settings);
    behind_a_proxy(settings);
    let [certificate, key] = authority().signed.clone();
    (settings.tls.certificate, settings.tls.key) = (Some(certificate), Some(key));
    (settings.mtls.certificate, settings.mtls.key) = (None, None);
}

both_stores! {
    async fn whoever_has_a_certificate_and_not_its_key_does_not_get_in(app) with with_listener; {
        let (owner, thief) = (Holder::new(), Holder::new());
        app.add_client("robot", robot(|it| self_signed(it, &[owner.jwk()]))).await;
        let url = app.mutual_tls.as_deref().unwrap();
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let asked = |der: &[u8], signer: &Holder| {
                let config = connecting_by(&Shower::new(Some((der, signer))), version);
                tokio::task::block_in_place(|| asked(url, &config, "robot")).map(|(answer, _)| answer)
            };
            assert_eq!(thumbprint(&asked(&owner.der, &owner).unwrap()), Some(owner.thumbprint()), "{version:?}");
            assert_eq!(asked(&owner.der, &thief), None, "{version:?}");
            assert_eq!(asked(b"no certificate", &thief), None, "{version:?}");
        }
    }

    async fn a_session_that_is_resumed_has_the_certificate_that_it_began_with(app) with with_listener; {
        let (one, other) = (Holder::new(), Holder::new());
        app.add_client("robot", robot(|it| self_signed(it, &[one.jwk(), other.jwk()]))).await;
        let url = app.mutual_tls.as_deref().unwrap();
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            for (shown, told) in [(Some(&one), Some(one.thumbprint())), (Some(&other), Some(other.thumbprint())), (None, None)] {
                let config = connecting_by(&Shower::new(shown.map(|it| (it.der.as_slice(), it))), version);
                for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                    let (answer, shaken) = tokio::task::block_in_place(|| asked(url, &config, "robot")).unwrap();
                    assert_eq!((thumbprint(&answer), shaken), (told.clone(), kind), "{version:?}");
                }
            }
        }
    }

    async fn only_that_listener_asks_for_a_certificate_and_names_no_authority(app) with with_both; {
        let holder = Holder::new();
        app.add_client("robot", robot(|it| self_signed(it, &[holder.jwk()]))).await;
        let shower = Shower::new(Some((&holder.der, &holder)));
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let told = |url: &str| {
                let config = connecting_by(&shower, version);
                tokio::task::block_in_place(|| asked(url, &config, "robot")).unwrap().0
            };
            assert_eq!(told(&app.url)["error"], "invalid_client", "RFC 8705 §5: {version:?}");
            assert_eq!(shower.asked.swap(0, Ordering::SeqCst), 0, "a browser would ask its user");
            assert_eq!(thumbprint(&told(app.mutual_tls.as_deref().unwrap())), Some(holder.thumbprint()));
            assert_eq!(shower.asked.swap(0, Ordering::SeqCst), 1);
        }
        assert_eq!(shower.hinted.load(Ordering::SeqCst), 0, "clients with self-signed certificates would show none");
    }

    async fn what_headers_say_there_the_client_itself_wrote(app) with with_both; {
        let (owner, thief) = (Holder::new(), Holder::new());
        app.add_client("robot", robot(|it| self_signed(it, &[owner.jwk()]))).await;
        let own = [("grant_type", "client_credentials"), ("client_id", "robot")];
        let asked = |holder: Option<&Holder>, header: &str| {
            app.send(form(app.by(holder, Method::POST, "/oauth/token").header("client-cert", header), &own))
        };
        for holder in [None, Some(&thief)] {
            assert_eq!(asked(holder, &owner.header()).await.refusal(), NOT_PROVED, "RFC 9440 §4");
        }
        for header in [thief.header().as_str(), "rubbish", ""] {
            bound_to(&asked(Some(&owner), header).await, &owner);
        }
        // At the other one the header is all.
        let main = async |holder: &Holder, header: &Holder| {
            let request = connecting(Some(holder)).post(app.at("/oauth/token"));
            app.send(form(request.header("client-cert", header.header()), &own)).await
        };
        bound_to(&main(&thief, &owner).await, &owner);
        assert_eq!(main(&owner, &thief).await.refusal(), NOT_PROVED);
        // The same holds for whom somebody says to forward for.
        let login = json!({ "username": "nobody", "password": PASSWORD });
        for request in [app.by(None, Method::POST, "/login"), connecting(None).post(app.at("/login"))] {
            let refused = app.send(request.header("x-forwarded-for", "203.0.113.9").json(&login)).await;
            assert_eq!(refused.status, 401);
        }
        let events = app.whole_events();
        let addresses: Vec<_> = events.iter().filter(|it| it["event"] == "login.refused").map(|it| &it["address"]).collect();
        assert_eq!(addresses, ["127.0.0.1", "203.0.113.9"]);
    }

    async fn a_certificate_that_is_not_good_now_proves_nothing(app) with with_listener; {
        let key = || KeyPair::generate().unwrap();
        for (number, holder) in [Holder::of(&key(), late), Holder::of(&key(), early)].iter().enumerate() {
            let client = format!("robot-{number}");
            app.add_client(&client, robot(|it| self_signed(it, &[holder.jwk()]))).await;
            assert_eq!(app.own_token_by(&client, holder).await.refusal(), NOT_PROVED, "RFC 5280 §4.1.2.5");
        }
        let name = json!({ "tls_client_auth_subject_dn": "CN=robot,O=Example Ltd" });
        app.add_client("vouched", robot(|it| it.metadata = vouched(&name))).await;
        assert_eq!(app.own_token_by("vouched", &client_authority().vouch(late)).await.refusal(), NOT_PROVED);
        // One that expires while its connection is open.
        let soon = app.clock.now() + MINUTE;
        let end = date_time_ymd(1970, 1, 1) + Duration::from_secs(soon.timestamp().unsigned_abs());
        let holder = Holder::of(&key(), |it| it.not_after = end);
        app.add_client("soon", robot(|it| self_signed(it, &[holder.jwk()]))).await;
        let open = connecting_once(&holder);
        let asked = || app.send(form(open.post(app.alias("/oauth/token")), &[("grant_type", "client_credentials"), ("client_id", "soon")]));
        bound_to(&asked().await, &holder);
        app.clock.advance(MINUTE + SECOND);
        assert_eq!(asked().await.refusal(), NOT_PROVED);
    }

    async fn pages_and_whatever_browsers_need_are_not_there(app) with with_listener; {
        for place in [
            "/", "/sign-in", "/consent", "/device", "/sign-out", "/account", "/account/apps", "/account/activity", "/account/data", "/account/password",
            "/oauth/authorize", "/oauth/logout", "/assets/style.css", "/favicon.ico", "/oauth/register", "/status-lists",
            "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/nowhere",
        ] {
            for method in [Method::GET, Method::POST] {
                let answer = app.send(app.by(None, method, place)).await;
                assert_eq!(answer.refusal(), NOT_THERE, "{place}");
            }
            let main = app.send(app.http.get(app.at(place))).await;
            assert!(main.status != 404 || ["/oauth/register", "/nowhere"].contains(&place), "{place}: {main:?}");
        }
        for place in ["/healthz", "/readyz"] {
            assert_eq!(app.send(app.by(None, Method::GET, place)).await.status, 200, "{place}");
        }
        let plain = reqwest::get(app.alias("/readyz").replace("https:", "http:")).await;
        assert!(plain.is_err(), "{plain:?}");
    }

    async fn an_address_holds_its_share_of_the_connections_over_all_listeners(app) with |settings| {
        with_listener(settings);
        settings.http.max_connections = 12;
    }; {
        let mut held = app.hold_connections(3).await;
        assert_eq!(held.len(), 3);
        let asked = || connecting(None).get(app.alias("/healthz")).send();
        assert!(asked().await.is_err());
        held.pop();
        // The server hears of that in a moment.
        let let_in = async { while asked().await.is_err() {} };
        tokio::time::timeout(SECOND * 20, let_in).await.unwrap();
    }
}

/// Connects once for all its requests.
fn connecting_once(holder: &Holder) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(&std::fs::read(&authority().file).unwrap()).unwrap();
    let identity =
        reqwest::Identity::from_pem(format!("{}{}", holder.pem, holder.key_pem).as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).identity(identity).build().unwrap()
}

#[test]
fn the_listeners_share_their_workers_connections_to_the_database() {
    let few = |settings: &mut heirloom::settings::Settings| {
        with_listener(settings);
        // One for the worker, and two beside it.
        settings.database.max_connections = 3;
    };
    run(Store::Postgres, few, async |app| {
        let beside = "SELECT 1::BIGINT FROM (SELECT pg_sleep(0.2)) AS slept";
        tokio::join!(app.number(beside), app.number(beside));
        let open = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()";
        let before = app.number(open).await;
        for url in [app.at("/oauth/token"), app.alias("/oauth/token")] {
            let own = [("grant_type", "client_credentials"), ("client_id", "nobody")];
            let answer = app.send(form(connecting(None).post(url), &own)).await;
            assert_eq!(answer.refusal(), NOT_PROVED);
            app.clock.advance(MINUTE);
        }
        assert_eq!((before, app.number(open).await), (2, 3));
    });
}

#[test]
fn a_new_certificate_is_served_there_without_a_restart() {
    let folder = crate::folder::Folder::new();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let put = |from: &[PathBuf; 2]| {
        std::fs::copy(&from[1], &key).unwrap();
        std::fs::copy(&from[0], &certificate).unwrap();
    };
    put(&stranger().signed);
    let change = |settings: &mut heirloom::settings::Settings| {
        with_listener(settings);
        (settings.mtls.certificate, settings.mtls.key) = (Some(certificate.clone()), Some(key.clone()));
        settings.tls.reload_every = Duration::from_millis(10);
    };
    run(Store::Sqlite, change, async |app| {
        let asked = || connecting(None).get(app.alias("/healthz")).send();
        assert!(asked().await.is_err(), "nobody knows who vouches for it");
        put(&authority().signed);
        let served = async {
            while asked().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(SECOND * 20, served).await.unwrap();
    });
}

#[test]
fn settings_that_could_not_work_keep_a_server_from_starting() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let [certificate, key] = authority().signed.clone();
    let [_, other_key] = stranger().signed.clone();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let in_use = format!("mtls.listen: cannot listen on {taken}: Address already in use (os error 98)");
    let unfit = format!("mtls.key: {} does not fit the certificate", other_key.display());
    let no_certificate = format!("mtls.certificate: {} does not hold a certificate in PEM", key.display());
    let without = "mtls.listen is set, so it needs a certificate: set mtls.certificate and mtls.key, or tls.certificate and tls.key";
    let free = "127.0.0.1:0".to_owned();
    for (listen, certificate, key, told) in [
        (&free, None, None, without),
        (&free, Some(&certificate), None, "mtls.certificate is set, so mtls.key must be, too"),
        (&free, None, Some(&key), "mtls.key is set, so mtls.certificate must be, too"),
        (&free, Some(&certificate), Some(&other_key), unfit.as_str()),
        (&free, Some(&key), Some(&key), no_certificate.as_str()),
        (&taken, Some(&certificate), Some(&key), in_use.as_str()),
    ] {
        let refused = runtime.block_on(start_refused("sqlite::memory:", |settings| {
            settings.mtls.listen = Some(listen.parse().unwrap());
            (settings.mtls.certificate, settings.mtls.key) = (certificate.cloned(), key.cloned());
        }));
        assert!(refused.starts_with(told), "{refused}");
    }
}
