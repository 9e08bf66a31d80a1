//! A family, and the decision about a token presented for it: the heart of this server.
//!
//! | presented | condition | outcome |
//! |---|---|---|
//! | any | ended, idle- or absolutely expired | refuse |
//! | the current generation | | rotate |
//! | base | within the leeway of `rotated_at` | replay |
//! | base | later, leeway > 0 | recover |
//! | ahead of the row | by at most 2, or a recovery window is open | catch up |
//! | ahead of the row | otherwise | refuse and raise an alarm |
//! | any other | | reuse: end the family |
//!
//! `base` is the generation consumed by the last rotation, the only old one that may honestly come back: its holder
//! never got the answer. Because the base moves as soon as the successor is used, a base that comes back late means
//! that nobody used the successor, and skipping it harms no one.

use chrono::{DateTime, Utc};

use crate::domain::audience::Audience;
use crate::domain::authentication::Authentication;
use crate::domain::claims_request::ClaimRequests;
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::lifetimes::Lifetimes;
use crate::domain::refresh_token::Generation;
use crate::domain::refusal::{EndReason, Refusal};
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::SecretHash;

/// How far ahead of its row a genuine token may be without a recovery window: what a failover to a replica that
/// lagged by a moment loses.
const CATCH_UP_LIMIT: i64 = 2;

/// A family that was ended, and who knows it by which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedFamily {
    /// The family.
    pub id: FamilyId,
    /// Whose login it was.
    pub user: UserId,
    /// Its client.
    pub client: ClientId,
    /// `sub`, as the client knows it.
    pub subject: String,
    /// The sign-in that it came from.
    pub sign_in_session: Option<SignInSessionId>,
}

/// One login on one device with one client. A refresh needs nothing of the login beyond this row.
#[derive(Debug, Clone)]
pub struct Family {
    /// Its id: `sid` in tokens.
    pub id: FamilyId,
    /// Whose login it is, and how that user came in.
    pub authentication: Authentication,
    /// `sub` as it was issued at login.
    pub subject: String,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// What was granted at login.
    pub scope: ScopeSet,
    /// The audiences chosen at login; empty means the issuer, with the client's others open to later choice.
    pub audiences: Vec<Audience>,
    /// The user's roles, kept up to date by whatever changes them.
    pub roles: Vec<String>,
    /// The thumbprint of the key that its tokens are bound to (RFC 9449), if they are.
    pub key_thumbprint: Option<String>,
    /// `sha256(r)`.
    pub secret_hash: SecretHash,
    /// The current generation.
    pub generation: Generation,
    /// The generation consumed by the last rotation.
    pub base: Option<Generation>,
    /// When the current generation was issued. A replay never moves it.
    pub rotated_at: DateTime<Utc>,
    /// What its client asked to be told at the userinfo endpoint, claim by claim.
    pub claims: ClaimRequests,
    /// Where it is used, for its owner's eyes.
    pub agent: UserAgentInfo,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Its absolute expiry: fixed at login.
    pub expires_at: DateTime<Utc>,
    /// Whether it lives.
    pub state: State,
}

/// What a family's tokens are made of: all that a rotation needs to read back of the row.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The family.
    pub family: FamilyId,
    /// `sub` as it was issued at login.
    pub subject: String,
    /// What was granted at login.
    pub scope: ScopeSet,
    /// The audiences chosen at login; empty means the issuer, with the client's others open to later choice.
    pub audiences: Vec<Audience>,
    /// The user's roles.
    pub roles: Vec<String>,
    /// When its user signed in.
    pub auth_time: DateTime<Utc>,
    /// The generation that is handed out.
    pub generation: Generation,
    /// When that generation was issued.
    pub rotated_at: DateTime<Utc>,
    /// The family's absolute expiry.
    pub expires_at: DateTime<Utc>,
}

impl From<Family> for Grant {
    fn from(family: Family) -> Self {
        Self {
            family: family.id,
            subject: family.subject,
            scope: family.scope,
            audiences: family.audiences,
            roles: family.roles,
            auth_time: family.authentication.at,
            generation: family.generation,
            rotated_at: family.rotated_at,
            expires_at: family.expires_at,
        }
    }
}

