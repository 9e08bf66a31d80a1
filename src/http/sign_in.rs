//! `/sign-in`: a name and a password, or going on as who is there.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::authorization::Need;
use crate::domain::secrets::Password;
use crate::domain::sign_in::SignInSession;
use crate::http::authorize::{self, Asked, Met, PageError, Stop, see_other};
use crate::http::body::Form;
use crate::http::pages::Page;
use crate::http::visit::Visit;
use crate::service::credentials::Credentials;
use crate::service::sign_in::{SignIn, sign_in};
use crate::service::{Failure, authorize as service};
use crate::store::users;

/// `GET /sign-in`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let asked = authorize::read(visit, request).await?;
    let session = visit.session().await?;
    let need =
        service::need(visit.core(), &asked.known.client, &asked.request, session.as_ref(), visit.now).await?;
    match need {
        Need::SignIn => page(visit, &asked, session.as_ref(), None).await,
        // Signed in by now, perhaps in another tab.
        Need::Consent | Need::Nothing => Ok(see_other(&visit.at("/oauth/authorize", &asked.query))),
    }
}

/// `POST /sign-in`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let asked = authorize::read(visit, request).await?;
    let session = visit.session().await?;
    if !visit.is_own(&form, session.as_ref()) {
        return Err(PageError::Forged.into());
    }
    if session.is_some() && form.get("go_on").is_some() {
        return Ok(see_other(&visit.at("/oauth/authorize", &asked.query_after(Met::Chosen))));
    }
    let password = form.get("password").unwrap_or_default().to_owned();
    let sign_in_request = SignIn {
        credentials: Credentials {
            username: form.get("username").and_then(|name| name.parse().ok()),
            password: Password::new(password).ok(),
        },
        device: visit.device.clone(),
        before: session.clone(),
    };
    match sign_in(visit.core(), sign_in_request, visit.now).await {
        Ok((_, secret)) => {
            let mut response = see_other(&visit.at("/oauth/authorize", &asked.query_after(Met::SignedIn)));
            visit.remember(&mut response, &secret);
            Ok(response)
        }
        Err(Failure::Refused(_)) => {
            page(visit, &asked, session.as_ref(), Some(form.get("username").unwrap_or_default())).await
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The page; after a refused try with the name that was typed.
async fn page(
    visit: &Visit,
    asked: &Asked,
    session: Option<&SignInSession>,
    tried: Option<&str>,
) -> Result<HttpResponse, Stop> {
    // Going on without a password is offered only where the client does not ask for one.
    let choosing = asked.request.prompt.select_account && !asked.request.prompt.login;
    let user = match session.filter(|_| choosing) {
        Some(session) => users::find(&visit.core().db, session.user).await?,
        None => None,
    };
    Ok(visit.page(Page {
        template: "sign_in.html",
        content: json!({
            "client": asked.known.client.display_name(),
            "query": asked.query,
            "csrf": visit.csrf(session).expose(),
            "username": tried.or_else(|| asked.shown("login_hint")),
            "account": user.map(|user| user.username.to_string()),
            "problem": tried.map(|_| "sign_in_credentials"),
        }),
        status: if tried.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK },
        language: asked.language(),
        leads_to: Some(asked.redirect_uri()),
    }))
}
