//! What is read of status lists, and what is refused: the draft's own vectors, and documents good and bad.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod issuer;
mod status_list;

use heirloom_verifier::{Algorithm, StatusListError, VerifyError};
use issuer::{ISSUER, Key, NOW};
use serde_json::{Value, json};
use status_list::{Answer, REVOKED, World, claims_of, document, header, packed, signed};

#[tokio::test]
async fn the_drafts_vectors_are_read() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("status_list/vectors.json")).unwrap();
    let world = World::new();
    let verifier = world.verifier().await;
    for (number, vector) in vectors.iter().enumerate() {
        let path = format!("/status-lists/vector-{number}");
        let uri = format!("{ISSUER}{path}");
        let mut document = document(&[]);
        document["sub"] = json!(uri);
        document["status_list"] = json!({ "bits": vector["bits"], "lst": vector["lst"] });
        world.provider.publish_at(&path, signed(&world.key, &document));
        let status = async |index: u64| match verifier.verify(&world.key.sign(&claims_of(&uri, index))).await
        {
            Ok(_) => 0,
            Err(VerifyError::Revoked { status }) => u64::from(status),
            Err(refusal) => panic!("{} at {index}: {refusal}", vector["section"]),
        };
        for entry in vector["statuses"].as_array().unwrap() {
            let (index, expected) = (entry[0].as_u64().unwrap(), entry[1].as_u64().unwrap());
            assert_eq!(status(index).await, expected, "{} at {index}", vector["section"]);
        }
        if number > 1 {
            for index in [1, 2, 7, 8, 1992, 1994, 1_000_344, 1_048_575] {
                assert_eq!(status(index).await, 0, "{} at {index}", vector["section"]);
            }
        }
    }
    assert_eq!(vectors.len(), 6);
}

#[tokio::test]
async fn each_bad_document_has_its_error_and_opens_nothing() {
    let changed = |name: &str, value: Value| {
        let mut document = document(&[0, 0]);
        document[name] = value;
        document
    };
    let without = |name: &str| {
        let mut document = document(&[0, 0]);
        document.as_object_mut().unwrap().remove(name);
        document
    };
    let list = |list: Value| changed("status_list", list);
    let good = packed(&[0, 0]);
    let bomb = packed(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000);
    let edge = packed(&vec![0; (16 << 20) + 1]);
    let mut broken = miniz_oxide::deflate::compress_to_vec_zlib(&[0, 0], 9);
    *broken.last_mut().unwrap() ^= 1;
    let base64 =
        |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    let rows = [
        (
            "another list's",
            changed("sub", json!(format!("{ISSUER}/status-lists/2"))),
            StatusListError::WrongSubject,
        ),
        ("no subject", without("sub"), StatusListError::Malformed),
        ("another issuer's", changed("iss", json!("https://evil.example")), StatusListError::WrongIssuer),
        ("no time", without("iat"), StatusListError::Malformed),
        ("a time as text", changed("iat", json!("now")), StatusListError::Malformed),
        ("a time before all", changed("iat", json!(-1)), StatusListError::Malformed),
        ("expired", changed("exp", json!(NOW - 5)), StatusListError::Expired),
        ("an expiry that is no time", changed("exp", json!(-1)), StatusListError::Malformed),
        ("not yet", changed("nbf", json!(NOW + 6)), StatusListError::NotYetValid),
        ("a ttl of nothing", changed("ttl", json!(0)), StatusListError::InvalidTtl),
        ("a negative ttl", changed("ttl", json!(-5)), StatusListError::InvalidTtl),
        ("a ttl as text", changed("ttl", json!("5")), StatusListError::InvalidTtl),
        ("no list", without("status_list"), StatusListError::Malformed),
        ("a list as text", list(json!("AA")), StatusListError::Malformed),
        ("no bits", list(json!({ "lst": good })), StatusListError::Malformed),
        ("no lst", list(json!({ "bits": 1 })), StatusListError::Malformed),
        ("bits as text", list(json!({ "bits": "1", "lst": good })), StatusListError::Malformed),
        ("0 bits", list(json!({ "bits": 0, "lst": good })), StatusListError::InvalidBits),
        ("3 bits", list(json!({ "bits": 3, "lst": good })), StatusListError::InvalidBits),
        ("16 bits", list(json!({ "bits": 16, "lst": good })), StatusListError::InvalidBits),
        ("padding", list(json!({ "bits": 1, "lst": format!("{good}==") })), StatusListError::NotBase64),
        ("spaces", list(json!({ "bits": 1, "lst": format!("{good} ") })), StatusListError::NotBase64),
        ("nothing packed", list(json!({ "bits": 1, "lst": "" })), StatusListError::NotZlib),
        ("not packed", list(json!({ "bits": 1, "lst": "AAAA" })), StatusListError::NotZlib),
        ("cut off", list(json!({ "bits": 1, "lst": good[..8] })), StatusListError::NotZlib),
        ("a wrong checksum", list(json!({ "bits": 1, "lst": base64(&broken) })), StatusListError::NotZlib),
        (
            "DEFLATE without ZLIB",
            list(json!({ "bits": 1, "lst": base64(&[0x63, 0, 0]) })),
            StatusListError::NotZlib,
        ),
        ("a bomb", list(json!({ "bits": 1, "lst": bomb })), StatusListError::UnpacksTooLarge),
        ("a byte too many", list(json!({ "bits": 1, "lst": edge })), StatusListError::UnpacksTooLarge),
    ];
    let world = World::new();
    for (what, document, error) in rows {
        refused(&world, what, signed(&world.key, &document), &error).await;
    }
}

