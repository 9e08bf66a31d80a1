//! `/account`: what its owner sees of an account, and does to it.

use std::fmt::Display;
use std::str::FromStr;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::domain::audience::Audience;
use crate::domain::family::{Family, RotationPolicy};
use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::new_password::UnfitPassword;
use crate::domain::scope::USERINFO_SCOPES;
use crate::domain::secrets::Password;
use crate::domain::sign_in::{GivenConsent, SignInSession};
use crate::domain::user_agent;
use crate::http::Web;
use crate::http::body::Form;
use crate::http::pages::back::see_other;
use crate::http::pages::ending::{Ending, done};
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;
use crate::http::pages::wrong_password::Wrong;
use crate::http::stop::{PageError, Stop};
use crate::service::Failure;
use crate::service::users::account;
use crate::service::users::change_password::{self, ChangePassword, Others, change_password};

/// How many logins, or apps, a page lists: it stays small.
const LISTED: usize = 20;

/// What a page says was done, by the word in its address.
const DONE: [&str; 19] = [
    "ended",
    "ended_others",
    "withdrawn",
    "password",
    "fresh",
    "nothing",
    "totp_added",
    "totp_removed",
    "recovery_codes",
    "fresh_methods",
    "passkey_added",
    "passkey_renamed",
    "passkey_removed",
    "mailed",
    "email",
    "email_same",
    "fresh_email",
    "linked",
    "unlinked",
];

/// `GET /`: who types this server's name looks for the own account.
pub(crate) async fn home(web: web::Data<Web>) -> HttpResponse {
    see_other(&format!("{}{}", web.base, OwnPlace::Account.path()))
}

/// Where password managers look for the change of a password, at the root of a host (W3C, A Well-Known URL for Changing
/// Passwords §2). What is nowhere is answered with 404 there, by which they see that this place is one (§4).
pub(crate) const CHANGE_PASSWORD: &str = "/.well-known/change-password";

/// `GET /.well-known/change-password`
pub(crate) async fn to_password(web: web::Data<Web>) -> HttpResponse {
    see_other(&format!("{}{}", web.base, OwnPlace::Password.path()))
}

/// `GET /account`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Account)) };
    let after = after(request)?;
    let part = account::logins(visit.core(), &session, after, LISTED, visit.now).await?;
    if part.families.is_empty() && part.next.is_none() && after.is_some() {
        let done = what_was_done(request)?.map(|word| format!("done={word}"));
        return Ok(see_other(&visit.own(OwnPlace::Account.path(), &done.unwrap_or_default())));
    }
    let mut logins = Vec::new();
    for family in &part.families {
        logins.push(
            login_json(visit, family, family.authentication.sign_in_session == Some(session.id)).await?,
        );
    }
    let content = json!({
        "logins": with_alike(logins),
        "this_part": part_after(visit, OwnPlace::Account, after),
        "first_part": after.map(|_| part_after::<FamilyId>(visit, OwnPlace::Account, None)),
        "next_part": part.next.map(|last| part_after(visit, OwnPlace::Account, Some(last))),
        "since": moment(session.created_at),
    });
    page(visit, request, &session, "account.html", content, StatusCode::OK).await
}

/// After which login, or app, the list goes on, as the page's address has it.
pub(super) fn after<T: FromStr>(request: &HttpRequest) -> Result<Option<T>, Stop> {
    let asked = Form::of_query(request.query_string())?;
    let after = asked.get("after").map(str::parse).transpose();
    after.map_err(|_| PageError::Malformed("The list does not have this place.").into())
}

pub(super) fn part_after<T: Display>(visit: &Visit, place: OwnPlace, after: Option<T>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(after) = after {
        query.append_pair("after", &after.to_string());
    }
    visit.own(place.path(), &query.finish())
}

/// `POST /account`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Account)) };
    visit.own_form(&form, Some(&session))?;
    if form.get("end") == Some("all") && form.get("sure").is_none() {
        return Ok(ask_whether_all_end(visit, &session));
    }
    let after: Option<FamilyId> = after(request)?;
    let after = after.map(|after| after.to_string());
    Ending::read(OwnPlace::Account, &form, after.as_deref())?.take(visit, &session).await
}

