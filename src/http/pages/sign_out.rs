//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0) and `/sign-out`, its question.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::domain::ids::ClientId;
use crate::domain::redirect_uri;
use crate::domain::sign_in::SignInSession;
use crate::http::body::Form;
use crate::http::pages::back::see_other;
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::stop::{PageError, Stop};
use crate::service::logout::front_channel::FrontChannel;
use crate::service::logout::sign_out::{end_named, sign_out};
use crate::service::tokens::id_token::{self, Hint};
use crate::service::users::account;

/// What a client asks for.
struct SignOutRequest {
    hint: Option<Hint>,
    /// Where to go afterwards: registered, and with `state` in it.
    afterwards: Option<String>,
    query: String,
    language: &'static str,
}

/// `GET /oauth/logout`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let asked = read_request(visit, request).await?;
    // RP-Initiated Logout §2: where nobody is signed in, there is nobody to be asked.
    let Some(session) = visit.session().await? else { return end(visit, &asked, None).await };
    // The client knows who is signed in, so it was not another site that sent the browser here.
    if let Some(hint) = &asked.hint
        && names(visit, hint, &session).await?
    {
        return end(visit, &asked, Some(&session)).await;
    }
    ask(visit, &asked, &session).await
}

/// `POST /oauth/logout`: the same by GET, for the sake of the `Lax` session cookie.
pub(crate) async fn take(visit: &Visit, _: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    Ok(see_other(&visit.at("/oauth/logout", &form.to_query())))
}

/// `POST /sign-out`: the user says yes.
pub(crate) async fn confirm(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let asked = read_request(visit, request).await?;
    let Some(session) = visit.session().await? else { return end(visit, &asked, None).await };
    if !visit.is_own(&form, Some(&session)) {
        return Err(PageError::Forged.into());
    }
    end(visit, &asked, Some(&session)).await
}

async fn read_request(visit: &Visit, request: &HttpRequest) -> Result<SignOutRequest, Stop> {
    let form = Form::of_query(request.query_string())?;
    let given = form.get("id_token_hint");
    let hint = given.and_then(|it| id_token::read_hint(visit.core(), it));
    let named = form.get("client_id");
    if let (Some(hint), Some(named)) = (&hint, named)
        && hint.aud != named
    {
        return Err(PageError::Malformed("The id_token_hint belongs to another client.").into());
    }
    let client = hint.as_ref().map(|hint| hint.aud.as_str()).or(named);
    let afterwards = match form.get("post_logout_redirect_uri") {
        // A hint that cannot be read may be of a key that was forgotten: the user can still sign out, but is not sent
        // on from here.
        Some(_) if client.is_none() && given.is_some() => None,
        Some(uri) => Some(trusted(visit, uri, client, form.get("state")).await?),
        None => None,
    };
    let language = visit.language(form.get("ui_locales"));
    Ok(SignOutRequest { hint, afterwards, query: form.to_query(), language })
}

/// RP-Initiated Logout §3: only to where the client is registered for; without a client, nowhere.
async fn trusted(
    visit: &Visit,
    uri: &str,
    client: Option<&str>,
    state: Option<&str>,
) -> Result<String, Stop> {
    let client: ClientId = client
        .and_then(|client| client.parse().ok())
        .ok_or(PageError::Malformed("The request does not name a client."))?;
    let known = visit.core().client(&client, visit.now).await?.ok_or(PageError::UnknownClient)?;
    if !redirect_uri::is_registered(uri, &known.client.post_logout_redirect_uris) {
        return Err(PageError::RedirectUri.into());
    }
    let Some(state) = state else { return Ok(uri.to_owned()) };
    let separator = if uri.contains('?') { '&' } else { '?' };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", state);
    Ok(format!("{uri}{separator}{}", query.finish()))
}

/// Whether the hint's client means the user of `session`.
async fn names(visit: &Visit, hint: &Hint, session: &SignInSession) -> Result<bool, Stop> {
    let Ok(client) = hint.aud.parse() else { return Ok(false) };
    let known = visit.core().client(&client, visit.now).await?;
    Ok(known.is_some_and(|known| hint.sub == visit.core().subjects.subject(&known.client, session.user())))
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

async fn end(
    visit: &Visit,
    asked: &SignOutRequest,
    session: Option<&SignInSession>,
) -> Result<HttpResponse, Stop> {
    let apps = match session {
        Some(session) => sign_out(visit.core(), session, visit.now).await?,
        None => Vec::new(),
    };
    if let Some(hint) = &asked.hint {
        end_named(visit.core(), hint, visit.now).await?;
    }
    let mut response = match &asked.afterwards {
        Some(uri) if apps.is_empty() => see_other(uri),
        afterwards => signed_out(visit, &apps, afterwards.as_deref(), asked.language),
    };
    visit.forget(&mut response);
    Ok(response)
}

/// Says that nobody is signed in any more, and lets the browser tell these apps (Front-Channel Logout §3).
pub(super) fn signed_out(
    visit: &Visit,
    apps: &[FrontChannel],
    afterwards: Option<&str>,
    language: &'static str,
) -> HttpResponse {
    let frames: Vec<Value> = apps.iter().map(|it| json!({ "uri": it.uri.as_str(), "app": it.app })).collect();
    let sources = apps.iter().filter_map(|it| redirect_uri::source_of(it.uri.as_str()));
    let mut sources: Vec<String> = sources.map(csp_source).collect();
    sources.sort_unstable();
    sources.dedup();
    let page = Page {
        template: "signed_out.html",
        content: json!({ "frames": frames, "afterwards": afterwards }),
        status: StatusCode::OK,
        language,
        leads_away: false,
    };
    visit.page_with(&page, &sources)
}

/// CSP 3 §2.3.1 has no form for an IPv6 address: the scheme has to do for an app on `[::1]`.
fn csp_source(source: String) -> String {
    match source.split_once("://[") {
        Some((scheme, _)) => format!("{scheme}:"),
        None => source,
    }
}
