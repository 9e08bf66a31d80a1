//! The challenges that passkeys answer. What has to be known of one when it is answered stands in its page, sealed: so
//! opening a page writes nothing. It opens only for whom it was made, a few minutes long, and is used up by the first
//! answer, on all replicas.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::crypto::relying_party::{self, BegunCeremony, base64url};
use crate::domain::client_assertion::OnceOnly;
use crate::domain::ids::{SignInSessionId, UserId};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::passkey::UnfitPasskey;
use crate::domain::secrets::SecretHash;
use crate::service::{Core, Failure};
use crate::store::client_assertions;

/// How long a challenge of the sign-in page is good: people look for the device that they want to use.
pub const CHALLENGE_LIFETIME: Duration = Duration::from_mins(10);

/// Whom a challenge is for, and what.
#[derive(Debug, Clone, Copy)]
pub enum ChallengeFor<'a> {
    /// Who is signed in, for a new passkey.
    Registration(UserId, SignInSessionId),
    /// A browser, to sign in.
    SignIn(&'a SecretHash),
    /// Whoever has shown something else: the secret of that attempt.
    SecondStep(&'a SecretHash),
}

impl ChallengeFor<'_> {
    fn context(self) -> String {
        match self {
            Self::Registration(user, session) => format!("heirloom passkey registration {user} {session}"),
            Self::SignIn(browser) => format!("heirloom passkey sign-in {}", base64url(browser.as_bytes())),
            Self::SecondStep(attempt) => format!("heirloom passkey second {}", base64url(attempt.as_bytes())),
        }
    }
}

/// A challenge for a page.
#[derive(Debug)]
pub struct PasskeyChallenge {
    /// What the browser is asked.
    pub options: Value,
    /// What comes back with the answer.
    pub sealed: String,
}

#[derive(Serialize, Deserialize)]
struct Ceremony {
    challenge: String,
    state: String,
    until: DateTime<Utc>,
}

pub(crate) fn seal(
    core: &Core,
    whom: ChallengeFor<'_>,
    begun: BegunCeremony,
    until: DateTime<Utc>,
) -> PasskeyChallenge {
    let BegunCeremony { options, state } = begun;
    let challenge = relying_party::challenge_of(&options).to_owned();
    let ceremony = Ceremony { challenge, state, until };
    let plain = serde_json::to_vec(&ceremony).unwrap_or_else(|error| unreachable!("it is JSON: {error}"));
    let sealed = core.keys.master().seal(&whom.context(), &plain);
    PasskeyChallenge { options, sealed: base64url(&sealed) }
}

/// Uses a challenge up; gives the state of its ceremony.
///
/// # Errors
/// [`UnfitPasskey::Stale`] unless it is good; [`Failure::Store`].
pub(crate) async fn take(
    core: &Core,
    whom: ChallengeFor<'_>,
    sealed: &str,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let ceremony = open(core, whom, sealed).filter(|ceremony| now < ceremony.until);
    let Ceremony { challenge, state, until } = ceremony.ok_or(UnfitPasskey::Stale)?;
    let secret = OpaqueSecret::presented(&challenge).ok_or(UnfitPasskey::Stale)?;
    let once = OnceOnly { id: secret.derived("passkey challenge").hash(), expires_at: until };
    let is_first = core.write(now, async |tx| client_assertions::spend_within(tx, &once).await.map(Some));
    if is_first.await? == Some(true) { Ok(state) } else { Err(UnfitPasskey::Stale.into()) }
}

fn open(core: &Core, whom: ChallengeFor<'_>, sealed: &str) -> Option<Ceremony> {
    use base64::Engine as _;
    let sealed = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let plain = core.keys.master().open(&whom.context(), &sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}