/// What ends this browser's login too is asked for twice.
fn ask_whether_all_end(visit: &Visit, session: &SignInSession) -> HttpResponse {
    visit.page(&Page {
        template: "account_end_all.html",
        content: json!({ "csrf": visit.csrf(Some(session)).expose() }),
        status: StatusCode::OK,
        language: visit.own_language(),
        leads_away: false,
    })
}

/// `GET /account/apps`
pub(crate) async fn show_apps(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Apps)) };
    let issuer = &visit.core().issuer;
    let after: Option<ClientId> = after(request)?;
    let part = account::consents(visit.core(), &session, after.clone(), LISTED, visit.now).await?;
    let given: Vec<Value> = part
        .given
        .iter()
        .map(|(known, GivenConsent { client, consent, at, .. })| {
            let elsewhere = consent.audiences.iter().filter(|it| *it != issuer);
            json!({
                "id": client,
                "name": known.client.display_name(),
                "scopes": known_first(consent.scope.iter()),
                "audiences": elsewhere.map(Audience::as_str).collect::<Vec<_>>(),
                "since": moment(*at),
            })
        })
        .collect();
    let content = json!({
        "apps": given,
        "first_part": after.map(|_| part_after::<ClientId>(visit, OwnPlace::Apps, None)),
        "next_part": part.next.map(|last| part_after(visit, OwnPlace::Apps, Some(last))),
    });
    page(visit, request, &session, "account_apps.html", content, StatusCode::OK).await
}

/// `POST /account/apps`
pub(crate) async fn take_apps(visit: &Visit, _: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Apps)) };
    visit.own_form(&form, Some(&session))?;
    Ending::read(OwnPlace::Apps, &form, None)?.take(visit, &session).await
}

const PASSWORD_PAGE: &str = "account_password.html";

/// `GET /account/password`
pub(crate) async fn show_password(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Password)) };
    let has_password = change_password::has_password(visit.core(), &session).await?;
    if has_password == Some(false) && !session.authentication.is_fresh(visit.now) {
        return Ok(see_other(&to_sign_in_again(visit, OwnPlace::Password)));
    }
    password_page(visit, request, &session, None).await
}

/// `POST /account/password`: the present password is asked for however recent the sign-in is. Where there is none, the
/// sign-in has to be recent.
pub(crate) async fn take_password(
    visit: &Visit,
    request: &HttpRequest,
    form: Form,
) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Password)) };
    visit.own_form(&form, Some(&session))?;
    let typed = |name| form.get(name).unwrap_or_default().to_owned();
    let Ok(new) = Password::new(typed("new_password")) else {
        return password_page(visit, request, &session, Some("password_unfit")).await;
    };
    if form.get("new_password") != form.get("repeated") {
        return password_page(visit, request, &session, Some("password_repeated")).await;
    }
    let change = ChangePassword {
        current: Password::presented(typed("password")),
        new,
        others: if form.get("end_others").is_some() { Others::End } else { Others::Keep },
    };
    match change_password(visit.core(), (&session, &visit.agent), change, visit.now).await {
        Ok(secret) => {
            let mut response = done(visit, OwnPlace::Account, "password");
            visit.remember(&mut response, &secret);
            Ok(response)
        }
        Err(Failure::UnfitPassword(unfit)) => {
            password_page(visit, request, &session, Some(unfit_text(unfit))).await
        }
        Err(Failure::StaleAuthentication) => Ok(see_other(&to_sign_in_again(visit, OwnPlace::Password))),
        Err(failure) => {
            let wrong = Wrong::of(failure)?;
            let content = json!({
                "problem": wrong.text("password_wrong"),
                "minutes": wrong.minutes(),
                "least": visit.core().password_rules.min_length,
                "has_password": true,
            });
            let shown = page(visit, request, &session, PASSWORD_PAGE, content, wrong.status()).await?;
            Ok(wrong.after(shown))
        }
    }
}

pub(crate) fn unfit_text(unfit: UnfitPassword) -> &'static str {
    match unfit {
        UnfitPassword::TooShort { .. } => "password_short",
        UnfitPassword::TooLong => "password_unfit",
        UnfitPassword::Common => "password_common",
        UnfitPassword::OwnWord => "password_own_word",
    }
}

