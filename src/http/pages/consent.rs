//! `/consent`: what an app gets, in plain words, before it gets it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::audience::Audience;
use crate::domain::authorization::Need;
use crate::domain::client::{ClientKind, Origin};
use crate::domain::redirect_uri;
use crate::domain::registration::document;
use crate::domain::sign_in::{Consent, SignInSession};
use crate::http::body::Form;
use crate::http::error::Unmet;
use crate::http::oauth::authorize::Asked;
use crate::http::pages::account::known_first;
use crate::http::pages::authorize;
use crate::http::pages::back::{self, see_other};
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::authorize::authorization;
use crate::service::authorize::pushed_request;
use crate::service::clients::known_clients::KnownClient;
use crate::service::users::account;

/// The session whose user has to be asked; everything else is for `/oauth/authorize` to decide.
async fn to_be_asked(visit: &Visit, asked: &Asked) -> Result<Option<SignInSession>, Stop> {
    let session = visit.session().await?;
    let need =
        authorization::need(visit.core(), &asked.known.client, &asked.request, session.as_ref(), visit.now)
            .await?;
    Ok(session.filter(|_| need == Need::Consent))
}

/// `GET /consent`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let asked = authorize::read_request(visit, request).await?;
    let Some(session) = to_be_asked(visit, &asked).await? else {
        return Ok(see_other(&visit.at("/oauth/authorize", &asked.query)));
    };
    let Some(user) = account::user(visit.core(), &session).await? else {
        return Ok(see_other(&visit.at("/oauth/authorize", &asked.query)));
    };
    let page = json!({
        "account": user.username.as_str(),
        // RFC 8252 §8.6. A confidential client proves who it is, wherever it runs.
        "on_device": matches!(asked.known.client.kind, ClientKind::Public)
            && redirect_uri::is_on_device(asked.redirect_uri()),
        "place": redirect_uri::source_of(asked.redirect_uri()),
        "query": asked.query,
        "other_query": asked.query_for_another_account(),
        "csrf": visit.csrf_about(&session, &asked.known.client).expose(),
    });
    Ok(visit.page(&Page {
        template: "consent.html",
        content: with_app(page, &asked.known, &asked.request.wanted(), &visit.core().issuer),
        status: StatusCode::OK,
        language: visit.language(asked.back.ui_locales.as_deref()),
        leads_away: true,
    }))
}

/// Adds to a page what it shows of an app, and of what the app wants.
pub(super) fn with_app(mut page: Value, known: &KnownClient, wanted: &Consent, issuer: &Audience) -> Value {
    let client = &known.client;
    let elsewhere: Vec<&str> =
        wanted.audiences.iter().filter(|it| *it != issuer).map(Audience::as_str).collect();
    let document = document::url_of(&client.id).filter(|_| known.document.is_some());
    if let Some(page) = page.as_object_mut() {
        page.insert("client".to_owned(), json!(client.display_name()));
        page.insert("scopes".to_owned(), json!(known_first(wanted.scope.iter())));
        page.insert("audiences".to_owned(), json!(elsewhere));
        page.insert("registered_itself".to_owned(), json!(client.origin == Origin::Registered));
        page.insert("lasts".to_owned(), how_long(known, wanted));
        page.insert("host".to_owned(), json!(document.as_ref().and_then(|url| url.host_str())));
        page.insert("client_uri".to_owned(), json!(client.metadata.client_uri));
        page.insert("policy_uri".to_owned(), json!(client.metadata.policy_uri));
        page.insert("tos_uri".to_owned(), json!(client.metadata.tos_uri));
    }
    page
}

/// How long an app may come back without asking, altogether and unused; one that may not has what it has once.
fn how_long(known: &KnownClient, wanted: &Consent) -> Value {
    let lifetimes = &known.lifetimes;
    if known.gets_refresh_tokens(&wanted.scope) {
        json!({ "at_most": span(lifetimes.absolute_ttl()), "unused": span(lifetimes.idle_ttl()) })
    } else {
        json!({ "at_most": span(lifetimes.access_ttl()) })
    }
}

/// A time in the largest unit that it has two of: so it is always a plural.
pub(super) fn span(time: Duration) -> Value {
    let seconds = time.as_secs();
    let units = [("days", 86_400), ("hours", 3600), ("minutes", 60)];
    let (unit, number) = units
        .into_iter()
        .find(|(_, unit)| seconds >= 2 * unit)
        .map_or(("seconds", seconds), |(name, unit)| (name, seconds / unit));
    json!({ "unit": unit, "number": number.to_string() })
}

/// `POST /consent`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let asked = authorize::read_request(visit, request).await?;
    let Some(session) = to_be_asked(visit, &asked).await? else {
        return Ok(see_other(&visit.at("/oauth/authorize", &asked.query)));
    };
    visit.own_form_about(&form, &session, &asked.known.client)?;
    if form.get("decision") != Some("allow") {
        if let Some(uri) = &asked.request.pushed {
            pushed_request::forget(visit.core(), uri, visit.now).await?;
        }
        return Err(asked.back.refuse(Unmet::AccessDenied));
    }
    let client = &asked.known.client;
    authorization::agree(visit.core(), client, &asked.request, &session, visit.now).await?;
    match authorization::issue_code(visit.core(), &asked.request, &session, visit.now).await? {
        Some(code) => Ok(back::answer(visit, &asked.back, &[("code", code.expose())])),
        None => Ok(see_other(&visit.at("/oauth/authorize", &asked.query))),
    }
}
