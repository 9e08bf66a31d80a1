//! A browser's visit to a page: who is signed in there, which language it wants, and which forms are its own.

use std::net::IpAddr;

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::client::Client;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::UserId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::second_factor::SignInAttempt;
use crate::domain::secrets::SecretHash;
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::cookies::{self, Name};
use crate::http::oauth::authorize::Browser;
use crate::http::pages::language;
use crate::http::pages::renderer::{FormsEnd, Page};
use crate::http::stop::PageError;
use crate::http::web::Entrance;
use crate::http::{Web, address, headers};
use crate::service::users::sign_in;
use crate::service::users::sign_in::entering::{self, ATTEMPT_TTL};
use crate::service::{Core, Failure};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// One request of a browser.
pub(crate) struct Visit {
    pub(crate) web: web::Data<Web>,
    /// When it arrived.
    pub(crate) now: DateTime<Utc>,
    /// Where it came from, for the eyes of who is signed in.
    pub(crate) agent: UserAgentInfo,
    /// The same for machines.
    pub(crate) address: Option<IpAddr>,
    secret: Option<OpaqueSecret>,
    attempt: Option<OpaqueSecret>,
    browser: OpaqueSecret,
    is_new: bool,
    /// What the page before left to be told here.
    pub(crate) told: Option<String>,
    /// The page's own address: path and query.
    place: String,
    accept_language: Option<String>,
    ui_locales: Option<String>,
    /// Where the request was made, and what for, as far as the browser tells (Fetch Metadata Request Headers).
    site: Option<String>,
    destination: Option<String>,
}

impl Visit {
    pub(crate) fn new(web: web::Data<Web>, request: &HttpRequest, now: DateTime<Utc>) -> Self {
        let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let known = cookies::read_cookie(&web, request, Name::Browser);
        let address = address::of_client(request, &web.trusted_proxies);
        Self {
            now,
            agent: headers::user_agent_info(request, None, address),
            address,
            secret: cookies::read_cookie(&web, request, Name::Session),
            attempt: cookies::read_cookie(&web, request, Name::Attempt),
            is_new: known.is_none(),
            told: cookies::told(&web, request).map(ToOwned::to_owned),
            place: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            browser: known.unwrap_or_else(|| OpaqueSecret::from_random(&random::bytes())),
            accept_language: header(ACCEPT_LANGUAGE).map(ToOwned::to_owned),
            ui_locales: form_urlencoded::parse(request.query_string().as_bytes())
                .find_map(|(name, value)| (name == "ui_locales").then(|| value.into_owned())),
            site: header(FETCH_SITE).map(ToOwned::to_owned),
            destination: header(FETCH_DEST).map(ToOwned::to_owned),
            web,
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.web.core
    }

    /// Whether it came by the issuer's own URL, and not by that of a listener of operators.
    pub(crate) fn is_at_issuer(&self) -> bool {
        match self.web.entrance {
            Entrance::Main { .. } => true,
            Entrance::Admin | Entrance::Metrics | Entrance::MutualTls => false,
        }
    }

    /// Who is signed in.
    pub(crate) async fn session(&self) -> Result<Option<SignInSession>, Failure> {
        sign_in::current(self.core(), self.secret.as_ref(), self.now).await
    }

    /// The sign-in that has begun here and wants more.
    pub(crate) async fn attempt(&self) -> Result<Option<SignInAttempt>, Failure> {
        entering::attempt(self.core(), self.attempt.as_ref(), self.now).await
    }

    /// The secret of that one.
    pub(crate) fn attempt_secret(&self) -> Option<&OpaqueSecret> {
        self.attempt.as_ref()
    }

    /// A place of ours, with a query.
    pub(crate) fn at(&self, path: &str, query: &str) -> String {
        format!("{}{path}?{query}", self.web.base)
    }

    /// This very page's address.
    pub(crate) fn own_place(&self) -> &str {
        &self.place
    }

    /// This very page, to be looked at once more: what a stale form was meant for is done by now, or asked anew there.
    pub(crate) fn once_more(&self) -> String {
        if !self.place.starts_with(&format!("{}/account", self.web.base)) {
            return self.place.clone();
        }
        let separator = if self.place.contains('?') { '&' } else { '?' };
        format!("{}{separator}done=nothing", self.place)
    }

    /// Another page of ours, in the language that this one's address asks for.
    pub(crate) fn own(&self, path: &str, query: &str) -> String {
        match (self.kept(), query) {
            (kept, "") => format!("{}{path}{kept}", self.web.base),
            (kept, query) if kept.is_empty() => self.at(path, query),
            (kept, query) => format!("{}{path}{kept}&{query}", self.web.base),
        }
    }

    /// What links between pages of ours keep of the address: the language that it asks for, as a query.
    fn kept(&self) -> String {
        let language = language::asked(self.ui_locales.as_deref());
        language.map(|language| format!("?ui_locales={language}")).unwrap_or_default()
    }

    pub(crate) fn language(&self, ui_locales: Option<&str>) -> &'static str {
        language::choose(ui_locales, self.accept_language.as_deref())
    }

