//! `/sign-in`: a name and a password, or going on as who is there.

mod purpose;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::secrets::Password;
use crate::domain::sign_in::SignInSession;
use crate::domain::user::Username;
use crate::http::body::Form;
use crate::http::oauth::authorize::Met;
use crate::http::pages::back::{answer_stop, see_other};
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::pages::wrong_password::Wrong;
use crate::http::stop::Stop;
use crate::service::users::account;
use crate::service::users::attempts::AttemptSource;
use crate::service::users::credentials::Credentials;
use crate::service::users::sign_in::{SignIn, sign_in};

use purpose::Purpose;

/// `GET /sign-in`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    let session = visit.session().await?;
    if purpose.needs_sign_in(visit, session.as_ref()).await? {
        page(visit, &purpose, session.as_ref(), None).await
    } else {
        // Signed in by now, perhaps in another tab.
        Ok(see_other(&purpose.place(visit)))
    }
}

/// `POST /sign-in`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    let session = visit.session().await?;
    visit.own_form(&form, session.as_ref())?;
    if session.is_some() && form.get("go_on").is_some() {
        return Ok(see_other(&purpose.place_after(visit, Met::Chosen).await?));
    }
    let password = form.get("password").unwrap_or_default().to_owned();
    let sign_in_request = SignIn {
        credentials: Credentials {
            username: form.get("username").and_then(|name| Username::typed(name).ok()),
            password: Password::presented(password),
            place: AttemptSource {
                address: visit.address,
                session: session.as_ref().map(|session| (session.id, session.user())),
            },
        },
        agent: visit.agent.clone(),
        before: session.clone(),
    };
    match sign_in(visit.core(), sign_in_request, visit.now).await {
        Ok((session, secret)) => {
            if let Some(ending) = purpose.ending(visit, &session) {
                return Ok(ending.take_renewed(visit, &session, &secret).await);
            }
            let mut response = match purpose.refuse(visit, &session).await? {
                Some(stop) => answer_stop(visit, &stop).await,
                None => see_other(&purpose.place_after(visit, Met::SignedIn).await?),
            };
            visit.remember(&mut response, &secret);
            Ok(response)
        }
        Err(failure) => {
            let problem = Wrong::of(failure)?;
            let name = form.get("username").unwrap_or_default();
            let shown = page(visit, &purpose, session.as_ref(), Some((name, &problem))).await?;
            Ok(problem.after(shown))
        }
    }
}

/// The page; after a refused try with the name that was typed.
async fn page(
    visit: &Visit,
    purpose: &Purpose,
    session: Option<&SignInSession>,
    tried: Option<(&str, &Wrong)>,
) -> Result<HttpResponse, Stop> {
    let known = session.filter(|_| purpose.lets_choose() || purpose.is_once_more());
    let user = match known {
        Some(session) => account::user(visit.core(), session).await?,
        None => None,
    };
    let name = user.map(|user| user.username.to_string());
    let (account, again) = if purpose.is_once_more() { (None, name) } else { (name, None) };
    Ok(visit.page(&Page {
        template: "sign_in.html",
        content: json!({
            "client": purpose.client().unwrap_or_default(),
            "lead": purpose.lead(),
            "query": purpose.query(),
            "csrf": visit.csrf(session).expose(),
            "username": tried.map(|(name, _)| name).or_else(|| purpose.login_hint()).or(again.as_deref()),
            "account": account,
            "problem": tried.map(|(_, problem)| problem.text("sign_in_credentials")),
            "minutes": tried.map(|(_, problem)| problem.minutes()),
        }),
        status: tried.map_or(StatusCode::OK, |(_, problem)| problem.status()),
        language: purpose.language(visit),
        leads_away: purpose.is_app(),
    }))
}
