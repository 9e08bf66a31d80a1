//! The way to a provider and back. `state` names a row that is there once; whatever else must not be known to others
//! (PKCE's verifier, the nonce) follows from a secret of the browser's cookie, and is stored nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};

use crate::crypto::random;
use crate::crypto::upstream_id_token::SKEW;
use crate::domain::event::{Event, UpstreamEvent, Whence};
use crate::domain::ids::SignInSessionId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::upstream::{
    Provider, ProviderKind, UpstreamAttempt, UpstreamFault, UpstreamIdentity, UpstreamProblem,
};
use crate::service::upstream::openid::{Discovered, ReturnedCode};
use crate::service::upstream::{github, openid};
use crate::service::{Core, Failure};
use crate::store::upstream_attempts::{self, AttemptKey};

/// How long somebody may be there, and how long whoever came back may take to go on.
pub(super) const TTL: TimeDelta = TimeDelta::minutes(10);

/// What is asked of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamAsk {
    /// That its user signs in, if nobody is signed in there.
    SignIn,
    /// That its user signs in once more.
    Anew,
    /// Whether somebody is signed in there, without a word (`prompt=none`).
    Silently,
}

impl UpstreamAsk {
    const ALL: [Self; 3] = [Self::SignIn, Self::Anew, Self::Silently];

    fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Anew => "anew",
            Self::Silently => "silently",
        }
    }

    fn of(attempt: &UpstreamAttempt) -> Self {
        Self::ALL.into_iter().find(|it| it.as_str() == attempt.asked).unwrap_or(Self::SignIn)
    }
}

/// A browser that sets out.
#[derive(Debug)]
pub struct SettingOut<'a> {
    pub provider: &'a Provider,
    /// A secret of this browser's, for this alone.
    pub browser: &'a OpaqueSecret,
    pub ask: UpstreamAsk,
    /// The query of the sign-in page that it sets out from.
    pub query: &'a str,
    /// The sign-in whose user wants to be linked.
    pub session: Option<SignInSessionId>,
    pub login_hint: Option<&'a str>,
}

/// A browser that comes back.
#[derive(Debug)]
pub struct ComingBack<'a> {
    pub provider: &'a Provider,
    pub browser: &'a OpaqueSecret,
    pub state: Option<&'a str>,
    pub code: Option<&'a str>,
    pub iss: Option<&'a str>,
    pub error: Option<&'a str>,
    pub from: Whence,
}

/// How it comes back.
#[derive(Debug)]
pub struct CameBack {
    /// What it set out with: `None` where that is over, or never was.
    pub attempt: Option<UpstreamAttempt>,
    pub outcome: CameBackWith,
}

#[derive(Debug)]
pub enum CameBackWith {
    Identity(Box<UpstreamIdentity>),
    /// Nobody is signed in there, as far as can be told without a word.
    Nobody,
    Problem(UpstreamProblem),
}

/// Where the browser is sent; or why it is sent nowhere.
///
/// # Errors
/// [`Failure::Store`].
pub async fn set_out(
    core: &Core,
    out: &SettingOut<'_>,
    from: Whence,
    now: DateTime<Utc>,
) -> Result<Result<String, UpstreamProblem>, Failure> {
    let provider = out.provider;
    let endpoint = match &provider.kind {
        ProviderKind::OpenId => {
            openid::discover(core, provider, now).await.map(|it| it.authorization_endpoint)
        }
        ProviderKind::GitHub { .. } => github::authorization_endpoint(provider),
    };
    let mut place = match endpoint {
        Ok(place) => place,
        Err(problem) => {
            tell(core, provider, problem, from);
            return Ok(Err(problem));
        }
    };
    let state = OpaqueSecret::from_random(&random::bytes());
    let attempt = UpstreamAttempt {
        provider: provider.id.clone(),
        asked: out.ask.as_str().to_owned(),
        query: out.query.to_owned(),
        session: out.session,
        identity: None,
        created_at: now,
        expires_at: now + TTL,
    };
    let key = key(&state, out.browser);
    let kept = core.write(now, async |tx| upstream_attempts::insert(tx, &key, &attempt).await.map(Some));
    kept.await?;
    let challenge = URL_SAFE_NO_PAD.encode(verifier(out.browser, state.expose()).hash().as_bytes());
    let mut query = place.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &redirect_uri(core, provider))
        .append_pair("scope", &provider.scopes.join(" "))
        .append_pair("state", state.expose())
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if provider.kind == ProviderKind::OpenId {
        query.append_pair("nonce", nonce(out.browser, state.expose()).expose());
        match out.ask {
            UpstreamAsk::SignIn => {}
            // The claim auth_time comes with max_age alone for sure (Core §3.1.2.1).
            UpstreamAsk::Anew => _ = query.append_pair("prompt", "login").append_pair("max_age", "0"),
            UpstreamAsk::Silently => _ = query.append_pair("prompt", "none"),
        }
    }
    if let Some(hint) = out.login_hint {
        let name = if provider.kind == ProviderKind::OpenId { "login_hint" } else { "login" };
        query.append_pair(name, hint);
    }
    drop(query);
    Ok(Ok(place.into()))
}

