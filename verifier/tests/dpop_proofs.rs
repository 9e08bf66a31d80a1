//! Proofs of a key, as RFC 9449 §4.3 has them judged: good ones, and one for each way to be bad.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod prover;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom_verifier::dpop::{ALGORITHMS, InvalidProof, Proof, ProofRequest, SeenProofs, verify_proof};
use prover::{Prover, base64, token_hash, with};
use serde_json::{Value, json};

const NOW: i64 = 1_900_000_000;
const URL: &str = "https://api.example.com/orders";
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const REQUEST: ProofRequest<'static> =
    ProofRequest { method: "GET", url: "https://api.example.com/orders?page=2", access_token: Some(TOKEN) };

fn claims() -> Value {
    json!({ "jti": "id", "htm": "GET", "htu": URL, "iat": NOW, "ath": token_hash(TOKEN) })
}

fn judge(proof: &str) -> Result<Proof, InvalidProof> {
    verify_proof(proof, &REQUEST, NOW)
}

const RFC_KEY: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUk\
                       lDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUw\
                       Q2R2R1JEQSIsImNydiI6IlAtMjU2In19";

#[test]
fn the_rfcs_proofs_are_good_for_its_requests() {
    let at_token_endpoint = format!(
        "{RFC_KEY}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3\
         Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfb\
         V37xRZT3Lg"
    );
    let request =
        ProofRequest { method: "POST", url: "https://server.example.com/token", access_token: None };
    let proof = verify_proof(&at_token_endpoint, &request, 1_562_262_616).unwrap();
    assert_eq!(proof.thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!((proof.jti.as_str(), proof.issued_at), ("-BwC3ESc6acc2lTc", 1_562_262_616));

    let at_resource = format!(
        "{RFC_KEY}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy\
         9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcW\
         tzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    );
    let url = "https://resource.example.org/protectedresource";
    let request = ProofRequest { method: "GET", url, access_token: Some(TOKEN) };
    let proof = verify_proof(&at_resource, &request, 1_562_262_618).unwrap();
    assert_eq!(proof.thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");

    let other = ProofRequest { access_token: Some("another"), ..request };
    assert_eq!(verify_proof(&at_resource, &other, 1_562_262_618), Err(InvalidProof::WrongAccessToken));
    assert_eq!(verify_proof(&at_token_endpoint, &request, 1_562_262_618), Err(InvalidProof::WrongMethod));
}

#[test]
fn each_algorithm_that_is_offered_proves_a_key_and_no_other() {
    for alg in ALGORITHMS {
        let (prover, other) = (Prover::new(alg), Prover::new(alg));
        let proof = judge(&prover.prove(&claims())).unwrap();
        assert_eq!((&proof.thumbprint, proof.algorithm.as_str()), (&prover.thumbprint(), *alg));
        assert_eq!(proof.thumbprint.len(), 43);
        let foreign = with(&prover.header(), json!({ "jwk": other.jwk }));
        assert_eq!(judge(&prover.prove_as(&foreign, &claims())), Err(InvalidProof::BadSignature), "{alg}");
    }
}

#[test]
fn a_proof_may_say_more_and_say_it_in_other_ways() {
    let prover = Prover::new("ES256");
    for header in [
        json!({ "typ": "DPoP+JWT" }),
        json!({ "typ": "application/dpop+jwt" }),
        // None of these is believed: the key that counts is the one that signed.
        json!({ "kid": "another", "x5c": ["MIIB"], "jku": "https://evil.example", "x5u": "https://evil.example" }),
        json!({ "jwk": with(&prover.jwk, json!({ "kid": "another", "use": "sig", "alg": "ES256", "ext": true })) }),
    ] {
        let proof = judge(&prover.prove_as(&with(&prover.header(), header.clone()), &claims()));
        assert_eq!(proof.unwrap().thumbprint, prover.thumbprint(), "{header}");
    }
    for other in [
        json!({ "htu": "HTTPS://API.example.com:443/%6Frders?page=1#top" }),
        json!({ "iat": NOW - 60 }),
        json!({ "iat": NOW + 60 }),
        json!({ "iat": 1_900_000_000.75 }),
        json!({ "jti": "é".repeat(128) }),
        json!({ "nonce": "eyJ7S_zG.eyJH0-Z.HX4w-7v" }),
        json!({ "exp": NOW + 5, "more": [{}, null] }),
    ] {
        let proof = judge(&prover.prove(&with(&claims(), other.clone())));
        let proof = proof.unwrap_or_else(|refused| panic!("{refused} {other}"));
        assert_eq!(proof.nonce.as_deref(), other.get("nonce").and_then(Value::as_str));
    }
    // Where no token comes along, nothing is said of one.
    let request = ProofRequest { access_token: None, ..REQUEST };
    let plain = with(&claims(), json!({ "ath": null }));
    assert!(verify_proof(&prover.prove(&plain), &request, NOW).is_ok());
}

#[test]
fn a_proof_that_breaks_a_rule_is_refused_by_its_name() {
    let prover = Prover::new("ES256");
    let table = [
        (json!({ "typ": null }), InvalidProof::WrongType),
        (json!({ "typ": "JWT" }), InvalidProof::WrongType),
        (json!({ "typ": "at+jwt" }), InvalidProof::WrongType),
        (json!({ "typ": "text/dpop+jwt" }), InvalidProof::WrongType),
        (json!({ "typ": 1 }), InvalidProof::Malformed),
        (json!({ "crit": ["exp"], "exp": NOW }), InvalidProof::CriticalExtension),
        (json!({ "crit": [] }), InvalidProof::CriticalExtension),
        (json!({ "alg": null }), InvalidProof::WrongAlgorithm),
        (json!({ "alg": "none" }), InvalidProof::WrongAlgorithm),
        (json!({ "alg": "HS256" }), InvalidProof::WrongAlgorithm),
        (json!({ "alg": "es256" }), InvalidProof::WrongAlgorithm),
        (json!({ "alg": "EdDSA" }), InvalidProof::UnfitKey),
        (json!({ "alg": "ES384" }), InvalidProof::UnfitKey),
        (json!({ "alg": "RS256" }), InvalidProof::UnfitKey),
        (json!({ "jwk": null }), InvalidProof::MissingKey),
        (json!({ "jwk": "key" }), InvalidProof::Malformed),
        (json!({ "jwk": ["EC", "P-256", prover.jwk["x"], prover.jwk["y"]] }), InvalidProof::Malformed),
    ];
    for (header, refused) in table {
        let proof = prover.prove_as(&with(&prover.header(), header.clone()), &claims());
        assert_eq!(judge(&proof), Err(refused), "{header}");
    }
    let table = [
        (json!({ "jti": null }), InvalidProof::MissingClaim { name: "jti" }),
        (json!({ "jti": "" }), InvalidProof::UnfitId),
        (json!({ "jti": "i".repeat(257) }), InvalidProof::UnfitId),
        (json!({ "jti": 7 }), InvalidProof::Malformed),
        (json!({ "htm": null }), InvalidProof::MissingClaim { name: "htm" }),
        (json!({ "htm": "POST" }), InvalidProof::WrongMethod),
        (json!({ "htm": "get" }), InvalidProof::WrongMethod),
        (json!({ "htu": null }), InvalidProof::MissingClaim { name: "htu" }),
        (json!({ "htu": "https://api.example.com/order" }), InvalidProof::WrongUrl),
        (json!({ "htu": "http://api.example.com/orders" }), InvalidProof::WrongUrl),
        (json!({ "htu": "/orders" }), InvalidProof::WrongUrl),
        (json!({ "iat": null }), InvalidProof::MissingClaim { name: "iat" }),
        (json!({ "iat": NOW - 61 }), InvalidProof::TooOld),
        (json!({ "iat": NOW + 61 }), InvalidProof::TooNew),
        (json!({ "iat": 1e19 }), InvalidProof::TooNew),
        (json!({ "iat": 1e300 }), InvalidProof::Malformed),
        (json!({ "iat": -1 }), InvalidProof::Malformed),
        (json!({ "iat": NOW.to_string() }), InvalidProof::Malformed),
        (json!({ "ath": null }), InvalidProof::MissingClaim { name: "ath" }),
        (json!({ "ath": token_hash("another") }), InvalidProof::WrongAccessToken),
        (json!({ "ath": TOKEN }), InvalidProof::WrongAccessToken),
        (json!({ "ath": format!("{}=", token_hash(TOKEN)) }), InvalidProof::WrongAccessToken),
        (json!({ "nonce": 7 }), InvalidProof::Malformed),
        (json!({ "more": "m".repeat(4096) }), InvalidProof::TooLong),
    ];
    for (others, refused) in table {
        assert_eq!(judge(&prover.prove(&with(&claims(), others.clone()))), Err(refused), "{others}");
    }
}

#[test]
fn a_key_that_is_none_or_not_written_as_it_should_be_proves_nothing() {
    let table = [
        ("ES256", json!({ "x": 7 }), InvalidProof::Malformed),
        ("ES256", json!({ "x": "" }), InvalidProof::InvalidKey),
        ("ES256", json!({ "x": base64([1; 32]), "y": base64([1; 32]) }), InvalidProof::InvalidKey),
        ("ES256", json!({ "y": base64([0; 33]) }), InvalidProof::InvalidKey),
        ("ES256", json!({ "crv": "P-384" }), InvalidProof::UnfitKey),
        ("ES256", json!({ "crv": "secp256k1" }), InvalidProof::UnfitKey),
        ("ES256", json!({ "kty": "oct", "k": "AAAA" }), InvalidProof::PrivateKey),
        ("ES256", json!({ "d": base64([1; 32]) }), InvalidProof::PrivateKey),
        ("ES256", json!({ "d": null }), InvalidProof::PrivateKey),
        ("ES256", json!({ "kty": "OKP" }), InvalidProof::UnfitKey),
        ("Ed25519", json!({ "d": base64([1; 32]) }), InvalidProof::PrivateKey),
        ("Ed25519", json!({ "x": base64([1; 31]) }), InvalidProof::InvalidKey),
        ("Ed25519", json!({ "crv": "Ed448" }), InvalidProof::UnfitKey),
        ("Ed25519", json!({ "crv": "X25519" }), InvalidProof::UnfitKey),
        ("EdDSA", json!({ "kty": "EC" }), InvalidProof::UnfitKey),
        ("RS256", json!({ "n": base64([0xff; 255]) }), InvalidProof::InvalidKey),
        ("RS256", json!({ "e": "" }), InvalidProof::InvalidKey),
        ("RS256", json!({ "e": "AAEAAQ" }), InvalidProof::InvalidKey),
        ("PS256", json!({ "kty": "EC" }), InvalidProof::UnfitKey),
    ];
    for (alg, members, refused) in table {
        let prover = Prover::new(alg);
        let header = with(&prover.header(), json!({ "jwk": with(&prover.jwk, members.clone()) }));
        assert_eq!(judge(&prover.prove_as(&header, &claims())), Err(refused), "{alg} {members}");
    }
    // The same keys, written in another way, would have other thumbprints.
    let prover = Prover::new("ES256");
    let number = |name: &str| URL_SAFE_NO_PAD.decode(prover.jwk[name].as_str().unwrap()).unwrap();
    let (mut x, mut y) = (number("x"), number("y"));
    y.insert(0, x.pop().unwrap());
    let shifted = with(&prover.jwk, json!({ "x": base64(x), "y": base64(y) }));
    let header = with(&prover.header(), json!({ "jwk": shifted }));
    assert_eq!(judge(&prover.prove_as(&header, &claims())), Err(InvalidProof::InvalidKey));
    let prover = Prover::new("RS256");
    let n = URL_SAFE_NO_PAD.decode(prover.jwk["n"].as_str().unwrap()).unwrap();
    let padded = with(&prover.jwk, json!({ "n": base64([vec![0], n].concat()) }));
    let header = with(&prover.header(), json!({ "jwk": padded }));
    assert_eq!(judge(&prover.prove_as(&header, &claims())), Err(InvalidProof::InvalidKey));

    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        let jwk = with(&prover.jwk, json!({ member: "AQAB" }));
        let header = with(&prover.header(), json!({ "jwk": jwk }));
        assert_eq!(judge(&prover.prove_as(&header, &claims())), Err(InvalidProof::PrivateKey), "{member}");
    }
    // The two RSA algorithms are not each other's.
    let header = with(&prover.header(), json!({ "alg": "PS256" }));
    assert_eq!(judge(&prover.prove_as(&header, &claims())), Err(InvalidProof::BadSignature));
}

#[test]
fn what_is_no_jwt_or_has_a_name_twice_is_malformed() {
    let prover = Prover::new("EdDSA");
    let (header, good) = (prover.header().to_string(), claims().to_string());
    let signed = prover.sign(&header, &good);
    assert!(judge(&signed).is_ok());
    let (message, signature) = signed.rsplit_once('.').unwrap();
    for proof in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "rubbish".to_owned(),
        message.to_owned(),
        format!("{signed}."),
        format!("{signed}.{signature}"),
        format!("{signed}="),
        format!(" {signed}"),
        format!("{message}.{signature}é"),
        prover.sign("[]", &good),
        prover.sign(&header, "[\"id\"]"),
        prover.sign(&header, &format!("[\"id\",\"GET\",\"{URL}\",{NOW},\"{}\",null]", token_hash(TOKEN))),
        prover.sign(&header, "null"),
        prover.sign(&header, &format!("{good}{good}")),
        prover.sign(&header.replacen('{', r#"{"typ":"dpop+jwt","#, 1), &good),
        prover.sign(&header.replacen(r#""kty""#, r#""crv":"P-256","kty""#, 1), &good),
        prover.sign(&header, &good.replacen('{', r#"{"htm":"POST","#, 1)),
        prover.sign(&header, &good.replacen('{', r#"{"jti":"another","#, 1)),
    ] {
        assert_eq!(judge(&proof), Err(InvalidProof::Malformed), "{proof}");
    }
    let forged = format!("{message}.{}", base64([0; 64]));
    assert_eq!(judge(&forged), Err(InvalidProof::BadSignature));
    assert_eq!(judge(&format!("{message}.")), Err(InvalidProof::BadSignature));
}

#[test]
fn what_is_said_of_a_refusal_fits_a_header() {
    for refused in [
        InvalidProof::TooLong,
        InvalidProof::Malformed,
        InvalidProof::MissingClaim { name: "ath" },
        InvalidProof::WrongAccessToken,
    ] {
        let text = refused.to_string();
        // RFC 6750 §3.
        assert!(text.bytes().all(|byte| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')), "{text}");
    }
}

#[test]
fn a_proof_is_spent_by_one_request() {
    let prover = Prover::new("ES256");
    let seen = SeenProofs::new(10);
    let proof = prover.prove(&claims());
    assert!(seen.remember(&judge(&proof).unwrap(), NOW).is_ok());
    assert!(seen.remember(&judge(&proof).unwrap(), NOW).is_err());
    // Signed again, with the same jti, it is still the same.
    assert!(seen.remember(&judge(&prover.prove(&claims())).unwrap(), NOW).is_err());
    let other = Prover::new("ES256").prove(&claims());
    assert!(seen.remember(&judge(&other).unwrap(), NOW).is_ok());
}
