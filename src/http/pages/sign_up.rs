//! `/sign-up`: an account of one's own, by whoever shows an address first.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::mailed_token::{MailedPurpose, MailedToken};
use crate::domain::secrets::Password;
use crate::domain::user::{Username, check_email};
use crate::http::body::Form;
use crate::http::pages::account::unfit_text;
use crate::http::pages::back::see_other;
use crate::http::pages::forgot::{ask, back, token_of, without_language};
use crate::http::pages::renderer::Page;
use crate::http::pages::told::{link_no_good, link_used, told};
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::Failure;
use crate::service::mailed::sign_up::{self, NewAccount, SignedUp};
use crate::service::mailed::tokens::LookedAt;

/// `GET /sign-up`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    page(visit, request, None).await
}

/// `POST /sign-up`: what is answered is the same whether somebody has an account with this address or not.
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    visit.own_form(&form, visit.session().await?.as_ref())?;
    let typed = form.get("email").unwrap_or_default();
    if check_email(typed.trim()).is_err() {
        return page(visit, request, Some(("addresses_unfit", typed))).await;
    }
    if !visit.core().accounts.may_sign_up(typed) {
        return page(visit, request, Some(("sign_up_domain", typed))).await;
    }
    let query = request.query_string();
    ask(visit, MailedPurpose::SignUp, typed, Some(query)).await?;
    Ok(see_other(&visit.own("/sign-up/sent", &without_language(query))))
}

/// `GET /sign-up/sent`
pub(crate) async fn sent(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let query = without_language(request.query_string());
    let onward = [(visit.own("/sign-up", &query), "sign_up_again")];
    Ok(told(visit, "sign_up_sent", &onward, StatusCode::OK))
}

async fn page(
    visit: &Visit,
    request: &HttpRequest,
    tried: Option<(&'static str, &str)>,
) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    let query = request.query_string();
    Ok(visit.page(&Page {
        template: "sign_up.html",
        content: json!({
            "csrf": visit.csrf(session.as_ref()).expose(),
            "query": query,
            "back": back(visit, query),
            "email": tried.map(|(_, typed)| typed),
            "problem": tried.map(|(problem, _)| problem),
        }),
        status: if tried.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK },
        language: visit.own_language(),
        leads_away: false,
    }))
}

/// `GET /sign-up/finish`
pub(crate) async fn show_finish(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let token = token_of(request)?;
    match sign_up::look(visit.core(), token.as_deref(), visit.now).await? {
        LookedAt::Good(token) => finish_page(visit, request, &token, None).await,
        LookedAt::Used => Ok(link_used(visit)),
        LookedAt::NoGood => Ok(link_no_good(visit)),
    }
}

/// `POST /sign-up/finish`
pub(crate) async fn take_finish(
    visit: &Visit,
    request: &HttpRequest,
    form: Form,
) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    visit.own_form(&form, session.as_ref())?;
    let secret = token_of(request)?;
    let token = match sign_up::look(visit.core(), secret.as_deref(), visit.now).await? {
        LookedAt::Good(token) => token,
        LookedAt::Used => return Ok(link_used(visit)),
        LookedAt::NoGood => return Ok(link_no_good(visit)),
    };
    let typed = form.get("username").unwrap_or_default();
    let again = async |problem| finish_page(visit, request, &token, Some((problem, typed))).await;
    let Ok(username) = Username::typed(typed) else { return again("sign_up_name_unfit").await };
    let Ok(password) = Password::new(form.get("new_password").unwrap_or_default().to_owned()) else {
        return again("password_unfit").await;
    };
    if form.get("new_password") != form.get("repeated") {
        return again("password_repeated").await;
    }
    let new = NewAccount { username, password };
    match sign_up::finish(visit.core(), (&token, new), visit.now).await {
        Ok(SignedUp::Done) => Ok(see_other(&visit.own("/sign-up/done", &destination(visit, &token)))),
        Ok(SignedUp::NameTaken) => again("sign_up_name_taken").await,
        Ok(SignedUp::UnfitName) => again("sign_up_name_unfit").await,
        Ok(SignedUp::NoGood) => Ok(link_no_good(visit)),
        Err(Failure::UnfitPassword(unfit)) => again(unfit_text(unfit)).await,
        Err(failure) => Err(failure.into()),
    }
}

/// What the account was wanted for: in the browser that asked, what it came for.
fn destination(visit: &Visit, token: &MailedToken) -> String {
    let is_here = token.browser.as_ref().is_some_and(|browser| browser.matches(&visit.mailed_browser()));
    without_language(token.destination.as_deref().filter(|_| is_here).unwrap_or_default())
}

/// `GET /sign-up/done`
pub(crate) async fn done(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let onward = [(back(visit, request.query_string()), "sign_in_button")];
    Ok(told(visit, "sign_up_done", &onward, StatusCode::OK))
}

async fn finish_page(
    visit: &Visit,
    request: &HttpRequest,
    token: &MailedToken,
    tried: Option<(&'static str, &str)>,
) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    Ok(visit.page(&Page {
        template: "sign_up_finish.html",
        content: json!({
            "csrf": visit.csrf(session.as_ref()).expose(),
            "query": request.query_string(),
            "email": token.address,
            "username": tried.map(|(_, typed)| typed),
            "problem": tried.map(|(problem, _)| problem),
            "is_about_name": tried.is_some_and(|(problem, _)| problem.starts_with("sign_up_name")),
            "least": visit.core().password_rules.min_length,
        }),
        status: if tried.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK },
        language: visit.own_language(),
        leads_away: false,
    }))
}