/// Takes a browser back, once.
///
/// # Errors
/// [`Failure::Store`].
pub async fn come_back(core: &Core, back: ComingBack<'_>, now: DateTime<Utc>) -> Result<CameBack, Failure> {
    let Some(state) = back.state.and_then(OpaqueSecret::presented) else {
        tell(core, back.provider, UpstreamProblem::Late, back.from);
        return Ok(CameBack { attempt: None, outcome: CameBackWith::Problem(UpstreamProblem::Late) });
    };
    let key = key(&state, back.browser);
    let taken = core.write(now, async |tx| upstream_attempts::take_returning(tx, &key).await).await?;
    let attempt = taken.filter(|attempt| now < attempt.expires_at);
    let outcome = match &attempt {
        None => Err(UpstreamProblem::Late),
        // RFC 9700 §4.4.2: another provider's answer.
        Some(attempt) if attempt.provider != back.provider.id => {
            Err(UpstreamProblem::Unproven(UpstreamFault::Issuer))
        }
        Some(attempt) => answer(core, &back, (attempt, state.expose()), now).await,
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(problem) => {
            tell(core, back.provider, problem, back.from);
            CameBackWith::Problem(problem)
        }
    };
    Ok(CameBack { attempt, outcome })
}

async fn answer(
    core: &Core,
    back: &ComingBack<'_>,
    (attempt, state): (&UpstreamAttempt, &str),
    now: DateTime<Utc>,
) -> Result<CameBackWith, UpstreamProblem> {
    let provider = back.provider;
    let ask = UpstreamAsk::of(attempt);
    let found = match provider.kind {
        ProviderKind::OpenId => Some(openid::discover(core, provider, now).await?),
        ProviderKind::GitHub { .. } => None,
    };
    must_be_of(provider, found.as_ref(), back.iss)?;
    if let Some(error) = back.error {
        return match (ask, error) {
            (
                UpstreamAsk::Silently,
                "login_required" | "interaction_required" | "consent_required" | "account_selection_required",
            ) => Ok(CameBackWith::Nobody),
            _ => Err(UpstreamProblem::of_error(error)),
        };
    }
    let redirect_uri = redirect_uri(core, provider);
    let (verifier, nonce) = (verifier(back.browser, state), nonce(back.browser, state));
    let returned = ReturnedCode {
        code: back.code.ok_or(UpstreamProblem::Unproven(UpstreamFault::Malformed))?,
        verifier: verifier.expose(),
        nonce: nonce.expose(),
        redirect_uri: &redirect_uri,
    };
    let identity = match (&provider.kind, found) {
        (ProviderKind::OpenId, Some(found)) => {
            openid::identity(core, provider, &found, &returned, now).await?
        }
        (ProviderKind::GitHub { api }, _) => github::identity(core, (provider, api), &returned).await?,
        (ProviderKind::OpenId, None) => return Err(UpstreamProblem::Unreachable),
    };
    let is_asked = |at: DateTime<Utc>| at >= attempt.created_at - SKEW;
    let was_asked = identity.auth_time.is_some_and(is_asked) || provider.kind != ProviderKind::OpenId;
    if ask == UpstreamAsk::Anew && !was_asked {
        return Err(UpstreamProblem::NotAsked);
    }
    Ok(CameBackWith::Identity(Box::new(identity)))
}

/// RFC 9207 §2.4: before anything else is believed, errors too.
fn must_be_of(
    provider: &Provider,
    found: Option<&Discovered>,
    iss: Option<&str>,
) -> Result<(), UpstreamProblem> {
    let is_told = found.is_some_and(|found| found.authorization_response_iss_parameter_supported);
    match iss {
        Some(iss) if iss != provider.issuer => Err(UpstreamProblem::Unproven(UpstreamFault::Issuer)),
        None if is_told => Err(UpstreamProblem::Unproven(UpstreamFault::Issuer)),
        Some(_) | None => Ok(()),
    }
}

/// Writes down that nobody was let in.
pub(super) fn tell(core: &Core, provider: &Provider, problem: UpstreamProblem, from: Whence) {
    let what = UpstreamEvent::Refused { reason: problem.as_str(), from };
    core.tell(Event::Upstream { provider: provider.id.clone(), what });
}

/// Where the provider sends browsers back to.
#[must_use]
pub fn redirect_uri(core: &Core, provider: &Provider) -> String {
    format!("{}/sign-in/back/{}", core.issuer.as_str(), provider.id)
}

pub(super) fn key(secret: &OpaqueSecret, browser: &OpaqueSecret) -> AttemptKey {
    AttemptKey { secret: secret.hash(), browser: browser.hash() }
}

/// RFC 7636 §4.1: 43 letters.
fn verifier(browser: &OpaqueSecret, state: &str) -> OpaqueSecret {
    browser.derived(&format!("verifier {state}"))
}

fn nonce(browser: &OpaqueSecret, state: &str) -> OpaqueSecret {
    browser.derived(&format!("nonce {state}"))
}