    /// The language where there is no request, or none that could be read: as its address has it.
    pub(crate) fn own_language(&self) -> &'static str {
        self.language(self.ui_locales.as_deref())
    }

    /// What a form must carry to be taken for this browser's own: no other site can read it, and one that was made
    /// before somebody else signed in counts no more.
    pub(crate) fn csrf(&self, session: Option<&SignInSession>) -> OpaqueSecret {
        let whose = session.map(|session| session.id.to_string()).unwrap_or_default();
        self.browser.derived(&format!("form {whose}"))
    }

    /// The same for a form about a client: one that was made before the client became another one counts no more.
    pub(crate) fn csrf_about(&self, session: &SignInSession, client: &Client) -> OpaqueSecret {
        self.browser.derived(&format!("form {} {}", session.id, client.identity))
    }

    /// The same for a form that goes on with an attempt to sign in: one of another attempt counts no more.
    pub(crate) fn csrf_of_attempt(&self, attempt: &SignInAttempt) -> OpaqueSecret {
        let whose = URL_SAFE_NO_PAD.encode(attempt.secret_hash.as_bytes());
        self.browser.derived(&format!("attempt {whose}"))
    }

    /// What a challenge of the sign-in page is for.
    pub(crate) fn mark_of_passkeys(&self) -> SecretHash {
        self.browser.derived("passkey").hash()
    }

    /// What shows that who is signed in here asked for something in a form of ours, after another page.
    pub(crate) fn proof(&self, session: &SignInSession, asked: &str) -> OpaqueSecret {
        self.browser.derived(&format!("asked {} {asked}", session.id))
    }

    /// What shows that this browser was given a form about a user's account, whoever is signed in here by now.
    pub(crate) fn mark(&self, user: UserId) -> OpaqueSecret {
        self.browser.derived(&format!("account {user}"))
    }

    /// What the database knows this browser by where something was mailed for it.
    pub(crate) fn mailed_browser(&self) -> SecretHash {
        self.browser.derived("mailed sign-in").hash()
    }

    /// Takes a form for the one that this browser was given with this page. `Origin` would tell nothing: under
    /// `no-referrer` browsers send `null`.
    ///
    /// # Errors
    /// [`PageError::Stale`], [`PageError::Forged`].
    pub(crate) fn own_form(&self, form: &Form, session: Option<&SignInSession>) -> Result<(), PageError> {
        self.carries(form, &self.csrf(session))
    }

    /// The same for a form about a client.
    pub(crate) fn own_form_about(
        &self,
        form: &Form,
        session: &SignInSession,
        client: &Client,
    ) -> Result<(), PageError> {
        self.carries(form, &self.csrf_about(session, client))
    }

    /// The same for a form that goes on with an attempt to sign in.
    pub(crate) fn own_form_of_attempt(&self, form: &Form, attempt: &SignInAttempt) -> Result<(), PageError> {
        self.carries(form, &self.csrf_of_attempt(attempt))
    }

    fn carries(&self, form: &Form, csrf: &OpaqueSecret) -> Result<(), PageError> {
        if self.is_new || self.site.as_deref().is_some_and(|site| site != "same-origin") {
            return Err(PageError::Forged);
        }
        let is_carried = form.get("csrf").is_some_and(|token| csrf.matches(token));
        if is_carried { Ok(()) } else { Err(PageError::Stale) }
    }

    /// Whether a page of our own site led here. An address that was typed may be one that was sent.
    pub(crate) fn is_same_site(&self) -> bool {
        matches!(self.site.as_deref(), Some("same-origin" | "same-site"))
    }

    /// Whether what is answered here stands in the browser's window, and in no frame.
    pub(crate) fn is_top_level(&self) -> bool {
        self.destination.as_deref() == Some("document")
    }

    /// Whom an authorization request is read for.
    pub(crate) fn as_browser(&self) -> Browser<'_> {
        let hash = self.browser.derived("pushed request").hash();
        Browser { core: self.core(), hash, address: self.address, now: self.now }
    }

    /// A secret of this browser's for its ways to other providers, who never see it.
    pub(crate) fn elsewhere(&self) -> OpaqueSecret {
        self.browser.derived("sign-in elsewhere")
    }

    /// Leaves a word for the next page to tell of.
    pub(crate) fn let_tell(&self, response: &mut HttpResponse, word: &str) {
        cookies::add(response, &cookies::tell(&self.web, Some(word)));
    }

    /// What was left to be told has been.
    pub(crate) fn has_told(&self, response: &mut HttpResponse) {
        if self.told.is_some() {
            cookies::add(response, &cookies::tell(&self.web, None));
        }
    }

    /// Lets a browser that was never here be known again.
    pub(crate) fn introduce(&self, response: &mut HttpResponse) {
        if self.is_new {
            cookies::add(response, &cookies::set(&self.web, Name::Browser, &self.browser, None));
        }
    }

    /// Answers with a page.
    pub(crate) fn page(&self, page: &Page) -> HttpResponse {
        self.page_with(page, &[])
    }

    /// Answers with a page that holds others' pages, of these places, in frames.
    pub(crate) fn page_with(&self, page: &Page, frames: &[String]) -> HttpResponse {
        // Whoever is signed in no more when a form is sent comes to the sign-in page, which may send the browser on.
        let hands_over = self.core().providers.asked_first().is_some();
        let ends = if page.leads_away || hands_over { FormsEnd::Anywhere } else { FormsEnd::Here };
        let mut response = self.web.pages.render(page, (frames, ends), &self.web.base, &self.kept());
        self.introduce(&mut response);
        response
    }

    /// Lets the browser remember who signed in.
    pub(crate) fn remember(&self, response: &mut HttpResponse, secret: &OpaqueSecret) {
        let lasting = self.core().sign_in.absolute;
        cookies::add(response, &cookies::set(&self.web, Name::Session, secret, Some(lasting)));
        if self.attempt.is_some() {
            cookies::add(response, &cookies::clear(&self.web, Name::Attempt));
        }
    }

    /// Lets the browser remember a sign-in that has begun and wants more.
    pub(crate) fn remember_attempt(&self, response: &mut HttpResponse, secret: &OpaqueSecret) {
        let lasting = ATTEMPT_TTL.to_std().unwrap_or_default();
        cookies::add(response, &cookies::set(&self.web, Name::Attempt, secret, Some(lasting)));
    }

    /// Lets the browser forget who was signed in.
    pub(crate) fn forget(&self, response: &mut HttpResponse) {
        cookies::add(response, &cookies::clear(&self.web, Name::Session));
    }
}
