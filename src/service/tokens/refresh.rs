//! Refresh: one decision, one small write.

use chrono::{DateTime, Utc};

use crate::domain::audience::Audience;
use crate::domain::claims::Confirmation;
use crate::domain::client::GrantType;
use crate::domain::event::{Alarm, Event};
use crate::domain::family::{
    Approach, Consequence, Family, Grant, Policy, RefreshAttempt, RestoreDecision, Served, Step, decide,
};
use crate::domain::ids::FamilyId;
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::refresh_token::RefreshToken;
use crate::domain::refusal::{EndReason, Refusal};
use crate::service::admin::recovery;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::id_token::IdTokenContent;
use crate::service::tokens::issued::Issued;
use crate::service::tokens::presented::{self, Presented};
use crate::service::tokens::refresh_counts::RefreshEnd;
use crate::service::tokens::replays::{HandedOut, TooManyReplays};
use crate::service::tokens::reuse;
use crate::service::tokens::step_up;
use crate::service::tokens::user_claims::{self, ClaimsAsked};
use crate::service::{Core, Failure};
use crate::spans;
use crate::store::families::{self, FastPath};
use crate::store::{self, transaction};

/// What a client sends to refresh.
#[derive(Debug)]
pub struct RefreshParams<'a> {
    /// The token as presented.
    pub token: &'a str,
    /// What the new access token shall be good for.
    pub wanted: Wanted,
}

/// Refreshes a family.
///
/// # Errors
/// [`Failure::Refused`] with the reason; [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`],
/// [`Failure::KeyProof`], [`Failure::InvalidScope`], [`Failure::InvalidTarget`],
/// [`Failure::InsufficientAuthorization`], [`Failure::Overtaken`], [`Failure::Undecided`],
/// [`Failure::TooManyReplays`], [`Failure::Busy`] and [`Failure::Store`], after which the same token still works.
pub async fn refresh(
    core: &Core,
    request: &ClientRequest,
    params: RefreshParams<'_>,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let ended = refresh_uncounted(core, request, params, now).await;
    core.refreshes.count(ended.as_ref().map_or_else(RefreshEnd::from, |(_, served)| (*served).into()));
    ended.map(|(issued, _)| issued)
}

async fn refresh_uncounted(
    core: &Core,
    request: &ClientRequest,
    params: RefreshParams<'_>,
    now: DateTime<Utc>,
) -> Result<(Issued, Served), Failure> {
    let opened = presented::open_token(core, params.token, request.client_id());
    // Who proves nothing but the token itself is refused without asking any database. A client with a proof is told
    // first whether that was right.
    if !request.brings_proof() {
        opened.as_ref().map_err(|refusal| *refusal)?;
    }
    let known = request.authenticate(core, now).await?;
    let token = opened?;
    core.passwords.make_way();
    known.may(GrantType::RefreshToken)?;
    let binding = binding(core, request, &token, &known, now).await?;
    // A client that names again what it named at the authorization endpoint is heard as it was there.
    let wanted = params.wanted.for_client(&known.client);
    let attempt = RefreshAttempt::new(token.generation, now);
    let (grant, served, told) =
        match fast_path(core, (&token, request.key_thumbprint()), &known, &wanted, now).await? {
            Some(grant) => {
                let login = (grant.family, grant.methods.as_slice());
                step_up::must_be_enough(core, (request, &known), login, now).await?;
                let asked = ClaimsAsked { user: grant.user, scope: &grant.scope, claims: &grant.claims };
                let told = told(core, request, (&known, &wanted), asked, now).await?;
                (grant, Served::Rotated, told)
            }
            // Boxed, as it is rare and large.
            None => Box::pin(judge(core, request, &token, (&known, &wanted), attempt)).await?,
        };
    watch(core, request, &known, (&grant, served), now)?;
    let issued =
        grant::issue(core, &grant, &token.secret, (&known, &wanted), binding.as_ref(), told.as_ref(), now)?;
    Ok((issued, served))
}

/// What the access token will be bound to. Whoever lacks the proof without which a client gets nothing may be a thief
/// all the same: it is told as of any other bound token.
async fn binding(
    core: &Core,
    request: &ClientRequest,
    token: &RefreshToken,
    known: &KnownClient,
    now: DateTime<Utc>,
) -> Result<Option<Confirmation>, Failure> {
    let binding = request.binding_for(known, now);
    if let Err(Failure::KeyProof(_)) = &binding
        && let Some(Presented::Genuine(family)) = presented::family_of(core, token).await?
    {
        check_binding(core, request, &family)?;
    }
    binding
}

