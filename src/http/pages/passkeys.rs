//! `/account/passkeys`: a user's own passkeys, and where others learn of that page.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::crypto::relying_party::{RelyingParty, base64url};
use crate::domain::ids::PasskeyId;
use crate::domain::passkey::{MOST_PASSKEYS, Passkey, PasskeyName, UnfitPasskey};
use crate::domain::sign_in::SignInSession;
use crate::domain::user::User;
use crate::domain::user_agent;
use crate::http::body::Form;
use crate::http::pages::account::{moment, page, to_sign_in};
use crate::http::pages::back::see_other;
use crate::http::pages::ending::done;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::visit::Visit;
use crate::http::stop::{PageError, Stop};
use crate::http::{Web, error};
use crate::service::Failure;
use crate::service::users::passkey_challenges::PasskeyChallenge;
use crate::service::users::passkeys::{self, NewPasskey};
use crate::service::users::{account, factors};

const TEMPLATE: &str = "account_passkeys.html";

/// What a passkey is called that nobody gave a name, in every language of ours.
const UNNAMED: &str = "Passkey";

/// `GET /account/passkeys`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Passkeys)) };
    passkeys_page(visit, request, &session, None).await
}

/// `POST /account/passkeys`
pub(crate) async fn take(visit: &Visit, request: &HttpRequest, form: Form) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Passkeys)) };
    visit.own_form(&form, Some(&session))?;
    match change(visit, &session, &form).await {
        Ok(what) => Ok(done(visit, OwnPlace::Passkeys, what)),
        Err(Stop::Page(PageError::Unavailable(Failure::Passkey(unfit)))) => {
            passkeys_page(visit, request, &session, Some((unfit, &form))).await
        }
        // It is for who was let in a moment ago, by all that there is.
        Err(Stop::Page(PageError::Unavailable(Failure::StaleAuthentication))) => {
            Ok(see_other(&once_more(visit)))
        }
        Err(stop) => Err(stop),
    }
}

/// Does what a form asks for; gives the word for it.
async fn change(visit: &Visit, session: &SignInSession, form: &Form) -> Result<&'static str, Stop> {
    let Some(party) = &visit.core().relying_party else {
        return Err(PageError::Malformed("There are no passkeys on this server.").into());
    };
    let (core, whose, now) = (visit.core(), (session, &visit.agent), visit.now);
    let typed = form.get("name");
    let name = || typed.unwrap_or_default().parse::<PasskeyName>().map_err(Failure::from);
    match form.get("do") {
        Some("add") => {
            let name = if typed.is_some() { name()? } else { UNNAMED.parse().map_err(Failure::from)? };
            let answer = form.get("passkey").unwrap_or_default();
            let sealed = form.get("ceremony").unwrap_or_default();
            passkeys::add(core, party, whose, NewPasskey { answer, sealed, name }, now).await?;
            Ok("passkey_added")
        }
        Some("rename") => {
            passkeys::rename(core, whose, (id(form)?, &name()?), now).await?;
            Ok("passkey_renamed")
        }
        Some("remove") => {
            passkeys::remove(core, whose, id(form)?, now).await?;
            Ok("passkey_removed")
        }
        Some(_) | None => Err(PageError::Malformed("The form does not say what to do.").into()),
    }
}

fn id(form: &Form) -> Result<PasskeyId, PageError> {
    let id = form.get("id").and_then(|id| id.parse().ok());
    id.ok_or(PageError::Malformed("The form does not name a passkey."))
}

/// Where one shows once more to be this user.
fn once_more(visit: &Visit) -> String {
    visit.own("/sign-in", &OwnPlace::Passkeys.sign_in_query("prompt=login"))
}

/// The page; after a form that could not be done with what it had.
async fn passkeys_page(
    visit: &Visit,
    request: &HttpRequest,
    session: &SignInSession,
    refused: Option<(UnfitPasskey, &Form)>,
) -> Result<HttpResponse, Stop> {
    let (core, now) = (visit.core(), visit.now);
    let Some(user) = account::user(core, session).await? else {
        return Ok(to_sign_in(visit, OwnPlace::Passkeys));
    };
    let own = passkeys::list(core, session).await?;
    let may_change = factors::may_change(session, &factors::of_user(core, user.id).await?, now);
    let may_add = may_change && own.len() < MOST_PASSKEYS;
    let challenge = match core.relying_party.as_deref().filter(|_| may_add) {
        Some(party) => Some(passkeys::begin(core, party, (session, &user), &own)?),
        None => None,
    };
    let device = user_agent::describe(visit.agent.user_agent.as_deref().unwrap_or_default());
    let typed = |name| refused.and_then(|(_, form)| form.get(name));
    let content = json!({
        "is_offered": core.relying_party.is_some(),
        "may_change": may_change,
        "once_more": once_more(visit),
        "passkeys": own.iter().map(|it| passkey_json(it, refused)).collect::<Vec<_>>(),
        "is_full": own.len() >= MOST_PASSKEYS,
        "most": MOST_PASSKEYS,
        "challenge": challenge.as_ref().map(challenge_json),
        "program": device.program,
        "system": device.system,
        "typed": typed("name").filter(|_| typed("do") == Some("add")),
        "problem": refused.map(|(unfit, _)| text(unfit)),
        "signals": core.relying_party.as_deref().map(|party| signals(party, &own, &user).to_string()),
    });
    let status = if refused.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    page(visit, request, session, TEMPLATE, content, status).await
}

