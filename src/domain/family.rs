//! A family, and the decision about a token presented for it: the heart of this server. `docs/rotation.md` is the
//! protocol's own text.

mod attempt;
mod decision;
mod place;
mod policy;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::audience::Audience;
use crate::domain::authentication::{Authentication, AuthenticationMethod};
use crate::domain::claims_request::{ClaimRequests, ClaimsRequest};
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::lifetimes::Lifetimes;
use crate::domain::refresh_token::Generation;
use crate::domain::refusal::EndReason;
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::SecretHash;
use crate::domain::status_list::StatusPlace;

pub use attempt::{Approach, Consequence, RefreshAttempt, Served};
pub use decision::{Outcome, Policy, RestoreDecision, Step, decide};
pub use place::Place;
pub use policy::{InvalidRotationPolicy, RotationPolicy};

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
    /// The key that its refresh tokens are bound to (RFC 9449), if they are.
    pub key_thumbprint: Option<KeyThumbprint>,
    /// `sha256(r)`.
    pub secret_hash: SecretHash,
    /// The current generation.
    pub generation: Generation,
    /// The generation consumed by the last rotation.
    pub base: Option<Generation>,
    /// When a refresh last wrote the row. A replay and a keep never move it.
    pub rotated_at: DateTime<Utc>,
    /// What its client asked to be told, claim by claim.
    pub claims: ClaimsRequest,
    /// Where it is used, for its owner's eyes.
    pub agent: UserAgentInfo,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Its absolute expiry: fixed at login.
    pub expires_at: DateTime<Utc>,
    /// Its bit, for life; `None` for a family from before there were lists.
    pub status: Option<StatusPlace>,
    /// Whether it lives.
    pub state: State,
}

/// What a family's tokens are made of: all that a rotation needs to read back of the row.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The family.
    pub family: FamilyId,
    /// Whose login it is.
    pub user: UserId,
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
    /// How.
    pub methods: Vec<AuthenticationMethod>,
    /// The authentication context class that was reached, if one was.
    pub acr: Option<String>,
    /// What its client asked to be told in ID tokens, claim by claim.
    pub claims: ClaimRequests,
    /// The generation that is handed out.
    pub generation: Generation,
    /// When a refresh last wrote the row.
    pub rotated_at: DateTime<Utc>,
    /// When its access tokens are issued: with the row's last change, so that a replay gives the same ones again.
    pub issued_at: DateTime<Utc>,
    /// The family's absolute expiry.
    pub expires_at: DateTime<Utc>,
    /// The family's bit.
    pub status: Option<StatusPlace>,
}

impl From<Family> for Grant {
    fn from(family: Family) -> Self {
        Self {
            family: family.id,
            user: family.authentication.user,
            subject: family.subject,
            scope: family.scope,
            audiences: family.audiences,
            roles: family.roles,
            auth_time: family.authentication.at,
            methods: family.authentication.methods,
            acr: family.authentication.acr,
            claims: family.claims.id_token,
            generation: family.generation,
            rotated_at: family.rotated_at,
            issued_at: family.rotated_at,
            expires_at: family.expires_at,
            status: family.status,
        }
    }
}

impl Grant {
    /// The current generation once more, with access that counts from `now`.
    #[must_use]
    pub fn kept(family: Family, now: DateTime<Utc>) -> Self {
        Self { issued_at: now, ..family.into() }
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

    /// How long ago a refresh last wrote the row. Replicas' clocks differ a little: a negative age is no age.
    #[must_use]
    pub fn age(&self, now: DateTime<Utc>) -> Duration {
        (now - self.rotated_at).to_std().unwrap_or_default()
    }

    /// Whether it can still be refreshed at `now`.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>, lifetimes: &Lifetimes) -> bool {
        self.state == State::Live && now < self.ends_at(lifetimes)
    }
}

#[cfg(test)]
mod tests;
