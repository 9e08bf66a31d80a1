//! A request as a client sends it: who it is, with or without a proof (RFC 6749 §2.3), and from where.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::client::AuthMethod;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::ClientId;
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::secrets::ClientSecret;
use crate::service::clients::client_assertion;
use crate::service::clients::key_proof::ProvenKey;
use crate::service::clients::known_clients::KnownClient;
use crate::service::failure::BadKeyProof;
use crate::service::{Core, Failure};

/// What every grant is asked with.
#[derive(Debug)]
pub struct ClientRequest {
    pub credentials: ClientCredentials,
    /// The key that it holds, if it proved one (RFC 9449).
    pub key: Option<ProvenKey>,
    /// From where; `None` when that is unknown.
    pub address: Option<IpAddr>,
    /// What a login remembers of that.
    pub agent: UserAgentInfo,
}

/// A client as it presents itself.
#[derive(Debug)]
pub enum ClientCredentials {
    /// At the simple face: a public first-party client, by its name alone.
    FirstParty(ClientId),
    /// At the standard face: any client.
    Client { id: ClientId, proof: Proof },
}

/// What a client shows to prove who it is.
#[derive(Debug)]
pub enum Proof {
    /// Nothing: it is public.
    None,
    Secret {
        secret: ClientSecret,
        /// Where it stood.
        method: AuthMethod,
    },
    /// A signature of its private key.
    Assertion(client_assertion::PresentedAssertion),
}

impl ClientRequest {
    /// The id that the client gives itself.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        match &self.credentials {
            ClientCredentials::FirstParty(id) | ClientCredentials::Client { id, .. } => id,
        }
    }

    /// The same request, had it been made at the simple face by another client, without a key.
    #[must_use]
    pub fn by(&self, id: ClientId) -> Self {
        let (address, agent) = (self.address, self.agent.clone());
        Self { credentials: ClientCredentials::FirstParty(id), key: None, address, agent }
    }

    /// Whether the client brought a proof.
    #[must_use]
    pub fn has_proof(&self) -> bool {
        match &self.credentials {
            ClientCredentials::FirstParty(_) | ClientCredentials::Client { proof: Proof::None, .. } => false,
            ClientCredentials::Client { proof: Proof::Secret { .. } | Proof::Assertion(_), .. } => true,
        }
    }

    /// Whether ID tokens are for this request: at the simple face nobody asked for one.
    #[must_use]
    pub fn takes_id_tokens(&self) -> bool {
        match &self.credentials {
            ClientCredentials::FirstParty(_) => false,
            ClientCredentials::Client { .. } => true,
        }
    }

    /// The key that what `known`, the client, gets for this request is bound to.
    ///
    /// # Errors
    /// [`BadKeyProof::Missing`] when it gets nothing that is bound to none (RFC 9449 §5.2).
    pub(crate) fn key_for(&self, known: &KnownClient) -> Result<Option<&KeyThumbprint>, BadKeyProof> {
        let key = self.key.as_ref().map(|key| &key.thumbprint);
        if key.is_none() && known.client.metadata.dpop_bound_access_tokens {
            return Err(BadKeyProof::Missing);
        }
        Ok(key)
    }

    /// Whether the client proved this key.
    ///
    /// # Errors
    /// [`BadKeyProof`], which says what is wrong.
    pub(crate) fn must_hold(&self, bound: &KeyThumbprint) -> Result<(), BadKeyProof> {
        match &self.key {
            None => Err(BadKeyProof::Missing),
            Some(key) if key.thumbprint == *bound => Ok(()),
            Some(_) => Err(BadKeyProof::OtherKey),
        }
    }

    /// The registration, if the client is whom it says. An assertion is used up by this, and the proof of a key.
    ///
    /// # Errors
    /// [`Failure::KeyProof`] when its key was proved by this before;
    /// [`Failure::InvalidClient`] when it is unknown, its proof is wrong, missing or not of the kind that it
    /// registered; [`Failure::UnauthorizedClient`] when it may not use the simple face; [`Failure::NotFetched`] when
    /// that cannot be told now; [`Failure::TooMany`]; [`Failure::Store`].
    pub async fn authenticate(&self, core: &Core, now: DateTime<Utc>) -> Result<Arc<KnownClient>, Failure> {
        let known = core.client_named_from(self.address, self.client_id(), now).await?;
        let known = known.ok_or(Failure::InvalidClient)?;
        let client = &known.client;
        if let Some(key) = &self.key {
            core.key_proofs.spend(key, now)?;
        }
        let is_proven = match &self.credentials {
            ClientCredentials::FirstParty(_) if client.may_use_simple_face() => true,
            ClientCredentials::FirstParty(_) => return Err(Failure::UnauthorizedClient),
            ClientCredentials::Client { proof: Proof::None, .. } => client.authenticates_by(AuthMethod::None),
            ClientCredentials::Client { proof: Proof::Secret { secret, method }, .. } => {
                client.authenticates_by(*method) && client.is_authenticated_by(secret)
            }
            ClientCredentials::Client { proof: Proof::Assertion(presented), .. } => {
                let may = client.authenticates_by(AuthMethod::PrivateKeyJwt);
                if may {
                    client_assertion::verify(core, client, presented, now).await?;
                }
                may
            }
        };
        if is_proven { Ok(known) } else { Err(Failure::InvalidClient) }
    }

    /// Counts a request that waits here for its user. An operator's client that proved who it is brings the requests of
    /// all its users from one address, so it is not counted.
    pub(crate) fn count_waiting(
        &self,
        core: &Core,
        known: &KnownClient,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let is_known = known.client.origin.is_vouched_for() && self.has_proof();
        if is_known { Ok(()) } else { core.waiting.count(self.address, now) }
    }
}
