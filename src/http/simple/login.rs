//! `/login` with `/login/mfa`, `/refresh`, `/logout`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::ids::ClientId;
use crate::domain::lettering::is_label;
use crate::domain::one_or_many::OneOrMany;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::WantedFactor;
use crate::domain::secrets::Password;
use crate::domain::user::Username;
use crate::http::body::{self, Body};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Simple};
use crate::http::simple::refresh_cookie::RefreshCookie;
use crate::http::words::code_methods;
use crate::http::{Web, address, certificate, headers, key_proof, token_answer};
use crate::service::Failure;
use crate::service::clients::client_request::{ClientCredentials, ClientRequest};
use crate::service::tokens::grant::Wanted;
use crate::service::tokens::issued::Issued;
use crate::service::tokens::login::{LoginParams, LoginStep};
use crate::service::tokens::login_mfa;
use crate::service::tokens::refresh::RefreshParams;
use crate::service::tokens::revoke;
use crate::service::tokens::{login as service_login, refresh as service_refresh};
use crate::service::users::attempts::AttemptSource;
use crate::service::users::credentials::Credentials;
use crate::service::users::sign_in::second::SecondProof;

const LONGEST_DEVICE: usize = 255;

#[derive(Deserialize)]
struct LoginBody {
    username: String,
    password: String,
    client_id: Option<String>,
    scope: Option<String>,
    resource: Option<OneOrMany<String>>,
    device: Option<String>,
}

