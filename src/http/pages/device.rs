//! `/device` (RFC 8628 §3.3): a user types the code that a device shows, and says whether its app may come in.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::authentication::ContextClass;
use crate::domain::device::{DeviceCode, UserCode};
use crate::domain::second_factor_policy::SecondFactorPolicy;
use crate::domain::sign_in::{Consent, SignInSession};
use crate::domain::user_agent;
use crate::http::body::Form;
use crate::http::pages::back::see_other;
use crate::http::pages::consent;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::authorize::device::{self, Found};
use crate::service::clients::known_clients::KnownClient;
use crate::service::users::account;

/// What the page asks for.
enum Entry<'a> {
    Code,
    /// Whether the device shows this one.
    Same(UserCode),
    /// A code once more: no device waits with this one.
    Unknown(&'a str),
    /// Patience.
    TooManyTries,
}

/// `GET /device`, with `user_code` from a device that shows its address as a picture. Such a code is looked up only
/// once the user has said that the device shows it (RFC 8628 §3.3.1): the address may have come from somebody else.
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let form = Form::of_query(request.query_string())?;
    let Some(session) = visit.session().await? else {
        let query = OwnPlace::Device.sign_in_query(&form.to_query());
        return Ok(see_other(&visit.at("/sign-in", &query)));
    };
    let entry = form.get("user_code").and_then(UserCode::typed).map_or(Entry::Code, Entry::Same);
    Ok(page(visit, &session, &entry))
}

/// `POST /device`: a code that was typed, or what its user decided.
pub(crate) async fn take(visit: &Visit, _: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(see_other(&visit.own("/device", ""))) };
    visit.own_form(&form, Some(&session))?;
    let typed = form.get("user_code").unwrap_or_default();
    let unknown = page(visit, &session, &Entry::Unknown(typed));
    let Some(code) = UserCode::typed(typed) else { return Ok(unknown) };
    let (device, known) =
        match device::look(visit.core(), &code, (&session, visit.address, &visit.agent), visit.now).await? {
            Found::Waiting(device, known) => (device, known),
            Found::Nothing => return Ok(unknown),
            Found::TooManyTries => return Ok(page(visit, &session, &Entry::TooManyTries)),
        };
    let is_required = visit.core().second_factor_for(&known.client) == SecondFactorPolicy::Required;
    if is_required && session.authentication.class() < ContextClass::Two {
        let query = OwnPlace::Device.sign_in_query(&format!("user_code={code}&second_factor=required"));
        return Ok(see_other(&visit.own("/sign-in", &query)));
    }
    let (done, outcome) = match form.get("decision") {
        None => return ask(visit, &session, &known, (&device, &code)).await,
        Some("allow") => {
            (device::allow(visit.core(), (&device, &known), &session, visit.now).await?, "allowed")
        }
        Some(_) => (device::deny(visit.core(), &device, &session, visit.now).await?, "denied"),
    };
    if !done {
        return Ok(unknown);
    }
    Ok(visit.page(&Page {
        template: "device_done.html",
        content: json!({ "outcome": outcome, "client": known.client.display_name() }),
        status: StatusCode::OK,
        language: visit.own_language(),
        leads_away: false,
    }))
}

/// Asks, whoever runs the client: nobody but the user knows whose device it is (RFC 8628 §5.4).
async fn ask(
    visit: &Visit,
    session: &SignInSession,
    known: &KnownClient,
    (device, code): (&DeviceCode, &UserCode),
) -> Result<HttpResponse, Stop> {
    let Some(user) = account::user(visit.core(), session).await? else {
        return Ok(see_other(&visit.own("/device", "")));
    };
    let wanted = Consent { scope: device.scope.clone(), audiences: device.audiences.clone() };
    let asks = user_agent::describe(device.agent.user_agent.as_deref().unwrap_or_default());
    let page = json!({
        "account": user.username.as_str(),
        "program": asks.program,
        "system": asks.system,
        "address": device.agent.address,
        "user_code": code.to_string(),
        "other": visit.own("/sign-in", &OwnPlace::Device.sign_in_query(&format!("user_code={code}&prompt=login"))),
        "csrf": visit.csrf(Some(session)).expose(),
    });
    Ok(visit.page(&Page {
        template: "device_consent.html",
        content: consent::with_app(page, known, &wanted, &visit.core().issuer),
        status: StatusCode::OK,
        language: visit.own_language(),
        leads_away: false,
    }))
}

fn page(visit: &Visit, session: &SignInSession, entry: &Entry<'_>) -> HttpResponse {
    let (status, problem) = match entry {
        Entry::Code | Entry::Same(_) => (StatusCode::OK, None),
        Entry::Unknown(_) => (StatusCode::NOT_FOUND, Some("device_unknown")),
        Entry::TooManyTries => (StatusCode::TOO_MANY_REQUESTS, Some("device_too_many")),
    };
    let (shown, typed) = match entry {
        Entry::Code | Entry::TooManyTries => (None, None),
        Entry::Same(code) => (Some(code.to_string()), None),
        Entry::Unknown(typed) => (None, Some(typed.chars().take(32).collect::<String>())),
    };
    visit.page(&Page {
        template: "device.html",
        content: json!({
            "csrf": visit.csrf(Some(session)).expose(),
            "problem": problem,
            "shown": shown,
            "typed": typed,
        }),
        status,
        language: visit.own_language(),
        leads_away: false,
    })
}
