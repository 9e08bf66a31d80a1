//! Attacks on a service's verifier, row by row: what it is, who describes it, what is shown.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "tests fail by panicking, tell what they tried, and a table is as long as it is"
)]

mod issuer;

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom_verifier::{Algorithm, Presented, Verifier};
use issuer::{AUDIENCE, ISSUER, Key, NOW, claims};
use jsonwebtoken::{EncodingKey, crypto};
use serde_json::{Value, json};

/// A row: a name, a source, tokens that all must be refused.
type Row = (&'static str, &'static str, Vec<String>);

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The token under another header, with its own signature and with none.
fn headed(token: &str, header: &Value) -> [String; 2] {
    let mut parts = token.split('.').skip(1);
    let (payload, signature) = (parts.next().unwrap(), parts.next().unwrap());
    let message = format!("{}.{payload}", encoded(&header.to_string()));
    [format!("{message}.{signature}"), format!("{message}.")]
}

fn with_signature(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", token.rsplit_once('.').unwrap().0, URL_SAFE_NO_PAD.encode(signature))
}

/// The header with changes; null takes a member away.
fn header_of(key: &Key, changes: &Value) -> Value {
    let mut header = key.header();
    let members = header.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    header
}

fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

/// An HMAC whose secret is something that everybody knows.
fn hmac(key: &Key, algorithm: Algorithm, secret: &[u8]) -> String {
    let header = header_of(key, &json!({ "alg": algorithm }));
    let message = format!("{}.{}", encoded(&header.to_string()), encoded(&claims().to_string()));
    let secret = EncodingKey::from_secret(secret).unwrap();
    format!("{message}.{}", crypto::sign(message.as_bytes(), &secret, algorithm).unwrap())
}

/// The order of P-256: a signature's numbers are smaller, and not zero.
fn order() -> Vec<u8> {
    let hex = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    (0..32).map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2).unwrap(), 16).unwrap()).collect()
}

fn signatures(key: &Key, good: &str) -> Vec<Row> {
    let real = URL_SAFE_NO_PAD.decode(good.rsplit('.').next().unwrap()).unwrap();
    let (r, s) = real.split_at(32);
    let (zero, one) = (vec![0_u8; 32], [vec![0_u8; 31], vec![1]].concat());
    let der = |value: &[u8]| [&[2, 33, 0][..], value].concat();
    let pairs = [(&zero, &zero), (&one, &one), (&order(), &order()), (&order(), &zero), (&zero, &order())];
    let out_of_range = pairs.map(|(r, s)| with_signature(good, &[r.as_slice(), s].concat()));
    let names = ["none", "None", "NONE", "nOnE", "", " none", "null"];
    let secrets = [key.pem().into_bytes(), key.jwk().to_string().into_bytes(), vec![0]];
    let hmacs = secrets.iter().flat_map(|secret| {
        [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512].map(|algorithm| hmac(key, algorithm, secret))
    });
    vec![
        ("no signature, by every spelling of none", "RFC 8725 §3.1, CVE-2015-9235", {
            names.iter().flat_map(|alg| headed(good, &header_of(key, &json!({ "alg": alg })))).collect()
        }),
        ("the public key as a shared secret", "RFC 8725 §2.1, CVE-2016-10555", hmacs.collect()),
        ("zeros, ones, the order of the curve", "CVE-2022-21449", out_of_range.to_vec()),
        ("a DER form, a byte more, a byte less, two of them", "RFC 7518 §3.4", {
            let der = [&[0x30, 70][..], &der(r), &der(s)].concat();
            [der, [&real[..], &[0]].concat(), real[1..].to_vec(), [&real[..], &real].concat(), Vec::new()]
                .iter()
                .map(|signature| with_signature(good, signature))
                .collect()
        }),
        ("a key of the sender's", "RFC 8725 §3.10, CVE-2018-0114", {
            let own = Key::new(Algorithm::ES256, "one");
            let places = [
                json!({}),
                json!({ "jwk": own.jwk() }),
                json!({ "jku": "https://evil.example/jwks" }),
                json!({ "x5u": "https://evil.example/x", "x5c": ["AAAA"] }),
            ];
            places.iter().map(|place| own.sign_as(&header_of(&own, place), &claims())).collect()
        }),
    ]
}

