//! Sign-ins of apps that have no pages, which wait for a second factor: what was asked for waits with them, under a
//! secret that the app holds. It is good for a while, for its client, and for once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::crypto::random;
use crate::domain::authentication::Authentication;
use crate::domain::event::{Event, TriedAccount};
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::ClientId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{Demand, SecondFactors, SignInAttempt, WantedFactor};
use crate::service::clients::client_request::ClientRequest;
use crate::service::users::sign_in::entering::{self, ATTEMPT_TTL, Door};
use crate::service::users::sign_in::second::{self, RightProof, SHOWN, SecondProof};
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, sign_in_attempts, users};

/// What was asked for, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<W> {
    client_id: String,
    #[serde(flatten)]
    asked: W,
}

/// A sign-in that waits.
#[derive(Debug)]
pub(crate) struct WaitingSignIn<W> {
    token: OpaqueSecret,
    attempt: SignInAttempt,
    /// What was shown so far.
    pub(crate) shown: Authentication,
    /// What the client asked for.
    pub(crate) asked: W,
}

/// Lets a client's sign-in wait, in the transaction that has the lock of the user's row.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn begin<W: Serialize>(
    tx: &mut Tx,
    (shown, agent): (&Authentication, &UserAgentInfo),
    (client, asked): (&ClientId, W),
    now: DateTime<Utc>,
) -> Result<OpaqueSecret, StoreError> {
    let token = OpaqueSecret::from_random(&random::bytes());
    let kept = Kept { client_id: client.to_string(), asked };
    let attempt = SignInAttempt {
        secret_hash: token.hash(),
        shown: Some(shown.clone()),
        agent: agent.clone(),
        login: serde_json::to_string(&kept).ok(),
        ceremony: None,
        expires_at: now + ATTEMPT_TTL,
    };
    sign_in_attempts::insert(tx, &attempt, now).await?;
    Ok(token)
}

/// How long a sign-in waits that begins to.
pub(crate) fn lifetime() -> Duration {
    ATTEMPT_TTL.to_std().unwrap_or_default()
}

/// The sign-in of a client that waits under what an app presents; `None` when there is none (any more), or it is of
/// another client, or of another kind.
///
/// # Errors
/// [`Failure::Store`].
pub(crate) async fn find<W: DeserializeOwned>(
    core: &Core,
    token: &str,
    client: &ClientId,
    now: DateTime<Utc>,
) -> Result<Option<WaitingSignIn<W>>, Failure> {
    let Some(token) = OpaqueSecret::presented(token) else { return Ok(None) };
    let Some(attempt) = entering::waiting_login(core, &token, now).await? else { return Ok(None) };
    let kept = attempt.login.as_deref().and_then(|kept| serde_json::from_str::<Kept<W>>(kept).ok());
    let (Some(kept), Some(shown)) = (kept, attempt.shown.clone()) else { return Ok(None) };
    let is_of_client = kept.client_id == client.as_str();
    Ok(is_of_client.then_some(WaitingSignIn { token, attempt, shown, asked: kept.asked }))
}

impl<W> WaitingSignIn<W> {
    /// What is shown with the second factor.
    pub(crate) fn with_factor(&self, now: DateTime<Utc>) -> Authentication {
        self.shown.clone().and(&SHOWN, now)
    }

    /// What it waits for, of a user who has these.
    pub(crate) fn wanted(&self, factors: SecondFactors, now: DateTime<Utc>) -> WantedFactor {
        let expires_in = (self.attempt.expires_at - now).to_std().unwrap_or_default();
        WantedFactor { token: self.token.clone(), expires_in, factors }
    }

    /// Ends it with the user's second factor. `open` writes what that opens, with the user's roles, in the transaction
    /// that has the lock of the user's row; `None` when it cannot be opened any more.
    ///
    /// # Errors
    /// [`Refusal::BadSecondFactor`]; [`Failure::TooManyAttempts`], [`Failure::Busy`], [`Failure::Store`].
    pub(crate) async fn finish<T>(
        &self,
        core: &Core,
        request: &ClientRequest,
        proof: &SecondProof<'_>,
        now: DateTime<Utc>,
        open: impl AsyncFn(&mut Tx, Vec<String>) -> Result<Option<T>, StoreError>,
    ) -> Result<T, Failure> {
        let user = self.shown.user;
        let door = Door { agent: &request.agent, before: None, demand: Demand::NOTHING };
        let confirm = async |right: RightProof| {
            let opened = core.write(now, async |tx: &mut Tx| {
                let Some(locked) = users::lock_for_login(tx, user, now).await? else { return Ok(None) };
                if !sign_in_attempts::spend(tx, &self.attempt.secret_hash, now).await?
                    || !right.confirm(tx, door).await?
                {
                    return Ok(None);
                }
                open(tx, locked.roles).await
            });
            Ok(opened.await?)
        };
        let shown = second::show(core, &self.attempt, proof, (door, request.address), now, confirm).await;
        if let Err(Failure::Refused(Refusal::BadSecondFactor)) = shown {
            let (client, from) = (request.client_id().clone(), (&request.agent).into());
            core.tell(Event::LoginRefused { client, account: TriedAccount::Known(user), from });
        }
        shown
    }
}
