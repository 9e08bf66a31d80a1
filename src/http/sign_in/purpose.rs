//! What a user signs in for: an app, or a page of ours.

use actix_web::HttpRequest;

use crate::domain::authorization::Need;
use crate::domain::sign_in::SignInSession;
use crate::http::authorize::{self, Asked, Met, PageError, Stop};
use crate::http::body::Form;
use crate::http::visit::Visit;
use crate::service::authorize as service;

/// A page of ours that is for signed-in users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnPlace {
    /// The user's devices and apps.
    Account,
    /// What the user agreed to.
    Apps,
    /// The change of password.
    Password,
}

impl OwnPlace {
    const ALL: [Self; 3] = [Self::Account, Self::Apps, Self::Password];

    /// Its path below the issuer's.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Account => "/account",
            Self::Apps => "/account/apps",
            Self::Password => "/account/password",
        }
    }

    /// Where one signs in to go there.
    pub(crate) fn sign_in(self, visit: &Visit) -> String {
        visit.at("/sign-in", &format!("to={}", self.path()))
    }
}

/// Why somebody is asked to sign in, as the page's address has it.
pub(super) enum Purpose {
    /// An app's authorization request.
    App(Box<Asked>),
    /// A page of ours.
    Own { place: OwnPlace, query: String, language: &'static str },
}

impl Purpose {
    pub(super) async fn read(visit: &Visit, request: &HttpRequest) -> Result<Self, Stop> {
        let form = Form::of_query(request.query_string())?;
        let Some(to) = form.get("to").filter(|_| form.get("client_id").is_none()) else {
            return Ok(Self::App(Box::new(authorize::read(visit, request).await?)));
        };
        // A list, not a pattern: nobody is sent from here to where somebody else wants.
        let place = OwnPlace::ALL.into_iter().find(|place| place.path() == to);
        let place = place.ok_or(PageError::Malformed("There is no such page to sign in for."))?;
        Ok(Self::Own { place, query: form.to_query(), language: visit.language(form.get("ui_locales")) })
    }

    pub(super) async fn needs_sign_in(
        &self,
        visit: &Visit,
        session: Option<&SignInSession>,
    ) -> Result<bool, Stop> {
        match self {
            Self::App(asked) => {
                let (client, request) = (&asked.known.client, &asked.request);
                let need = service::need(visit.core(), client, request, session, visit.now).await?;
                Ok(need == Need::SignIn)
            }
            Self::Own { .. } => Ok(session.is_none()),
        }
    }

    /// Where it goes on as it stands.
    pub(super) fn place(&self, visit: &Visit) -> String {
        match self {
            Self::App(asked) => visit.at("/oauth/authorize", &asked.query),
            Self::Own { place, .. } => format!("{}{}", visit.web.base, place.path()),
        }
    }

    /// Where it goes on once the user has signed in or chosen.
    pub(super) async fn place_after(&self, visit: &Visit, met: Met) -> Result<String, Stop> {
        match self {
            Self::App(asked) => Ok(visit.at("/oauth/authorize", &asked.query_after(visit, met).await?)),
            Self::Own { .. } => Ok(self.place(visit)),
        }
    }

    /// Going on without a password is offered only where the client does not ask for one.
    pub(super) fn lets_choose(&self) -> bool {
        match self {
            Self::App(asked) => asked.request.prompt.select_account && !asked.request.prompt.login,
            Self::Own { .. } => false,
        }
    }

    /// The app's name.
    pub(super) fn client(&self) -> Option<&str> {
        match self {
            Self::App(asked) => Some(asked.known.client.display_name()),
            Self::Own { .. } => None,
        }
    }

    pub(super) fn login_hint(&self) -> Option<&str> {
        match self {
            Self::App(asked) => asked.shown("login_hint"),
            Self::Own { .. } => None,
        }
    }

    pub(super) fn redirect_uri(&self) -> Option<&str> {
        match self {
            Self::App(asked) => Some(asked.redirect_uri()),
            Self::Own { .. } => None,
        }
    }

    /// The query that carries it.
    pub(super) fn query(&self) -> &str {
        match self {
            Self::App(asked) => &asked.query,
            Self::Own { query, .. } => query,
        }
    }

    pub(super) fn language(&self) -> &'static str {
        match self {
            Self::App(asked) => asked.language(),
            Self::Own { language, .. } => language,
        }
    }
}
