//! `POST /oauth/token` (RFC 6749 §3.2).

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::client::GrantType;
use crate::http::body::{Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard};
use crate::http::oauth::client_auth;
use crate::http::{Web, token_answer};
use crate::service::clients::presenter::Presenter;
use crate::service::tokens::exchange_code::{Exchange, exchange_code};
use crate::service::tokens::id_token::{self, SignedInHow};
use crate::service::tokens::refresh::{self, Refresh};
use crate::service::tokens::token_exchange::{TokenExchange, token_exchange};
use crate::service::tokens::{client_credentials, device};

/// RFC 8693 §3: the only kind of token that is exchanged, and given in exchange.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The grants that are served.
pub(crate) const GRANTS: [GrantType; 5] = GrantType::ALL;

pub(crate) async fn token(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Standard> {
    let form = Form::read(&request, body)?;
    let presenter = client_auth::presenter(&request, &form)?;
    let grant = form.get("grant_type").ok_or(Problem::Malformed("The parameter grant_type is missing."))?;
    let wanted = form.wanted()?;
    // A refresh tells nothing of how its user signed in (OpenID Connect Core §12.2).
    let (tokens, how) = match grant.parse() {
        Ok(GrantType::AuthorizationCode) => {
            let code = form.get("code").ok_or(Problem::Malformed("The parameter code is missing."))?;
            let exchange = Exchange {
                code,
                redirect_uri: form.get("redirect_uri"),
                code_verifier: form.get("code_verifier"),
                presenter: &presenter,
                wanted,
            };
            exchange_code(&web.core, exchange, now).await?
        }
        Ok(GrantType::RefreshToken) => {
            let token = form
                .get("refresh_token")
                .ok_or(Problem::Malformed("The parameter refresh_token is missing."))?;
            let refresh = Refresh { token, presenter: &presenter, wanted };
            (refresh::refresh(&web.core, refresh, now).await?, SignedInHow::default())
        }
        Ok(GrantType::ClientCredentials) => {
            let known = presenter.authenticate(&web.core, now).await?;
            let tokens = client_credentials::client_credentials(&web.core, &known, &wanted, now)?;
            return Ok(token_answer::tokens_beside(&tokens, None));
        }
        Ok(GrantType::DeviceCode) => {
            let code =
                form.get("device_code").ok_or(Problem::Malformed("The parameter device_code is missing."))?;
            device::poll(&web.core, code, &presenter, &wanted, now).await?
        }
        Ok(GrantType::TokenExchange) => {
            let exchange = read_exchange(&form, &presenter)?;
            let tokens = token_exchange(&web.core, exchange, now).await?;
            return Ok(token_answer::exchanged_token(&tokens, ACCESS_TOKEN));
        }
        Err(_) => {
            presenter.authenticate(&web.core, now).await?;
            return Err(Problem::UnsupportedGrantType.into());
        }
    };
    let id_token = id_token::beside(&web.core, &tokens, &how, now)?;
    Ok(token_answer::tokens_beside(&tokens, id_token.as_deref()))
}

/// RFC 8693 §2.1.
fn read_exchange<'a>(form: &'a Form, presenter: &'a Presenter) -> Result<TokenExchange<'a>, Problem> {
    let subject =
        form.get("subject_token").ok_or(Problem::Malformed("The parameter subject_token is missing."))?;
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
    Ok(TokenExchange { subject, actor, presenter, wanted: form.wanted_in_exchange()? })
}
