//! Whoever sits at the console: an administrator, by the role and by all factors that the account has. Everybody else
//! is sent to sign in, or told so.

use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest as _, Handler, HttpRequest, HttpResponse, Resource, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::ids::ClientId;
use crate::domain::sign_in::SignInSession;
use crate::domain::user::User;
use crate::http::Web;
use crate::http::body::{Body, Form};
use crate::http::console::trouble::Trouble;
use crate::http::edge::Arrival;
use crate::http::pages::back::{answer_stop, see_other};
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::renderer::Page;
use crate::http::pages::told::told;
use crate::http::pages::visit::Visit;
use crate::http::routing::{looked_at, only};
use crate::http::stop::Stop;
use crate::service::Core;
use crate::service::admin::caller::{self, ConsoleVisitor};

/// Where the console begins.
const PATH: &str = OwnPlace::Console.path();

/// What a page says was done, by the word in its address.
const DONE: [&str; 17] = [
    "client_added",
    "client_changed",
    "client_ended",
    "client_removed",
    "consent_withdrawn",
    "disabled",
    "enabled",
    "ended",
    "ended_all",
    "factors_reset",
    "password",
    "rotated",
    "token_removed",
    "user_added",
    "user_changed",
    "user_removed",
    "withdrawn",
];

/// An administrator with a request.
pub(super) struct Seat {
    pub(super) visit: Visit,
    request: HttpRequest,
    /// In it, what is done is told by the administrator's name.
    pub(super) core: Core,
    session: SignInSession,
    pub(super) user: User,
}

pub(super) type ConsoleAnswer = Result<HttpResponse, Trouble>;

/// What a page of the console answers to who looks at it.
pub(super) trait Looking: AsyncFn(&Seat) -> ConsoleAnswer + Clone + 'static {}
impl<F> Looking for F where F: AsyncFn(&Seat) -> ConsoleAnswer + Clone + 'static {}

/// What it answers to who sends its form.
pub(super) trait Taking: AsyncFn(&Seat, Form) -> ConsoleAnswer + Clone + 'static {}
impl<F> Taking for F where F: AsyncFn(&Seat, Form) -> ConsoleAnswer + Clone + 'static {}

/// What is wanted of the sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WantedSignIn {
    Any,
    /// It was a moment ago: what cannot be undone is for nobody else.
    Fresh,
}

/// A place that is only looked at.
pub(super) fn looked(path: &str, look: impl Looking) -> Resource {
    looked_at(path, looking(WantedSignIn::Any, look))
}

/// A place with a form.
pub(super) fn filled_in(path: &str, look: impl Looking, take: impl Taking) -> Resource {
    with_form(WantedSignIn::Any, path, look, take)
}

/// A place that asks once more before it does what cannot be undone.
pub(super) fn act(path: &str, ask: impl Looking, take: impl Taking) -> Resource {
    with_form(WantedSignIn::Fresh, path, ask, take)
}

fn with_form(wanted: WantedSignIn, path: &str, look: impl Looking, take: impl Taking) -> Resource {
    let look = looking(wanted, look);
    let routes = [web::get().to(look.clone()), web::head().to(look), web::post().to(taking(wanted, take))];
    only(path, "GET, HEAD, POST", routes)
}

fn looking(
    wanted: WantedSignIn,
    look: impl Looking,
) -> impl Handler<(web::Data<Web>, HttpRequest, Arrival), Output = HttpResponse> {
    move |web: web::Data<Web>, request: HttpRequest, Arrival(now): Arrival| {
        let look = look.clone();
        async move {
            let seat = match Seat::of(Visit::new(web, &request, now), request, wanted).await {
                Ok(seat) => seat,
                Err(away) => return away,
            };
            let answer = look(&seat).await;
            seat.answered(answer).await
        }
    }
}

fn taking(
    wanted: WantedSignIn,
    take: impl Taking,
) -> impl Handler<(web::Data<Web>, HttpRequest, Arrival, Body), Output = HttpResponse> {
    move |web: web::Data<Web>, request: HttpRequest, Arrival(now): Arrival, body: Body| {
        let take = take.clone();
        async move {
            let form = Form::read(&request, body);
            let seat = match Seat::of(Visit::new(web, &request, now), request, wanted).await {
                Ok(seat) => seat,
                Err(away) => return away,
            };
            let answer = match seat.own(form) {
                Ok(form) => take(&seat, form).await,
                Err(trouble) => Err(trouble),
            };
            seat.answered(answer).await
        }
    }
}

impl Seat {
    async fn of(visit: Visit, request: HttpRequest, wanted: WantedSignIn) -> Result<Self, HttpResponse> {
        let admitted = admitted(&visit, wanted).await;
        match admitted {
            Ok(Admitted::In(core, session, user)) => {
                Ok(Self { visit, request, core: *core, session: *session, user: *user })
            }
            Ok(Admitted::Away(response)) => Err(response),
            Err(stop) => Err(answer_stop(&visit, &stop).await),
        }
    }

    /// Takes a form for the one that this browser was given here.
    fn own(&self, form: Result<Form, crate::http::error::Problem>) -> Result<Form, Trouble> {
        let form = form.map_err(Stop::from)?;
        form.check_storable().map_err(Stop::from)?;
        self.visit.own_form(&form, Some(&self.session)).map_err(Stop::from)?;
        Ok(form)
    }

