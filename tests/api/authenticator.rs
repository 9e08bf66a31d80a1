//! An authenticator in a test's hand (Web Authentication §6), with the browser in front of it: it makes a passkey, and
//! signs with it. What it says can be bent.

use std::cell::{Cell, RefCell};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::{Value as Cbor, cbor};
use serde_json::{Value, json};

/// §6.1: the user was there, and the device made sure who it is.
pub const PRESENT: u8 = 0x01;
pub const VERIFIED: u8 = 0x04;
/// The key may be on other devices, and is.
pub const SYNCED: u8 = 0x08 | 0x10;
/// A new key follows.
const ATTESTED: u8 = 0x40;

/// What one does otherwise than it should.
pub type Deviation = fn(&Authenticator);

pub struct Authenticator {
    key: EcdsaKeyPair,
    pub id: Vec<u8>,
    owner: RefCell<Option<Vec<u8>>>,
    /// Counted up each time, unless it is `None`.
    pub count: Cell<Option<u32>>,
    pub origin: RefCell<String>,
    pub site: RefCell<String>,
    pub flags: Cell<u8>,
    pub discoverable: Cell<bool>,
    pub within_another: Cell<bool>,
    pub kind: RefCell<Option<&'static str>>,
}

impl Authenticator {
    /// One for a site that is reached at `https://` and its name.
    pub fn new(site: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let id = digest::digest(&digest::SHA256, key.public_key().as_ref()).as_ref().to_vec();
        Self {
            key,
            id,
            owner: RefCell::default(),
            count: Cell::new(Some(0)),
            origin: RefCell::new(format!("https://{site}")),
            site: RefCell::new(site.to_owned()),
            flags: Cell::new(PRESENT | VERIFIED),
            discoverable: Cell::new(true),
            within_another: Cell::new(false),
            kind: RefCell::default(),
        }
    }

    /// The id as browsers write it.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// `navigator.credentials.create()`
    pub fn create(&self, options: &Value) -> Value {
        self.owner.replace(Some(bytes(&options["user"]["id"])));
        let client_data = self.client_data("webauthn.create", options);
        let data = cbor!({
            "fmt" => "none",
            "attStmt" => {},
            "authData" => Cbor::Bytes(self.data(true)),
        });
        json!({
            "id": self.id(), "rawId": self.id(), "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": { "credProps": { "rk": self.discoverable.get() } },
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "attestationObject": URL_SAFE_NO_PAD.encode(written(&data.unwrap())),
                "transports": ["internal", "hybrid", "smart-card"],
            },
        })
    }

    /// `navigator.credentials.get()`
    pub fn get(&self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.data(false);
        let hash = digest::digest(&digest::SHA256, client_data.as_bytes());
        let signed = [data.as_slice(), hash.as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let owner = self.owner.borrow();
        json!({
            "id": self.id(), "rawId": self.id(), "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
                "userHandle": owner.as_ref().map(|owner| URL_SAFE_NO_PAD.encode(owner)),
            },
        })
    }

    /// Says that the passkey is somebody else's.
    pub fn set_owner(&self, owner: &[u8]) {
        self.owner.replace(Some(owner.to_vec()));
    }

    /// §5.8.1
    fn client_data(&self, usual: &str, options: &Value) -> String {
        let kind = self.kind.borrow().unwrap_or(usual);
        json!({
            "type": kind,
            "challenge": options["challenge"],
            "origin": *self.origin.borrow(),
            "crossOrigin": self.within_another.get(),
        })
        .to_string()
    }

    /// §6.1: the site's hash, flags, the count; and, of a new passkey, its id and its key.
    fn data(&self, is_new: bool) -> Vec<u8> {
        let mut data = digest::digest(&digest::SHA256, self.site.borrow().as_bytes()).as_ref().to_vec();
        data.push(self.flags.get() | if is_new { ATTESTED } else { 0 });
        let count = self.count.get().map(|count| count + 1);
        self.count.set(count);
        data.extend(count.unwrap_or(0).to_be_bytes());
        if is_new {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
            let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
            // RFC 9053 §7.1.1: an elliptic curve's key for ES256, on P-256.
            let key = cbor!({
                1 => 2, 3 => -7, -1 => 1, -2 => Cbor::Bytes(x.to_vec()), -3 => Cbor::Bytes(y.to_vec()),
            });
            data.extend(written(&key.unwrap()));
        }
        data
    }
}

pub fn bytes(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

fn written(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}
