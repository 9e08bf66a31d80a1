//! A key in a test's hand, and proofs that it is held (DPoP, RFC 9449).

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::browser::code_exchange;
use crate::harness::*;
use crate::signer::{Signer, changed};

pub struct Prover {
    signer: Signer,
    algorithm: &'static str,
    made: AtomicU64,
}

impl Prover {
    pub fn new() -> Self {
        Self::of(Algorithm::ES256)
    }

    /// A new key for `ES256`, `EdDSA` or `RS256`.
    pub fn of(algorithm: Algorithm) -> Self {
        let name = match algorithm {
            Algorithm::ES256 => "ES256",
            Algorithm::EdDSA => "EdDSA",
            _ => "RS256",
        };
        Self { signer: Signer::new(algorithm, "own"), algorithm: name, made: AtomicU64::new(0) }
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        changed(&self.signer.public(), &json!({ "kid": null, "use": null, "key_ops": null }))
    }

    /// Its thumbprint (RFC 7638 §3): the members that make the key, in the order of their names.
    pub fn thumbprint(&self) -> String {
        let names = ["crv", "e", "kty", "n", "x", "y"];
        let jwk = self.jwk();
        let members = names.iter().filter_map(|name| Some(format!("\"{name}\":{}", jwk.get(name)?)));
        hash(&format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk() })
    }

    /// The claims of a new proof for a place of the server.
    pub fn claims(&self, app: &TestApp, method: &str, place: &str) -> Value {
        json!({
            "jti": format!("proof-{}", self.made.fetch_add(1, Ordering::Relaxed)),
            "htm": method,
            "htu": format!("{}{place}", app.core.issuer.as_str()),
            "iat": app.clock.now().timestamp(),
        })
    }

    /// A proof whose header or claims are changed; null takes a member away.
    pub fn changed_proof(&self, header: &Value, claims: &Value) -> String {
        self.signer.sign_raw(&changed(&self.header(), header), claims)
    }

    /// A new proof for a place of the server.
    pub fn proof(&self, app: &TestApp, method: &str, place: &str) -> String {
        self.changed_proof(&json!({}), &self.claims(app, method, place))
    }

    /// The same, for a form that is posted there.
    pub fn posting(&self, app: &TestApp, place: &str) -> String {
        self.proof(app, "POST", place)
    }

    /// A new proof that goes with an access token.
    pub fn with_token(&self, app: &TestApp, method: &str, place: &str, token: &str) -> String {
        let claims = changed(&self.claims(app, method, place), &json!({ "ath": hash(token) }));
        self.changed_proof(&json!({}), &claims)
    }
}

/// The base64url of a text's SHA-256.
pub fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// The key that an access token is bound to.
pub fn bound_to(access_token: &str) -> Option<String> {
    claims(access_token)["cnf"]["jkt"].as_str().map(ToOwned::to_owned)
}

impl TestApp {
    /// Posts a form with a proof.
    pub async fn form_proving(&self, place: &str, proof: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send(form(self.http.post(self.at(place)).header("dpop", proof), parameters)).await
    }

    /// The same of a client with a secret.
    pub async fn form_proving_as(
        &self,
        client: (&str, &str),
        proof: &str,
        parameters: &[(&str, &str)],
    ) -> Answer {
        let request = self.http.post(self.at("/oauth/token")).basic_auth(client.0, Some(client.1));
        self.send(form(request.header("dpop", proof), parameters)).await
    }

    /// Posts JSON with a proof.
    pub async fn post_proving(&self, place: &str, key: &Prover, body: &Value) -> Answer {
        let request = self.http.post(self.at(place)).header("dpop", key.posting(self, place));
        self.send(request.json(body)).await
    }

    /// Ana's login with the built-in client at the simple face, bound to a key.
    pub async fn ana_bound_to(&self, key: &Prover) -> Tokens {
        let login = json!({ "username": "ana", "password": PASSWORD });
        self.post_proving("/login", key, &login).await.tokens()
    }

    pub async fn refresh_proving(&self, key: &Prover, token: &str) -> Answer {
        self.post_proving("/refresh", key, &json!({ "refresh_token": token })).await
    }

    /// Exchanges a code that [`Browser`](crate::browser::Browser) got, with a proof.
    pub async fn exchange_proving(&self, proof: &str, code: &str, changes: &[(&str, &str)]) -> Answer {
        let request = self.http.post(self.at("/oauth/token")).header("dpop", proof);
        self.send(form(request, &code_exchange(code, changes))).await
    }

    /// A request of a token's holder, who proves the key.
    pub fn holding(&self, key: &Prover, method: Method, place: &str, token: &str) -> RequestBuilder {
        let proof = key.with_token(self, method.as_str(), place.split('?').next().unwrap(), token);
        let request = self.http.request(method, self.at(place));
        request.header("authorization", format!("DPoP {token}")).header("dpop", proof)
    }
}