/// `POST /login`
pub(crate) async fn login(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Simple> {
    const SHAPE: &str =
        "Send {\"username\": …, \"password\": …}, and if you like client_id, scope, resource, device.";
    let body: LoginBody = body::json(&request, body, SHAPE)?;
    let device = body.device.map(device_name).transpose()?;
    let client = first_party(&web, &request, body.client_id.as_deref(), device)?;
    let client = key_proof::proven(&web, &request, client, now)?;
    let cookie = RefreshCookie::of(&web, &request, client.client_id());
    let in_cookie = cookie.is_used(now).await?;
    if in_cookie {
        cookie.must_be_own()?;
    }
    let params = LoginParams {
        credentials: Credentials {
            username: Username::typed(&body.username).ok(),
            password: Password::presented(body.password),
            place: AttemptSource { address: client.address, session: None },
        },
        wanted: body::wanted(
            body.scope.as_deref(),
            body.resource.as_deref().unwrap_or_default().iter().map(String::as_str),
        )?,
    };
    let answer = match service_login::login(&web.core, &client, params, now).await? {
        LoginStep::In(issued) => tokens(&issued, in_cookie.then_some(&cookie)),
        LoginStep::WantsFactor(wanted) => mfa_required(code_wanted(&wanted)),
        LoginStep::WantsPasskey => mfa_required(json!({
            "error_description":
                "This account has passkeys, and a password alone is not enough here. Please sign in at this server's pages.",
            "methods": ["passkey"],
        })),
        LoginStep::WantsEnrolment => mfa_required(json!({
            "error_description":
                "A second factor is required. Please set one up in a browser, at /account/sign-in-methods.",
            "methods": [],
        })),
    };
    Ok(key_proof::with_next_nonce(answer, &web, client.key.as_ref(), now))
}

/// A password that was right and is not enough.
fn mfa_required(mut answer: Value) -> HttpResponse {
    if let Some(members) = answer.as_object_mut() {
        members.insert("error".to_owned(), json!("mfa_required"));
    }
    HttpResponse::Forbidden().insert_header((CACHE_CONTROL, "no-store")).json(answer)
}

/// How the login goes on with a code.
fn code_wanted(WantedFactor { token, expires_in, factors }: &WantedFactor) -> Value {
    json!({
        "error_description": "A second factor is missing. Send it with the mfa_token to /login/mfa.",
        "mfa_token": token.expose(),
        "expires_in": expires_in.as_secs(),
        "methods": code_methods(*factors),
    })
}

#[derive(Deserialize)]
struct MfaBody {
    mfa_token: String,
    code: Option<String>,
    recovery_code: Option<String>,
    client_id: Option<String>,
}

/// `POST /login/mfa`
pub(crate) async fn login_mfa(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Simple> {
    const SHAPE: &str =
        "Send {\"mfa_token\": …, \"code\": …}, or recovery_code instead of code, and client_id as before.";
    let body: MfaBody = body::json(&request, body, SHAPE)?;
    let proof = match (&body.code, &body.recovery_code) {
        (Some(code), None) => SecondProof::Code(code),
        (None, Some(code)) => SecondProof::RecoveryCode(code),
        (None, None) | (Some(_), Some(_)) => return Err(Problem::Malformed(SHAPE).into()),
    };
    let client = first_party(&web, &request, body.client_id.as_deref(), None)?;
    let client = key_proof::proven(&web, &request, client, now)?;
    let cookie = RefreshCookie::of(&web, &request, client.client_id());
    let in_cookie = cookie.is_used(now).await?;
    if in_cookie {
        cookie.must_be_own()?;
    }
    let issued = login_mfa::finish(&web.core, &client, (&body.mfa_token, &proof), now).await?;
    let answer = tokens(&issued, in_cookie.then_some(&cookie));
    Ok(key_proof::with_next_nonce(answer, &web, client.key.as_ref(), now))
}

#[derive(Deserialize)]
struct TokenBody {
    refresh_token: Option<String>,
    client_id: Option<String>,
}

impl TokenBody {
    /// The token in the body, or else in the client's cookie.
    fn token<'a>(&'a self, cookie: &RefreshCookie<'a>) -> Result<Option<&'a str>, Problem> {
        match &self.refresh_token {
            Some(token) => Ok(Some(token)),
            None => cookie.read_token(),
        }
    }
}

const TOKEN_SHAPE: &str =
    "Send {\"refresh_token\": …}, and client_id if it is another's than the built-in client's.";

/// `POST /refresh`
pub(crate) async fn refresh(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Simple> {
    let body: TokenBody = body::json(&request, body, TOKEN_SHAPE)?;
    let client = first_party(&web, &request, body.client_id.as_deref(), None)?;
    let client = key_proof::proven(&web, &request, client, now)?;
    let cookie = RefreshCookie::of(&web, &request, client.client_id());
    let Some(token) = body.token(&cookie)? else {
        // A browser without the cookie is one that is not logged in.
        let problem = if cookie.is_used(now).await? {
            Failure::from(Refusal::Unknown).into()
        } else {
            Problem::Malformed(TOKEN_SHAPE)
        };
        return Err(problem.into());
    };
    let params = RefreshParams { token, wanted: Wanted::default() };
    let refreshed = match service_refresh::refresh(&web.core, &client, params, now).await {
        Err(Failure::Refused(refusal)) if refusal.is_final() && body.refresh_token.is_none() => {
            // With the error in it, for the log.
            let mut response = HttpResponse::from_error(Simple::from(Failure::from(refusal)));
            cookie.clear(&mut response);
            return Ok(response);
        }
        refreshed => refreshed?,
    };
    let in_cookie = cookie.is_used(now).await?;
    let answer = tokens(&refreshed, in_cookie.then_some(&cookie));
    Ok(key_proof::with_next_nonce(answer, &web, client.key.as_ref(), now))
}

/// `POST /logout`
pub(crate) async fn logout(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Simple> {
    let body: TokenBody = body::json(&request, body, TOKEN_SHAPE)?;
    let client = first_party(&web, &request, body.client_id.as_deref(), None)?;
    let cookie = RefreshCookie::of(&web, &request, client.client_id());
    let token = body.token(&cookie)?;
    match token {
        Some(token) => revoke::logout(&web.core, token, &client, now).await?,
        // A browser without the cookie is logged out already.
        None if cookie.is_used(now).await? => {}
        None => return Err(Problem::Malformed(TOKEN_SHAPE).into()),
    }
    let mut response = HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish();
    if body.refresh_token.is_none() {
        cookie.clear(&mut response);
    }
    Ok(response)
}

fn first_party(
    web: &Web,
    request: &HttpRequest,
    client_id: Option<&str>,
    device: Option<String>,
) -> Result<ClientRequest, Problem> {
    let id = match client_id {
        None => ClientId::built_in(),
        Some(id) => id.parse().map_err(|_| Failure::InvalidClient)?,
    };
    let address = address::of_client(request, &web.trusted_proxies);
    let agent = headers::user_agent_info(request, device, address);
    let (credentials, key) = (ClientCredentials::FirstParty(id), None);
    let certificate = certificate::presented(web, request)?;
    Ok(ClientRequest { credentials, key, certificate, address, agent })
}

/// The answer, with the refresh token in the cookie if there is one.
fn tokens(issued: &Issued, cookie: Option<&RefreshCookie<'_>>) -> HttpResponse {
    let Some(cookie) = cookie else { return token_answer::simple(issued) };
    let mut response = token_answer::without_refresh_token(issued);
    if let Some(refresh) = &issued.refresh {
        cookie.set(&mut response, &refresh.token, refresh.expires_in);
    }
    response
}

fn device_name(name: String) -> Result<String, Problem> {
    if name.len() <= LONGEST_DEVICE && is_label(&name) {
        Ok(name)
    } else {
        Err(Problem::Malformed(
            "A device name has at most 255 bytes, no blanks at its ends and no characters that cannot be seen.",
        ))
    }
}
