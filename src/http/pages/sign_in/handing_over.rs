//! Browsers that are sent to a provider at once, where the settings want it.

use actix_web::HttpResponse;

use crate::domain::sign_in::SignInSession;
use crate::http::pages::providers::send;
use crate::http::pages::sign_in::purpose::Purpose;
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::upstream::attempt::UpstreamAsk;

/// Sends a browser there at once, where the settings want it: who types, or whom the app expects to have, an address
/// of a provider's domain, to that; and who is not signed in here, to see whether that is so elsewhere.
pub(super) async fn hand_over(
    visit: &Visit,
    purpose: &Purpose,
    session: Option<&SignInSession>,
) -> Result<Option<HttpResponse>, Stop> {
    if session.is_some() || visit.told.is_some() || purpose.lets_choose() || !visit.is_at_issuer() {
        return Ok(None);
    }
    let providers = &visit.core().providers;
    let hint = purpose.login_hint();
    if let Some(home) = hint.and_then(|hint| providers.home_of(hint)) {
        let ask = if purpose.wants_anew() { UpstreamAsk::Anew } else { UpstreamAsk::SignIn };
        return send(visit, (home, ask), purpose.query(), (None, hint)).await.map(Some);
    }
    match providers.asked_first() {
        Some(first) if !purpose.wants_anew() => {
            send(visit, (first, UpstreamAsk::Silently), purpose.query(), (None, hint)).await.map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

/// The same for who typed something to sign in with.
pub(super) async fn hand_over_typed(
    visit: &Visit,
    purpose: &Purpose,
    typed: &str,
) -> Result<Option<HttpResponse>, Stop> {
    let address = typed.trim();
    let home = visit.core().providers.home_of(address).filter(|_| visit.is_at_issuer());
    let Some(home) = home else { return Ok(None) };
    let ask = if purpose.wants_anew() { UpstreamAsk::Anew } else { UpstreamAsk::SignIn };
    send(visit, (home, ask), purpose.query(), (None, Some(address))).await.map(Some)
}
