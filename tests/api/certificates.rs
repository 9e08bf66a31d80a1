//! Clients' certificates in a test's hand, and who vouches for them (mutual TLS, RFC 8705).

use std::path::PathBuf;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use heirloom::domain::client::{Client, ClientKind, GrantType};
use heirloom::settings::Settings;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::harness::*;

/// Who has a certificate and its key.
pub struct Holder {
    pub der: Vec<u8>,
    pub pem: String,
    /// Its private key, in PEM.
    pub key_pem: String,
    key: Vec<u8>,
}

impl Holder {
    /// With a certificate that nobody else vouches for.
    pub fn new() -> Self {
        Self::of(&KeyPair::generate().unwrap(), |_| {})
    }

    /// The same of a key, with changes.
    pub fn of(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let made = params(change).self_signed(key).unwrap();
        Self::with(made.der().to_vec(), made.pem(), key)
    }

    /// A certificate and the next one of the same key.
    pub fn renewed() -> [Self; 2] {
        let key = KeyPair::generate().unwrap();
        [Self::of(&key, |_| {}), Self::of(&key, |it| it.distinguished_name = named("new"))]
    }

    fn with(der: Vec<u8>, pem: String, key: &KeyPair) -> Self {
        Self { der, pem, key_pem: key.serialize_pem(), key: key.public_key_raw().to_vec() }
    }

    /// What a proxy writes into its header (RFC 9440 §2.1).
    pub fn header(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.der))
    }

    pub fn thumbprint(&self) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        URL_SAFE_NO_PAD.encode(hash)
    }

    /// Its public key, on P-256.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "x": text(&self.key[1..33]), "y": text(&self.key[33..]) })
    }

    /// The same with the certificate in it (RFC 7517 §4.7).
    pub fn jwk_with_certificate(&self) -> Value {
        let mut key = self.jwk();
        key["x5c"] = json!([STANDARD.encode(&self.der)]);
        key
    }
}

fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = named("robot");
    change(&mut params);
    params
}

/// It is not good any more.
pub fn late(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2020, 1, 1);
}

/// It is not good yet.
pub fn early(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2999, 1, 1);
}

/// `CN=name,O=Example Ltd`.
pub fn named(name: &str) -> DistinguishedName {
    let mut made = DistinguishedName::new();
    made.push(DnType::OrganizationName, "Example Ltd");
    made.push(DnType::CommonName, name);
    made
}

/// An authority that vouches for clients.
pub struct ClientAuthority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pem: String,
    /// The file that makes it trusted.
    pub file: PathBuf,
    _folder: Folder,
}

impl ClientAuthority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let own = authority_params("an authority for clients");
        let made = own.self_signed(&key).unwrap();
        Self::with(own, key, made.pem())
    }

    fn with(own: CertificateParams, key: KeyPair, pem: String) -> Self {
        let folder = Folder::new();
        let file = folder.keep("clients.pem", &pem);
        Self { issuer: Issuer::new(own, key), pem, file, _folder: folder }
    }

    /// Another one that this one vouches for.
    pub fn deputy(&self) -> Self {
        let (own, key) = (authority_params("a deputy"), KeyPair::generate().unwrap());
        let made = own.signed_by(&key, &self.issuer).unwrap();
        Self::with(own, key, made.pem())
    }

    /// Somebody with a certificate of its own.
    pub fn vouch(&self, change: impl FnOnce(&mut CertificateParams)) -> Holder {
        let key = KeyPair::generate().unwrap();
        let made = params(change).signed_by(&key, &self.issuer).unwrap();
        Holder::with(made.der().to_vec(), made.pem(), &key)
    }

    /// The same, who shows this authority's own certificate beside it.
    pub fn vouch_with_chain(&self, change: impl FnOnce(&mut CertificateParams)) -> Holder {
        let holder = self.vouch(change);
        Holder { pem: format!("{}{}", holder.pem, self.pem), ..holder }
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut own = CertificateParams::new(Vec::new()).unwrap();
    own.distinguished_name.push(DnType::CommonName, name);
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    own
}

thread_local! {
    // A test has a thread of its own.
    static AUTHORITY: Rc<ClientAuthority> = Rc::new(ClientAuthority::new());
}

/// The one that this test's server believes.
pub fn client_authority() -> Rc<ClientAuthority> {
    AUTHORITY.with(Rc::clone)
}

/// A proxy on this machine is believed.
pub fn behind_a_proxy(settings: &mut Settings) {
    settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    settings.mtls.client_cert_header = Some("Client-Cert".parse().unwrap());
    settings.mtls.client_ca = Some(client_authority().file.clone());
}

/// A client that acts for itself, with changes.
pub fn robot(change: impl FnOnce(&mut Client)) -> impl FnOnce(&mut Client) {
    |it| {
        it.kind = ClientKind::Confidential(Vec::new());
        it.grants = [GrantType::ClientCredentials].into();
        it.scopes = "read".parse().unwrap();
        change(it);
    }
}

impl TestApp {
    /// A request as a proxy forwards it that has seen a certificate.
    pub fn shown(&self, holder: &Holder, method: Method, place: &str) -> RequestBuilder {
        self.http.request(method, self.at(place)).header("client-cert", holder.header())
    }

    /// Posts a form in the same way.
    pub async fn form_showing(&self, place: &str, holder: &Holder, parameters: &[(&str, &str)]) -> Answer {
        self.send(form(self.shown(holder, Method::POST, place), parameters)).await
    }

    /// A token for a client itself.
    pub async fn own_token_showing(&self, client: &str, holder: &Holder) -> Answer {
        let own = [("grant_type", "client_credentials"), ("client_id", client)];
        self.form_showing("/oauth/token", holder, &own).await
    }
}
