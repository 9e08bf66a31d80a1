//! A request as a client sends it: who it is, with or without a proof (RFC 6749 §2.3), and from where.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::certificate::ClientCertificate;
use crate::domain::claims::Confirmation;
use crate::domain::client::AuthMethod;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::ClientId;
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::secrets::ClientSecret;
use crate::service::clients::key_proof::ProvenKey;
use crate::service::clients::known_clients::KnownClient;
use crate::service::clients::{client_assertion, client_certificate};
use crate::service::failure::BadKeyProof;
use crate::service::{Core, Failure};

/// What every grant is asked with.
#[derive(Debug)]
pub struct ClientRequest {
    pub credentials: ClientCredentials,
    /// The key that it holds, if it proved one (RFC 9449).
    pub key: Option<ProvenKey>,
    /// The certificate that it showed, if it showed one (RFC 8705).
    pub certificate: Option<ClientCertificate>,
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

    /// The same request, had it been made at the simple face by another client, without a key or a certificate.
    #[must_use]
    pub fn by(&self, id: ClientId) -> Self {
        let (address, agent) = (self.address, self.agent.clone());
        Self { credentials: ClientCredentials::FirstParty(id), key: None, certificate: None, address, agent }
    }

    /// Whether the client brought what may prove who it is: what that is worth, [`ClientRequest::authenticate`] tells.
    #[must_use]
    pub fn brings_proof(&self) -> bool {
        match &self.credentials {
            ClientCredentials::FirstParty(_) => false,
            ClientCredentials::Client { proof: Proof::None, .. } => self.certificate.is_some(),
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

    /// The key that it proved.
    #[must_use]
    pub(crate) fn key_thumbprint(&self) -> Option<&KeyThumbprint> {
        self.key.as_ref().map(|key| &key.thumbprint)
    }

    /// What the access tokens are bound to that `known`, the client, gets for this request.
    ///
    /// # Errors
    /// [`BadKeyProof::Missing`], [`Failure::NoCertificate`] when it gets nothing that is bound to none (RFC 9449 §5.2,
    /// RFC 8705 §3.4).
    pub(crate) fn binding_for(
        &self,
        known: &KnownClient,
        now: DateTime<Utc>,
    ) -> Result<Option<Confirmation>, Failure> {
        let (key, metadata) = (self.key_thumbprint(), &known.client.metadata);
        if key.is_none() && metadata.dpop_bound_access_tokens {
            return Err(BadKeyProof::Missing.into());
        }
        let certificate = if metadata.tls_client_certificate_bound_access_tokens {
            let shown = self.certificate.as_ref().filter(|certificate| certificate.is_current(now));
            Some(shown.ok_or(Failure::NoCertificate)?.thumbprint())
        } else {
            None
        };
        Ok(Confirmation::by(key, certificate))
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
            ClientCredentials::Client { proof: Proof::None, .. } => {
                let is_public = client.authenticates_by(AuthMethod::None);
                is_public
                    || Box::pin(client_certificate::proves(core, client, self.certificate.as_ref(), now))
                        .await?
            }
            ClientCredentials::Client { proof: Proof::Secret { secret, method }, .. } => {
                client.authenticates_by(*method) && client.is_authenticated_by(secret)
            }
            ClientCredentials::Client { proof: Proof::Assertion(presented), .. } => {
                let may = client.authenticates_by(AuthMethod::PrivateKeyJwt);
                if may {
                    Box::pin(client_assertion::verify(core, client, presented, now)).await?;
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
        let is_known = known.client.origin.is_vouched_for() && known.client.is_confidential();
        if is_known { Ok(()) } else { core.waiting.count(self.address, now) }
    }
}
