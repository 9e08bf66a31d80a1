//! What no service may take: tokens with something wrong, most of them signed by the server's own key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::forge::{Forge, changed, encoded};
use crate::process::Place;

/// How a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 401: the token is not good (RFC 6750 §3.1).
    Invalid,
    /// The same; or 503, for the list may know better later.
    InvalidOrLater,
    /// 403: it is good, and does not reach here.
    Insufficient,
}

/// A row of the table: what is wrong, the token, and what it is answered with.
pub struct Row {
    pub wrong: &'static str,
    pub token: String,
    pub answer: Answer,
}

impl Row {
    pub fn allows(&self, status: u16, challenge: &str) -> bool {
        let says = |error: &str| challenge.contains(&format!("error=\"{error}\""));
        match self.answer {
            Answer::InvalidOrLater if status == 503 => true,
            Answer::Invalid | Answer::InvalidOrLater => status == 401 && says("invalid_token"),
            Answer::Insufficient => status == 403 && says("insufficient_scope"),
        }
    }
}

/// Every row, made from a token that is good.
pub async fn all(place: &Place, good: &str, id_token: &str, refresh_token: &str) -> Vec<Row> {
    let forge = Forge::of(place).await;
    let claims = claims_of(good);
    let rows = in_claims(&forge, &claims).into_iter();
    let rows = rows.chain(in_header(&forge, &claims)).chain(in_signature(place, &forge, &claims, good));
    let whole = [
        ("no JWT at all", "nonsense".to_owned()),
        ("a refresh token", refresh_token.to_owned()),
        ("an ID token", id_token.to_owned()),
    ];
    let invalid = rows.chain(whole).map(|(wrong, token)| Row { wrong, token, answer: Answer::Invalid });
    let list = claims["status"]["status_list"]["uri"].as_str().unwrap();
    let good_but_for = [
        (
            "an entry that its list does not have",
            json!({ "status": entry(list, 1 << 30) }),
            Answer::InvalidOrLater,
        ),
        ("another scope", json!({ "scope": "openid profile" }), Answer::Insufficient),
        ("no scope", json!({ "scope": null }), Answer::Insufficient),
    ];
    let signed = good_but_for.map(|(wrong, change, answer)| {
        let token = forge.sign(&forge.header(&json!({})), &changed(&claims, &change));
        Row { wrong, token, answer }
    });
    invalid.chain(signed).collect()
}

fn entry(uri: &str, idx: i64) -> Value {
    json!({ "status_list": { "uri": uri, "idx": idx } })
}

type Wrong = (&'static str, String);

fn in_claims(forge: &Forge, claims: &Value) -> Vec<Wrong> {
    let now = claims["iat"].as_i64().unwrap();
    let own_list = claims["status"]["status_list"]["uri"].as_str().unwrap();
    let elsewhere = own_list.replace("127.0.0.1", "localhost");
    let changes = [
        ("another issuer", json!({ "iss": "https://login.example.net" })),
        ("an issuer that begins the same", json!({ "iss": format!("{}/", claims["iss"].as_str().unwrap()) })),
        ("no issuer", json!({ "iss": null })),
        ("another audience", json!({ "aud": "https://stock.example.com" })),
        ("other audiences", json!({ "aud": ["https://stock.example.com", claims["iss"]] })),
        ("no audience", json!({ "aud": null })),
        ("expired", json!({ "iat": now - 900, "exp": now - 300 })),
        ("no expiry", json!({ "exp": null })),
        ("not good yet", json!({ "nbf": now + 300 })),
        (
            "bound to a key that nobody proves",
            json!({ "cnf": { "jkt": Forge::stranger(forge.algorithm).kid } }),
        ),
        ("a list of somebody else's", json!({ "status": entry(&elsewhere, 0) })),
    ];
    let signed = |(wrong, change)| (wrong, forge.sign(&forge.header(&json!({})), &changed(claims, &change)));
    changes.into_iter().map(signed).collect()
}

fn in_header(forge: &Forge, claims: &Value) -> Vec<Wrong> {
    let headers = [
        ("the type of ID tokens", json!({ "typ": "JWT" })),
        ("the type of status lists", json!({ "typ": "statuslist+jwt" })),
        ("no type", json!({ "typ": null })),
        ("a key that nobody knows", json!({ "kid": "nobody's" })),
        ("another algorithm's name", json!({ "alg": "ES384" })),
    ];
    headers.into_iter().map(|(wrong, change)| (wrong, forge.sign(&forge.header(&change), claims))).collect()
}

fn in_signature(place: &Place, forge: &Forge, claims: &Value, good: &str) -> Vec<Wrong> {
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let stranger = Forge::stranger(forge.algorithm);
    let for_ever = changed(claims, &json!({ "exp": claims["exp"].as_i64().unwrap() + 86400 }));
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[40] ^= 1;
    let unsigned =
        |alg: &str| format!("{}.{}.", encoded(&forge.header(&json!({ "alg": alg }))), encoded(claims));
    let with_secret = |secret: &[u8]| {
        let header = forge.header(&json!({ "alg": "HS256" }));
        let message = format!("{}.{}", encoded(&header), encoded(claims));
        let key = EncodingKey::from_secret(secret).unwrap();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    };
    vec![
        ("changed claims", format!("{header}.{}.{signature}", encoded(&for_ever))),
        ("a changed signature", format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes))),
        ("no signature", format!("{message}.")),
        ("half a token", message.to_owned()),
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        (
            "HS256 under the public key's PEM",
            with_secret(place.ok(&["keys", "export", "--format", "pem"]).as_bytes()),
        ),
        ("HS256 under the public key's JWK", with_secret(forge.public.to_string().as_bytes())),
        ("another key under the same name", stranger.sign(&forge.header(&json!({})), claims)),
        ("another key", stranger.sign(&stranger.header(&json!({})), claims)),
        (
            "a key that the token brings",
            stranger.sign(&stranger.header(&json!({ "jwk": stranger.public })), claims),
        ),
    ]
}

pub fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
