//! A resource service: a process of its own, given nothing but the place of the public keys.
//!
//! ```text
//! HEIRLOOM_JWKS_URL=http://127.0.0.1:8080/.well-known/jwks.json cargo run --example resource_service --features actix
//! curl -H "Authorization: Bearer $ACCESS_TOKEN" http://127.0.0.1:8081/profile
//! ```
//!
//! | variable | meaning |
//! |---|---|
//! | `HEIRLOOM_JWKS_URL` | where the issuer publishes its keys; or else |
//! | `HEIRLOOM_JWKS_FILE` | a file with a JWK set; or else |
//! | `HEIRLOOM_PEM_FILE` | a file with one public key |
//! | `HEIRLOOM_ISSUER` | the issuer; the JWKS URL's beginning unless set |
//! | `HEIRLOOM_AUDIENCE` | this service's name in tokens; the issuer unless set |
//! | `LISTEN` | where to listen; 127.0.0.1:8081 unless set |
//! | `PUBLIC_URL` | the URL that clients call, for proofs (DPoP); the address where it listens unless set |

use std::io::{Error, Result};

use actix_web::{App, HttpServer};
use heirloom_verifier::{Builder, Verifier};

#[path = "resource_service/routes.rs"]
mod routes;

#[actix_web::main]
async fn main() -> Result<()> {
    let listen = setting("LISTEN").unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let verifier = verifier(&listen).await?;
    let server = HttpServer::new(move || App::new().configure(|config| routes::routes(config, &verifier)))
        .bind(&listen)?;
    for address in server.addrs() {
        println!("resource service listening on http://{address}");
    }
    server.run().await
}

async fn verifier(listen: &str) -> Result<Verifier> {
    let url = setting("HEIRLOOM_JWKS_URL");
    let beginning = url.as_deref().and_then(|url| url.strip_suffix("/.well-known/jwks.json"));
    let issuer = setting("HEIRLOOM_ISSUER").or_else(|| beginning.map(ToOwned::to_owned));
    let issuer = issuer.ok_or_else(|| Error::other("set HEIRLOOM_ISSUER: the URL does not tell it"))?;
    let audience = setting("HEIRLOOM_AUDIENCE").unwrap_or_else(|| issuer.clone());
    let public_url = setting("PUBLIC_URL").unwrap_or_else(|| format!("http://{listen}"));
    let builder = Verifier::builder(issuer).audience(audience).public_url(public_url);
    let builder = with_keys(builder, url)?;
    builder.build().await.map_err(Error::other)
}

fn with_keys(builder: Builder, url: Option<String>) -> Result<Builder> {
    if let Some(url) = url {
        return Ok(builder.jwks_url(url));
    }
    if let Some(path) = setting("HEIRLOOM_JWKS_FILE") {
        return Ok(builder.jwks_file(path));
    }
    let Some(path) = setting("HEIRLOOM_PEM_FILE") else {
        return Err(Error::other("set HEIRLOOM_JWKS_URL, HEIRLOOM_JWKS_FILE or HEIRLOOM_PEM_FILE"));
    };
    Ok(builder.pem(std::fs::read(path)?))
}

/// An empty variable is one that is not set: compose files cannot leave one out.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
