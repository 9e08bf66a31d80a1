//! What is asked of a server, at both faces, and what its answers mean.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::history::{Asked, Family, Rotation, Said};
use crate::process::PASSWORD;
use crate::run::Status;
use crate::signer::Signer;
use crate::world::{ISSUER, World};

/// How a family's end is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    Logout,
    Revocation,
    Operator,
    /// The user is disabled, and let in again when that is done.
    Disabling,
}

/// A client as a run knows it.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: &'static str,
    pub rotation: Rotation,
}

/// Who logs in, with what.
#[derive(Debug, Clone)]
pub struct Who {
    pub user: String,
    /// The key of an authenticator app.
    pub app: Option<String>,
    pub client: Client,
    /// Whether the family is bound to a key (DPoP).
    pub is_bound: bool,
}

/// A login: whoever has all of it may refresh.
pub struct Login {
    pub who: Who,
    pub family: Family,
    key: Option<Key>,
}

pub struct Key {
    signer: Signer,
    made: AtomicU64,
}

impl Key {
    fn new() -> Self {
        Self { signer: Signer::new(Algorithm::ES256, "own"), made: AtomicU64::new(0) }
    }

    /// A new proof (RFC 9449 §4.2) for a place of the server.
    fn proof(&self, place: &str) -> String {
        let mut jwk = self.signer.public();
        jwk.as_object_mut().unwrap().retain(|name, _| ["crv", "kty", "x", "y"].contains(&name.as_str()));
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let claims = json!({
            "jti": format!("{:p}-{number}", self), "htm": "POST", "htu": format!("{ISSUER}{place}"), "iat": now_in_seconds(),
        });
        self.signer.sign_raw(&header, &claims)
    }
}

/// A refresh token, as its holder can read it.
pub fn parts(token: &str) -> (Family, u32) {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("hrt1_").unwrap()).unwrap();
    let family = u128::from_be_bytes(bytes[4..20].try_into().unwrap());
    (family, u32::from_be_bytes(bytes[20..24].try_into().unwrap()))
}

/// Where an access token's login stands in the status lists.
fn status(access_token: &str) -> Status {
    let payload = URL_SAFE_NO_PAD.decode(access_token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let list = &claims["status"]["status_list"];
    let path = list["uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
    (path, list["idx"].as_u64().unwrap().try_into().unwrap())
}

/// The next code of an authenticator app: the one that it shows was spent where the user comes from.
fn code(key: &str) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(key).unwrap()).build_noncompliant();
    totp.generate(now_in_seconds() + 30).to_string()
}

#[expect(clippy::disallowed_methods, reason = "real servers have the real time")]
pub fn now_in_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

impl World {
    /// Sends a request to a server; the status is 0 where no whole answer came.
    async fn ask(&self, request: RequestBuilder) -> (u16, Value) {
        // Longer than any server takes: who asks again while a copy is being answered makes a late copy of it.
        let sent = request.timeout(Duration::from_mins(2)).send().await;
        let Ok(answer) = sent else { return (0, Value::Null) };
        let status = answer.status().as_u16();
        match answer.bytes().await {
            Ok(body) => (status, serde_json::from_slice(&body).unwrap_or_default()),
            Err(_) => (0, Value::Null),
        }
    }

    /// An answer that says nothing of the token, for the report.
    fn excuse(&self, (status, json): &(u16, Value)) {
        let error = json["error"].as_str().or(json["code"].as_str()).unwrap_or("without an error");
        self.run.note_excuse(if *status == 0 { "no answer".to_owned() } else { format!("{status} {error}") });
    }

    fn post(&self, server: usize, place: &str, key: Option<&Key>) -> RequestBuilder {
        let request = self.http.post(format!("{}{place}", self.replicas[server].url()));
        key.into_iter().fold(request, |request, key| request.header("dpop", key.proof(place)))
    }