#[tokio::test]
async fn each_bad_answer_has_its_error_and_opens_nothing() {
    let world = World::new();
    let key = &world.key;
    let headed = |name: &str, value: Value| {
        let mut header = header(key);
        header[name] = value;
        Answer::good(key.sign_as(&header, &document(&[0, 0])))
    };
    let good = signed(key, &document(&[0, 0]));
    let (unsigned, _) = good.body.rsplit_once('.').unwrap();
    let stranger = Key::new(Algorithm::ES256, "one");
    let typed = |content_type| Answer { content_type, ..good.clone() };
    let status = |status| Answer { status, ..good.clone() };
    let mut long = document(&[0, 0]);
    long["more"] = json!("x".repeat(4 << 20));
    let rows = [
        ("an access token", headed("typ", json!("at+jwt")), StatusListError::WrongType),
        ("no type", headed("typ", Value::Null), StatusListError::WrongType),
        ("CBOR's type", headed("typ", json!("statuslist+cwt")), StatusListError::WrongType),
        ("unsigned", headed("alg", json!("none")), StatusListError::WrongAlgorithm),
        ("a shared secret", headed("alg", json!("HS256")), StatusListError::WrongAlgorithm),
        ("another algorithm", headed("alg", json!("EdDSA")), StatusListError::WrongAlgorithm),
        ("an unknown key", headed("kid", json!("two")), StatusListError::UnknownKey),
        ("an extension", headed("crit", json!(["exp"])), StatusListError::Malformed),
        ("no signature", Answer::good(format!("{unsigned}.")), StatusListError::BadSignature),
        ("another's signature", signed(&stranger, &document(&[0, 0])), StatusListError::BadSignature),
        ("nothing", Answer::good(String::new()), StatusListError::Malformed),
        ("no JWT", Answer::good("a.b.c".to_owned()), StatusListError::Malformed),
        ("a proxy's page", typed(Some("text/html")), StatusListError::WrongMediaType),
        ("a list in CBOR", typed(Some("application/statuslist+cwt")), StatusListError::WrongMediaType),
        ("no media type", typed(None), StatusListError::WrongMediaType),
        ("gone", status(404), StatusListError::Status { status: 404 }),
        ("out of order", status(500), StatusListError::Status { status: 500 }),
        ("elsewhere", status(302), StatusListError::Status { status: 302 }),
        ("unchanged, though nothing is known", status(304), StatusListError::Status { status: 304 }),
        ("no end", signed(key, &long), StatusListError::TooLong),
    ];
    for (what, answer, error) in rows {
        refused(&world, what, answer, &error).await;
    }
    world.provider.stop().await;
    // The keys are there: only the lists are not.
    let keys = issuer::jwks(&[key]);
    let verifier = world.bare().jwks_json(keys).status_lists_url(world.provider.url()).build().await.unwrap();
    assert_eq!(verifier.verify(&world.token(1)).await, Err(VerifyError::StatusUnavailable));
    assert!(matches!(world.error(), Some(StatusListError::Unreachable { .. })), "{:?}", world.error());
}

