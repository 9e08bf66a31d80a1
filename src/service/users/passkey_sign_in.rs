//! Signing in with a passkey: alone, which is two factors at once, or as the second one.

use chrono::{DateTime, Utc};

use crate::crypto::relying_party::{PresentedPasskey, RelyingParty, base64url};
use crate::domain::authentication::{Authentication, AuthenticationMethod};
use crate::domain::event::{Event, TriedAccount};
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::UserId;
use crate::domain::passkey::{Passkey, PasskeyChange, PasskeyState, UnfitPasskey};
use crate::domain::second_factor::SignInAttempt;
use crate::domain::secrets::SecretHash;
use crate::service::users::passkey_challenges::{self, CHALLENGE_LIFETIME, ChallengeFor, PasskeyChallenge};
use crate::service::users::sign_in::entering::{self, Door, Entered};
use crate::service::{Core, Failure};
use crate::store::passkeys::{PasskeyUse, StoredPasskey};
use crate::store::{StoreError, Tx, passkeys, users};

/// How often a passkey or its user may change under a sign-in before it is asked to come back.
const TRIES: usize = 3;

/// What a browser answered to a challenge.
#[derive(Debug, Clone, Copy)]
pub struct PasskeyAnswer<'a> {
    pub answer: &'a str,
    /// What came with the challenge.
    pub sealed: &'a str,
}

impl<'a> PasskeyAnswer<'a> {
    /// As a form has it.
    #[must_use]
    pub fn of(answer: Option<&'a str>, sealed: Option<&'a str>) -> Self {
        Self { answer: answer.unwrap_or_default(), sealed: sealed.unwrap_or_default() }
    }

    /// What a browser is to forget of a passkey that nobody has here.
    #[must_use]
    pub fn credential_id(&self) -> Option<String> {
        PresentedPasskey::read(self.answer).ok().map(|presented| base64url(presented.credential_id()))
    }
}

