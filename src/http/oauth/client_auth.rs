//! How a client says who it is at the standard face (RFC 6749 §2.3).

use actix_web::dev::Payload;
use actix_web::web;
use actix_web::{Error, FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use crate::domain::client::AuthMethod;
use crate::domain::client_assertion;
use crate::domain::ids::ClientId;
use crate::domain::secrets::ClientSecret;
use crate::http::body::{Body, Form};
use crate::http::error::{Problem, Standard};
use crate::http::{Web, address, certificate, cors, headers};
use crate::service::Failure;
use crate::service::clients::client_assertion::PresentedAssertion;
use crate::service::clients::client_request::{ClientCredentials, ClientRequest, Proof};

/// The parameters that say who the client is, and nothing of what it wants.
pub(crate) const PARAMETERS: [&str; 4] =
    ["client_id", "client_secret", "client_assertion_type", "client_assertion"];

/// A form that a client sends, with all that its service has to know of the request.
#[derive(Debug)]
pub(crate) struct ClientForm {
    pub(crate) form: Form,
    pub(crate) client: ClientRequest,
}

impl FromRequest for ClientForm {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (web, body) = (web::Data::<Web>::extract(request), Body::from_request(request, payload));
        let request = request.clone();
        Box::pin(async move {
            let read = Self::read(&*web.await?, &request, body.await?);
            read.map_err(|problem| Standard(problem).into())
        })
    }
}

impl ClientForm {
    fn read(web: &Web, request: &HttpRequest, body: Body) -> Result<Self, Problem> {
        let form = Form::read(request, body)?;
        let credentials = credentials(web, request, &form)?;
        let address = address::of_client(request, &web.trusted_proxies);
        let agent = headers::user_agent_info(request, None, address);
        let certificate = certificate::presented(web, request)?;
        Ok(Self { form, client: ClientRequest { credentials, key: None, certificate, address, agent } })
    }
}

/// Reads what a client shows for itself, or the mere id of a public client; two methods at once are refused.
fn credentials(web: &Web, request: &HttpRequest, form: &Form) -> Result<ClientCredentials, Problem> {
    const TWICE: Problem = Problem::Malformed("The client authenticates in two ways at once.");
    let basic = headers::basic(request)?;
    let posted = form.get("client_secret");
    let assertion = assertion(web, request, form)?;
    let (named, proof) = match (basic, posted, assertion) {
        (None, None, None) => (None, Proof::None),
        (Some((id, secret)), None, None) => {
            let secret = ClientSecret::presented(secret);
            (Some(id), Proof::Secret { secret, method: AuthMethod::ClientSecretBasic })
        }
        (None, Some(secret), None) => {
            let secret = ClientSecret::presented(secret.to_owned());
            (None, Proof::Secret { secret, method: AuthMethod::ClientSecretPost })
        }
        (None, None, Some(presented)) => {
            let named = client_assertion::claimed_client(&presented.jwt).ok_or(Failure::InvalidClient)?;
            (Some(named), Proof::Assertion(presented))
        }
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => return Err(TWICE),
    };
    let id = match (named, form.get("client_id")) {
        (Some(named), Some(posted)) if named != posted => {
            return Err(Problem::Malformed("The client names itself in two ways."));
        }
        (Some(named), _) => named,
        (None, posted) => posted.ok_or(Failure::InvalidClient)?.to_owned(),
    };
    let id: ClientId = id.parse().map_err(|_| Failure::InvalidClient)?;
    cors::speaks_for(request, &id);
    Ok(ClientCredentials::Client { id, proof })
}

/// RFC 7521 §4.2: an assertion and its type stand or fall together.
fn assertion(web: &Web, request: &HttpRequest, form: &Form) -> Result<Option<PresentedAssertion>, Problem> {
    match (form.get("client_assertion_type"), form.get("client_assertion")) {
        (None, None) => Ok(None),
        (Some(client_assertion::TYPE), Some(jwt)) => {
            let endpoints = [web.url_of(request), format!("{}/oauth/token", web.url)];
            Ok(Some(PresentedAssertion { jwt: jwt.to_owned(), endpoints }))
        }
        (Some(_), Some(_)) => Err(Failure::InvalidClient.into()),
        (Some(_), None) | (None, Some(_)) => {
            Err(Problem::Malformed("client_assertion and client_assertion_type go together."))
        }
    }
}
