//! `POST /oauth/token` (RFC 6749 §3.2).

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::client::GrantType;
use crate::http::body::{Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard};
use crate::http::{Web, client_auth, simple};
use crate::service::exchange_code::{Exchange, exchange_code};
use crate::service::id_token::{self, SignedInHow};
use crate::service::refresh::{self, Refresh};
use crate::service::{client_credentials, device};

/// The grants that are served.
pub(crate) const GRANTS: [GrantType; 4] = GrantType::ALL;

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
            return Ok(simple::tokens_beside(&tokens, None));
        }
        Ok(GrantType::DeviceCode) => {
            let code =
                form.get("device_code").ok_or(Problem::Malformed("The parameter device_code is missing."))?;
            device::poll(&web.core, code, &presenter, &wanted, now).await?
        }
        Err(_) => {
            presenter.authenticate(&web.core, now).await?;
            return Err(Problem::UnsupportedGrantType.into());
        }
    };
    let id_token = id_token::beside(&web.core, &tokens.access_token, &how, now)?;
    Ok(simple::tokens_beside(&tokens, id_token.as_deref()))
}