fn contents(key: &Key) -> Vec<Row> {
    let whole = claims().to_string();
    let exp = format!("\"exp\":{}", NOW + 60);
    let header = key.header().to_string();
    let timed = |time: &str| key.sign_text(&header, &whole.replace(&exp, time));
    let many = |changes: &[Value]| changes.iter().map(|it| key.sign(&claims_with(it))).collect();
    vec![
        ("an expiry that is a text, an array, endless, negative, none", "RFC 7519 §4.1.4", {
            let late = NOW + 600;
            [
                &format!("\"exp\":\"{late}\""),
                &format!("\"exp\":[{late}]"),
                "\"exp\":1e400",
                "\"exp\":-1",
                "\"exp\":null",
            ]
            .into_iter()
            .chain(["\"exp\":{}", "\"exp\":true", "\"exp\":0", "\"x\":1"])
            .map(timed)
            .collect()
        }),
        ("a claim that stands twice", "RFC 8725 §2.4, RFC 7519 §4", {
            vec![
                timed(&format!("\"exp\":0,{exp}")),
                timed(&format!("{exp},\"sub\":\"eve\"")),
                timed(&format!("{exp},\"aud\":\"{AUDIENCE}\"")),
            ]
        }),
        ("a payload that is no JSON", "RFC 7519 §7.2", {
            ["", "null", "[]", "\"x\"", "{", "{}{}", "\u{feff}{}"]
                .map(|text| key.sign_text(&header, text))
                .to_vec()
        }),
        ("a payload nested ten thousand times", "CWE-674", {
            vec![key.sign_text(&header, &format!("{}{}", "[".repeat(5000), "]".repeat(5000)))]
        }),
        ("another issuer, another audience, another type of either", "ASVS 9.2.3, RFC 9068 §4", {
            many(&[
                json!({ "iss": "https://evil.example" }),
                json!({ "iss": [ISSUER] }),
                json!({ "iss": format!("{ISSUER}/") }),
                json!({ "aud": "https://other.example" }),
                json!({ "aud": [] }),
                json!({ "aud": [[AUDIENCE]] }),
                json!({ "aud": { "x": AUDIENCE } }),
                json!({ "aud": format!("{AUDIENCE}/") }),
                json!({ "sub": 7 }),
                json!({ "nbf": NOW + 600 }),
            ])
        }),
        ("another kind of token", "RFC 8725 §3.11, ASVS 9.2.2", {
            [
                "JWT",
                "logout+jwt",
                "token-introspection+jwt",
                "secevent+jwt",
                "statuslist+jwt",
                "dpop+jwt",
                "at+jwt2",
                "at",
            ]
            .iter()
            .map(|typ| key.sign_as(&header_of(key, &json!({ "typ": typ })), &claims()))
            .chain([key.sign_as(&header_of(key, &json!({ "typ": null })), &claims())])
            .collect()
        }),
        ("a kid that is a path, a statement, a URL, no text", "RFC 8725 §3.10, CWE-22", {
            [
                json!("../one"),
                json!("one'--"),
                json!("https://evil.example"),
                json!(["one"]),
                json!({}),
                json!(7),
                json!("ONE"),
                json!(""),
            ]
            .iter()
            .map(|kid| key.sign_as(&header_of(key, &json!({ "kid": kid })), &claims()))
            .collect()
        }),
        ("an extension that must be understood, and is not", "RFC 7515 §4.1.11", {
            [json!(["b64"]), json!(["exp"]), json!([]), json!("exp"), json!([""])]
                .iter()
                .map(|crit| key.sign_as(&header_of(key, &json!({ "crit": crit, "b64": false })), &claims()))
                .collect()
        }),
    ]
}

fn forms(good: &str) -> Vec<Row> {
    vec![
        ("a million dots, and none", "CVE-2025-30204, CWE-400", {
            vec![
                ".".repeat(1_000_000),
                ".".repeat(16_000),
                String::new(),
                "x".to_owned(),
                "..".to_owned(),
                "a.b.c.d.e".to_owned(),
            ]
        }),
        ("white space, padding, another alphabet, one more part", "RFC 7515 §2", {
            [
                format!(" {good}"),
                format!("{good}\n"),
                format!("{good}="),
                format!("{good}.x"),
                format!(".{good}"),
            ]
            .into_iter()
            .chain([
                good.replace(['-', '_'], "+"),
                good.replacen('.', "..", 1),
                good.replace('.', ","),
                format!("{good}\0"),
            ])
            .filter(|token| token != good)
            .collect()
        }),
        ("a character changed, wherever it is", "ASVS 9.1.1", {
            (0..good.len())
                .map(|at| {
                    let (before, rest) = good.split_at(at);
                    let new = if rest.starts_with('A') { 'Q' } else { 'A' };
                    format!("{before}{new}{}", rest.get(1..).unwrap())
                })
                .collect()
        }),
    ]
}

#[tokio::test]
async fn nothing_of_this_opens_a_service() {
    let key = Key::new(Algorithm::ES256, "one");
    let others = [Key::new(Algorithm::EdDSA, "two"), Key::new(Algorithm::RS256, "three")];
    let keys = issuer::jwks(&[&key, &others[0], &others[1]]);
    let builder = Verifier::builder(ISSUER).audience(AUDIENCE).jwks_json(keys);
    let verifier = builder.clock(|| UNIX_EPOCH + Duration::from_secs(NOW)).build().await.unwrap();
    let good = key.sign(&claims());
    assert!(verifier.verify(&good).await.is_ok(), "it opens as it is");
    let rows = [signatures(&key, &good), contents(&key), forms(&good)].concat();
    let (mut shown, mut through) = (0, Vec::new());
    for (name, source, tokens) in &rows {
        assert!(!tokens.is_empty(), "{name}");
        for token in tokens {
            shown += 1;
            let presented = verifier.verify_presented(&Presented::bearer(token)).await;
            if verifier.verify(token).await.is_ok()
                || presented.is_ok()
                || verifier.verify_offline(token).is_ok()
            {
                through.push(format!("{name} ({source}): {}", token.chars().take(300).collect::<String>()));
            }
        }
    }
    println!("verifier: {} attacks, {shown} tokens, {} got through", rows.len(), through.len());
    assert!(through.is_empty(), "{}", through.join("\n"));
    assert!(verifier.verify(&good).await.is_ok(), "it opens still");
}
