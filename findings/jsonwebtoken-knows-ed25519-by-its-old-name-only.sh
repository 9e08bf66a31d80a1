#!/usr/bin/env bash
# jsonwebtoken 12.0.0 (crates.io): RFC 9864 gives the algorithm of Ed25519 signatures the name "Ed25519" beside the older
# "EdDSA", and client libraries begin to send it. A JOSE header with that name is not read at all: the error is that of an
# unknown variant, so a caller cannot even learn the key id. The same name in a JWK is read without an error, as an
# algorithm that the library does not know. So one name fails in one place and is passed over in the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
jsonwebtoken = { version = "=12.0.0", default-features = false, features = ["aws_lc_rs"] }
serde_json = "=1.0.154"
TOML
cat > src/main.rs <<'RUST'
use jsonwebtoken::decode_header;
use jsonwebtoken::jwk::Jwk;

fn main() {
    // {"alg":"EdDSA","kid":"k"} and {"alg":"Ed25519","kid":"k"}, each with an empty payload and signature.
    for (name, token) in [
        ("EdDSA", "eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ.e30.AA"),
        ("Ed25519", "eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoiayJ9.e30.AA"),
    ] {
        match decode_header(token) {
            Ok(header) => println!("header {name}: read, kid {:?}", header.kid),
            Err(error) => println!("header {name}: not read: {error}"),
        }
        let key = format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"{name}"}}"#
        );
        match serde_json::from_str::<Jwk>(&key) {
            Ok(key) => println!("key {name}: read, as {:?}", key.common.key_algorithm),
            Err(error) => println!("key {name}: not read: {error}"),
        }
    }
}
RUST
cargo run --quiet > output
cat output
grep -q '^header EdDSA: read, kid Some("k")$' output
grep -q '^key EdDSA: read, as Some(EdDSA)$' output
grep -q '^header Ed25519: not read: .*unknown variant `Ed25519`' output
grep -q '^key Ed25519: read, as Some(UNKNOWN_ALGORITHM)$' output
echo "as described"
