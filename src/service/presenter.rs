//! Who presents a token: a client, with or without a secret (RFC 6749 §2.3).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::client::ClientKind;
use crate::domain::ids::ClientId;
use crate::domain::secrets::ClientSecret;
use crate::service::clients::KnownClient;
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
        /// Its secret, if it sent one.
        secret: Option<ClientSecret>,
    },
}

impl Presenter {
    /// The id that it gives itself.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        match self {
            Self::FirstParty(id) | Self::Client { id, .. } => id,
        }
    }

    /// Whether it brought a secret.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        matches!(self, Self::Client { secret: Some(_), .. })
    }

    /// The registration, if it is whom it says.
    ///
    /// # Errors
    /// [`Failure::InvalidClient`] when it is unknown, its secret is wrong or missing, or a public client sends one;
    /// [`Failure::UnauthorizedClient`] when it may not use the simple face; [`Failure::Store`].
    pub async fn authenticate(&self, core: &Core, now: DateTime<Utc>) -> Result<Arc<KnownClient>, Failure> {
        let known = core.clients.find(&core.db, self.client_id(), now).await?;
        match self {
            Self::FirstParty(_) if known.client.may_use_simple_face() => Ok(known),
            Self::FirstParty(_) => Err(Failure::UnauthorizedClient),
            Self::Client { secret, .. } => match (&known.client.kind, secret) {
                (ClientKind::Public, None) => Ok(known),
                (ClientKind::Confidential(_), Some(secret)) if known.client.is_authenticated_by(secret) => {
                    Ok(known)
                }
                (ClientKind::Public, Some(_)) | (ClientKind::Confidential(_), _) => {
                    Err(Failure::InvalidClient)
                }
            },
        }
    }
}
