//! What a user signs in for: an app, or a page of ours.

use actix_web::HttpRequest;

use crate::domain::authentication::ContextClass;
use crate::domain::authorization::Need;
use crate::domain::second_factor::Demand;
use crate::domain::second_factor_policy::SecondFactorPolicy;
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::error::Unmet;
use crate::http::oauth::authorize::{Asked, Met};
use crate::http::pages::authorize;
use crate::http::pages::ending::Ending;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::visit::Visit;
use crate::http::stop::{PageError, Stop};
use crate::service::admin::caller;
use crate::service::authorize::authorization;
use crate::service::authorize::pushed_request;

/// Why somebody is asked to sign in, as the page's address has it.
pub(crate) enum Purpose {
    /// An app's authorization request.
    App(Box<Asked>),
    /// A page of ours.
    Own(Box<OwnPage>),
}

/// A page of ours with what belongs to it.
pub(crate) struct OwnPage {
    place: OwnPlace,
    /// Its own query.
    rest: String,
    /// All of the sign-in page's query.
    query: String,
    /// Whoever is signed in wants to be somebody else, or has to show once more to be this user.
    anew: bool,
    /// What it is for wants two factors, whatever other pages want.
    two_factors: bool,
    /// What the user asked to end there, and the proof of that.
    ending: Option<(Ending, String)>,
    language: &'static str,
}

/// What is asked for before somebody can go on.
pub(super) enum WantedNext<'a> {
    SignIn,
    /// Another factor of who is signed in.
    StepUp(&'a SignInSession),
    Nothing,
}

impl Purpose {
    pub(crate) async fn read(visit: &Visit, request: &HttpRequest) -> Result<Self, Stop> {
        Self::read_query(visit, request.query_string()).await
    }

    /// The same from a sign-in page's query that was kept.
    pub(crate) async fn read_query(visit: &Visit, query: &str) -> Result<Self, Stop> {
        let form = Form::of_query_as_sent(query)?;
        let Some(to) = form.get("to").filter(|_| form.get("client_id").is_none()) else {
            return Ok(Self::App(Box::new(authorize::read_query(visit, query).await?)));
        };
        // A list, not a pattern: nobody is sent from here to where somebody else wants.
        let place = OwnPlace::ALL.into_iter().find(|place| place.path() == to);
        let place = place.ok_or(PageError::Malformed("The page to sign in for is not known here."))?;
        let ending = Ending::read_again(place, &form);
        let is_own = |name: &str| {
            !matches!(name, "to" | "prompt" | "second_factor")
                && (ending.is_none() || !Ending::is_parameter(name))
        };
        let own = |name: &str, value: &str| is_own(name).then(|| value.to_owned());
        Ok(Self::Own(Box::new(OwnPage {
            place,
            rest: form.rewritten(own),
            query: form.to_query(),
            anew: form.get("prompt") == Some("login"),
            two_factors: form.get("second_factor") == Some("required"),
            ending,
            language: visit.own_language(),
        })))
    }

