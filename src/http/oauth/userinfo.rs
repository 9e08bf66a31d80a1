//! `/oauth/userinfo` (OpenID Connect Core §5.3).

use actix_web::http::Method;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::http::body::{Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::{Face, Problem, Protected, Scheme};
use crate::http::{Web, cors, protected};
use crate::service::tokens::userinfo::userinfo as look;

/// `GET`, `POST /oauth/userinfo`: the token in the header, or in a form's body (RFC 6750 §2.2), never in the query.
pub(crate) async fn userinfo(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Protected> {
    let posted = posted_token(&request, body);
    let posted = posted.map_err(|problem| Protected { face: FACE, scheme: Scheme::Bearer, problem })?;
    protected::opened((&web, &request, now), FACE, posted, async |shown| {
        let mut info = look(&web.core, shown, now).await?;
        cors::speaks_for(&request, &info.client);
        info.claims.insert("sub".to_owned(), json!(info.subject));
        let mut response = HttpResponse::Ok();
        response.insert_header((CACHE_CONTROL, "no-store"));
        match info.signing {
            None => Ok(response.json(info.claims)),
            Some(wish) => {
                // OpenID Connect Core §5.3.2: who says it, and to whom.
                info.claims.insert("iss".to_owned(), json!(web.core.issuer.as_str()));
                info.claims.insert("aud".to_owned(), json!(info.client));
                let jwt = web.core.keys.sign_for(wish, JWT, &json!(info.claims).to_string(), now)?;
                Ok(response.content_type("application/jwt").body(jwt))
            }
        }
    })
    .await
}

fn posted_token(request: &HttpRequest, body: Body) -> Result<Option<String>, Problem> {
    let is_form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    // Some clients say of every request that it is JSON: without a form there is nothing to read.
    if request.method() == Method::POST && is_form {
        Ok(Form::read(request, body)?.get("access_token").map(ToOwned::to_owned))
    } else {
        Ok(None)
    }
}

const FACE: Face = Face::Standard;

/// A type of its own: it must not pass for an ID token (RFC 8725 §3.11).
const JWT: &str = "userinfo+jwt";
