//! `POST /oauth/introspect` (RFC 7662), answered as a signed JWT to whom asks for that (RFC 9701).

use actix_web::http::header::{Accept, CACHE_CONTROL, Header as _, QualityItem};
use actix_web::mime::Mime;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::domain::claims::Confirmation;
use crate::domain::client::ClientKind;
use crate::http::Web;
use crate::http::body::needed;
use crate::http::edge::Arrival;
use crate::http::error::Standard;
use crate::http::oauth::client_auth::ClientForm;
use crate::service::Failure;
use crate::service::clients::signing;
use crate::service::tokens::introspect::{Introspection, introspect as look};

pub(crate) async fn introspect(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    ClientForm { form, client }: ClientForm,
) -> Result<HttpResponse, Standard> {
    let known = client.authenticate(&web.core, now).await?;
    // RFC 7662 §2.1: the endpoint must require authorization, which a public client cannot give.
    if matches!(known.client.kind, ClientKind::Public) {
        return Err(Failure::InvalidClient.into());
    }
    let token = needed!(form, "token")?;
    let seen = look(&web.core, token, &known.client, now).await?;
    let answer = introspection_json(&seen, web.core.issuer.as_str(), now);
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    if !wants_jwt(&request) {
        return Ok(response.json(answer));
    }
    // RFC 9701 §5: the answer is one member, so that none of its members is taken for a claim of the answer's own.
    let claims = json!({
        "iss": web.core.issuer.as_str(),
        "aud": known.client.id,
        "iat": now.timestamp(),
        "token_introspection": answer,
    });
    let wish = known.client.introspection_signing();
    signing::ready(&web.core, wish, now).await?;
    let jwt = web.core.keys.sign_for(wish, JWT, &claims.to_string(), now)?;
    Ok(response.content_type(JWT_MEDIA_TYPE).body(jwt))
}

/// The type of the answer's token (RFC 9701 §5), and of its content.
const JWT: &str = "token-introspection+jwt";
const JWT_MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// RFC 9701 §4: the answer is a JWT for whom names that type; any other client gets JSON, as ever.
fn wants_jwt(request: &HttpRequest) -> bool {
    let is_that = |range: &QualityItem<Mime>| range.item.essence_str().eq_ignore_ascii_case(JWT_MEDIA_TYPE);
    Accept::parse(request).is_ok_and(|accept| accept.iter().any(is_that))
}

/// RFC 7662 §2.2.
fn introspection_json(seen: &Introspection, issuer: &str, now: DateTime<Utc>) -> Value {
    let mut answer = match seen {
        Introspection::Inactive => return json!({ "active": false }),
        Introspection::Access(token) => json!({
            "active": true,
            "token_type": token.token_type().as_str(),
            "iss": issuer,
            "sub": token.sub,
            "aud": *token.aud,
            "client_id": token.client_id,
            "exp": token.exp,
            "iat": token.iat,
            "jti": token.jti,
            "scope": token.scope,
            "sid": token.sid,
            "auth_time": token.auth_time,
            "acr": token.acr,
            "roles": token.roles,
            "act": token.act,
            "cnf": token.cnf,
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
            "auth_time": family.authentication.at.timestamp(),
            "acr": family.authentication.acr,
            "cnf": Confirmation::by(family.key_thumbprint.as_ref(), None),
            "refresh_token_timeout": (*ends_at - now).num_seconds(),
            "authorization_expires_in": (family.expires_at - now).num_seconds(),
        }),
    };
    if let Some(members) = answer.as_object_mut() {
        members.retain(|_, value| !value.is_null() && *value != "");
    }
    answer
}