    pub(super) async fn wants<'a>(
        &self,
        visit: &Visit,
        session: Option<&'a SignInSession>,
    ) -> Result<WantedNext<'a>, Stop> {
        let Some(session) = session else { return Ok(WantedNext::SignIn) };
        match self {
            Self::App(asked) => {
                let (client, request) = (&asked.known.client, &asked.request);
                let need =
                    authorization::need(visit.core(), client, request, Some(session), visit.now).await?;
                Ok(match need {
                    Need::SignIn => WantedNext::SignIn,
                    Need::StepUp => WantedNext::StepUp(session),
                    Need::Unreachable | Need::Consent | Need::Nothing => WantedNext::Nothing,
                })
            }
            Self::Own(page) if page.anew => Ok(WantedNext::SignIn),
            Self::Own(page) if page.place == OwnPlace::Console => {
                Ok(match caller::missing_at_console(visit.core(), session).await? {
                    Some(_) => WantedNext::StepUp(session),
                    None => WantedNext::Nothing,
                })
            }
            Self::Own(page) if page.two_factors && session.authentication.class() < ContextClass::Two => {
                Ok(WantedNext::StepUp(session))
            }
            Self::Own(_) => Ok(WantedNext::Nothing),
        }
    }

    /// Whether whoever is signed in can go on: it was finished here a moment ago, by a first click or in another tab.
    pub(super) async fn is_met(&self, visit: &Visit, session: Option<&SignInSession>) -> Result<bool, Stop> {
        match self {
            Self::App(_) => Ok(matches!(self.wants(visit, session).await?, WantedNext::Nothing)),
            Self::Own(page) => Ok(session
                .is_some_and(|session| page.ending.is_none() && session.authentication.is_fresh(visit.now))),
        }
    }

    /// Where it goes on as it stands.
    pub(crate) fn place(&self, visit: &Visit) -> String {
        match self {
            Self::App(asked) => visit.at("/oauth/authorize", &asked.query),
            Self::Own(page) if page.rest.is_empty() => format!("{}{}", visit.web.base, page.place.path()),
            Self::Own(page) => visit.at(page.place.path(), &page.rest),
        }
    }

    /// Where it goes on once the user has signed in or chosen.
    pub(crate) async fn place_after(&self, visit: &Visit, met: Met) -> Result<String, Stop> {
        match self {
            Self::App(asked) => {
                Ok(visit.at("/oauth/authorize", &asked.query_after(visit.core(), met).await?))
            }
            Self::Own(_) => Ok(self.place(visit)),
        }
    }

    /// Going on without a password is offered only where the client does not ask for one.
    pub(crate) fn lets_choose(&self) -> bool {
        match self {
            Self::App(asked) => asked.request.prompt.select_account && !asked.request.prompt.login,
            Self::Own(_) => false,
        }
    }

    /// The app's name.
    pub(super) fn client(&self) -> Option<&str> {
        match self {
            Self::App(asked) => Some(asked.known.client.display_name()),
            Self::Own(_) => None,
        }
    }

    /// The key of the text that says what for.
    pub(super) fn lead(&self) -> &'static str {
        match self {
            Self::App(_) => "sign_in_lead",
            Self::Own(page) if page.ending.is_some() => "sign_in_lead_again",
            Self::Own(page) => match page.place {
                OwnPlace::Account
                | OwnPlace::Apps
                | OwnPlace::Activity
                | OwnPlace::Password
                | OwnPlace::SignInMethods
                | OwnPlace::Totp
                | OwnPlace::Passkeys
                | OwnPlace::Addresses
                | OwnPlace::Data
                | OwnPlace::Removal
                | OwnPlace::Links
                | OwnPlace::Arrival => "sign_in_lead_account",
                OwnPlace::Device => "sign_in_lead_device",
                OwnPlace::Console => "sign_in_lead_console",
            },
        }
    }

    /// What is wanted of the sign-in.
    pub(crate) fn demand(&self, visit: &Visit) -> Demand {
        let core = visit.core();
        match self {
            Self::App(asked) => authorization::demand(core, &asked.known.client, &asked.request),
            Self::Own(page) if page.place == OwnPlace::Console => caller::demand_of_console(core),
            Self::Own(page) if page.two_factors => {
                Demand { second_factor: SecondFactorPolicy::Required, ..Demand::NOTHING }
            }
            Self::Own(_) => Demand { second_factor: core.second_factor, ..Demand::NOTHING },
        }
    }

    /// Whether it has to be shown once more who somebody is, however that was shown before.
    pub(crate) fn wants_anew(&self) -> bool {
        match self {
            Self::App(asked) => asked.request.prompt.login || asked.request.max_age.is_some(),
            Self::Own(page) => page.anew,
        }
    }

    pub(crate) fn login_hint(&self) -> Option<&str> {
        match self {
            Self::App(asked) => asked.shown("login_hint"),
            Self::Own(_) => None,
        }
    }

    /// What is to be done now for this user, who asked for it here before signing in once more.
    pub(super) fn ending(&self, visit: &Visit, session: &SignInSession) -> Option<&Ending> {
        let Self::Own(page) = self else { return None };
        let (ending, proof) = page.ending.as_ref()?;
        ending.was_asked(visit, session, proof).then_some(ending)
    }

    /// Whether whoever is signed in shows once more to be this user.
    pub(super) fn is_once_more(&self) -> bool {
        matches!(self, Self::Own(page) if page.ending.is_some())
    }

    pub(super) fn is_app(&self) -> bool {
        matches!(self, Self::App(_))
    }

    /// What the client is told when somebody else signed in than it asked for (OpenID Connect Core §3.1.2.1,
    /// `id_token_hint`; §5.5.1, `sub`).
    pub(super) async fn refuse(&self, visit: &Visit, session: &SignInSession) -> Result<Option<Stop>, Stop> {
        let Self::App(asked) = self else { return Ok(None) };
        let subject = visit.core().subjects.subject(&asked.known.client, session.user());
        if asked.request.expected_subject.as_ref().is_none_or(|expected| *expected == subject) {
            return Ok(None);
        }
        if let Some(uri) = &asked.request.pushed {
            pushed_request::forget(visit.core(), uri, visit.now).await?;
        }
        Ok(Some(asked.back.refuse(Unmet::LoginRequired)))
    }

    /// The query that carries it.
    pub(crate) fn query(&self) -> &str {
        match self {
            Self::App(asked) => &asked.query,
            Self::Own(page) => &page.query,
        }
    }

    pub(super) fn language(&self, visit: &Visit) -> &'static str {
        match self {
            Self::App(asked) => visit.language(asked.back.ui_locales.as_deref()),
            Self::Own(page) => page.language,
        }
    }
}
