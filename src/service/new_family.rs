//! A new family: the same row whichever way its user came in.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::audience::Audience;
use crate::domain::family::{Device, Family, State};
use crate::domain::ids::{FamilyId, SignInSessionId, UserId};
use crate::domain::refresh_token::Generation;
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::FamilySecret;
use crate::service::clients::KnownClient;

/// What a family is made of.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// Whose it is.
    pub user: UserId,
    /// What is granted.
    pub scope: ScopeSet,
    /// For which services.
    pub audiences: Vec<Audience>,
    /// When the user signed in.
    pub auth_time: DateTime<Utc>,
    /// How.
    pub amr: Vec<String>,
    /// The authentication context class, if one was reached.
    pub acr: Option<String>,
    /// Where from, if it was at this server's pages.
    pub sign_in_session: Option<SignInSessionId>,
    /// What its owner will know it by.
    pub device: Device,
}

/// Makes a family of a client, without roles: those come from the user's row when that is touched.
pub(crate) fn begin(it: Beginning, known: &KnownClient, now: DateTime<Utc>) -> (Family, FamilySecret) {
    let secret = FamilySecret::new(random::bytes());
    let family = Family {
        id: FamilyId::new(now, random::bytes()),
        user_id: it.user,
        subject: it.user.to_string(),
        client_id: known.client.id.clone(),
        scope: it.scope,
        audiences: it.audiences,
        roles: Vec::new(),
        key_thumbprint: None,
        secret_hash: secret.hash(),
        generation: Generation::FIRST,
        base: None,
        rotated_at: now,
        auth_time: it.auth_time,
        amr: it.amr,
        acr: it.acr,
        sign_in_session: it.sign_in_session.map(|session| session.0),
        device: it.device,
        created_at: now,
        expires_at: now + known.lifetimes.absolute_ttl(),
        state: State::Live,
    };
    (family, secret)
}
