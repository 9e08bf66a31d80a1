//! `/sign-in/new`: whoever came back from a provider and is not known here by that gets an account, or has one that is
//! linked once its owner has signed in.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::opaque::OpaqueSecret;
use crate::domain::sign_in::SignInSession;
use crate::domain::upstream::{Provider, UpstreamProblem};
use crate::domain::user::Username;
use crate::http::body::Form;
use crate::http::pages::back::see_other;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::providers::{ToldOfProvider, tell};
use crate::http::pages::renderer::Page;
use crate::http::pages::sign_in::go_on;
use crate::http::pages::sign_in::purpose::Purpose;
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::Failure;
use crate::service::upstream::arrival::{self, ArrivedStranger, Created};
use crate::service::upstream::links;
use crate::service::users::account;
use crate::service::users::sign_in::entering::Door;

/// What was typed, and what is wrong with it.
type TriedName<'a> = (&'a str, &'static str);

/// `GET /sign-in/new`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some((secret, waiting)) = waiting(visit, request).await? else { return Ok(begin_again(visit)) };
    page(visit, (&secret, &waiting), None).await
}

/// `POST /sign-in/new`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some((secret, waiting)) = waiting(visit, request).await? else { return Ok(begin_again(visit)) };
    let session = visit.session().await?;
    visit.own_form(&form, session.as_ref())?;
    match (session, form.get("link")) {
        (Some(session), Some(_)) => link(visit, &session, (&secret, &waiting)).await,
        (session, _) => {
            let typed = form.get("username").unwrap_or_default();
            create(visit, session.as_ref(), (&secret, &waiting), typed).await
        }
    }
}

async fn link(
    visit: &Visit,
    session: &SignInSession,
    (secret, waiting): (&OpaqueSecret, &ArrivedStranger<'_>),
) -> Result<HttpResponse, Stop> {
    let browser = visit.elsewhere();
    let identity = (&waiting.identity, Some((secret, &browser)));
    match links::link(visit.core(), session, identity, visit.now).await {
        Ok(Ok(())) => {
            let purpose = Purpose::read_query(visit, &waiting.query).await?;
            Ok(see_other(&purpose.place(visit)))
        }
        Ok(Err(problem)) => {
            let place = visit.at("/sign-in", &waiting.query);
            Ok(tell(visit, waiting.provider, ToldOfProvider::Problem(problem), &place))
        }
        Err(Failure::StaleAuthentication) => Ok(see_other(&sign_in_first(visit, secret))),
        Err(failure) => Err(failure.into()),
    }
}

async fn create(
    visit: &Visit,
    session: Option<&SignInSession>,
    (secret, waiting): (&OpaqueSecret, &ArrivedStranger<'_>),
    typed: &str,
) -> Result<HttpResponse, Stop> {
    let Ok(username) = Username::typed(typed) else {
        return page(visit, (secret, waiting), Some((typed, "upstream_name_unfit"))).await;
    };
    let purpose = Purpose::read_query(visit, &waiting.query).await?;
    let door = Door { agent: &visit.agent, before: session, demand: purpose.demand(visit) };
    let browser = visit.elsewhere();
    match arrival::create(visit.core(), waiting, (secret, &browser), username, door, visit.now).await? {
        Created::In(entered) => go_on(visit, &purpose, entered).await,
        Created::NameTaken => page(visit, (secret, waiting), Some((typed, "upstream_name_taken"))).await,
        Created::UnfitName => page(visit, (secret, waiting), Some((typed, "upstream_name_unfit"))).await,
        Created::NotAllowed => page(visit, (secret, waiting), None).await,
        Created::Over => Ok(begin_again(visit)),
    }
}

/// Who came back and waits here, by the page's address.
async fn waiting<'a>(
    visit: &'a Visit,
    request: &HttpRequest,
) -> Result<Option<(OpaqueSecret, ArrivedStranger<'a>)>, Stop> {
    let asked = Form::of_query(request.query_string())?;
    let Some(secret) = asked.get("attempt").and_then(OpaqueSecret::presented) else { return Ok(None) };
    let found = arrival::waiting(visit.core(), (&secret, &visit.elsewhere()), visit.now).await?;
    Ok(found.map(|waiting| (secret, waiting)))
}

/// It took too long, or was done: in another tab, say.
fn begin_again(visit: &Visit) -> HttpResponse {
    see_other(&OwnPlace::Account.sign_in(visit))
}

/// Where the owner of an account signs in to come back here.
fn sign_in_first(visit: &Visit, secret: &OpaqueSecret) -> String {
    let query = format!("prompt=login&attempt={}", secret.expose());
    visit.own("/sign-in", &OwnPlace::Arrival.sign_in_query(&query))
}

async fn page(
    visit: &Visit,
    (secret, waiting): (&OpaqueSecret, &ArrivedStranger<'_>),
    tried: Option<TriedName<'_>>,
) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    let user = match &session {
        Some(session) => account::user(visit.core(), session).await?,
        None => None,
    };
    let ArrivedStranger { provider, identity, .. } = waiting;
    let prospect = arrival::prospect(visit.core(), waiting).await?;
    let refused = prospect.refused.map(UpstreamProblem::text);
    Ok(visit.page(&Page {
        template: "sign_in_new.html",
        content: json!({
            "provider": provider.name,
            "label": identity.label(),
            "csrf": visit.csrf(session.as_ref()).expose(),
            "attempt": secret.expose(),
            "account": user.map(|user| user.username.to_string()),
            "has_account": prospect.has_account,
            "refused": refused,
            "domains": domains(provider),
            "may_create": refused.is_none() && !prospect.has_account,
            "username": tried.map(|(typed, _)| typed).or(identity.suggested_username()),
            "problem": tried.map(|(_, problem)| problem),
            "sign_in": sign_in_first(visit, secret),
        }),
        status: if tried.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK },
        language: visit.own_language(),
        leads_away: true,
    }))
}

fn domains(provider: &Provider) -> String {
    provider.mail_domains.join(", ")
}
