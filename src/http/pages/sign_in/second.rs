//! `/sign-in/second`: a further factor of a sign-in that has begun, or a new one where it is required and there is
//! none.
//!
//! What was shown so far waits in the database, for ten minutes, under a cookie of its own. A form that comes when that
//! is over (a second click, another tab, the back button) finds its user signed in, or a page that says so.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::authentication::ContextClass;
use crate::domain::ids::UserId;
use crate::domain::passkey::UnfitPasskey;
use crate::domain::second_factor::{Missing, SignInAttempt};
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::oauth::authorize::Met;
use crate::http::pages::back::{answer_stop, see_other};
use crate::http::pages::passkeys;
use crate::http::pages::renderer::Page;
use crate::http::pages::sign_in::asking::{self, SECOND, Shown};
use crate::http::pages::sign_in::purpose::Purpose;

use crate::http::pages::sign_in_methods::{codes_page, offer_content};
use crate::http::pages::visit::Visit;
use crate::http::pages::wrong_password::Wrong;
use crate::http::stop::Stop;
use crate::service::Failure;
use crate::service::users::passkey_sign_in::{self, PasskeyAnswer};
use crate::service::users::sign_in::entering::{Door, Entered};
use crate::service::users::sign_in::second::{self, Enrolled, SecondProof};
use crate::service::users::totp::{self, Offer};
use crate::service::users::{account, factors};

/// What a page about an attempt knows.
struct SecondStep<'a> {
    visit: &'a Visit,
    purpose: &'a Purpose,
    session: Option<&'a SignInSession>,
    attempt: &'a SignInAttempt,
}

/// What was refused, and in which of the forms.
enum Refused<'a> {
    Code(&'a Wrong),
    RecoveryCode(&'a Wrong),
    Passkey(UnfitPasskey),
}

/// `GET /sign-in/second`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    let session = visit.session().await?;
    let Some(attempt) = visit.attempt().await? else { return over(visit, &purpose, session.as_ref()).await };
    let step = SecondStep { visit, purpose: &purpose, session: session.as_ref(), attempt: &attempt };
    step.show(None).await
}

/// `POST /sign-in/second`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let purpose = Purpose::read(visit, request).await?;
    let session = visit.session().await?;
    let Some(attempt) = visit.attempt().await? else { return over(visit, &purpose, session.as_ref()).await };
    visit.own_form_of_attempt(&form, &attempt)?;
    let step = SecondStep { visit, purpose: &purpose, session: session.as_ref(), attempt: &attempt };
    if form.get("passkey").is_some() {
        return step.by_passkey(&form).await;
    }
    match (form.get("offer"), form.get("recovery_code")) {
        (Some(offer), _) => step.enrol(offer, form.get("code").unwrap_or_default()).await,
        (None, Some(code)) => {
            step.finish(&SecondProof::RecoveryCode(code), |wrong| Refused::RecoveryCode(wrong)).await
        }
        (None, None) => {
            let code = form.get("code").unwrap_or_default();
            step.finish(&SecondProof::Code(code), |wrong| Refused::Code(wrong)).await
        }
    }
}

/// There is nothing to go on with: who is in by now goes on, everybody else begins anew.
async fn over(
    visit: &Visit,
    purpose: &Purpose,
    session: Option<&SignInSession>,
) -> Result<HttpResponse, Stop> {
    if purpose.is_met(visit, session).await? {
        Ok(see_other(&purpose.place(visit)))
    } else {
        asking::page(visit, purpose, session, Shown::Over).await
    }
}

