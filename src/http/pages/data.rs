//! `/account/data`: what is kept of a user, to take along.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::http::body::Form;
use crate::http::pages::account::{page, to_sign_in};
use crate::http::pages::back::see_other;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::users::own_data;

/// `GET /account/data`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Data)) };
    let content = json!({
        "is_fresh": session.authentication.is_fresh(visit.now),
        "may_delete": visit.web.account_deletion,
    });
    page(visit, request, &session, "account_data.html", content, StatusCode::OK).await
}

/// `POST /account/data`: it is for who has just signed in. Who finds a browser open would have all of it at once.
pub(crate) async fn take(visit: &Visit, _: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Data)) };
    visit.own_form(&form, Some(&session))?;
    if !session.authentication.is_fresh(visit.now) {
        let query = OwnPlace::Data.sign_in_query("prompt=login&done=fresh");
        return Ok(see_other(&visit.own("/sign-in", &query)));
    }
    let Some(data) = own_data::collect(visit.core(), &session, visit.now).await? else {
        return Ok(to_sign_in(visit, OwnPlace::Data));
    };
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"account.json\""))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(format!("{:#}", json!(data))))
}
