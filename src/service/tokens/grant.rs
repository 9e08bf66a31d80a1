//! What a family hands out: computed from its row, so the same row gives the same grant however often it is asked.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use crate::domain::audience::Audience;
use crate::domain::claims::Confirmation;
use crate::domain::client::{Client, Party};
use crate::domain::family::Grant;
use crate::domain::refresh_token::RefreshToken;
use crate::domain::scope::{OFFLINE_ACCESS, ScopeSet};
use crate::domain::secrets::FamilySecret;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::id_token::{IdTokenContent, SignedInHow};
use crate::service::tokens::issued::{self, Access, Issued, IssuedRefresh, LoginClaims};
use crate::service::{Core, Failure};

/// What one request asks of a grant; nothing asked means all that was granted.
#[derive(Debug, Default)]
pub struct Wanted {
    /// `scope` (RFC 6749 §3.3).
    pub scope: Option<ScopeSet>,
    /// `resource` (RFC 8707), as often as it was given.
    pub resources: Vec<Audience>,
}

impl Wanted {
    /// Whether the request asks for anything in particular.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.scope.is_none() && self.resources.is_empty()
    }

    /// The same without `offline_access` for a client that is not registered for it (OpenID Connect Core §11: passed
    /// over where it means nothing). Such a client has refresh tokens anyway, if it has the grant; and the metadata
    /// tell every client of this scope.
    #[must_use]
    pub fn for_client(mut self, client: &Client) -> Self {
        if !client.scopes.contains(OFFLINE_ACCESS) {
            self.scope = self.scope.map(|scope| scope.without(OFFLINE_ACCESS));
        }
        self
    }

    /// The same for a login that begins: a scope that is not among those `allowed` is passed over, and the answer tells
    /// what was granted (RFC 6749 §3.3, OpenID Connect Core §3.1.2.1).
    ///
    /// # Errors
    /// [`Failure::InvalidScope`] when nothing is left of what is asked for.
    pub fn among(self, allowed: &ScopeSet) -> Result<Self, Failure> {
        let scope = self.scope.map(|scope| scope.intersection(allowed));
        if scope.as_ref().is_some_and(ScopeSet::is_empty) {
            return Err(Failure::InvalidScope);
        }
        Ok(Self { scope, ..self })
    }

    /// The scope to grant, at most `allowed`.
    ///
    /// # Errors
    /// [`Failure::InvalidScope`] when more is asked for.
    pub fn scope_within(&self, allowed: &ScopeSet) -> Result<ScopeSet, Failure> {
        match &self.scope {
            None => Ok(allowed.clone()),
            Some(scope) if scope.is_subset(allowed) => Ok(scope.clone()),
            Some(_) => Err(Failure::InvalidScope),
        }
    }

    /// The audiences to grant, none when none was asked for.
    ///
    /// # Errors
    /// [`Failure::InvalidTarget`] when one is neither the issuer nor registered for the client.
    pub fn audiences_of(&self, client: &Client, issuer: &Audience) -> Result<Vec<Audience>, Failure> {
        let registered = |wanted: &Audience| wanted == issuer || client.audiences.contains(wanted);
        within(&self.resources, registered)
    }

    /// The audiences that a user is asked about. A third party's tokens are for those services only that its user was
    /// told of.
    pub fn audiences_to_ask(&self, client: &Client, issuer: &Audience) -> Result<Vec<Audience>, Failure> {
        let asked = self.audiences_of(client, issuer)?;
        Ok(match client.party {
            Party::Third if asked.is_empty() => vec![issuer.clone()],
            Party::First | Party::Third => asked,
        })
    }

    /// The audiences of one access token of a family: those asked for among those `granted` that the client may still
    /// name, or all of these, or, when login chose none, whatever the client may choose.
    ///
    /// # Errors
    /// [`Failure::InvalidTarget`] when one is asked for that is not among them, or none is left: nobody agreed to the
    /// issuer in its place.
    pub fn audiences_within(
        &self,
        granted: &[Audience],
        client: &Client,
        issuer: &Audience,
    ) -> Result<Vec<Audience>, Failure> {
        if granted.is_empty() {
            return self.audiences_of(client, issuer);
        }
        let may_be_named = |audience: &&Audience| *audience == issuer || client.audiences.contains(*audience);
        let left: Vec<Audience> = granted.iter().filter(may_be_named).cloned().collect();
        match (left.is_empty(), self.resources.is_empty()) {
            (true, _) => Err(Failure::InvalidTarget),
            (false, true) => Ok(left),
            (false, false) => within(&self.resources, |wanted| left.contains(wanted)),
        }
    }
}

