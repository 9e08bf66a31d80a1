//! A service that access tokens open, by heirloom-verifier: `GET /orders`, for apps that may read orders.
//!
//! ```text
//! export ISSUER=https://login.example.com AUDIENCE=https://orders.example.com
//! PUBLIC_URL=https://orders.example.com PORT=8081 ./verifier
//! ```

use actix_web::{App, HttpResponse, HttpServer, web};
use heirloom_verifier::actix::Protect;
use heirloom_verifier::{AccessToken, Verifier};
use serde_json::json;

async fn orders(access: AccessToken) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "reader": access.subject, "orders": [] }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = std::env::var("ISSUER")?;
    // The status lists that tokens name are followed in the background. A token that is bound to a key comes with a
    // proof of it (DPoP), made for the URL that clients call.
    let verifier = Verifier::builder(issuer.as_str())
        .audience(std::env::var("AUDIENCE")?)
        .public_url(std::env::var("PUBLIC_URL")?)
        .jwks_url(format!("{issuer}/.well-known/jwks.json"))
        .build()
        .await?;
    HttpServer::new(move || {
        let readers = Protect::new(&verifier).require_scope("orders:read");
        App::new().service(web::resource("/orders").wrap(readers).route(web::get().to(orders)))
    })
    .bind(("127.0.0.1", std::env::var("PORT")?.parse()?))?
    .run()
    .await?;
    Ok(())
}
