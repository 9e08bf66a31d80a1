//! `/forgot`: for who has forgotten the password. What is answered is the same whether there is such an account or not.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::mailed_token::{MailRequest, MailedPurpose};
use crate::domain::secrets::Password;
use crate::http::body::Form;
use crate::http::pages::account::unfit_text;
use crate::http::pages::back::see_other;
use crate::http::pages::renderer::Page;
use crate::http::pages::told::{link_no_good, link_used, told};
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::Failure;
use crate::service::mailed::tokens::LookedAt;
use crate::service::mailed::{new_password, requests};

/// The bytes of the longest name or address.
const LONGEST: usize = 255;

/// `GET /forgot`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    page(visit, request, None).await
}

/// `POST /forgot`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    visit.own_form(&form, visit.session().await?.as_ref())?;
    let typed = form.get("username").unwrap_or_default();
    if is_nothing(typed) {
        return page(visit, request, Some(typed)).await;
    }
    ask(visit, MailedPurpose::NewPassword, typed, None).await?;
    // RFC 9110 §15.4.4: loading the next page again asks for nothing again.
    Ok(see_other(&visit.own("/forgot/sent", without_language(request.query_string()).as_str())))
}

/// Whether what was typed can be nobody's name or address.
pub(super) fn is_nothing(typed: &str) -> bool {
    typed.trim().is_empty() || typed.len() > LONGEST || typed.trim().contains(char::is_control)
}

/// Notes that somebody wants a mail. All that is done here is the same whoever is meant.
pub(super) async fn ask(
    visit: &Visit,
    purpose: MailedPurpose,
    typed: &str,
    destination: Option<&str>,
) -> Result<(), Stop> {
    visit.core().waiting.count(visit.address, visit.now)?;
    let wish = MailRequest {
        purpose,
        typed: typed.trim().to_owned(),
        browser: Some(visit.mailed_browser()),
        destination: destination.map(ToOwned::to_owned),
        language: visit.own_language().to_owned(),
        user_agent: visit.agent.user_agent.clone(),
        address: visit.agent.address.clone(),
        requested_at: visit.now,
    };
    Ok(requests::ask(visit.core(), &wish, visit.now).await?)
}

/// `GET /forgot/sent`
pub(crate) async fn sent(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let query = without_language(request.query_string());
    let onward = [(visit.own("/forgot", &query), "forgot_again")];
    Ok(told(visit, "forgot_sent", &onward, StatusCode::OK))
}

async fn page(visit: &Visit, request: &HttpRequest, tried: Option<&str>) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    let query = request.query_string();
    Ok(visit.page(&Page {
        template: "forgot.html",
        content: json!({
            "csrf": visit.csrf(session.as_ref()).expose(),
            "query": query,
            "back": back(visit, query),
            "username": tried.map(|typed| typed.chars().take(LONGEST).collect::<String>()),
            "problem": tried.map(|_| "forgot_missing"),
        }),
        status: if tried.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK },
        language: visit.own_language(),
        leads_away: false,
    }))
}

/// The way back to the sign-in page that led here, if one did.
pub(super) fn back(visit: &Visit, query: &str) -> String {
    let leads_back = Form::of_query_as_sent(query)
        .is_ok_and(|form| form.get("to").is_some() || form.get("client_id").is_some());
    if leads_back { visit.at("/sign-in", query) } else { visit.own("/account", "") }
}

/// What is asked of a place, less the language, which [`Visit::own`] adds.
pub(crate) fn without_language(query: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "ui_locales");
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The secret in a mailed link's address.
pub(crate) fn token_of(request: &HttpRequest) -> Result<Option<String>, Stop> {
    let asked = Form::of_query(request.query_string())?;
    Ok(asked.get("token").map(ToOwned::to_owned))
}

/// `GET /forgot/new`: what is mailed leads here, and does nothing by that.
pub(crate) async fn show_new(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let token = token_of(request)?;
    match new_password::look(visit.core(), token.as_deref(), visit.now).await? {
        LookedAt::Good(known) => {
            let name = known.1.user.username.to_string();
            new_page(visit, request, &name, None).await
        }
        LookedAt::Used => Ok(link_used(visit)),
        LookedAt::NoGood => Ok(no_good(visit)),
    }
}

/// `POST /forgot/new`
pub(crate) async fn take_new(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    visit.own_form(&form, visit.session().await?.as_ref())?;
    let token = token_of(request)?;
    let known = match new_password::look(visit.core(), token.as_deref(), visit.now).await? {
        LookedAt::Good(known) => known,
        LookedAt::Used => return Ok(link_used(visit)),
        LookedAt::NoGood => return Ok(no_good(visit)),
    };
    let (token, stored) = *known;
    let name = stored.user.username.to_string();
    let Ok(new) = Password::new(form.get("new_password").unwrap_or_default().to_owned()) else {
        return new_page(visit, request, &name, Some("password_unfit")).await;
    };
    if form.get("new_password") != form.get("repeated") {
        return new_page(visit, request, &name, Some("password_repeated")).await;
    }
    match new_password::set(visit.core(), (&token, &stored), &new, visit.now).await {
        Ok(true) => {
            let mut response = see_other(&visit.own("/forgot/done", ""));
            // It ended with all others.
            visit.forget(&mut response);
            Ok(response)
        }
        // Another click was faster, or another change.
        Ok(false) => Ok(no_good(visit)),
        Err(Failure::UnfitPassword(unfit)) => new_page(visit, request, &name, Some(unfit_text(unfit))).await,
        Err(failure) => Err(failure.into()),
    }
}

/// `GET /forgot/done`
pub(crate) async fn done(visit: &Visit, _: &HttpRequest) -> Result<HttpResponse, Stop> {
    let onward = [(visit.own("/account", ""), "signed_out_again")];
    Ok(told(visit, "new_password_done", &onward, StatusCode::OK))
}

fn no_good(visit: &Visit) -> HttpResponse {
    if visit.core().resets_passwords() {
        let onward = [(visit.own("/forgot", ""), "forgot_again"), (visit.own("/account", ""), "to_account")];
        told(visit, "link_no_good", &onward, StatusCode::FORBIDDEN)
    } else {
        link_no_good(visit)
    }
}

async fn new_page(
    visit: &Visit,
    request: &HttpRequest,
    name: &str,
    problem: Option<&'static str>,
) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    Ok(visit.page(&Page {
        template: "new_password.html",
        content: json!({
            "csrf": visit.csrf(session.as_ref()).expose(),
            "query": request.query_string(),
            "account": name,
            "problem": problem,
            "least": visit.core().password_rules.min_length,
        }),
        status: if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK },
        language: visit.own_language(),
        leads_away: false,
    }))
}
