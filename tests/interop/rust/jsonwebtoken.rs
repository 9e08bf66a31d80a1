//! A service that access tokens open, by the crate jsonwebtoken alone: `GET /orders`, for apps that may read orders.
//!
//! ```text
//! ISSUER=https://login.example.com AUDIENCE=https://orders.example.com PORT=8081 ./jsonwebtoken
//! ```

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Result, web};
use serde_json::json;

#[path = "jsonwebtoken/issuer.rs"]
mod issuer;
use issuer::{Claims, Issuer, invalid};

struct Service {
    issuer: Issuer,
    audience: String,
}

impl Service {
    /// The claims of the token that came with a request.
    async fn access(&self, token: &str) -> Result<Claims> {
        let claims = self.issuer.verified(token, "at+jwt", Some(&self.audience)).await?;
        // Only a service that asks for a proof of the key (DPoP) may take a token that is bound to one.
        if claims.cnf.is_some() {
            return Err(invalid("it is bound to a key"));
        }
        if let Some(entry) = &claims.status.status_list
            && self.issuer.is_ended(entry).await?
        {
            return Err(invalid("its login was ended"));
        }
        Ok(claims)
    }
}

async fn orders(request: HttpRequest, service: web::Data<Service>) -> HttpResponse {
    let given = request.headers().get(AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let Some((_, token)) = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
    else {
        return HttpResponse::Unauthorized().insert_header((WWW_AUTHENTICATE, "Bearer")).finish();
    };
    let refused = |error| (WWW_AUTHENTICATE, format!("Bearer error=\"{error}\""));
    match service.access(token).await {
        Ok(claims) if claims.scope.split(' ').any(|it| it == "orders:read") => {
            HttpResponse::Ok().json(json!({ "reader": claims.sub, "orders": [] }))
        }
        Ok(_) => HttpResponse::Forbidden().insert_header(refused("insufficient_scope")).finish(),
        Err(error) if error.as_response_error().status_code() == StatusCode::UNAUTHORIZED => {
            HttpResponse::Unauthorized().insert_header(refused("invalid_token")).finish()
        }
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let issuer = Issuer::new(std::env::var("ISSUER")?)?;
    let service = web::Data::new(Service { issuer, audience: std::env::var("AUDIENCE")? });
    HttpServer::new(move || App::new().app_data(service.clone()).route("/orders", web::get().to(orders)))
        .bind(("127.0.0.1", std::env::var("PORT")?.parse()?))?
        .run()
        .await?;
    Ok(())
}
