//! Who presents a token: a client, with or without a proof (RFC 6749 §2.3).

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::client::{AuthMethod, Origin};
use crate::domain::ids::ClientId;
use crate::domain::secrets::ClientSecret;
use crate::service::clients::client_assertion;
use crate::service::clients::known_clients::KnownClient;
use crate::service::{Core, Failure};

/// A client as it presents itself.
#[derive(Debug)]
pub enum Presenter {
    /// At the simple face: a public first-party client, by its name alone.
    FirstParty(ClientId),
    /// At the standard face: any client.
    Client {
        /// Its id.
        id: ClientId,
        /// What it shows for it.
        proof: Proof,
    },
}

/// What a client shows to prove who it is.
#[derive(Debug)]
pub enum Proof {
    /// Nothing: it is public.
    None,
    /// Its secret.
    Secret {
        /// The secret.
        secret: ClientSecret,
        /// Where it stood.
        method: AuthMethod,
    },
    /// A signature of its private key.
    Assertion(client_assertion::PresentedAssertion),
}

impl Presenter {
    /// The id that it gives itself.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        match self {
            Self::FirstParty(id) | Self::Client { id, .. } => id,
        }
    }

    /// Whether it brought a proof.
    #[must_use]
    pub fn has_proof(&self) -> bool {
        match self {
            Self::FirstParty(_) | Self::Client { proof: Proof::None, .. } => false,
            Self::Client { proof: Proof::Secret { .. } | Proof::Assertion(_), .. } => true,
        }
    }

    /// The registration, if it is whom it says. An assertion is used up by this.
    ///
    /// # Errors
    /// [`Failure::InvalidClient`] when it is unknown, its proof is wrong, missing or not of the kind that it
    /// registered; [`Failure::UnauthorizedClient`] when it may not use the simple face; [`Failure::Store`].
    pub async fn authenticate(&self, core: &Core, now: DateTime<Utc>) -> Result<Arc<KnownClient>, Failure> {
        let known = core.client(self.client_id(), now).await?.ok_or(Failure::InvalidClient)?;
        let client = &known.client;
        let is_proven = match self {
            Self::FirstParty(_) if client.may_use_simple_face() => true,
            Self::FirstParty(_) => return Err(Failure::UnauthorizedClient),
            Self::Client { proof: Proof::None, .. } => client.authenticates_by(AuthMethod::None),
            Self::Client { proof: Proof::Secret { secret, method }, .. } => {
                client.authenticates_by(*method) && client.is_authenticated_by(secret)
            }
            Self::Client { proof: Proof::Assertion(presented), .. } => {
                let may = client.authenticates_by(AuthMethod::PrivateKeyJwt);
                if may {
                    client_assertion::verify(core, client, presented, now).await?;
                }
                may
            }
        };
        if is_proven { Ok(known) } else { Err(Failure::InvalidClient) }
    }
}

/// Counts a request that waits here for its user. An operator's client that proved who it is brings the requests of
/// all its users from one address, so it is not counted.
///
/// # Errors
/// [`Failure::TooMany`].
pub(crate) fn count_waiting(
    core: &Core,
    presenter: &Presenter,
    known: &KnownClient,
    address: Option<IpAddr>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let is_known = match known.client.origin {
        Origin::Operator => presenter.has_proof(),
        Origin::Registered | Origin::Document => false,
    };
    if is_known { Ok(()) } else { core.waiting.count(address, now) }
}