/// What is left of a granted scope: a login has no more than its client may have now.
pub(super) fn scope_left<'a>(granted: &'a ScopeSet, client: &Client) -> Cow<'a, ScopeSet> {
    if granted.is_subset(&client.scopes) {
        Cow::Borrowed(granted)
    } else {
        Cow::Owned(granted.intersection(&client.scopes))
    }
}

/// The audiences without repetition, if each of them is allowed.
pub(super) fn within(
    resources: &[Audience],
    allowed: impl Fn(&Audience) -> bool,
) -> Result<Vec<Audience>, Failure> {
    let mut audiences: Vec<Audience> = Vec::with_capacity(resources.len());
    for resource in resources {
        if !allowed(resource) {
            return Err(Failure::InvalidTarget);
        }
        if !audiences.contains(resource) {
            audiences.push(resource.clone());
        }
    }
    Ok(audiences)
}

/// Hands out a family's current generation to `known`, its client, with an access token that is bound to what
/// it proved, and an ID token if there is something `told` in it.
///
/// # Errors
/// [`Failure::InvalidScope`], [`Failure::InvalidTarget`] when the request asks for more than was granted, or the client
/// has lost all audiences of the login;
/// [`Failure::NoSigningKey`], [`Failure::Key`].
pub(crate) fn issue(
    core: &Core,
    grant: &Grant,
    secret: &FamilySecret,
    (known, wanted): (&KnownClient, &Wanted),
    binding: Option<&Confirmation>,
    told: Option<&IdTokenContent>,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let ends_at = known.lifetimes.end_of_family(grant.rotated_at, grant.expires_at);
    let access = Access {
        subject: &grant.subject,
        client: &known.client.id,
        audiences: wanted.audiences_within(&grant.audiences, &known.client, &core.issuer)?,
        scope: wanted.scope_within(&scope_left(&grant.scope, &known.client))?,
        issued_at: grant.issued_at.timestamp(),
        // An access token never outlives its family.
        expires_at: (grant.issued_at + known.lifetimes.access_ttl()).min(ends_at).timestamp(),
        login: Some(LoginClaims {
            family: grant.family,
            auth_time: Some(grant.auth_time.timestamp()),
            acr: grant.acr.as_deref(),
            roles: Some(&grant.roles),
            secret: Some(secret),
        }),
        status: grant.status,
        act: None,
        binding,
    };
    let how = told.map(|told| SignedInHow {
        wish: known.client.id_token_signing(),
        nonce: told.nonce.as_deref(),
        methods: &grant.methods,
        acr: grant.acr.as_deref(),
        user: &told.user,
    });
    let issued = issued::issue(core, access, how.as_ref(), now)?;
    let refresh = RefreshToken { family: grant.family, generation: grant.generation, secret: secret.clone() };
    let left = |end: DateTime<Utc>| (end.timestamp() - now.timestamp()).max(0);
    let refresh = IssuedRefresh {
        token: refresh.encode(&known.client.id, core.keys.mac()),
        expires_in: left(ends_at),
        login_expires_in: left(grant.expires_at),
    };
    Ok(Issued { refresh: Some(refresh), ..issued })
}
