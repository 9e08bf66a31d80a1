//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0) and `/sign-out`, its question.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::client::Party;
use crate::domain::ids::ClientId;
use crate::domain::redirect_uri;
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::pages::back::see_other;
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::stop::{PageError, Stop};
use crate::service::clients::known_clients::KnownClient;
use crate::service::logout::front_channel::FrontChannel;
use crate::service::logout::sign_out::{client_of_own, end_named, sign_out};
use crate::service::tokens::id_token::{self, Hint};
use crate::service::users::account;

/// What a client asks for.
struct SignOutRequest {
    hint: Option<Hint>,
    /// Who is signed in here.
    session: Option<SignInSession>,
    /// The client that the hint is of, if it names a login of this very sign-in.
    own: Option<Arc<KnownClient>>,
    afterwards: Option<Afterwards>,
    query: String,
    language: &'static str,
}

/// Where to go afterwards.
pub(super) struct Afterwards {
    /// Registered, and with `state` in it.
    uri: String,
    /// What the link says that leads there, where nobody is sent without one: anybody can make a link to this server,
    /// and for some clients nobody answers (RFC 9700 §4.11.2).
    place: Option<String>,
}

/// `GET /oauth/logout`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let asked = read_request(visit, request).await?;
    // RP-Initiated Logout §2: where nobody is signed in, there is nobody to be asked.
    let Some(session) = &asked.session else { return end(visit, &asked).await };
    // A client keeps its ID tokens for good, and any site can send a browser here with one.
    match &asked.own {
        Some(known) if known.client.party == Party::First || visit.is_same_site() => end(visit, &asked).await,
        Some(_) | None => ask(visit, &asked, session).await,
    }
}

/// `POST /oauth/logout`: the same by GET, for the sake of the `Lax` session cookie.
pub(crate) async fn take(visit: &Visit, _: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    Ok(see_other(&visit.at("/oauth/logout", &form.to_query())))
}

/// `POST /sign-out`: the user says yes.
pub(crate) async fn confirm(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let asked = read_request(visit, request).await?;
    if asked.session.is_some() {
        visit.own_form(&form, asked.session.as_ref())?;
    }
    end(visit, &asked).await
}

async fn read_request(visit: &Visit, request: &HttpRequest) -> Result<SignOutRequest, Stop> {
    let form = Form::of_query(request.query_string())?;
    let hint = form.get("id_token_hint").and_then(|it| id_token::read_hint(visit.core(), it));
    let named = form.get("client_id");
    if let (Some(hint), Some(named)) = (&hint, named)
        && hint.aud != named
    {
        return Err(PageError::Malformed("The id_token_hint belongs to another client.").into());
    }
    let client = hint.as_ref().map(|hint| hint.aud.as_str()).or(named);
    let session = visit.session().await?;
    let own = match (&hint, &session) {
        (Some(hint), Some(session)) => client_of_own(visit.core(), hint, session, visit.now).await?,
        (Some(_), None) | (None, _) => None,
    };
    let mut afterwards = match form.get("post_logout_redirect_uri") {
        // Of no client, or of one that a hint names which cannot be read, perhaps because its key was forgotten: the
        // user can still sign out, but is not sent on from here.
        None => None,
        Some(uri) => match client {
            Some(client) => Some(trusted(visit, uri, client, form.get("state")).await?),
            None => None,
        },
    };
    if let Some(afterwards) = afterwards.as_mut().filter(|_| own.is_some()) {
        // The user let this client in, in this browser.
        afterwards.place = None;
    }
    let language = visit.language(form.get("ui_locales"));
    Ok(SignOutRequest { hint, session, own, afterwards, query: form.to_query(), language })
}

/// RP-Initiated Logout §3: only to where the client is registered for.
async fn trusted(visit: &Visit, uri: &str, client: &str, state: Option<&str>) -> Result<Afterwards, Stop> {
    let client: ClientId = client.parse().map_err(|_| PageError::UnknownClient)?;
    let known = visit.core().client(&client, visit.now).await?.ok_or(PageError::UnknownClient)?;
    if !redirect_uri::is_registered(uri, &known.client.post_logout_redirect_uris) {
        return Err(PageError::RedirectUri("post_logout_redirect_uri", uri.to_owned()).into());
    }
    let is_vouched_for = known.client.origin.is_vouched_for();
    let place = if is_vouched_for { None } else { redirect_uri::source_of(uri) };
    let Some(state) = state else { return Ok(Afterwards { uri: uri.to_owned(), place }) };
    let separator = if uri.contains('?') { '&' } else { '?' };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", state);
    Ok(Afterwards { uri: format!("{uri}{separator}{}", query.finish()), place })
}

async fn ask(visit: &Visit, asked: &SignOutRequest, session: &SignInSession) -> Result<HttpResponse, Stop> {
    let user = account::user(visit.core(), session).await?;
    Ok(visit.page(&Page {
        template: "sign_out.html",
        content: json!({
            "account": user.map(|user| user.username.to_string()),
            "query": asked.query,
            "csrf": visit.csrf(Some(session)).expose(),
        }),
        status: StatusCode::OK,
        language: asked.language,
        leads_away: asked.afterwards.is_some(),
    }))
}

async fn end(visit: &Visit, asked: &SignOutRequest) -> Result<HttpResponse, Stop> {
    let apps = match &asked.session {
        Some(session) => sign_out(visit.core(), session, visit.now).await?,
        None => Vec::new(),
    };
    if let Some(hint) = &asked.hint {
        end_named(visit.core(), hint, visit.now).await?;
    }
    let mut response = match &asked.afterwards {
        Some(Afterwards { uri, place: None }) if apps.is_empty() => see_other(uri),
        afterwards => signed_out(visit, &apps, afterwards.as_ref(), asked.language),
    };
    visit.forget(&mut response);
    Ok(response)
}

/// Says that nobody is signed in any more, and lets the browser tell these apps (Front-Channel Logout §3).
pub(super) fn signed_out(
    visit: &Visit,
    apps: &[FrontChannel],
    afterwards: Option<&Afterwards>,
    language: &'static str,
) -> HttpResponse {
    let content = json!({
        "afterwards": afterwards.map(|it| &it.uri),
        "place": afterwards.and_then(|it| it.place.as_ref()),
    });
    telling(visit, apps, ("signed_out.html", content), language)
}

/// A page by which the browser tells these apps.
pub(super) fn telling(
    visit: &Visit,
    apps: &[FrontChannel],
    (template, mut content): (&'static str, Value),
    language: &'static str,
) -> HttpResponse {
    let frames: Vec<Value> = apps.iter().map(|it| json!({ "uri": it.uri.as_str(), "app": it.app })).collect();
    let sources = apps.iter().filter_map(|it| redirect_uri::source_of(it.uri.as_str()));
    let mut sources: Vec<String> = sources.map(csp_source).collect();
    sources.sort_unstable();
    sources.dedup();
    if let Some(content) = content.as_object_mut() {
        content.insert("frames".to_owned(), json!(frames));
    }
    let page = Page { template, content, status: StatusCode::OK, language, leads_away: false };
    visit.page_with(&page, &sources)
}

/// CSP 3 §2.3.1 has no form for an IPv6 address: the scheme has to do for an app on `[::1]`.
fn csp_source(source: String) -> String {
    match source.split_once("://[") {
        Some((scheme, _)) => format!("{scheme}:"),
        None => source,
    }
}