    async fn answered(&self, answer: ConsoleAnswer) -> HttpResponse {
        match answer {
            Ok(response) => response,
            Err(Trouble::Stop(stop)) => answer_stop(&self.visit, &stop).await,
            Err(Trouble::Gone) => told(&self.visit, "console_gone", &[self.onward()], StatusCode::NOT_FOUND),
            Err(Trouble::Unfit(mistake)) => {
                let content = json!({ "mistake": mistake.to_json() });
                self.page_with("console_refused.html", content, StatusCode::CONFLICT)
            }
        }
    }

    fn onward(&self) -> (String, &'static str) {
        (self.at("", &[]), "console_to_start")
    }

    /// A place of the console, with a query.
    pub(super) fn at(&self, place: &str, query: &[(&str, &str)]) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
        self.visit.own(&format!("{PATH}{place}"), &pairs.finish())
    }

    /// The place of a client, or one below it.
    pub(super) fn client_place(&self, id: &ClientId, below: &str) -> String {
        let id: String = form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect();
        self.at(&format!("/clients/{id}{below}"), &[])
    }

    /// RFC 9110 §15.4.4: loading the page again does nothing again.
    pub(super) fn done(&self, place: &str, what: &str) -> HttpResponse {
        see_other(&self.at(place, &[("done", what)]))
    }

    /// The same at the place of a client.
    pub(super) fn done_with_client(&self, id: &ClientId, what: &str) -> HttpResponse {
        let id: String = form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect();
        self.done(&format!("/clients/{id}"), what)
    }

    /// What the page's address asks for.
    pub(super) fn query(&self) -> Result<Form, Trouble> {
        let query = Form::of_query(self.request.query_string()).map_err(Stop::from)?;
        query.check_storable().map_err(Stop::from)?;
        Ok(query)
    }

    /// The thing that the page's path names.
    pub(super) fn named<T: FromStr>(&self) -> Result<T, Trouble> {
        self.part(|parts| parts.id)
    }

    /// What is to be done with it.
    pub(super) fn act<T: FromStr>(&self) -> Result<T, Trouble> {
        self.part(|parts| parts.act)
    }

    fn part<T: FromStr>(&self, of: fn(PlaceParts) -> Option<String>) -> Result<T, Trouble> {
        let parts = web::Path::<PlaceParts>::from_request(&self.request, &mut Payload::None).into_inner();
        let part = parts.ok().and_then(|parts| of(parts.into_inner()));
        part.and_then(|text| text.parse().ok()).ok_or(Trouble::Gone)
    }

    /// Answers with a page.
    pub(super) fn page(&self, template: &'static str, content: Value) -> HttpResponse {
        self.page_with(template, content, StatusCode::OK)
    }

    pub(super) fn page_with(
        &self,
        template: &'static str,
        mut content: Value,
        status: StatusCode,
    ) -> HttpResponse {
        let query = Form::of_query(self.request.query_string()).ok();
        let word = query.as_ref().and_then(|query| query.get("done"));
        if let Some(content) = content.as_object_mut() {
            content.insert("account".to_owned(), json!(self.user.username.to_string()));
            content.insert("csrf".to_owned(), json!(self.visit.csrf(Some(&self.session)).expose()));
            content.insert("done".to_owned(), json!(word.filter(|word| DONE.contains(word))));
        }
        let language = self.visit.own_language();
        self.visit.page(&Page { template, content, status, language, leads_away: false })
    }
}

/// What may vary in a page's path.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PlaceParts {
    id: Option<String>,
    act: Option<String>,
}

enum Admitted {
    In(Box<Core>, Box<SignInSession>, Box<User>),
    Away(HttpResponse),
}

async fn admitted(visit: &Visit, wanted: WantedSignIn) -> Result<Admitted, Stop> {
    let Some(session) = visit.session().await? else { return Ok(Admitted::Away(to_sign_in(visit, &[]))) };
    Ok(match caller::at_console(visit.core(), &session).await? {
        ConsoleVisitor::Incomplete => Admitted::Away(to_sign_in(visit, &[])),
        ConsoleVisitor::Nobody => Admitted::Away(denied(visit)),
        ConsoleVisitor::Administrator(..)
            if wanted == WantedSignIn::Fresh && !session.authentication.is_fresh(visit.now) =>
        {
            Admitted::Away(to_sign_in(visit, &[("prompt", "login")]))
        }
        ConsoleVisitor::Administrator(core, user) => Admitted::In(core, Box::new(session), user),
    })
}

/// Sends the browser to sign in, and back to this very page: as the console's first page takes it on.
fn to_sign_in(visit: &Visit, more: &[(&str, &str)]) -> HttpResponse {
    let own = visit.own_place();
    let place = own.strip_prefix(visit.web.base.as_str()).unwrap_or(own);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("to", PATH).extend_pairs(more);
    if let Some(rest) = place.strip_prefix(PATH).filter(|rest| rest.starts_with(['/', '?'])) {
        query.append_pair("at", rest);
    }
    see_other(&visit.own("/sign-in", &query.finish()))
}

/// Where somebody goes on who signed in for a page of the console: nowhere but there.
pub(super) fn place_within(visit: &Visit, at: &str) -> Option<String> {
    let is_ours = at.starts_with(['/', '?'])
        && !at.contains("..")
        && at.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_ours.then(|| format!("{}{PATH}{at}", visit.web.base))
}

fn denied(visit: &Visit) -> HttpResponse {
    let as_other = (visit.own("/sign-in", &format!("to={PATH}&prompt=login")), "console_as_other");
    told(visit, "console_denied", &[as_other], StatusCode::FORBIDDEN)
}
