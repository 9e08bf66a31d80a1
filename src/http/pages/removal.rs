//! `/account/delete`: the end of an account, by its owner's hand.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::ids::UserId;
use crate::domain::secrets::Password;
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::pages::account::{page, to_sign_in, to_sign_in_again};
use crate::http::pages::back::see_other;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::sign_out::telling;
use crate::http::pages::visit::Visit;
use crate::http::pages::wrong_password::Wrong;
use crate::http::stop::Stop;
use crate::service::Failure;
use crate::service::logout::front_channel::FrontChannel;
use crate::service::users::{change_password, removal};

const TEMPLATE: &str = "account_delete.html";

/// `GET /account/delete`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Removal)) };
    let content = content(visit, &session, None).await?;
    if content.get("has_password") == Some(&json!(false)) && !session.authentication.is_fresh(visit.now) {
        return Ok(see_other(&to_sign_in_again(visit, OwnPlace::Removal)));
    }
    page(visit, request, &session, TEMPLATE, content, StatusCode::OK).await
}

/// `POST /account/delete`: the present password is asked for however recent the sign-in is. Where there is none, the
/// sign-in has to be recent.
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return answer_again(visit, &form).await };
    visit.own_form(&form, Some(&session))?;
    let password = Password::presented(form.get("password").unwrap_or_default().to_owned());
    match removal::remove_own(visit.core(), (&session, &visit.agent), password, visit.now).await {
        Ok(apps) => Ok(deleted(visit, &apps)),
        Err(Failure::StaleAuthentication) => Ok(see_other(&to_sign_in_again(visit, OwnPlace::Removal))),
        Err(failure) => {
            let wrong = Wrong::of(failure)?;
            let content = content(visit, &session, Some(wrong)).await?;
            Ok(wrong.after(page(visit, request, &session, TEMPLATE, content, wrong.status()).await?))
        }
    }
}

/// A second click, or the page loaded again: the form is of an account that is gone, and so is its sign-in.
async fn answer_again(visit: &Visit, form: &Form) -> Result<HttpResponse, Stop> {
    let user = form.get("user").and_then(|id| id.parse::<UserId>().ok());
    let is_ours = |user: &UserId| form.get("mark").is_some_and(|mark| visit.mark(*user).matches(mark));
    match user.filter(is_ours) {
        Some(user) if removal::is_removed(visit.core(), user).await? => Ok(deleted(visit, &[])),
        Some(_) | None => Ok(to_sign_in(visit, OwnPlace::Removal)),
    }
}

async fn content(visit: &Visit, session: &SignInSession, wrong: Option<Wrong>) -> Result<Value, Stop> {
    Ok(json!({
        "has_password": change_password::has_password(visit.core(), session).await? != Some(false),
        "problem": wrong.map(|it| it.text("password_wrong")),
        "minutes": wrong.map(Wrong::minutes),
        "user": session.user(),
        "mark": visit.mark(session.user()).expose(),
    }))
}

fn deleted(visit: &Visit, apps: &[FrontChannel]) -> HttpResponse {
    let mut response = telling(visit, apps, ("account_deleted.html", json!({})), visit.own_language());
    visit.forget(&mut response);
    response
}
