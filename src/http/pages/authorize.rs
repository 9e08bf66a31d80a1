//! `/oauth/authorize` (RFC 6749 §3.1, OpenID Connect Core §3.1.2).
//!
//! Nothing is remembered between the pages: each of them carries the client's request in its own address and reads it
//! again, so that a browser's back button, a second tab and a restarted server change nothing. One that was pushed or
//! signed waits in the database, and the address has the way to it.

use actix_web::{HttpRequest, HttpResponse};

use crate::domain::authorization::Need;
use crate::http::body::Form;
use crate::http::error::Unmet;
use crate::http::oauth::authorize::{self, Asked};
use crate::http::pages::back::{self, see_other};
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::authorize::authorization;

/// `GET /oauth/authorize`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let asked = read_request(visit, request).await?;
    let mut response = go_on(visit, &asked).await?;
    if asked.is_of_this_browser() && response.status().is_redirection() {
        visit.introduce(&mut response);
    }
    Ok(response)
}

/// `POST /oauth/authorize`: a browser that posts here from another site leaves the `Lax` session cookie at home, so it
/// is sent to ask for the same by GET.
pub(crate) async fn take(visit: &Visit, _: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    Ok(see_other(&visit.at("/oauth/authorize", &form.to_query())))
}

/// Goes on with a request that was read: to a page, or back to the client.
pub(crate) async fn go_on(visit: &Visit, asked: &Asked) -> Result<HttpResponse, Stop> {
    let session = visit.session().await?;
    let need =
        authorization::need(visit.core(), &asked.known.client, &asked.request, session.as_ref(), visit.now)
            .await;
    let need = need.map_err(|failure| asked.back.refuse(failure))?;
    match (need, session) {
        (Need::Nothing, Some(session)) => {
            let code = authorization::issue_code(visit.core(), &asked.request, &session, visit.now).await;
            match code.map_err(|failure| asked.back.refuse(failure))? {
                Some(code) => Ok(back::answer(visit, &asked.back, &[("code", code.expose())])),
                // The session ended while we looked.
                None => Ok(see_other(&visit.at("/oauth/authorize", &asked.query))),
            }
        }
        (Need::Consent, Some(_)) if asked.request.prompt.none => {
            Err(asked.back.refuse(Unmet::ConsentRequired))
        }
        (Need::Consent, Some(_)) => Ok(see_other(&visit.at("/consent", &asked.query))),
        (Need::Unreachable, Some(_)) => Err(asked.back.refuse(Unmet::AuthenticationRequirements)),
        (Need::SignIn | Need::StepUp, _) | (_, None) if asked.request.prompt.none => {
            Err(asked.back.refuse(Unmet::LoginRequired))
        }
        (Need::SignIn | Need::StepUp, _) | (_, None) => Ok(see_other(&visit.at("/sign-in", &asked.query))),
    }
}

/// Reads the client's request that a page carries in its address.
pub(crate) async fn read_request(visit: &Visit, request: &HttpRequest) -> Result<Asked, Stop> {
    read_query(visit, request.query_string()).await
}

/// The same from a query alone.
pub(crate) async fn read_query(visit: &Visit, query: &str) -> Result<Asked, Stop> {
    let form = Form::of_query_as_sent(query)?;
    let client = form.get("client_id").map(ToOwned::to_owned);
    let read = authorize::read_form(&visit.as_browser(), form).await;
    read.inspect_err(|stop| {
        if let Stop::Page(error) = stop {
            back::tell_stopped(visit, client.as_deref(), error);
        }
    })
}