impl SecondStep<'_> {
    fn door(&self) -> Door<'_> {
        Door { agent: &self.visit.agent, before: self.session, demand: self.purpose.demand(self.visit) }
    }

    async fn show(&self, refused: Option<Refused<'_>>) -> Result<HttpResponse, Stop> {
        match second::missing(self.visit.core(), self.attempt, self.door()).await? {
            Some((user, Missing::Factor(class))) => self.ask((user, class), refused).await,
            Some((user, Missing::Enrolment)) => {
                let offer = totp::offer(self.visit.core(), user, &self.place(), self.visit.now);
                self.offer(user, &offer, None).await
            }
            // What was missing is wanted no more.
            None => over(self.visit, self.purpose, self.session).await,
        }
    }

    async fn finish(
        &self,
        proof: &SecondProof<'_>,
        refused: fn(&Wrong) -> Refused<'_>,
    ) -> Result<HttpResponse, Stop> {
        let visit = self.visit;
        let finished =
            second::finish(visit.core(), self.attempt, proof, (self.door(), visit.address), visit.now).await;
        let wrong = match finished {
            Ok(Some(entered)) => return asking::go_on(visit, self.purpose, entered).await,
            Ok(None) => return over(visit, self.purpose, self.session).await,
            Err(failure) => Wrong::of(failure)?,
        };
        if visit.attempt().await?.is_none() {
            return over(visit, self.purpose, self.session).await;
        }
        Ok(wrong.after(self.show(Some(refused(&wrong))).await?))
    }

    async fn by_passkey(&self, form: &Form) -> Result<HttpResponse, Stop> {
        let visit = self.visit;
        let answer = PasskeyAnswer::of(form.get("passkey"), form.get("ceremony"));
        let shown = (self.attempt, answer);
        match passkey_sign_in::complete(visit.core(), shown, self.door(), visit.now).await {
            Ok(Some(entered)) => asking::go_on(visit, self.purpose, entered).await,
            Ok(None) => over(visit, self.purpose, self.session).await,
            Err(Failure::Passkey(unfit)) => self.show(Some(Refused::Passkey(unfit))).await,
            Err(failure) => Err(failure.into()),
        }
    }

    async fn enrol(&self, offer: &str, typed: &str) -> Result<HttpResponse, Stop> {
        let (visit, core) = (self.visit, self.visit.core());
        let Some((user, Missing::Enrolment)) = second::missing(core, self.attempt, self.door()).await? else {
            return self.show(None).await;
        };
        let Some(offer) = totp::offered(core, user, &self.place(), offer, visit.now) else {
            return self.show(None).await;
        };
        match second::enrol(core, self.attempt, (&offer.secret, typed), self.door(), visit.now).await? {
            Enrolled::In(Entered::Open(session, secret), codes) => {
                let onward = match self.purpose.refuse(visit, &session).await? {
                    Some(stop) => {
                        let mut response = answer_stop(visit, &stop).await;
                        visit.remember(&mut response, &secret);
                        return Ok(response);
                    }
                    None => self.purpose.place_after(visit, Met::SignedIn).await?,
                };
                let language = self.purpose.language(visit);
                let mut response = codes_page(visit, &codes, (&onward, Some("totp_added")), language);
                visit.remember(&mut response, &secret);
                Ok(response)
            }
            Enrolled::In(entered @ Entered::Wants(..), _) => {
                asking::go_on(visit, self.purpose, entered).await
            }
            Enrolled::WrongCode => self.offer(user, &offer, Some("totp_wrong")).await,
            Enrolled::Over => self.show(None).await,
        }
    }

    /// Where a secret is offered.
    fn place(&self) -> String {
        self.visit.csrf_of_attempt(self.attempt).expose().to_owned()
    }

    fn action(&self) -> String {
        self.visit.at(SECOND, self.purpose.query())
    }

    async fn ask(
        &self,
        (user, class): (UserId, ContextClass),
        refused: Option<Refused<'_>>,
    ) -> Result<HttpResponse, Stop> {
        let visit = self.visit;
        let challenge = passkey_sign_in::second_challenge(visit.core(), self.attempt).await?;
        // An app's code can be fished for.
        let is_code_enough = class < ContextClass::PhishingResistant;
        let unfit =
            if let Some(Refused::Passkey(unfit)) = refused { Some(passkeys::text(unfit)) } else { None };
        let factors = factors::of_user(visit.core(), user).await?;
        let (wrong, is_recovery) = match refused {
            Some(Refused::Code(wrong)) => (Some(wrong), false),
            Some(Refused::RecoveryCode(wrong)) => (Some(wrong), true),
            Some(Refused::Passkey(_)) | None => (None, false),
        };
        let refused = if is_recovery { "recovery_wrong" } else { "second_wrong" };
        Ok(visit.page(&Page {
            template: "sign_in_second.html",
            content: json!({
                "account": account::name_of(visit.core(), user).await?,
                "action": self.action(),
                "query": self.purpose.query(),
                "csrf": visit.csrf_of_attempt(self.attempt).expose(),
                "totp": factors.totp && is_code_enough,
                "recovery_codes": if is_code_enough { factors.recovery_codes } else { 0 },
                "challenge": challenge.as_ref().map(passkeys::challenge_json),
                "recovery": is_recovery,
                "problem": wrong.map(|wrong| wrong.text(refused)).or(unfit),
                "minutes": wrong.map(|wrong| wrong.minutes()),
            }),
            status: match (wrong, unfit) {
                (Some(wrong), _) => wrong.status(),
                (None, Some(_)) => StatusCode::FORBIDDEN,
                (None, None) => StatusCode::OK,
            },
            language: self.purpose.language(visit),
            leads_away: self.purpose.is_app(),
        }))
    }

    async fn offer(
        &self,
        user: UserId,
        offer: &Offer,
        problem: Option<&'static str>,
    ) -> Result<HttpResponse, Stop> {
        let visit = self.visit;
        let account = account::name_of(visit.core(), user).await?.unwrap_or_default();
        let mut content = offer_content(visit, offer, &account, (&self.action(), problem));
        if let Some(content) = content.as_object_mut() {
            content.insert("query".to_owned(), json!(self.purpose.query()));
            content.insert("csrf".to_owned(), json!(visit.csrf_of_attempt(self.attempt).expose()));
        }
        Ok(visit.page(&Page {
            template: "sign_in_enrol.html",
            content,
            status: if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK },
            language: self.purpose.language(visit),
            leads_away: self.purpose.is_app(),
        }))
    }
}