async fn refused(world: &World, what: &str, answer: Answer, error: &StatusListError) {
    world.provider.publish(answer);
    let verifier = world.verifier().await;
    let verdict = verifier.verify(&world.token(1)).await;
    assert_eq!(world.error().as_ref(), Some(error), "{what}");
    assert_eq!(verdict, Err(VerifyError::StatusUnavailable), "{what}");
    assert_eq!((verifier.status_lists().failed, verifier.status_lists().unavailable), (1, 1), "{what}");
    assert_eq!(verifier.status_lists().stale_for, None, "{what}");
}

#[tokio::test]
async fn what_a_document_may_leave_out_or_write_otherwise() {
    let world = World::new();
    let mut bare = document(&[2, 0]);
    bare.as_object_mut().unwrap().retain(|name, _| ["sub", "iat", "status_list"].contains(&name.as_str()));
    let mut full = document(&[2, 0]);
    full["iss"] = json!(ISSUER);
    full["nbf"] = json!(NOW + 5);
    full["exp"] = json!(NOW - 4);
    full["ttl"] = json!(1.5);
    full["future"] = json!({});
    full["status_list"]["aggregation_uri"] = json!(format!("{ISSUER}/status-lists"));
    let mut named = header(&world.key);
    named["typ"] = json!("application/StatusList+JWT");
    let parameters = Some("Application/StatusList+JWT; charset=utf-8");
    for answer in [
        signed(&world.key, &bare),
        signed(&world.key, &full),
        Answer::good(world.key.sign_as(&named, &bare)),
        Answer { content_type: parameters, ..signed(&world.key, &bare) },
    ] {
        world.provider.publish(answer);
        let verifier = world.verifier().await;
        assert!(verifier.verify(&world.token(0)).await.is_ok(), "{:?}", world.error());
        assert_eq!(verifier.verify(&world.token(1)).await, Err(REVOKED));
    }
    for algorithm in [Algorithm::EdDSA, Algorithm::RS256] {
        let other = Key::new(algorithm, "other");
        world.provider.publish_keys(&[&world.key, &other]);
        world.provider.publish(signed(&other, &bare));
        assert_eq!(world.verifier().await.verify(&world.token(1)).await, Err(REVOKED));
    }
    let narrow = world.builder().algorithms([Algorithm::ES256]).build().await.unwrap();
    assert_eq!(narrow.verify(&world.token(1)).await, Err(VerifyError::StatusUnavailable));
    assert_eq!(world.error(), Some(StatusListError::WrongAlgorithm));
}

#[tokio::test]
async fn an_entry_beyond_the_lists_end_has_no_status() {
    let world = World::new();
    for builder in [world.builder(), world.builder().accept_stale_status()] {
        let verifier = builder.build().await.unwrap();
        assert!(verifier.verify(&world.token(15)).await.is_ok());
        for index in [16, 1 << 20, u64::from(u32::MAX), u64::MAX] {
            let verdict = verifier.verify(&world.token(index)).await;
            assert_eq!(verdict, Err(VerifyError::StatusUnavailable), "{index}");
        }
    }
}