    /// Logs in; the family and its first refresh token. `None` where nobody knows what became of it.
    pub async fn log_in(&self, server: usize, who: &Who) -> Option<(Login, String)> {
        let began = self.run.moment();
        let key = who.is_bound.then(Key::new);
        let mut body = json!({ "username": who.user, "password": PASSWORD, "client_id": who.client.id });
        let mut answer = self.ask(self.post(server, "/login", key.as_ref()).json(&body)).await;
        if let (Some(app), "mfa_required") = (&who.app, answer.1["error"].as_str().unwrap_or_default()) {
            body =
                json!({ "mfa_token": answer.1["mfa_token"], "code": code(app), "client_id": who.client.id });
            answer = self.ask(self.post(server, "/login/mfa", key.as_ref()).json(&body)).await;
            if answer.0 == 401 {
                // The code was spent, by a login whose answer was lost.
                return None;
            }
        }
        if answer.0 != 200 {
            // A user who was let in again, and a restore undid it.
            if answer.0 != 401 || self.run.is_lossless() {
                self.excuse(&answer);
            }
            return None;
        }
        let token = answer.1["refresh_token"].as_str()?.to_owned();
        let (family, _) = parts(&token);
        let status = status(answer.1["access_token"].as_str()?);
        self.run.note_login(family, who.client.rotation, status, began);
        Some((Login { who: who.clone(), family, key }, token))
    }

    /// Presents a token once; gives what it was answered by.
    pub async fn present(&self, server: usize, login: &Login, token: &str) -> (Said, Option<String>) {
        let (family, generation) = parts(token);
        let client = &login.who.client;
        let began = self.run.moment();
        let is_standard = began.is_multiple_of(2);
        let request = if is_standard {
            let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client.id)];
            form_of(self.post(server, "/oauth/token", login.key.as_ref()), &form)
        } else {
            let body = json!({ "refresh_token": token, "client_id": client.id });
            self.post(server, "/refresh", login.key.as_ref()).json(&body)
        };
        let answer = self.ask(request).await;
        let successor = answer.1["refresh_token"].as_str().filter(|_| answer.0 == 200).map(ToOwned::to_owned);
        let said = match &successor {
            Some(token) => {
                self.run.note_served_by(server, began);
                Said::Gave(parts(token).1)
            }
            None if answer.1["error"] == "invalid_grant" => Said::Refused,
            None => {
                self.excuse(&answer);
                Said::Unknown
            }
        };
        self.run.note(family, Asked::Refresh(generation), said, began);
        (said, successor)
    }

    /// Asks once for a family's end; whether it is done.
    pub async fn end(&self, server: usize, login: &Login, token: &str, way: Way) -> bool {
        let began = self.run.moment();
        let client = &login.who.client;
        let answer = match way {
            Way::Logout => {
                let body = json!({ "refresh_token": token, "client_id": client.id });
                self.ask(self.post(server, "/logout", None).json(&body)).await
            }
            Way::Revocation => {
                let form = [("token", token), ("client_id", client.id)];
                self.ask(form_of(self.post(server, "/oauth/revoke", None), &form)).await
            }
            Way::Operator => {
                let id = uuid::Uuid::from_u128(login.family);
                self.operate(server, reqwest::Method::DELETE, &format!("/families/{id}"), None).await
            }
            Way::Disabling => self.set_disabled(server, &login.who.user, true).await,
        };
        // An operator who asks again after a lost answer is told that there is no such login any more.
        let told_again = matches!(way, Way::Operator) && answer.0 == 404;
        let is_done = told_again || (200..300).contains(&answer.0);
        if !is_done {
            self.excuse(&answer);
        }
        self.run.note(login.family, Asked::End, if is_done { Said::Done } else { Said::Unknown }, began);
        is_done
    }

    /// Lets a user in again.
    pub async fn let_in_again(&self, server: usize, user: &str) -> bool {
        self.set_disabled(server, user, false).await.0 == 200
    }

    async fn set_disabled(&self, server: usize, user: &str, disabled: bool) -> (u16, Value) {
        let body = json!({ "disabled": disabled });
        self.operate(server, reqwest::Method::PATCH, &format!("/users/{}", self.user_ids[user]), Some(&body))
            .await
    }

    /// The admin API, with a new token of an operator's client.
    async fn operate(
        &self,
        server: usize,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let request = self.post(server, "/oauth/token", None).basic_auth("ops", Some(&self.operators_secret));
        let issued = self.ask(form_of(request, &[("grant_type", "client_credentials")])).await;
        let Some(token) = issued.1["access_token"].as_str() else { return issued };
        let url = format!("{}/admin/v1{path}", self.replicas[server].url());
        let request = self.http.request(method, url).bearer_auth(token);
        self.ask(body.into_iter().fold(request, RequestBuilder::json)).await
    }
}

fn form_of(request: RequestBuilder, parameters: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}
