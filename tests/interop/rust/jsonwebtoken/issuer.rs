//! The issuer: its keys, and the lists that tell which logins were ended.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::error::{ErrorServiceUnavailable, ErrorUnauthorized};
use actix_web::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp as now};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

pub(crate) struct Issuer {
    url: String,
    http: reqwest::Client,
    /// Its keys, and from when on it may be asked for others.
    keys: Mutex<(u64, JwkSet)>,
    lists: Mutex<HashMap<String, List>>,
}

/// Of an access token, or of a status list.
#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    #[serde(default)]
    pub(crate) scope: String,
    #[serde(default)]
    pub(crate) status: Status,
    pub(crate) cnf: Option<Value>,
    iat: u64,
    exp: u64,
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    status_list: Packed,
}

#[derive(Deserialize, Default)]
pub(crate) struct Status {
    pub(crate) status_list: Option<Entry>,
}

#[derive(Deserialize)]
pub(crate) struct Entry {
    uri: String,
    idx: usize,
}

#[derive(Deserialize, Default)]
struct Packed {
    lst: String,
}

#[derive(Clone, Default)]
struct List {
    bytes: Vec<u8>,
    next: u64,
    exp: u64,
}

/// 401: the token is not good.
pub(crate) fn invalid<T>(_: T) -> Error {
    ErrorUnauthorized("invalid_token")
}

/// 503: the issuer cannot be asked, which says nothing about the token.
fn later<T>(_: T) -> Error {
    ErrorServiceUnavailable("temporarily_unavailable")
}

impl Issuer {
    pub(crate) fn new(url: String) -> reqwest::Result<Self> {
        let http =
            reqwest::Client::builder().timeout(Duration::from_secs(5)).redirect(Policy::none()).build()?;
        let (keys, lists) = (Mutex::new((0, JwkSet { keys: Vec::new() })), Mutex::default());
        Ok(Self { url, http, keys, lists })
    }

    /// The claims of a JWT of this type that is good here.
    pub(crate) async fn verified(&self, jwt: &str, typ: &str, audience: Option<&str>) -> Result<Claims> {
        let header = decode_header(jwt).map_err(invalid)?;
        let known = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256].contains(&header.alg);
        if !known || header.typ.as_deref() != Some(typ) {
            return Err(invalid(()));
        }
        let mut wanted = Validation::new(header.alg);
        wanted.set_issuer(&[&self.url]);
        wanted.set_required_spec_claims(if audience.is_some() {
            &["exp", "iss", "aud"]
        } else {
            &["exp", "iss", "sub"]
        });
        wanted.aud = audience.map(|it| [it.to_owned()].into());
        wanted.validate_aud = audience.is_some();
        wanted.validate_nbf = true;
        let key = self.key(&header.kid.unwrap_or_default()).await?;
        decode(jwt, &key, &wanted).map(|it| it.claims).map_err(invalid)
    }

    /// The issuer's key of this name. One that is not known is asked for, at most every ten seconds.
    async fn key(&self, kid: &str) -> Result<DecodingKey> {
        let mut known = self.keys.lock().await;
        if known.1.find(kid).is_none() && known.0 <= now() {
            let keys = self.fetch(&format!("{}/.well-known/jwks.json", self.url)).await?;
            *known = (now() + 10, serde_json::from_str(&keys).map_err(later)?);
        }
        known.1.find(kid).map(DecodingKey::from_jwk).ok_or(()).map_err(invalid)?.map_err(invalid)
    }

    /// Whether the status list says that the login is over. A list is asked for again when its `ttl` is.
    pub(crate) async fn is_ended(&self, entry: &Entry) -> Result<bool> {
        let Entry { uri, idx } = entry;
        let mut lists = self.lists.lock().await;
        let mut list = lists.get(uri).cloned().unwrap_or_default();
        if list.next <= now() {
            list = match self.fetch_list(uri).await {
                // The list that is here is good until its `exp`.
                Err(_) if now() < list.exp => List { next: now() + 1, ..list },
                fetched => fetched?,
            };
            lists.insert(uri.clone(), list.clone());
        }
        Ok(list.bytes.get(idx >> 3).is_none_or(|byte| byte >> (idx & 7) & 1 == 1))
    }

    async fn fetch_list(&self, uri: &str) -> Result<List> {
        if !uri.starts_with(&format!("{}/", self.url)) {
            return Err(invalid("a list of somebody else's"));
        }
        let claims = self.verified(&self.fetch(uri).await?, "statuslist+jwt", None).await?;
        if claims.sub != uri {
            return Err(later("another list"));
        }
        let packed = URL_SAFE_NO_PAD.decode(claims.status_list.lst).map_err(later)?;
        let bytes = decompress_to_vec_zlib_with_limit(&packed, 1 << 20).map_err(later)?;
        Ok(List { bytes, next: (claims.iat + claims.ttl).max(now() + 1), exp: claims.exp })
    }

    async fn fetch(&self, url: &str) -> Result<String> {
        let answer =
            self.http.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(later)?;
        answer.text().await.map_err(later)
    }
}
