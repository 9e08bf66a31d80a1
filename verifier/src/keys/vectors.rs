//! The vectors of Project Wycheproof for the three algorithms.
//!
//! Their messages are bytes that are no JWT, so they go to what a token's signature is checked by, past the reading of
//! its claims: a key is read as the issuer publishes it, as JWK and as PEM, and [`Key::signed`] judges.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify};

use super::*;

/// A key, and what is signed with it or not.
pub(crate) struct Group {
    pub(crate) jwk: Value,
    pub(crate) pem: String,
    pub(crate) cases: Vec<Case>,
}

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) result: TestResult,
}

macro_rules! groups {
    ($set:ident, $name:ident, |$key:ident| $jwk:expr) => {
        $set::TestSet::load($set::TestName::$name).unwrap().test_groups.into_iter().map(|group| Group {
            jwk: {
                let $key = &group.key;
                $jwk
            },
            pem: group.pem,
            cases: group
                .tests
                .into_iter()
                .map(|test| Case {
                    name: format!("{} {}: {}", stringify!($name), test.tc_id, test.comment),
                    message: test.msg.to_vec(),
                    signature: test.sig.to_vec(),
                    result: test.result,
                })
                .collect(),
        })
    };
}

/// A number in as many bytes as it has to have (RFC 7518 §6.2.1.2), or in as few as it needs (§6.3.1.1).
fn number(bytes: &[u8], size: Option<usize>) -> String {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let (_, bytes) = bytes.split_at(start);
    let zeros = vec![0; size.unwrap_or_default().saturating_sub(bytes.len())];
    URL_SAFE_NO_PAD.encode([&zeros, bytes].concat())
}

pub(crate) fn es256() -> Vec<Group> {
    let of_point = |x: &[u8], y: &[u8]| {
        let (x, y) = (number(x, Some(32)), number(y, Some(32)));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "k", "alg": "ES256" })
    };
    groups!(ecdsa, EcdsaSecp256r1Sha256P1363, |key| of_point(&key.affine_x, &key.affine_y)).collect()
}

pub(crate) fn eddsa() -> Vec<Group> {
    let of_bytes = |bytes: &[u8]| {
        let x = URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k", "alg": "EdDSA" })
    };
    groups!(eddsa, Ed25519, |key| of_bytes(&key.pk)).collect()
}

pub(crate) fn rs256() -> Vec<Group> {
    let of_numbers = |n: &[u8], e: &[u8]| {
        let (n, e) = (number(n, None), number(e, None));
        json!({ "kty": "RSA", "n": n, "e": e, "kid": "k", "alg": "RS256" })
    };
    groups!(rsa_pkcs1_verify, Rsa2048Sha256, |key| of_numbers(&key.n, &key.e))
        .chain(groups!(rsa_pkcs1_verify, Rsa3072Sha256, |key| of_numbers(&key.n, &key.e)))
        .chain(groups!(rsa_pkcs1_verify, Rsa4096Sha256, |key| of_numbers(&key.n, &key.e)))
        .chain(groups!(rsa_pkcs1_verify, Rsa8192Sha256, |key| of_numbers(&key.n, &key.e)))
        .collect()
}

/// All that was judged otherwise than Wycheproof says. What is acceptable may be refused.
pub(crate) fn judge(name: &str, groups: &[Group], signed: impl Fn(&Group, &Case) -> Option<bool>) {
    let (mut tried, mut refused, mut wrong) = (0, 0, Vec::new());
    for group in groups {
        for case in &group.cases {
            let signed = signed(group, case);
            tried += 1;
            refused += usize::from(signed != Some(true));
            let right = match case.result {
                TestResult::Valid => signed == Some(true),
                TestResult::Invalid => signed == Some(false),
                TestResult::Acceptable => signed.is_some(),
            };
            if !right {
                wrong.push(format!("{}: {signed:?}, not {:?}", case.name, case.result));
            }
        }
    }
    #[expect(clippy::print_stdout, reason = "the test tells what it tried")]
    {
        println!("{name}: {tried} vectors, {refused} of them refused, {} judged wrong", wrong.len());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 100 && refused > 50 && refused < tried, "{tried} vectors, {refused} refused");
}

#[test]
fn signatures_of_wycheproof_are_judged_as_it_says() {
    for (name, groups) in [("ES256", es256()), ("EdDSA", eddsa()), ("RS256", rs256())] {
        judge(&format!("{name}, keys as JWK"), &groups, |group, case| {
            let set = KeySet::from_jwks(json!({ "keys": [group.jwk] }).to_string().as_bytes()).unwrap();
            Some(set.find(Some("k"))?.signed(&case.message, &case.signature))
        });
        judge(&format!("{name}, keys as PEM"), &groups, |group, case| {
            let set = KeySet::from_pem(group.pem.as_bytes())?;
            Some(set.find(None)?.signed(&case.message, &case.signature))
        });
    }
}
