//! `POST /oauth/token` (RFC 6749 §3.2).

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};

use crate::domain::client::GrantType;
use crate::http::body::{Form, needed};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard};
use crate::http::oauth::client_auth::ClientForm;
use crate::http::{Web, key_proof, token_answer};
use crate::service::Core;
use crate::service::clients::client_request::ClientRequest;
use crate::service::tokens::client_credentials::client_credentials;
use crate::service::tokens::device::{self, DeviceParams};
use crate::service::tokens::exchange_code::{CodeParams, exchange_code};
use crate::service::tokens::refresh::{RefreshParams, refresh};
use crate::service::tokens::token_exchange::{TokenExchangeParams, token_exchange};

/// RFC 8693 §3: the only kind of token that is exchanged, and given in exchange.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The grants that are served.
pub(crate) const GRANTS: [GrantType; 5] = GrantType::ALL;

pub(crate) async fn token(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    ClientForm { form, client }: ClientForm,
) -> Result<HttpResponse, Standard> {
    let client = key_proof::proven(&web, &request, client, now)?;
    let answer = grant(&web.core, &client, &form, now).await?;
    Ok(key_proof::with_next_nonce(answer, &web, client.key.as_ref(), now))
}

async fn grant(
    core: &Core,
    client: &ClientRequest,
    form: &Form,
    now: DateTime<Utc>,
) -> Result<HttpResponse, Problem> {
    // All but the refresh are boxed, so that it does not carry the largest of them along.
    let issued = match needed!(form, "grant_type")?.parse() {
        Ok(GrantType::AuthorizationCode) => {
            Box::pin(exchange_code(core, client, code_params(form)?, now)).await?
        }
        Ok(GrantType::RefreshToken) => {
            let params = RefreshParams { token: needed!(form, "refresh_token")?, wanted: form.wanted()? };
            refresh(core, client, params, now).await?
        }
        Ok(GrantType::ClientCredentials) => {
            Box::pin(client_credentials(core, client, form.wanted()?, now)).await?
        }
        Ok(GrantType::DeviceCode) => {
            let params = DeviceParams { device_code: needed!(form, "device_code")?, wanted: form.wanted()? };
            Box::pin(device::poll(core, client, params, now)).await?
        }
        Ok(GrantType::TokenExchange) => {
            let issued = Box::pin(token_exchange(core, client, exchange_params(form)?, now)).await?;
            return Ok(token_answer::exchanged_token(&issued, ACCESS_TOKEN));
        }
        Err(_) => {
            client.authenticate(core, now).await?;
            return Err(Problem::UnsupportedGrantType);
        }
    };
    Ok(token_answer::standard(&issued))
}

/// RFC 6749 §4.1.3, RFC 7636 §4.5.
fn code_params(form: &Form) -> Result<CodeParams<'_>, Problem> {
    Ok(CodeParams {
        code: needed!(form, "code")?,
        redirect_uri: form.get("redirect_uri"),
        code_verifier: form.get("code_verifier"),
        wanted: form.wanted()?,
    })
}

/// RFC 8693 §2.1.
fn exchange_params(form: &Form) -> Result<TokenExchangeParams<'_>, Problem> {
    let subject = needed!(form, "subject_token")?;
    if form.get("subject_token_type") != Some(ACCESS_TOKEN) {
        return Err(Problem::Malformed("The subject_token_type must be that of an access token."));
    }
    let actor = form.get("actor_token");
    match (actor, form.get("actor_token_type")) {
        (None, None) | (Some(_), Some(ACCESS_TOKEN)) => {}
        (None, Some(_)) => return Err(Problem::Malformed("The parameter actor_token is missing.")),
        (Some(_), _) => {
            return Err(Problem::Malformed("The actor_token_type must be that of an access token."));
        }
    }
    if form.get("requested_token_type").is_some_and(|requested| requested != ACCESS_TOKEN) {
        return Err(Problem::Malformed("The requested_token_type must be that of an access token."));
    }
    Ok(TokenExchangeParams { subject, actor, wanted: form.wanted_in_exchange()? })
}
