//! `POST /oauth/token` (RFC 6749 §3.2).

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::client::GrantType;
use crate::http::body::{Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Standard};
use crate::http::{Web, client_auth, simple};
use crate::service::client_credentials;
use crate::service::refresh::{self, Refresh};

/// The grants that are served.
pub(crate) const GRANTS: [GrantType; 2] = [GrantType::RefreshToken, GrantType::ClientCredentials];

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
    let tokens = match grant.parse() {
        Ok(GrantType::RefreshToken) => {
            let token = form
                .get("refresh_token")
                .ok_or(Problem::Malformed("The parameter refresh_token is missing."))?;
            refresh::refresh(&web.core, Refresh { token, presenter: &presenter, wanted }, now).await?
        }
        Ok(GrantType::ClientCredentials) => {
            let known = presenter.authenticate(&web.core, now).await?;
            client_credentials::client_credentials(&web.core, &known, &wanted, now)?
        }
        Ok(GrantType::AuthorizationCode) | Err(_) => {
            presenter.authenticate(&web.core, now).await?;
            return Err(Problem::UnsupportedGrantType.into());
        }
    };
    Ok(simple::tokens(&tokens))
}
