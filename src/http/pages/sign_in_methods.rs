//! `/account/sign-in-methods`: what a user signs in with.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::recovery_code::RecoveryCode;
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::pages::account::{page, to_sign_in};
use crate::http::pages::back::see_other;
use crate::http::pages::ending::done;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::stop::{PageError, Stop};
use crate::service::Failure;
use crate::service::users::account;
use crate::service::users::factors::{self, Addition};
use crate::service::users::totp::{self, Offer};

/// `GET /account/sign-in-methods`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else {
        return Ok(to_sign_in(visit, OwnPlace::SignInMethods));
    };
    let factors = factors::of_user(visit.core(), session.user()).await?;
    let content = json!({
        "totp": factors.totp,
        "has_second": factors.is_some(),
        "has_providers": visit.core().providers.all().next().is_some(),
        "recovery_codes": factors.recovery_codes,
    });
    page(visit, request, &session, "account_sign_in_methods.html", content, StatusCode::OK).await
}

/// `POST /account/sign-in-methods`: it is for who was let in a moment ago.
pub(crate) async fn take(visit: &Visit, _: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let place = OwnPlace::SignInMethods;
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, place)) };
    visit.own_form(&form, Some(&session))?;
    let (core, now) = (visit.core(), visit.now);
    let answer = match (form.get("remove"), form.get("renew")) {
        (Some("totp"), _) => {
            let removed = factors::remove_totp(core, &session, now).await;
            removed.map(|is_removed| done(visit, place, if is_removed { "totp_removed" } else { "nothing" }))
        }
        (None, Some("recovery_codes")) => {
            let renewed = factors::renew_recovery_codes(core, &session, now).await;
            renewed.map(|codes| match codes {
                Some(codes) => {
                    let onward = visit.own(place.path(), "");
                    codes_page(visit, &codes, (&onward, Some("recovery_codes")), visit.own_language())
                }
                None => done(visit, place, "nothing"),
            })
        }
        _ => return Err(PageError::Malformed("The form does not name what to change.").into()),
    };
    or_once_more(visit, place, answer)
}

/// `GET /account/sign-in-methods/app`
pub(crate) async fn show_totp(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let place = OwnPlace::Totp;
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, place)) };
    let factors = factors::of_user(visit.core(), session.user()).await?;
    if factors.totp {
        return Ok(see_other(&visit.own(OwnPlace::SignInMethods.path(), "")));
    }
    if !factors::may_change(&session, &factors, visit.now) {
        return Ok(once_more(visit, place));
    }
    let offer = totp::offer(visit.core(), session.user(), &session.id.to_string(), visit.now);
    totp_page(visit, request, &session, &offer, None).await
}

/// `POST /account/sign-in-methods/app`
pub(crate) async fn take_totp(
    visit: &Visit,
    request: &HttpRequest,
    form: Form,
) -> Result<HttpResponse, Stop> {
    let place = OwnPlace::Totp;
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, place)) };
    visit.own_form(&form, Some(&session))?;
    let sealed = form.get("offer").unwrap_or_default();
    let id = session.id.to_string();
    let Some(offer) = totp::offered(visit.core(), session.user(), &id, sealed, visit.now) else {
        // It was shown too long ago: another one is.
        return Ok(see_other(&visit.once_more()));
    };
    let code = form.get("code").unwrap_or_default();
    let methods = OwnPlace::SignInMethods;
    match factors::add_totp(visit.core(), &session, (&offer.secret, code), visit.now).await {
        Ok(Addition::Added(secret, codes)) => {
            let onward = visit.own(methods.path(), "");
            let mut response = if codes.is_empty() {
                done(visit, methods, "totp_added")
            } else {
                codes_page(visit, &codes, (&onward, Some("totp_added")), visit.own_language())
            };
            visit.remember(&mut response, &secret);
            Ok(response)
        }
        Ok(Addition::WrongCode) => totp_page(visit, request, &session, &offer, Some("totp_wrong")).await,
        Ok(Addition::AlreadyThere) => Ok(see_other(&visit.own(methods.path(), ""))),
        Err(failure) => or_once_more(visit, place, Err(failure)),
    }
}

/// Whoever was let in too long ago, or by less than there is, signs in once more.
fn once_more(visit: &Visit, place: OwnPlace) -> HttpResponse {
    let query = place.sign_in_query("prompt=login&done=fresh_methods");
    see_other(&visit.own("/sign-in", &query))
}

fn or_once_more(
    visit: &Visit,
    place: OwnPlace,
    answer: Result<HttpResponse, Failure>,
) -> Result<HttpResponse, Stop> {
    match answer {
        Err(Failure::StaleAuthentication) => Ok(once_more(visit, place)),
        answer => Ok(answer?),
    }
}

async fn totp_page(
    visit: &Visit,
    request: &HttpRequest,
    session: &SignInSession,
    offer: &Offer,
    problem: Option<&'static str>,
) -> Result<HttpResponse, Stop> {
    let account = account::name_of(visit.core(), session.user()).await?.unwrap_or_default();
    let action = visit.own(OwnPlace::Totp.path(), "");
    let content = offer_content(visit, offer, &account, (&action, problem));
    let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    page(visit, request, session, "account_totp.html", content, status).await
}

/// What a page shows of a secret that is offered, with where its form goes and what was wrong with it.
pub(super) fn offer_content(
    visit: &Visit,
    offer: &Offer,
    account: &str,
    (action, problem): (&str, Option<&'static str>),
) -> Value {
    let key = offer.secret.typed();
    let parts: Vec<&str> =
        (0..key.len()).step_by(4).filter_map(|at| key.get(at..key.len().min(at + 4))).collect();
    json!({
        "address": offer.secret.address(&visit.web.pages.name, account).as_str(),
        "key": parts.join(" "),
        "offer": offer.sealed,
        "action": action,
        "problem": problem,
    })
}

/// Recovery codes, which are shown once, with where it goes on from there and what was done.
pub(super) fn codes_page(
    visit: &Visit,
    codes: &[RecoveryCode],
    (onward, done): (&str, Option<&'static str>),
    language: &'static str,
) -> HttpResponse {
    let codes: Vec<String> = codes.iter().map(RecoveryCode::expose).collect();
    visit.page(&Page {
        template: "recovery_codes.html",
        content: json!({ "codes": codes, "onward": onward, "done": done }),
        status: StatusCode::OK,
        language,
        leads_away: false,
    })
}