/// Asks a browser for any passkey that it has for this server; `None` where there are none.
///
/// # Errors
/// [`Failure::Passkey`].
pub fn challenge(
    core: &Core,
    browser: &SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<PasskeyChallenge>, Failure> {
    let Some(party) = &core.relying_party else { return Ok(None) };
    let begun = party.begin_sign_in(&[])?;
    let until = now + CHALLENGE_LIFETIME;
    Ok(Some(passkey_challenges::seal(core, ChallengeFor::SignIn(browser), begun, until)))
}

/// Asks whoever showed something else for one of the own passkeys; `None` where there are none.
///
/// # Errors
/// [`Failure::Passkey`], [`Failure::Store`].
pub async fn second_challenge(
    core: &Core,
    attempt: &SignInAttempt,
) -> Result<Option<PasskeyChallenge>, Failure> {
    let (Some(party), Some(shown)) = (&core.relying_party, &attempt.shown) else { return Ok(None) };
    let own = passkeys::of_user(&core.db, shown.user).await?;
    if own.is_empty() {
        return Ok(None);
    }
    let own: Vec<Vec<u8>> = own.into_iter().map(|passkey| passkey.credential_id).collect();
    let begun = party.begin_sign_in(&own)?;
    let whom = ChallengeFor::SecondStep(&attempt.secret_hash);
    Ok(Some(passkey_challenges::seal(core, whom, begun, attempt.expires_at)))
}

/// Signs a user in by a passkey alone.
///
/// # Errors
/// [`Failure::Passkey`], [`Failure::Busy`], [`Failure::Store`].
pub async fn sign_in(
    core: &Core,
    (browser, answer): (&SecretHash, PasskeyAnswer<'_>),
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Entered, Failure> {
    let proof = PasskeyProof::take(core, ChallengeFor::SignIn(browser), answer, now).await?;
    for _ in 0..TRIES {
        let (passkey, used) = proof.verify(core, None, door.agent).await?;
        let shown = Authentication::by(passkey.user, now, methods(used.state));
        let confirm = async |tx: &mut Tx| {
            Ok(users::lock_for_login(tx, passkey.user, now).await?.is_some()
                && note(tx, &passkey, &used, door.agent, now).await?)
        };
        if let Some(entered) = entering::enter(core, &shown, door, now, confirm).await? {
            return Ok(entered);
        }
        check_enabled(core, passkey.user).await?;
        // It was used at the same moment somewhere else, or removed: only looking again can tell.
    }
    Err(Failure::Busy)
}

/// Takes a passkey as the further factor of an attempt; `None` when that is over.
///
/// # Errors
/// [`Failure::Passkey`], [`Failure::Store`].
pub async fn complete(
    core: &Core,
    (attempt, answer): (&SignInAttempt, PasskeyAnswer<'_>),
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Entered>, Failure> {
    let Some(shown) = &attempt.shown else { return Ok(None) };
    let proof = PasskeyProof::take(core, ChallengeFor::SecondStep(&attempt.secret_hash), answer, now).await?;
    let (passkey, used) = proof.verify(core, Some(shown.user), door.agent).await?;
    let confirm = async |tx: &mut Tx| note(tx, &passkey, &used, door.agent, now).await;
    entering::complete(core, (attempt, &methods(used.state)), door, now, confirm).await
}

/// An answer whose challenge was good.
struct PasskeyProof<'a> {
    party: &'a RelyingParty,
    presented: PresentedPasskey,
    state: String,
}

impl<'a> PasskeyProof<'a> {
    async fn take(
        core: &'a Core,
        whom: ChallengeFor<'_>,
        answer: PasskeyAnswer<'_>,
        now: DateTime<Utc>,
    ) -> Result<Self, Failure> {
        let party = core.relying_party.as_deref().ok_or(UnfitPasskey::Stale)?;
        let state = passkey_challenges::take(core, whom, answer.sealed, now).await?;
        Ok(Self { party, presented: PresentedPasskey::read(answer.answer)?, state })
    }

    /// The passkey, with what becomes of it by being used. `expected` is whose it has to be, where that is known.
    async fn verify(
        &self,
        core: &Core,
        expected: Option<UserId>,
        agent: &UserAgentInfo,
    ) -> Result<(Passkey, PasskeyUse), Failure> {
        let stored = passkeys::find(&core.db, self.presented.credential_id()).await?;
        let known = stored.as_ref().map(|it| (it.passkey.user, it.passkey.id));
        let verified = self.held_against(stored, expected);
        if let Err(unfit) = &verified {
            if let (UnfitPasskey::Copied, Some((user, passkey))) = (unfit, known) {
                let (change, from) = (PasskeyChange::Copied, agent.into());
                core.tell(Event::PasskeyChanged { user, passkey, change, from });
            }
            let account = known.map_or(TriedAccount::Nobody, |(user, _)| TriedAccount::Known(user));
            core.tell(Event::SignInRefused { account, from: agent.into() });
        }
        Ok(verified?)
    }

    fn held_against(
        &self,
        stored: Option<StoredPasskey>,
        expected: Option<UserId>,
    ) -> Result<(Passkey, PasskeyUse), UnfitPasskey> {
        let StoredPasskey { passkey, credential } = stored.ok_or(UnfitPasskey::Unknown)?;
        // Web Authentication §7.2 (6): who signs in without a name is who the device says, and has the passkey.
        let said = self.presented.user()?;
        if said.or(expected) != Some(passkey.user) || expected.is_some_and(|user| user != passkey.user) {
            return Err(UnfitPasskey::OtherAccount);
        }
        let (state, credential) = self.party.finish_sign_in(&self.presented, &self.state, &credential)?;
        let used = PasskeyUse { id: passkey.id, counted: passkey.state.sign_count, state, credential };
        Ok((passkey, used))
    }
}

/// RFC 8176: a key that stays where it is counts for hardware, as far as anybody can tell who does not ask what it is.
/// The device made sure who used it, by something that the user knows or is: with what the user has these are two.
fn methods(state: PasskeyState) -> Vec<AuthenticationMethod> {
    let key = if state.backup_eligible {
        AuthenticationMethod::SoftwareKey
    } else {
        AuthenticationMethod::HardwareKey
    };
    vec![key, AuthenticationMethod::UserPresence, AuthenticationMethod::MultiFactor]
}

async fn note(
    tx: &mut Tx,
    passkey: &Passkey,
    used: &PasskeyUse,
    agent: &UserAgentInfo,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    tx.record(Event::PasskeyChanged {
        user: passkey.user,
        passkey: passkey.id,
        change: PasskeyChange::Used,
        from: agent.into(),
    });
    passkeys::note_use(tx, used, now).await
}

/// Whoever has shown to be this user may know what keeps the account closed.
async fn check_enabled(core: &Core, user: UserId) -> Result<(), Failure> {
    let user = users::find(&core.db, user).await?;
    let is_disabled = user.is_some_and(|user| user.disabled_at.is_some());
    if is_disabled { Err(UnfitPasskey::AccountDisabled.into()) } else { Ok(()) }
}
