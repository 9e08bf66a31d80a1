//! `/account/addresses`: the address of an account, shown, proven and changed; `/verify`: where the proof leads.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::mailed_token::MailedPurpose;
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::pages::account::{page, to_sign_in};
use crate::http::pages::back::see_other;
use crate::http::pages::ending::done;
use crate::http::pages::forgot::token_of;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::renderer::Page;
use crate::http::pages::told::{link_no_good, link_used, told_of};
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::mailed::addresses::{self, ProofAsked};
use crate::service::mailed::tokens::LookedAt;
use crate::service::users::account;

/// `GET /account/addresses`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Addresses)) };
    own_page(visit, request, &session, None).await
}

/// `POST /account/addresses`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Addresses)) };
    visit.own_form(&form, Some(&session))?;
    let (core, language) = (visit.core(), visit.own_language());
    let asked = if form.get("verify").is_some() {
        addresses::ask_for_proof(core, &session, language, visit.now).await?
    } else if session.authentication.is_fresh(visit.now) {
        let typed = form.get("email").unwrap_or_default();
        addresses::ask_for_change(core, (&session, typed), language, visit.now).await?
    } else {
        // Whoever finds a browser open would have the account by that.
        let query = OwnPlace::Addresses.sign_in_query("prompt=login&done=fresh_email");
        return Ok(see_other(&visit.own("/sign-in", &query)));
    };
    let problem = match asked {
        ProofAsked::Mailed => return Ok(done(visit, OwnPlace::Addresses, "mailed")),
        ProofAsked::Nothing => return Ok(done(visit, OwnPlace::Addresses, "email_same")),
        ProofAsked::TooMany => "addresses_too_many",
        ProofAsked::Unfit => "addresses_unfit",
    };
    own_page(visit, request, &session, Some((problem, form.get("email").unwrap_or_default()))).await
}

async fn own_page(
    visit: &Visit,
    request: &HttpRequest,
    session: &SignInSession,
    tried: Option<(&'static str, &str)>,
) -> Result<HttpResponse, Stop> {
    let user = account::user(visit.core(), session).await?;
    let content = json!({
        "email": user.as_ref().and_then(|user| user.email.as_deref()),
        "is_verified": user.as_ref().is_some_and(|user| user.email_verified),
        "is_fresh": session.authentication.is_fresh(visit.now),
        "problem": tried.map(|(problem, _)| problem),
        "typed": tried.map(|(_, typed)| typed),
    });
    let status = if tried.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    page(visit, request, session, "account_addresses.html", content, status).await
}

/// `GET /verify`: it asks, and does nothing by itself. The browser may be another one than that which asked.
pub(crate) async fn show_proof(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    let token = token_of(request)?;
    let known = match addresses::look(visit.core(), token.as_deref(), visit.now).await? {
        LookedAt::Good(known) => known,
        LookedAt::Used => return Ok(link_used(visit)),
        LookedAt::NoGood => return Ok(link_no_good(visit)),
    };
    let is_change = known.0.purpose == MailedPurpose::ChangeAddress;
    Ok(visit.page(&Page {
        template: "confirm.html",
        content: json!({
            "csrf": visit.csrf(session.as_ref()).expose(),
            "action": visit.at("/verify", request.query_string()),
            "title": "verify_title",
            "lead": if is_change { "verify_change_lead" } else { "verify_lead" },
            "button": "verify_button",
            "note": "verify_note",
            "user": known.1.user.username.to_string(),
            "address": known.0.address,
        }),
        status: StatusCode::OK,
        language: visit.own_language(),
        leads_away: false,
    }))
}

/// `POST /verify`
pub(crate) async fn take_proof(
    visit: &Visit,
    request: &HttpRequest,
    form: Form,
) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    visit.own_form(&form, session.as_ref())?;
    let token = token_of(request)?;
    let known = match addresses::look(visit.core(), token.as_deref(), visit.now).await? {
        LookedAt::Good(known) => known,
        LookedAt::Used => return Ok(link_used(visit)),
        LookedAt::NoGood => return Ok(link_no_good(visit)),
    };
    let proven = addresses::prove(visit.core(), &known.0, visit.own_language(), visit.now).await?;
    let Some(user) = proven else { return Ok(link_no_good(visit)) };
    if session.is_some_and(|session| session.user() == user.id) {
        return Ok(done(visit, OwnPlace::Addresses, "email"));
    }
    let onward = [(visit.own("/account", ""), "to_account")];
    let named = json!({ "address": known.0.address });
    Ok(told_of(visit, "verified", &onward, StatusCode::OK, &named))
}
