//! `/consent`: what an app gets, in plain words, before it gets it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::audience::Audience;
use crate::domain::authorization::Need;
use crate::domain::redirect_uri;
use crate::domain::registration::document;
use crate::domain::sign_in::SignInSession;
use crate::http::account::known_first;
use crate::http::authorize::{self, Asked, PageError, Stop, see_other};
use crate::http::body::Form;
use crate::http::error::Unmet;
use crate::http::pages::Page;
use crate::http::visit::Visit;
use crate::service::{authorize as service, pushed_request};
use crate::store::users;

/// The session whose user has to be asked; everything else is for `/oauth/authorize` to decide.
async fn to_be_asked(visit: &Visit, asked: &Asked) -> Result<Option<SignInSession>, Stop> {
    let session = visit.session().await?;
    let need =
        service::need(visit.core(), &asked.known.client, &asked.request, session.as_ref(), visit.now).await?;
    Ok(session.filter(|_| need == Need::Consent))
}

/// `GET /consent`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let asked = authorize::read(visit, request).await?;
    let Some(session) = to_be_asked(visit, &asked).await? else {
        return Ok(see_other(&visit.at("/oauth/authorize", &asked.query)));
    };
    let Some(user) = users::find(&visit.core().db, session.user).await? else {
        return Ok(see_other(&visit.at("/oauth/authorize", &asked.query)));
    };
    let issuer = &visit.core().issuer;
    let elsewhere: Vec<&str> =
        asked.request.audiences.iter().filter(|it| *it != issuer).map(Audience::as_str).collect();
    Ok(visit.page(Page {
        template: "consent.html",
        content: json!({
            "client": asked.known.client.display_name(),
            "account": user.username.as_str(),
            "scopes": known_first(asked.request.scope.iter()),
            "audiences": elsewhere,
            "client_uri": asked.known.client.metadata.client_uri,
            "policy_uri": asked.known.client.metadata.policy_uri,
            "tos_uri": asked.known.client.metadata.tos_uri,
            "host": document::url_of(&asked.known.client.id).filter(|_| asked.known.document.is_some())
                .and_then(|url| url.host_str().map(ToOwned::to_owned)),
            "on_device": !redirect_uri::is_exclusive(asked.redirect_uri()),
            "place": redirect_uri::source_of(asked.redirect_uri()),
            "query": asked.query,
            "other_query": asked.query_for_another_account(),
            "csrf": visit.csrf(Some(&session)).expose(),
        }),
        status: StatusCode::OK,
        language: asked.language(),
        leads_to: Some(asked.redirect_uri()),
    }))
}

/// `POST /consent`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let asked = authorize::read(visit, request).await?;
    let Some(session) = to_be_asked(visit, &asked).await? else {
        return Ok(see_other(&visit.at("/oauth/authorize", &asked.query)));
    };
    if !visit.is_own(&form, Some(&session)) {
        return Err(PageError::Forged.into());
    }
    if form.get("decision") != Some("allow") {
        if let Some(uri) = &asked.request.pushed {
            pushed_request::forget(visit.core(), uri).await?;
        }
        return Err(asked.back.refuse(Unmet::AccessDenied));
    }
    service::agree(visit.core(), &asked.request, &session, visit.now).await?;
    match service::issue_code(visit.core(), &asked.request, &session, visit.now).await? {
        Some(code) => Ok(asked.back.answer(visit, &[("code", code.expose())])),
        None => Ok(see_other(&visit.at("/oauth/authorize", &asked.query))),
    }
}
