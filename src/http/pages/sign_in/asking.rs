//! The page that asks for a name and a password, and where it goes on from there.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::account_rules::{MailedSignIn, SignUp};
use crate::domain::passkey::UnfitPasskey;
use crate::domain::sign_in::SignInSession;
use crate::http::oauth::authorize::Met;
use crate::http::pages::back::{answer_stop, see_other};
use crate::http::pages::passkeys;
use crate::http::pages::providers::{buttons, told_json};
use crate::http::pages::renderer::Page;
use crate::http::pages::sign_in::purpose::Purpose;
use crate::http::pages::visit::Visit;
use crate::http::pages::wrong_password::Wrong;
use crate::http::stop::Stop;
use crate::service::upstream::arrival;
use crate::service::users::account;
use crate::service::users::passkey_sign_in::{self, PasskeyAnswer};
use crate::service::users::sign_in::entering::Entered;

/// Where a further factor is asked for.
pub(crate) const SECOND: &str = "/sign-in/second";

/// Whoever came in goes on to what that was for, and whoever has to show more to the page that asks for it.
pub(crate) async fn go_on(visit: &Visit, purpose: &Purpose, entered: Entered) -> Result<HttpResponse, Stop> {
    let (session, secret) = match entered {
        Entered::Open(session, secret) => {
            settled(visit, &session).await?;
            (session, secret)
        }
        Entered::Wants(_, secret) => {
            let mut response = see_other(&visit.at(SECOND, purpose.query()));
            visit.remember_attempt(&mut response, &secret);
            return Ok(response);
        }
    };
    if let Some(ending) = purpose.ending(visit, &session) {
        return Ok(ending.take_renewed(visit, &session, &secret).await);
    }
    let mut response = match purpose.refuse(visit, &session).await? {
        Some(stop) => answer_stop(visit, &stop).await,
        None => see_other(&purpose.place_after(visit, Met::SignedIn).await?),
    };
    visit.remember(&mut response, &secret);
    Ok(response)
}

/// A sign-in that came from a provider and wanted more has got it.
async fn settled(visit: &Visit, session: &SignInSession) -> Result<(), Stop> {
    if let Some(attempt) = visit.attempt_secret() {
        arrival::settle(visit.core(), attempt, session.id, visit.now).await?;
    }
    Ok(())
}

/// Why the page is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    New,
    /// After a refused try with the name that was typed.
    Tried(&'a str, &'a Wrong),
    /// After a passkey that was not taken.
    Passkey(UnfitPasskey, PasskeyAnswer<'a>),
    /// After what was begun here was left for too long, or was finished elsewhere.
    Over,
}

/// How one comes in by mail, if one does.
fn by_mail(visit: &Visit) -> Option<String> {
    let by = if visit.is_at_issuer() { visit.core().mailed_sign_in() } else { MailedSignIn::Off };
    (by != MailedSignIn::Off).then(|| by.to_string())
}

/// Asks.
pub(super) async fn page(
    visit: &Visit,
    purpose: &Purpose,
    session: Option<&SignInSession>,
    shown: Shown<'_>,
) -> Result<HttpResponse, Stop> {
    let known = session.filter(|_| purpose.lets_choose() || purpose.is_once_more());
    let user = match known {
        Some(session) => account::user(visit.core(), session).await?,
        None => None,
    };
    let name = user.map(|user| user.username.to_string());
    let (account, again) = if purpose.is_once_more() { (None, name) } else { (name, None) };
    let (typed, problem, minutes, status) = match shown {
        Shown::New => (None, None, None, StatusCode::OK),
        Shown::Tried(typed, wrong) => {
            (Some(typed), Some(wrong.text("sign_in_credentials")), Some(wrong.minutes()), wrong.status())
        }
        Shown::Passkey(unfit, _) => (None, Some(passkeys::text(unfit)), None, StatusCode::FORBIDDEN),
        Shown::Over => (None, Some("second_over"), None, StatusCode::FORBIDDEN),
    };
    // Passkeys, links in mails and providers know the issuer's own place alone.
    let here = visit.is_at_issuer();
    let challenge = if here {
        passkey_sign_in::challenge(visit.core(), &visit.mark_of_passkeys(), visit.now)?
    } else {
        None
    };
    let providers = if here { buttons(visit) } else { Vec::new() };
    let leads_away = purpose.is_app() || !providers.is_empty();
    let mut response = visit.page(&Page {
        template: "sign_in.html",
        content: json!({
            "client": purpose.client().unwrap_or_default(),
            "lead": purpose.lead(),
            "has_mail": visit.core().mail.is_on(),
            "mailed_sign_in": by_mail(visit),
            "signs_up": here && matches!(visit.core().sign_up(), SignUp::Open | SignUp::Domains),
            "resets_passwords": here && visit.core().resets_passwords(),
            "query": purpose.query(),
            "csrf": visit.csrf(session).expose(),
            "username": typed.or_else(|| purpose.login_hint()).or(again.as_deref()),
            "account": account,
            "problem": problem,
            "minutes": minutes,
            "challenge": challenge.as_ref().map(passkeys::challenge_json),
            "signals": signals(visit, shown).map(|signals| signals.to_string()),
            "told": told_json(visit),
            "providers": providers,
            // Who has such an address types it alone.
            "has_homes": here && visit.core().providers.all().any(|provider| !provider.home_domains.is_empty()),
        }),
        status,
        language: purpose.language(visit),
        leads_away,
    });
    visit.has_told(&mut response);
    Ok(response)
}

/// What the browser is to tell devices after a passkey that nobody has here.
fn signals(visit: &Visit, shown: Shown<'_>) -> Option<Value> {
    let Shown::Passkey(UnfitPasskey::Unknown, answer) = shown else { return None };
    let party = visit.core().relying_party.as_deref()?;
    Some(passkeys::signal_unknown(party, &answer.credential_id()?))
}
