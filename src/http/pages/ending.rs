//! What a user asks for at the account's pages that ends logins elsewhere: it is for who has just signed in (ASVS
//! 7.5.2). Everybody else signs in once more, and then it is done.

use actix_web::HttpResponse;

use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::pages::back::{answer_stop, see_other};
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::sign_out::signed_out;
use crate::http::pages::visit::Visit;
use crate::http::stop::{PageError, Stop};
use crate::service::users::account::{self, KeptLogins};

/// The parameters with which it stands in the address of the sign-in page.
const PARAMETERS: [&str; 4] = ["end", "withdraw", "after", "proof"];

/// What ends.
#[derive(Debug)]
enum What {
    /// One login.
    One(FamilyId),
    /// All logins but this browser's.
    Others,
    /// All of them.
    All,
    /// An app's, with the consent that they rest on.
    App(ClientId),
}

/// What a user asks to end.
#[derive(Debug)]
pub(crate) struct Ending {
    what: What,
    /// The part of the list that the user looked at.
    after: Option<FamilyId>,
}

impl Ending {
    /// Reads it from a form of the page, or from the sign-in page's address.
    pub(crate) fn read(place: OwnPlace, form: &Form, after: Option<&str>) -> Result<Self, PageError> {
        let what = match place {
            OwnPlace::Account => match form.get("end") {
                Some("others") => Some(What::Others),
                Some("all") => Some(What::All),
                one => one.and_then(|id| id.parse().ok()).map(What::One),
            },
            OwnPlace::Apps => form.get("withdraw").and_then(|id| id.parse().ok()).map(What::App),
            OwnPlace::Activity
            | OwnPlace::Password
            | OwnPlace::SignInMethods
            | OwnPlace::Totp
            | OwnPlace::Passkeys
            | OwnPlace::Addresses
            | OwnPlace::Data
            | OwnPlace::Removal
            | OwnPlace::Links
            | OwnPlace::Arrival
            | OwnPlace::Device
            | OwnPlace::Console => None,
        };
        let nothing = PageError::Malformed("The form does not name a login or an app.");
        let after = after.and_then(|after| after.parse().ok());
        what.map(|what| Self { what, after }).ok_or(nothing)
    }

    /// The same from the address of the sign-in page.
    pub(crate) fn read_again(place: OwnPlace, form: &Form) -> Option<(Self, String)> {
        let ending = Self::read(place, form, form.get("after")).ok()?;
        Some((ending, form.get("proof")?.to_owned()))
    }

    /// Whether a parameter of the sign-in page's address belongs to it.
    pub(crate) fn is_parameter(name: &str) -> bool {
        PARAMETERS.contains(&name)
    }

    /// Does it, or asks the user to sign in first.
    pub(crate) async fn take(&self, visit: &Visit, session: &SignInSession) -> Result<HttpResponse, Stop> {
        if session.authentication.is_fresh(visit.now) || !self.reaches_elsewhere(visit, session).await? {
            return self.carry_out(visit, session).await;
        }
        let (place, name, value) = self.parts();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("prompt", "login").append_pair(name, &value);
        if let Some(after) = self.after {
            query.append_pair("after", &after.to_string());
        }
        query.append_pair("proof", self.proof(visit, session).expose());
        Ok(see_other(&visit.own("/sign-in", &place.sign_in_query(&query.finish()))))
    }

    /// Does it for who has signed in once more, in a browser that remembers the sign-in's new secret.
    pub(crate) async fn take_renewed(
        &self,
        visit: &Visit,
        session: &SignInSession,
        secret: &OpaqueSecret,
    ) -> HttpResponse {
        let (mut response, is_done) = match self.carry_out(visit, session).await {
            Ok(response) => (response, true),
            Err(stop) => (answer_stop(visit, &stop).await, false),
        };
        if !is_done || !matches!(self.what, What::All) {
            visit.remember(&mut response, secret);
        }
        response
    }

    /// Whether this user asked for it here, before signing in once more: nobody else's link ends anything.
    pub(crate) fn was_asked(&self, visit: &Visit, session: &SignInSession, proof: &str) -> bool {
        self.proof(visit, session).matches(proof)
    }

    fn proof(&self, visit: &Visit, session: &SignInSession) -> OpaqueSecret {
        let (_, name, value) = self.parts();
        visit.proof(session, &format!("{name} {value}"))
    }

    fn parts(&self) -> (OwnPlace, &'static str, String) {
        match &self.what {
            What::One(id) => (OwnPlace::Account, "end", id.to_string()),
            What::Others => (OwnPlace::Account, "end", "others".to_owned()),
            What::All => (OwnPlace::Account, "end", "all".to_owned()),
            What::App(id) => (OwnPlace::Apps, "withdraw", id.to_string()),
        }
    }

    /// What came from this very sign-in ends without a question: it could sign out as well.
    async fn reaches_elsewhere(&self, visit: &Visit, session: &SignInSession) -> Result<bool, Stop> {
        match &self.what {
            What::One(id) => Ok(account::is_elsewhere(visit.core(), session, *id).await?),
            What::Others | What::All | What::App(_) => Ok(true),
        }
    }

    async fn carry_out(&self, visit: &Visit, session: &SignInSession) -> Result<HttpResponse, Stop> {
        let (core, now) = (visit.core(), visit.now);
        match &self.what {
            What::One(id) => {
                account::end(core, session, *id, now).await?;
                // On with the same part of the list.
                let after = self.after.map(|after| format!("&after={after}")).unwrap_or_default();
                Ok(done(visit, OwnPlace::Account, &format!("ended{after}")))
            }
            What::Others => {
                account::end_all(core, session, KeptLogins::ThisBrowser, now).await?;
                Ok(done(visit, OwnPlace::Account, "ended_others"))
            }
            What::All => {
                let apps = account::end_all(core, session, KeptLogins::Nothing, now).await?;
                let mut response = signed_out(visit, &apps, None, visit.own_language());
                visit.forget(&mut response);
                Ok(response)
            }
            What::App(client) => {
                account::withdraw(core, session.user(), client, now).await?;
                Ok(done(visit, OwnPlace::Apps, "withdrawn"))
            }
        }
    }
}

/// RFC 9110 §15.4.4: loading the page again does nothing again.
pub(crate) fn done(visit: &Visit, place: OwnPlace, what: &str) -> HttpResponse {
    see_other(&visit.own(place.path(), &format!("done={what}")))
}
