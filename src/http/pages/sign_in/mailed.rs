//! `/sign-in/mail`: coming in by a link or a code that is mailed, without the password.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::account_rules::MailedSignIn;
use crate::domain::mailed_token::{MailedPurpose, MailedToken};
use crate::http::body::Form;
use crate::http::pages::back::see_other;
use crate::http::pages::forgot::{ask, is_nothing, token_of, without_language};
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::renderer::Page;
use crate::http::pages::sign_in::asking::go_on;
use crate::http::pages::sign_in::purpose::Purpose;
use crate::http::pages::told::{link_no_good, link_used, told};
use crate::http::pages::visit::Visit;
use crate::http::pages::wrong_password::Wrong;
use crate::http::stop::Stop;
use crate::service::mailed::sign_in;
use crate::service::mailed::tokens::LookedAt;
use crate::service::users::sign_in::entering::Door;

/// `GET /sign-in/mail`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    page(visit, &purpose, None).await
}

/// `POST /sign-in/mail`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    visit.own_form(&form, visit.session().await?.as_ref())?;
    let typed = form.get("username").unwrap_or_default();
    if is_nothing(typed) {
        return page(visit, &purpose, Some(typed)).await;
    }
    ask(visit, MailedPurpose::SignIn, typed, Some(purpose.query())).await?;
    let next = match visit.core().mailed_sign_in() {
        MailedSignIn::Code => "/sign-in/code",
        MailedSignIn::Link | MailedSignIn::Off => "/sign-in/mail/sent",
    };
    Ok(see_other(&visit.at(next, purpose.query())))
}

/// `GET /sign-in/mail/sent`
pub(crate) async fn sent(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let query = without_language(request.query_string());
    let onward = [(visit.own("/sign-in/mail", &query), "forgot_again")];
    Ok(told(visit, "mail_sign_in_sent", &onward, StatusCode::OK))
}

async fn page(visit: &Visit, purpose: &Purpose, tried: Option<&str>) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    Ok(visit.page(&Page {
        template: "sign_in_mail.html",
        content: json!({
            "client": purpose.client().unwrap_or_default(),
            "lead": purpose.lead(),
            "query": purpose.query(),
            "csrf": visit.csrf(session.as_ref()).expose(),
            "by": visit.core().mailed_sign_in().to_string(),
            "username": tried.or_else(|| purpose.login_hint()),
            "problem": tried.map(|_| "forgot_missing"),
        }),
        status: if tried.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK },
        language: purpose.language(visit),
        leads_away: false,
    }))
}

/// `GET /sign-in/code`
pub(crate) async fn show_code(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    code_page(visit, &purpose, None).await
}

/// `POST /sign-in/code`
pub(crate) async fn take_code(
    visit: &Visit,
    request: &HttpRequest,
    form: Form,
) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    let session = visit.session().await?;
    visit.own_form(&form, session.as_ref())?;
    let door = Door { agent: &visit.agent, before: session.as_ref(), demand: purpose.demand(visit) };
    let shown = (&visit.mailed_browser(), form.get("code").unwrap_or_default());
    match sign_in::by_code(visit.core(), shown, door, visit.now).await {
        Ok(entered) => go_on(visit, &purpose, entered).await,
        Err(failure) => {
            let problem = Wrong::of(failure)?;
            let shown = code_page(visit, &purpose, Some(&problem)).await?;
            Ok(problem.after(shown))
        }
    }
}

async fn code_page(visit: &Visit, purpose: &Purpose, problem: Option<&Wrong>) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    Ok(visit.page(&Page {
        template: "sign_in_code.html",
        content: json!({
            "query": purpose.query(),
            "csrf": visit.csrf(session.as_ref()).expose(),
            "problem": problem.map(|problem| problem.text("mail_code_wrong")),
            "minutes": problem.map(|problem| problem.minutes()),
        }),
        status: problem.map_or(StatusCode::OK, |problem| problem.status()),
        language: purpose.language(visit),
        leads_away: purpose.is_app(),
    }))
}

/// `GET /sign-in/link`: it asks, for whoever looks after somebody's mail opens links, too; and somebody may have been
/// sent the link of another one's account.
pub(crate) async fn show_link(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    let token = token_of(request)?;
    let known = match sign_in::look(visit.core(), token.as_deref(), visit.now).await? {
        LookedAt::Good(known) => known,
        LookedAt::Used => return used(visit).await,
        LookedAt::NoGood => return Ok(link_no_good(visit)),
    };
    let purpose = purpose_of(visit, &known.0).await?;
    Ok(visit.page(&Page {
        template: "confirm.html",
        content: json!({
            "csrf": visit.csrf(session.as_ref()).expose(),
            "action": visit.at("/sign-in/link", request.query_string()),
            "title": "sign_in_title",
            "lead": "mail_link_lead",
            "button": "sign_in_button",
            "note": "mail_link_note",
            "user": known.1.user.username.to_string(),
        }),
        status: StatusCode::OK,
        language: visit.own_language(),
        leads_away: purpose.is_app(),
    }))
}

/// `POST /sign-in/link`
pub(crate) async fn take_link(
    visit: &Visit,
    request: &HttpRequest,
    form: Form,
) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    visit.own_form(&form, session.as_ref())?;
    let token = token_of(request)?;
    let known = match sign_in::look(visit.core(), token.as_deref(), visit.now).await? {
        LookedAt::Good(known) => known,
        LookedAt::Used => return used(visit).await,
        LookedAt::NoGood => return Ok(link_no_good(visit)),
    };
    let purpose = purpose_of(visit, &known.0).await?;
    let door = Door { agent: &visit.agent, before: session.as_ref(), demand: purpose.demand(visit) };
    match sign_in::by_link(visit.core(), &known.0, door, visit.now).await? {
        Some(entered) => go_on(visit, &purpose, entered).await,
        None => used(visit).await,
    }
}

/// A second click comes when the first one has let its user in.
async fn used(visit: &Visit) -> Result<HttpResponse, Stop> {
    if visit.session().await?.is_some() {
        return Ok(see_other(&visit.own("/account", "")));
    }
    Ok(link_used(visit))
}

/// What for: in the browser that asked, what it asked for; on another device, the account.
async fn purpose_of(visit: &Visit, token: &MailedToken) -> Result<Purpose, Stop> {
    let is_here = token.browser.as_ref().is_some_and(|browser| browser.matches(&visit.mailed_browser()));
    if let Some(query) = token.destination.as_deref().filter(|query| is_here && !query.is_empty())
        && let Ok(purpose) = Purpose::read_query(visit, query).await
    {
        return Ok(purpose);
    }
    // What an app asked for may be over by now.
    Purpose::read_query(visit, &OwnPlace::Account.sign_in_query("")).await
}