async fn password_page(
    visit: &Visit,
    request: &HttpRequest,
    session: &SignInSession,
    problem: Option<&'static str>,
) -> Result<HttpResponse, Stop> {
    let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let content = json!({
        "problem": problem,
        "least": visit.core().password_rules.min_length,
        "has_password": change_password::has_password(visit.core(), session).await? != Some(false),
    });
    page(visit, request, session, PASSWORD_PAGE, content, status).await
}

pub(super) async fn page(
    visit: &Visit,
    request: &HttpRequest,
    session: &SignInSession,
    template: &'static str,
    content: Value,
    status: StatusCode,
) -> Result<HttpResponse, Stop> {
    let language = visit.own_language();
    own_page(visit, request, session, Page { template, content, status, language, leads_away: false }).await
}

/// The same of a page as it is.
pub(super) async fn own_page(
    visit: &Visit,
    request: &HttpRequest,
    session: &SignInSession,
    mut page: Page,
) -> Result<HttpResponse, Stop> {
    let done = what_was_done(request)?;
    let user = account::user(visit.core(), session).await?;
    if let Some(content) = page.content.as_object_mut() {
        content.insert("account".to_owned(), json!(user.map(|user| user.username.to_string())));
        content.insert("csrf".to_owned(), json!(visit.csrf(Some(session)).expose()));
        content.insert("has_mail".to_owned(), json!(visit.core().mail.is_on()));
        content.insert("done".to_owned(), json!(done));
        content.insert("has_passkeys".to_owned(), json!(visit.core().relying_party.is_some()));
    }
    Ok(visit.page(&page))
}

async fn login_json(visit: &Visit, family: &Family, here: bool) -> Result<Value, Stop> {
    let known = visit.core().client(&family.client_id, visit.now).await?.ok_or(Failure::InvalidClient)?;
    let device = user_agent::describe(family.agent.user_agent.as_deref().unwrap_or_default());
    Ok(json!({
        "id": family.id,
        "app": known.client.display_name(),
        "device": family.agent.name,
        "program": device.program,
        "system": device.system,
        "address": family.agent.address,
        "last_used": moment(family.rotated_at),
        "since": moment(family.created_at),
        "here": here,
        "bound": family.key_thumbprint.is_some(),
        "shared": matches!(known.rotation, RotationPolicy::Every(_)),
    }))
}

/// Marks the logins that their app, device and place do not tell apart, so that their buttons name the times too.
fn with_alike(mut logins: Vec<Value>) -> Vec<Value> {
    const NAMED: [&str; 5] = ["app", "device", "program", "system", "address"];
    let named = |login: &Value| NAMED.map(|key| login.get(key).cloned());
    let all: Vec<_> = logins.iter().map(named).collect();
    for login in &mut logins {
        let own = named(login);
        let alike = all.iter().filter(|other| **other == own).count() > 1;
        if let Some(login) = login.as_object_mut() {
            login.insert("alike".to_owned(), json!(alike));
        }
    }
    logins
}

/// What everybody understands comes first.
pub(super) fn known_first<'a>(scopes: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scopes: Vec<&str> = scopes.collect();
    scopes.sort_by_key(|scope| {
        USERINFO_SCOPES.iter().position(|known| known == scope).unwrap_or(USERINFO_SCOPES.len())
    });
    scopes
}

pub(crate) fn moment(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn to_sign_in(visit: &Visit, place: OwnPlace) -> HttpResponse {
    see_other(&place.sign_in(visit))
}

/// Where one signs in once more to go there: what is there is for who has just signed in.
pub(super) fn to_sign_in_again(visit: &Visit, place: OwnPlace) -> String {
    visit.own("/sign-in", &place.sign_in_query("prompt=login"))
}

fn what_was_done(request: &HttpRequest) -> Result<Option<&'static str>, Stop> {
    let asked = Form::of_query(request.query_string())?;
    Ok(asked.get("done").and_then(|word| DONE.into_iter().find(|known| *known == word)))
}
