//! `/account/links`: the providers that an account is linked to, in its owner's hands.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::sign_in::SignInSession;
use crate::domain::upstream::{Provider, UpstreamAttempt, UpstreamIdentity, UpstreamLink, UpstreamSubject};
use crate::http::body::Form;
use crate::http::pages::account::{moment, own_page, to_sign_in, to_sign_in_again};
use crate::http::pages::back::see_other;
use crate::http::pages::ending::done;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::providers::{self, ToldOfProvider, buttons, tell, told_json};
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::stop::{PageError, Stop};
use crate::service::Failure;
use crate::service::upstream::attempt::UpstreamAsk;
use crate::service::upstream::links::{self, Unlinked};

const TEMPLATE: &str = "account_links.html";

/// `GET /account/links`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Links)) };
    shown(visit, request, &session, None).await
}

/// `POST /account/links`: who changes the ways in has just signed in.
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Links)) };
    visit.own_form(&form, Some(&session))?;
    if !session.authentication.is_fresh(visit.now) {
        return Ok(see_other(&to_sign_in_again(visit, OwnPlace::Links)));
    }
    if let Some(id) = form.get("link") {
        let unknown = PageError::Malformed("There is no such provider to sign in with.");
        let provider = visit.core().providers.find(id).ok_or(unknown)?;
        let query = OwnPlace::Links.sign_in_query("");
        let session = Some(session.id);
        return providers::send(visit, (provider, UpstreamAsk::SignIn), &query, (session, None)).await;
    }
    let (Some(issuer), Some(subject)) = (form.get("issuer"), form.get("subject")) else {
        return Err(PageError::Malformed("The form names no provider.").into());
    };
    let who = UpstreamSubject { issuer: issuer.to_owned(), subject: subject.to_owned() };
    match links::unlink(visit.core(), &session, &who, visit.now).await {
        Ok(Unlinked::Done) => Ok(done(visit, OwnPlace::Links, "unlinked")),
        Ok(Unlinked::NotThere) => Ok(see_other(&visit.own(OwnPlace::Links.path(), ""))),
        Ok(Unlinked::LastWayIn) => shown(visit, request, &session, Some("links_last")).await,
        Err(Failure::StaleAuthentication) => Ok(see_other(&to_sign_in_again(visit, OwnPlace::Links))),
        Err(failure) => Err(failure.into()),
    }
}

/// Whoever set out to be linked has come back.
pub(super) async fn linked(
    visit: &Visit,
    provider: &Provider,
    (attempt, identity): (&UpstreamAttempt, &UpstreamIdentity),
) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?.filter(|session| Some(session.id) == attempt.session);
    // Somebody else is signed in here by now, or nobody is.
    let Some(session) = session else { return Ok(to_sign_in(visit, OwnPlace::Links)) };
    match links::link(visit.core(), &session, (identity, None), visit.now).await {
        Ok(Ok(())) => Ok(done(visit, OwnPlace::Links, "linked")),
        Ok(Err(problem)) => {
            let place = visit.own(OwnPlace::Links.path(), "");
            Ok(tell(visit, provider, ToldOfProvider::Problem(problem), &place))
        }
        Err(Failure::StaleAuthentication) => Ok(see_other(&to_sign_in_again(visit, OwnPlace::Links))),
        Err(failure) => Err(failure.into()),
    }
}

async fn shown(
    visit: &Visit,
    request: &HttpRequest,
    session: &SignInSession,
    problem: Option<&'static str>,
) -> Result<HttpResponse, Stop> {
    let links = links::list(visit.core(), session).await?;
    let content = json!({
        "links": links.iter().map(|link| link_json(visit, link)).collect::<Vec<_>>(),
        "providers": buttons(visit),
        "told": told_json(visit),
        "problem": problem,
    });
    let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let language = visit.own_language();
    // Its buttons send browsers to providers.
    let page = Page { template: TEMPLATE, content, status, language, leads_away: true };
    let mut response = own_page(visit, request, session, page).await?;
    visit.has_told(&mut response);
    Ok(response)
}

fn link_json(visit: &Visit, link: &UpstreamLink) -> Value {
    let provider = visit.core().providers.of_issuer(&link.who.issuer);
    json!({
        "name": provider.map_or(link.who.issuer.as_str(), |provider| provider.name.as_str()),
        "issuer": link.who.issuer,
        "subject": link.who.subject,
        "label": link.label,
        "since": moment(link.created_at),
        "last_used": link.last_used_at.map(moment),
    })
}
