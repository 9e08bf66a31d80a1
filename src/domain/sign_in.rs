//! Signing in at this server's pages: the single sign-on session, and what a user agreed to.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::audience::Audience;
use crate::domain::authentication::Authentication;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::{ClientId, SignInSessionId, UserId};
use crate::domain::scope::ScopeSet;

/// One browser in which a user is signed in.
#[derive(Debug, Clone)]
pub struct SignInSession {
    /// Its id, as families remember it.
    pub id: SignInSessionId,
    /// Who is signed in, and how.
    pub authentication: Authentication,
    pub agent: UserAgentInfo,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it last let its user into an app.
    pub last_used_at: DateTime<Utc>,
    /// When it ends, however often it is used.
    pub expires_at: DateTime<Utc>,
}

/// How long a sign-in lasts.
#[derive(Debug, Clone, Copy)]
pub struct SignInLifetimes {
    /// Without being used.
    pub idle: Duration,
    /// However often it is used.
    pub absolute: Duration,
}

impl SignInSession {
    /// Who is signed in.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.authentication.user
    }

    /// Whether it still counts at `now`.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>, lifetimes: &SignInLifetimes) -> bool {
        now < self.expires_at && now < self.last_used_at + lifetimes.idle
    }
}

/// What a user agreed that a client may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The scopes.
    pub scope: ScopeSet,
    /// The services that its tokens may be used at.
    pub audiences: Vec<Audience>,
}

impl Consent {
    /// Whether everything in `wanted` was agreed to.
    #[must_use]
    pub fn covers(&self, wanted: &Self) -> bool {
        wanted.scope.is_subset(&self.scope) && wanted.audiences.iter().all(|it| self.audiences.contains(it))
    }

    /// What was agreed to before and now.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        self.scope = self.scope.union(&more.scope);
        let new = more.audiences.iter().filter(|it| !self.audiences.contains(it)).cloned();
        let new: Vec<Audience> = new.collect();
        self.audiences.extend(new);
        self
    }
}

/// A consent as its user sees it.
#[derive(Debug)]
pub struct GivenConsent {
    /// To whom.
    pub client: ClientId,
    /// Which of the clients that this one has been.
    pub identity: i64,
    pub consent: Consent,
    /// When it was last given.
    pub at: DateTime<Utc>,
}