fn passkey_json(passkey: &Passkey, refused: Option<(UnfitPasskey, &Form)>) -> Value {
    let id = passkey.id.to_string();
    let typed = refused.filter(|(_, form)| form.get("id") == Some(&id));
    json!({
        "id": id,
        "name": passkey.name.as_str(),
        "typed": typed.map(|(_, form)| form.get("name").unwrap_or_default()),
        "backed_up": passkey.state.backed_up,
        "added": moment(passkey.created_at),
        "last_used": passkey.last_used_at.map(moment),
    })
}

pub(super) fn challenge_json(challenge: &PasskeyChallenge) -> Value {
    json!({ "options": challenge.options.to_string(), "sealed": challenge.sealed })
}

/// Web Authentication §5.1.10: what a browser passes on to devices, so that they offer no passkey that opens nothing
/// here, and call their user as this server does. Whoever does not know of it is told nothing.
fn signals(party: &RelyingParty, own: &[Passkey], user: &User) -> Value {
    let ids: Vec<String> = own.iter().map(|it| base64url(&it.credential_id)).collect();
    let id = base64url(user.id.0.as_bytes());
    json!([
        ["signalAllAcceptedCredentials", {
            "rpId": party.id(), "userId": id, "allAcceptedCredentialIds": ids,
        }],
        ["signalCurrentUserDetails", {
            "rpId": party.id(),
            "userId": id,
            "name": user.username.as_str(),
            "displayName": passkeys::display_name(user),
        }],
    ])
}

/// The same of one passkey that nobody has here.
pub(super) fn signal_unknown(party: &RelyingParty, credential_id: &str) -> Value {
    json!([["signalUnknownCredential", { "rpId": party.id(), "credentialId": credential_id }]])
}

/// The key of the text that says why a passkey was not taken.
pub(super) fn text(unfit: UnfitPasskey) -> &'static str {
    match unfit {
        UnfitPasskey::Malformed => "passkey_malformed",
        UnfitPasskey::Stale | UnfitPasskey::OtherChallenge => "passkey_stale",
        UnfitPasskey::OtherSite => "passkey_other_site",
        UnfitPasskey::NotVerified => "passkey_not_verified",
        UnfitPasskey::BadSignature => "passkey_bad_signature",
        UnfitPasskey::Unknown => "passkey_unknown",
        UnfitPasskey::OtherAccount => "passkey_other_account",
        UnfitPasskey::Copied => "passkey_copied",
        UnfitPasskey::NotDiscoverable => "passkey_not_discoverable",
        UnfitPasskey::Taken => "passkey_taken",
        UnfitPasskey::TooMany => "passkey_too_many",
        UnfitPasskey::LastWayIn => "passkey_last",
        UnfitPasskey::Name => "passkey_name",
        UnfitPasskey::AccountDisabled => "passkey_account_disabled",
    }
}

/// Where password managers look for the pages of passkeys, at the root of the relying party's host (W3C, A Well-Known
/// URL for Relying Party Passkey Endpoints).
pub(crate) const ENDPOINTS: &str = "/.well-known/passkey-endpoints";

/// `GET /.well-known/passkey-endpoints`
pub(crate) async fn endpoints(web: web::Data<Web>) -> HttpResponse {
    if web.core.relying_party.is_none() {
        return error::not_found();
    }
    let place = format!("{}{}", web.core.issuer, OwnPlace::Passkeys.path());
    HttpResponse::Ok().json(json!({ "enroll": place, "manage": place }))
}

/// Where browsers look whether another site may use this server's passkeys (Web Authentication §5.11.1).
pub(crate) const RELATED_ORIGINS: &str = "/.well-known/webauthn";

/// `GET /.well-known/webauthn`
pub(crate) async fn related_origins(web: web::Data<Web>) -> HttpResponse {
    if web.core.relying_party.is_none() || web.related_origins.is_empty() {
        return error::not_found();
    }
    HttpResponse::Ok().json(json!({ "origins": web.related_origins }))
}