/// What the ID token tells that goes with a refresh, if the client takes one. OpenID Connect Core §12.2: all that it
/// told after the sign-in, but for the `nonce`.
async fn told(
    core: &Core,
    request: &ClientRequest,
    for_whom: (&KnownClient, &Wanted),
    asked: ClaimsAsked<'_>,
    now: DateTime<Utc>,
) -> Result<Option<IdTokenContent>, Failure> {
    if !request.takes_id_tokens() {
        return Ok(None);
    }
    Ok(Some(IdTokenContent {
        nonce: None,
        user: Box::pin(user_claims::told_in_id_token(core, for_whom, asked, now)).await?,
    }))
}

/// The fast path: nearly always the current generation is presented, so one statement rotates it unseen. A request
/// that names a scope or resource does not take it: its refusal must consume nothing. Nor does a client whose policy
/// or leeway forbids it, nor one for whose audiences and the issuer no one key signs: its login may be good for several
/// of them, but no token is.
async fn fast_path(
    core: &Core,
    (token, key): (&RefreshToken, Option<&KeyThumbprint>),
    known: &KnownClient,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<Option<Grant>, Failure> {
    let may_bet = wanted.is_everything()
        && Approach::of(known.rotation, known.lifetimes.leeway()) == Approach::Bet
        && !core.keys.may_disagree(&known.client.audiences, &core.issuer, now);
    if !may_bet {
        return Ok(None);
    }
    let attempt = FastPath {
        id: token.family,
        presented: token.generation,
        secret_hash: token.secret.hash(),
        key: key.cloned(),
        now,
        idle_since: now - known.lifetimes.idle_ttl(),
    };
    let written = spans::span("rotate", core.group_commit.rotate(attempt)).await;
    core.writer.writes().learn(&written);
    Ok(written?)
}

/// Reads the row, decides, applies the decision to what was read; from the start again when the row has moved. What the
/// answer tells of the user is read before anything is written: in strict mode nothing may fail after that.
async fn judge(
    core: &Core,
    request: &ClientRequest,
    token: &RefreshToken,
    (known, wanted): (&KnownClient, &Wanted),
    mut attempt: RefreshAttempt,
) -> Result<(Grant, Served, Option<IdTokenContent>), Failure> {
    let now = attempt.now;
    loop {
        let family = match presented::family_of(core, token).await? {
            None => return Err(Refusal::Expired.into()),
            Some(Presented::ForeignSecret) => return Err(Refusal::Unknown.into()),
            Some(Presented::Genuine(family)) => *family,
        };
        check_binding(core, request, &family)?;
        wanted.scope_within(&grant::scope_left(&family.scope, &known.client))?;
        let audiences = wanted.audiences_within(&family.audiences, &known.client, &core.issuer)?;
        core.keys.agree(&audiences, now)?;
        core.resource_servers.terms(&audiences).must_know(wanted.scope.as_ref())?;
        let policy = policy(core, token, (&family, &audiences), known, now).await?;
        let (step, served) = match decide(&family, attempt.presented, now, &policy).into() {
            Consequence::Refuse(refusal) => return Err(refuse(core, family.id, refusal)),
            Consequence::Undecided => {
                recovery::ask_for_decision(core, now).await?;
                core.tell(Event::AlarmRaised { family: family.id, alarm: Alarm::AheadOfRow });
                return Err(Failure::Undecided);
            }
            Consequence::Overtaken => return Err(Failure::Overtaken),
            Consequence::End => {
                reuse::end(core, &request.agent, (family.id, EndReason::Reuse), now).await?;
                return Err(Refusal::Reused.into());
            }
            Consequence::HandOut(served) => (None, served),
            Consequence::Swap(step, served) => (Some(step), served),
        };
        let login = (family.id, family.authentication.methods.as_slice());
        step_up::must_be_enough(core, (request, known), login, now).await?;
        let asked =
            ClaimsAsked { user: family.user(), scope: &family.scope, claims: &family.claims.id_token };
        let told = told(core, request, (known, wanted), asked, now).await?;
        let Some(step) = step else {
            let grant = if served == Served::Replayed { family.into() } else { Grant::kept(family, now) };
            return Ok((grant, served, told));
        };
        if let Some(advanced) = swap(core, &family, (step, served), now).await? {
            return Ok((advanced, served, told));
        }
        attempt = attempt.again().ok_or(Failure::Busy)?;
    }
}

/// Writes what was decided, if the row is still what was read.
async fn swap(
    core: &Core,
    read: &Family,
    (step, served): (Step, Served),
    now: DateTime<Utc>,
) -> Result<Option<Grant>, Failure> {
    let Some(event) = event(read.id, step, served) else {
        let written = transaction::retrying(|| families::advance(&core.db, read, step, now)).await;
        core.writer.writes().learn(&written);
        return Ok(written?);
    };
    let write = core.write(now, async |tx| {
        tx.record(event.clone());
        families::step(tx, read, step, now).await
    });
    Ok(write.await?)
}

/// Within the leeway a copied token is served as a lost answer is. What sets them apart is told, and ends nothing: an
/// owner's phone goes from one network to another, too.
fn watch(
    core: &Core,
    request: &ClientRequest,
    known: &KnownClient,
    (grant, served): (&Grant, Served),
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let leeway = known.lifetimes.leeway();
    // What is kept is handed out often, to several who share it.
    if leeway.is_zero() || served == Served::Kept {
        return Ok(());
    }
    let (family, generation) = (grant.family, grant.generation);
    let to = core.replays.who(request.address, request.agent.user_agent.as_deref());
    let handed_out = HandedOut { family, generation, to, leeway, now };
    let differs = match served {
        Served::Rotated | Served::Recovered { .. } | Served::CaughtUp | Served::Kept => {
            core.replays.rotated(&handed_out)
        }
        Served::Replayed => core.replays.replayed(&handed_out).map_err(|TooManyReplays| {
            Failure::TooManyReplays((grant.rotated_at + leeway - now).to_std().unwrap_or_default())
        })?,
    };
    if let Some(differs) = differs {
        let (client, from) = (known.client.id.clone(), (&request.agent).into());
        core.tell(Event::FamilyReplayed { family, client, differs, from });
    }
    Ok(())
}

/// RFC 9449 §5: a bound family's token without its key is worth nothing. It ends nothing either, whoever sent it: its
/// holder goes on, and a thief, who has not the key, gets nowhere.
fn check_binding(core: &Core, request: &ClientRequest, family: &Family) -> Result<(), Failure> {
    let Some(bound) = &family.key_thumbprint else { return Ok(()) };
    request.must_hold(bound).map_err(|why| {
        let (client, from) = (family.client_id.clone(), (&request.agent).into());
        core.tell(Event::RefreshRefused { family: family.id, client, from });
        why.into()
    })
}

/// What was said of a restore matters only to a token that is ahead of its row: nobody else pays for asking. Where the
/// token's audiences want shorter ones than its client has, a replay leaves half of those.
pub(super) async fn policy(
    core: &Core,
    token: &RefreshToken,
    (family, audiences): (&Family, &[Audience]),
    known: &KnownClient,
    now: DateTime<Utc>,
) -> Result<Policy, Failure> {
    let restore = if token.generation > family.generation {
        store::recovery::decision(&core.db, now).await?
    } else {
        RestoreDecision::Undecided
    };
    let rotation = known.rotation.for_family(&known.client.kind, family.key_thumbprint.as_ref());
    let lifetimes = match core.resource_servers.terms(audiences).access_ttl() {
        Some(most) => known.lifetimes.with_access_ttl_up_to(most),
        None => known.lifetimes,
    };
    Ok(Policy { lifetimes, rotation, restore })
}

fn refuse(core: &Core, family: FamilyId, refusal: Refusal) -> Failure {
    if refusal == Refusal::Ahead {
        core.tell(Event::AlarmRaised { family, alarm: Alarm::AheadOfRow });
    }
    refusal.into()
}

/// A plain rotation is not an event, and a touch is not either.
fn event(family: FamilyId, step: Step, served: Served) -> Option<Event> {
    match served {
        Served::Recovered { skipped } => Some(Event::FamilyRecovered { family, skipped }),
        Served::CaughtUp => Some(Event::FamilyCaughtUp { family, generation: step.generation.number() }),
        Served::Rotated | Served::Replayed | Served::Kept => None,
    }
}
