//! What an operator lets clients do that register themselves.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::audience::Audience;
use crate::domain::client::CodeProtection;
use crate::domain::registration::{Allowed, Mode};
use crate::domain::subject::SubjectKey;
use crate::service::limit::{Limit, Limiter};

const HOUR: Duration = Duration::from_hours(1);

/// What an operator lets clients do that register themselves.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who may register.
    pub mode: Mode,
    /// How a confidential one protects its codes.
    pub code_protection: CodeProtection,
    /// What such a client may have.
    pub allowed: Allowed,
    /// The services that its tokens may be for, beside the issuer.
    pub audiences: Vec<Audience>,
    /// How many one address may register in an hour where registration is open.
    pub per_hour: u32,
    /// How long a client stays that nobody signs in with.
    pub unused_ttl: Duration,
}

/// Registers clients.
#[derive(Debug)]
pub struct Registrar {
    /// The operator's rules.
    pub rules: Rules,
    pub(crate) limit: Limit,
}

impl Registrar {
    pub(crate) fn limiter(&self) -> &Limiter {
        self.limit.limiter()
    }

    /// Nobody has registered yet.
    #[must_use]
    pub fn new(rules: Rules, subjects: Arc<SubjectKey>) -> Self {
        Self { limit: Limit::new("registrations", rules.per_hour, HOUR, subjects), rules }
    }
}
