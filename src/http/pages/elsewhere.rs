//! Sign-in elsewhere: `/sign-in/with/{provider}` sends the browser to a provider, `/sign-in/back/{provider}` takes it
//! back.

pub(crate) mod arrival;
pub(crate) mod back_channel;
pub(crate) mod links;

use actix_web::{HttpRequest, HttpResponse};

use crate::domain::upstream::{Provider, UpstreamAttempt, UpstreamProblem};
use crate::http::body::Form;
use crate::http::pages::back::see_other;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::providers::{ToldOfProvider, provider_of, send, tell};
use crate::http::pages::sign_in::go_on;
use crate::http::pages::sign_in::purpose::Purpose;
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::upstream::arrival::Arrived;
use crate::service::upstream::attempt::{CameBackWith, ComingBack, UpstreamAsk};
use crate::service::upstream::{arrival as service_arrival, attempt};
use crate::service::users::sign_in::entering::Door;

/// `GET /sign-in/with/{provider}`: nobody is sent away by a link. The page has the button.
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    Ok(see_other(&visit.at("/sign-in", request.query_string())))
}

/// `POST /sign-in/with/{provider}`
pub(crate) async fn set_out(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let provider = provider_of(visit, request)?;
    let purpose = Purpose::read(visit, request).await?;
    let session = visit.session().await?;
    visit.own_form(&form, session.as_ref())?;
    let ask = if purpose.wants_anew() { UpstreamAsk::Anew } else { UpstreamAsk::SignIn };
    send(visit, (provider, ask), purpose.query(), (None, purpose.login_hint())).await
}

/// `GET /sign-in/back/{provider}`
pub(crate) async fn come_back(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let provider = provider_of(visit, request)?;
    let form = Form::of_query(request.query_string())?;
    let browser = visit.elsewhere();
    let back = ComingBack {
        provider,
        browser: &browser,
        state: form.get("state"),
        code: form.get("code"),
        iss: form.get("iss"),
        error: form.get("error"),
        from: (&visit.agent).into(),
    };
    let back = attempt::come_back(visit.core(), back, visit.now).await?;
    let Some(attempt) = back.attempt else { return too_late(visit, provider).await };
    match back.outcome {
        CameBackWith::Problem(problem) => {
            Ok(tell(visit, provider, ToldOfProvider::Problem(problem), &place_of(visit, &attempt)))
        }
        CameBackWith::Nobody => {
            Ok(tell(visit, provider, ToldOfProvider::WasThere, &place_of(visit, &attempt)))
        }
        CameBackWith::Identity(identity) if attempt.session.is_some() => {
            links::linked(visit, provider, (&attempt, &identity)).await
        }
        CameBackWith::Identity(identity) => {
            let purpose = Purpose::read_query(visit, &attempt.query).await?;
            let session = visit.session().await?;
            let door = Door { agent: &visit.agent, before: session.as_ref(), demand: purpose.demand(visit) };
            let core = visit.core();
            match service_arrival::sign_in(core, provider, &identity, door, visit.now).await? {
                Arrived::In(entered) => go_on(visit, &purpose, entered).await,
                Arrived::Unknown => {
                    let kept = service_arrival::keep(
                        core,
                        &attempt,
                        (*identity, (&visit.agent).into()),
                        &browser,
                        visit.now,
                    );
                    let query = format!("attempt={}", kept.await?.expose());
                    Ok(see_other(&visit.own(OwnPlace::Arrival.path(), &query)))
                }
                Arrived::Disabled => {
                    let problem = service_arrival::refused(core, provider, (&visit.agent).into());
                    Ok(tell(visit, provider, ToldOfProvider::Problem(problem), &place_of(visit, &attempt)))
                }
            }
        }
    }
}

/// Who comes back twice may be in by now. Everybody else begins once more; and is not sent away at once, or a browser
/// that keeps no cookies would go in circles.
async fn too_late(visit: &Visit, provider: &Provider) -> Result<HttpResponse, Stop> {
    if visit.session().await?.is_some() {
        return Ok(see_other(&visit.own(OwnPlace::Account.path(), "")));
    }
    let query = OwnPlace::Account.sign_in_query("prompt=login");
    Ok(tell(visit, provider, ToldOfProvider::Problem(UpstreamProblem::Late), &visit.own("/sign-in", &query)))
}

/// The page that a browser set out from.
fn place_of(visit: &Visit, attempt: &UpstreamAttempt) -> String {
    match attempt.session {
        Some(_) => visit.own(OwnPlace::Links.path(), ""),
        None => visit.at("/sign-in", &attempt.query),
    }
}
