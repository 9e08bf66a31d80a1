//! `POST /oauth/par` (RFC 9126): a client brings its authorization request itself, and its browser only the way to it.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::http::body::Form;
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard, Unmet};
use crate::http::oauth::authorize;
use crate::http::oauth::client_auth::{self, ClientForm};
use crate::http::{Web, key_proof};
use crate::service::authorize::pushed_request::{self, TTL};

/// Where requests are pushed.
pub(crate) const PATH: &str = "/oauth/par";

pub(crate) async fn push(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    ClientForm { form, client }: ClientForm,
) -> Result<HttpResponse, Standard> {
    let client = key_proof::proven(&web, &request, client, now)?;
    let known = client.authenticate(&web.core, now).await?;
    // RFC 9126 §2.1.
    if form.get("request_uri").is_some() {
        return Err(Problem::Malformed("A request that is pushed must not have a request_uri.").into());
    }
    let id = known.client.id.as_str();
    let mut once = None;
    let form = match form.get("request") {
        Some(jwt) => {
            let read = pushed_request::read_object(&web.core, &known.client, jwt, now).await?;
            let read = read.ok_or(Problem::Unmet(Unmet::InvalidRequestObject))?;
            once = read.once;
            Form::of_pairs(read.parameters)?
        }
        None if known.client.metadata.require_signed_request_object => {
            return Err(Problem::Malformed("This client has to send a signed request object.").into());
        }
        None => form.without(&client_auth::PARAMETERS).with("client_id", id),
    };
    let form = authorize::bound_to_key(&client, form)?;
    authorize::check(&web.core, &known, &form)?;
    let kept = authorize::to_keep(&form)?;
    client.count_waiting(&web.core, &known, now)?;
    let uri = pushed_request::keep(&web.core, &known.client.id, once.as_ref(), &kept, now).await?;
    let uri = uri.ok_or(Problem::Unmet(Unmet::InvalidRequestObject))?;
    let answer = HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({ "request_uri": uri.expose(), "expires_in": TTL.num_seconds() }));
    Ok(key_proof::with_next_nonce(answer, &web, client.key.as_ref(), now))
}
