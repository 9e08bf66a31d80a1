//! A server with a user and with clients that may do different things.

use serde_json::Value;

use crate::browser::Browser;
use crate::process::{PASSWORD, Place, Server};

pub const REDIRECT_URI: &str = "https://app.example.com/callback";
pub const AFTERWARDS: &str = "https://app.example.com/bye";
pub const API: &str = "https://api.example.com";

/// How a client of the tests proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    None,
    Basic(String),
    Post(String),
}

#[derive(Debug, Clone)]
pub struct Registered {
    pub id: String,
    pub proof: Proof,
}

pub struct World {
    pub place: Place,
    pub server: Server,
}

impl World {
    pub fn new() -> Self {
        Self::with(Place::sqlite())
    }

    pub fn with(place: Place) -> Self {
        let add = ["user", "add", "ana", "--password-stdin", "--email", "ana@example.com", "--role", "buyer"];
        place.ok_with(&add, PASSWORD);
        let server = place.serve();
        Self { place, server }
    }

    /// Ana's identifier.
    pub fn subject(&self) -> String {
        self.place.json(&["user", "list", "--json"])[0]["id"].as_str().unwrap().to_owned()
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.server.url)
    }

    /// An app of somebody else's, that asks for consent.
    pub fn register(&self, id: &str, kind: &str, more: &[&str]) -> Value {
        let usual = [
            "client",
            "add",
            id,
            kind,
            "--name",
            "The Shop",
            "--scope",
            "openid profile email roles orders:read",
            "--redirect-uri",
            REDIRECT_URI,
            "--redirect-uri",
            "http://127.0.0.1/callback",
            "--post-logout-redirect-uri",
            AFTERWARDS,
            "--audience",
            API,
        ];
        self.place.json(&[usual.as_slice(), more].concat())
    }

    pub fn public_client(&self) -> Registered {
        self.register("phone", "--public", &[]);
        Registered { id: "phone".to_owned(), proof: Proof::None }
    }

    /// A client that has a secret, and may have tokens of its own.
    pub fn confidential_client(&self, id: &str, proof: fn(String) -> Proof) -> Registered {
        let grants = ["authorization_code", "refresh_token", "client_credentials"];
        let grants: Vec<&str> = grants.iter().flat_map(|grant| ["--grant", grant]).collect();
        let registered = self.register(id, "--confidential", &grants);
        let secret = registered["client_secret"].as_str().unwrap().to_owned();
        Registered { id: id.to_owned(), proof: proof(secret) }
    }

    /// One client for each way to authenticate.
    pub fn clients(&self) -> Vec<Registered> {
        vec![
            self.public_client(),
            self.confidential_client("web", Proof::Basic),
            self.confidential_client("posting", Proof::Post),
        ]
    }
}