/// What a family's owner knows it by.
#[derive(Debug, Clone, Default)]
pub struct UserAgentInfo {
    /// A name chosen by the app or its user.
    pub name: Option<String>,
    /// The `User-Agent` header at login.
    pub user_agent: Option<String>,
    /// The client's address at login.
    pub address: Option<String>,
}

/// What was done with a family. What time does (expiry) is computed, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It can be refreshed, unless it expired.
    Live,
    /// It was ended.
    Ended {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        reason: EndReason,
    },
}

/// Whether tokens may be arbitrarily far ahead of their rows, because an operator said that the database was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryWindow {
    /// The usual state.
    Closed,
    /// Open since a restore, for a while.
    Open,
}

/// What [`decide`] goes by.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The client's lifetimes and leeway.
    pub lifetimes: Lifetimes,
    /// Whether a restore is being recovered from.
    pub recovery_window: RecoveryWindow,
}

/// What a family's row becomes: applied by a compare-and-swap on what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The generation that is handed out.
    pub generation: Generation,
    /// The base from now on.
    pub base: Option<Generation>,
}

/// The decision about one presented token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The current generation was presented: move on by one.
    Rotate(Step),
    /// The base came back in time: hand out the current generation again, write nothing.
    Replay,
    /// The base came back late, its successor unused: skip it and hand out a newer one.
    Recover {
        /// The row's next state.
        step: Step,
        /// How many generations nobody will use, counted since the base.
        skipped: i64,
    },
    /// The token is ahead of a row that lost rotations: move the row forward.
    CatchUp(Step),
    /// A spent token came back: end the family.
    Reuse,
    /// It would be reuse, but the request is older than the row's last change: it waited in our own queue.
    Overtaken,
    /// Refuse, change nothing.
    Refuse(Refusal),
}

impl Family {
    /// Whose login it is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.authentication.user
    }

    /// When it ends if it is not refreshed before: `now ≥` this is expired.
    #[must_use]
    pub fn ends_at(&self, lifetimes: &Lifetimes) -> DateTime<Utc> {
        lifetimes.end_of_family(self.rotated_at, self.expires_at)
    }

    /// Whether it can still be refreshed at `now`.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>, lifetimes: &Lifetimes) -> bool {
        self.state == State::Live && now < self.ends_at(lifetimes)
    }
}

/// Decides about `presented`, a genuine token's generation, at `now`, the request's arrival.
#[must_use]
pub fn decide(family: &Family, presented: Generation, now: DateTime<Utc>, policy: &Policy) -> Outcome {
    match family.state {
        State::Live => {}
        State::Ended { reason: EndReason::Reuse, .. } => return Outcome::Refuse(Refusal::Reused),
        State::Ended { reason, .. } => return Outcome::Refuse(Refusal::Ended(reason)),
    }
    if now >= family.ends_at(&policy.lifetimes) {
        return Outcome::Refuse(Refusal::Expired);
    }
    if presented == family.generation {
        return step(presented.next(), Some(presented), Outcome::Rotate);
    }
    if presented > family.generation {
        return decide_ahead(family, presented, policy.recovery_window);
    }
    let leeway = policy.lifetimes.leeway();
    if family.base == Some(presented) && !leeway.is_zero() {
        // Replicas' clocks differ a little: a negative age is no age.
        let age = (now - family.rotated_at).to_std().unwrap_or_default();
        if age < leeway {
            return Outcome::Replay;
        }
        let skipped = family.generation.number() - presented.number();
        return step(family.generation.next(), family.base, |step| Outcome::Recover { step, skipped });
    }
    if now < family.rotated_at { Outcome::Overtaken } else { Outcome::Reuse }
}

fn decide_ahead(family: &Family, presented: Generation, window: RecoveryWindow) -> Outcome {
    let lead = presented.number() - family.generation.number();
    if lead <= CATCH_UP_LIMIT || window == RecoveryWindow::Open {
        step(presented.next(), Some(presented), Outcome::CatchUp)
    } else {
        Outcome::Refuse(Refusal::Ahead)
    }
}

/// At the end of the counter (4 billion refreshes) a family has lived its life.
fn step(
    next: Option<Generation>,
    base: Option<Generation>,
    outcome: impl FnOnce(Step) -> Outcome,
) -> Outcome {
    match next {
        Some(generation) => outcome(Step { generation, base }),
        None => Outcome::Refuse(Refusal::Expired),
    }
}

#[cfg(test)]
mod tests;
