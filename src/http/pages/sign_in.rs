//! `/sign-in`: a name and a password, or going on as who is there.

mod asking;
mod handing_over;
pub(crate) mod mailed;
pub(crate) mod purpose;
pub(crate) mod second;

use actix_web::{HttpRequest, HttpResponse};

use crate::domain::secrets::Password;
use crate::domain::sign_in::SignInSession;
use crate::domain::user::Username;
use crate::http::body::Form;
use crate::http::oauth::authorize::Met;
use crate::http::pages::back::see_other;
use crate::http::pages::visit::Visit;
use crate::http::pages::wrong_password::Wrong;
use crate::http::stop::Stop;
use crate::service::Failure;
use crate::service::users::attempts::AttemptSource;
use crate::service::users::credentials::Credentials;
use crate::service::users::passkey_sign_in::{self, PasskeyAnswer};
use crate::service::users::sign_in::entering::{Door, step_up};
use crate::service::users::sign_in::sign_in;

pub(crate) use asking::SECOND;
pub(crate) use asking::go_on;
use asking::{Shown, page};
use handing_over::{hand_over, hand_over_typed};
use purpose::{Purpose, WantedNext};

/// `GET /sign-in`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    let session = visit.session().await?;
    match purpose.wants(visit, session.as_ref()).await? {
        WantedNext::SignIn => match hand_over(visit, &purpose, session.as_ref()).await? {
            Some(away) => Ok(away),
            None => page(visit, &purpose, session.as_ref(), Shown::New).await,
        },
        // Who is signed in is asked for no more than what is missing.
        WantedNext::StepUp(session) => match step_up(visit.core(), session, &visit.agent, visit.now).await? {
            Some(secret) => {
                let mut response = see_other(&visit.at(SECOND, purpose.query()));
                visit.remember_attempt(&mut response, &secret);
                Ok(response)
            }
            None => page(visit, &purpose, None, Shown::New).await,
        },
        // Signed in by now, perhaps in another tab.
        WantedNext::Nothing => Ok(see_other(&purpose.place(visit))),
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
    if form.get("passkey").is_some() {
        return by_passkey(visit, &purpose, session.as_ref(), &form).await;
    }
    if let Some(away) = hand_over_typed(visit, &purpose, form.get("username").unwrap_or_default()).await? {
        return Ok(away);
    }
    let password = form.get("password").unwrap_or_default().to_owned();
    let credentials = Credentials {
        username: form.get("username").and_then(|name| Username::typed(name).ok()),
        password: Password::presented(password),
        place: AttemptSource {
            address: visit.address,
            session: session.as_ref().map(|session| (session.id, session.user())),
        },
    };
    let door = Door { agent: &visit.agent, before: session.as_ref(), demand: purpose.demand(visit) };
    match sign_in(visit.core(), &credentials, door, visit.now).await {
        Ok(entered) => go_on(visit, &purpose, entered).await,
        Err(failure) => {
            let problem = Wrong::of(failure)?;
            let name = form.get("username").unwrap_or_default();
            let shown = page(visit, &purpose, session.as_ref(), Shown::Tried(name, &problem)).await?;
            Ok(problem.after(shown))
        }
    }
}

/// A passkey alone, by the page's button or by what the browser fills in.
async fn by_passkey(
    visit: &Visit,
    purpose: &Purpose,
    session: Option<&SignInSession>,
    form: &Form,
) -> Result<HttpResponse, Stop> {
    let door = Door { agent: &visit.agent, before: session, demand: purpose.demand(visit) };
    let answer = PasskeyAnswer::of(form.get("passkey"), form.get("ceremony"));
    let mark = visit.mark_of_passkeys();
    match passkey_sign_in::sign_in(visit.core(), (&mark, answer), door, visit.now).await {
        Ok(entered) => go_on(visit, purpose, entered).await,
        Err(Failure::Passkey(unfit)) => page(visit, purpose, session, Shown::Passkey(unfit, answer)).await,
        Err(failure) => Err(failure.into()),
    }
}
