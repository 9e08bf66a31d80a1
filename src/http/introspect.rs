//! `POST /oauth/introspect` (RFC 7662).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::domain::client::ClientKind;
use crate::http::body::{Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard};
use crate::http::{Web, client_auth};
use crate::service::Failure;
use crate::service::introspect::{Introspection, introspect as look};

pub(crate) async fn introspect(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Standard> {
    let form = Form::read(&request, body)?;
    let presenter = client_auth::presenter(&request, &form)?;
    let known = presenter.authenticate(&web.core, now).await?;
    // RFC 7662 §2.1: the endpoint must require authorization, which a public client cannot give.
    if matches!(known.client.kind, ClientKind::Public) {
        return Err(Failure::InvalidClient.into());
    }
    let token = form.get("token").ok_or(Problem::Malformed("The parameter token is missing."))?;
    let seen = look(&web.core, token, &known.client, now).await?;
    let answer = describe(&seen, web.core.issuer.as_str());
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// RFC 7662 §2.2.
fn describe(seen: &Introspection, issuer: &str) -> Value {
    let mut answer = match seen {
        Introspection::Inactive => return json!({ "active": false }),
        Introspection::Access(token) => json!({
            "active": true,
            "token_type": "Bearer",
            "iss": issuer,
            "sub": token.sub,
            "aud": token.aud,
            "client_id": token.client_id,
            "exp": token.exp,
            "iat": token.iat,
            "jti": token.jti,
            "scope": token.scope,
            "sid": token.sid,
            "auth_time": token.auth_time,
            "roles": token.roles,
        }),
        Introspection::Refresh { family, ends_at } => json!({
            "active": true,
            "iss": issuer,
            "sub": family.subject,
            "client_id": family.client_id,
            "exp": ends_at.timestamp(),
            "iat": family.rotated_at.timestamp(),
            "scope": family.scope,
            "sid": family.id,
            "auth_time": family.auth_time.timestamp(),
        }),
    };
    if let Some(members) = answer.as_object_mut() {
        members.retain(|_, value| !value.is_null() && *value != "");
    }
    answer
}
