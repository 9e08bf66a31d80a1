//! What pages have of other providers: their buttons, the way to them, and what is told of them.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::ids::SignInSessionId;
use crate::domain::upstream::{Provider, UpstreamProblem};
use crate::http::pages::back::see_other;
use crate::http::pages::visit::Visit;
use crate::http::stop::{PageError, Stop};
use crate::service::upstream::attempt::{self, SettingOut, UpstreamAsk};

/// What a browser is told of a provider at the next page: by its id, and in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToldOfProvider {
    Problem(UpstreamProblem),
    /// Nothing; but it was there just now, and nobody is signed in there.
    WasThere,
}

impl ToldOfProvider {
    const WAS_THERE: &str = "was_there";

    fn word(self) -> &'static str {
        match self {
            Self::Problem(problem) => problem.as_str(),
            Self::WasThere => Self::WAS_THERE,
        }
    }

    fn named(word: &str) -> Option<Self> {
        if word == Self::WAS_THERE {
            return Some(Self::WasThere);
        }
        UpstreamProblem::named(word).map(Self::Problem)
    }
}

/// Sends the browser to a provider, for what a sign-in page's query says.
pub(super) async fn send(
    visit: &Visit,
    (provider, ask): (&Provider, UpstreamAsk),
    query: &str,
    (session, login_hint): (Option<SignInSessionId>, Option<&str>),
) -> Result<HttpResponse, Stop> {
    visit.core().waiting.count(visit.address, visit.now)?;
    let browser = visit.elsewhere();
    let out = SettingOut { provider, browser: &browser, ask, query, session, login_hint };
    match attempt::set_out(visit.core(), &out, (&visit.agent).into(), visit.now).await? {
        Ok(place) => {
            let mut response = see_other(&place);
            visit.introduce(&mut response);
            Ok(response)
        }
        Err(problem) => {
            Ok(tell(visit, provider, ToldOfProvider::Problem(problem), &visit.at("/sign-in", query)))
        }
    }
}

/// Goes on to a page that tells of a provider.
pub(super) fn tell(visit: &Visit, provider: &Provider, told: ToldOfProvider, place: &str) -> HttpResponse {
    let mut response = see_other(place);
    visit.let_tell(&mut response, &format!("{}.{}", provider.id, told.word()));
    response
}

/// What a page tells of a provider: a text's key, the provider's name, and a word for operators.
pub(super) fn told_json(visit: &Visit) -> Option<Value> {
    let (provider, told) = told_of(visit)?;
    match told {
        ToldOfProvider::WasThere => None,
        ToldOfProvider::Problem(problem) => Some(json!({
            "text": problem.text(), "provider": provider.name, "detail": problem.as_str(),
        })),
    }
}

fn told_of(visit: &Visit) -> Option<(&Provider, ToldOfProvider)> {
    let (id, word) = visit.told.as_deref()?.split_once('.')?;
    Some((visit.core().providers.find(id)?, ToldOfProvider::named(word)?))
}

/// The buttons.
pub(super) fn buttons(visit: &Visit) -> Vec<Value> {
    let button = |provider: &Provider| json!({ "id": provider.id, "name": provider.name });
    visit.core().providers.all().map(button).collect()
}

pub(super) fn provider_of<'a>(visit: &'a Visit, request: &HttpRequest) -> Result<&'a Provider, Stop> {
    let id = request.match_info().get("provider").unwrap_or_default();
    let unknown = PageError::Malformed("There is no such provider to sign in with.");
    Ok(visit.core().providers.find(id).ok_or(unknown)?)
}
