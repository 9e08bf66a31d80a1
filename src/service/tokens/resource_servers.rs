//! The resource servers, held in memory: what one says of its tokens costs no refresh a question.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::audience::Audience;
use crate::domain::resource_server::{ResourceServer, TokenTerms, UnknownScope};
use crate::service::Failure;
use crate::store::{Db, StoreError, resource_servers};

/// All of them, as they were a few seconds ago at most.
#[derive(Debug)]
pub struct ResourceServers {
    issuer: Audience,
    known: RwLock<Arc<BTreeMap<Audience, ResourceServer>>>,
}

impl ResourceServers {
    /// Those that the store has now.
    pub async fn read(db: &Db, issuer: Audience) -> Result<Self, StoreError> {
        let servers = Self { issuer, known: RwLock::default() };
        servers.reload(db).await?;
        Ok(servers)
    }

    /// Reads them again: how replicas agree without a restart. Keeps what it had when it fails.
    pub async fn reload(&self, db: &Db) -> Result<(), StoreError> {
        let known = Arc::new(resource_servers::list(db).await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    /// What these audiences say together of a token that is meant for all of them.
    #[must_use]
    pub fn terms(&self, audiences: &[Audience]) -> TokenTerms {
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        TokenTerms::of(&known, audiences, &self.issuer)
    }
}

impl From<UnknownScope> for Failure {
    fn from(_: UnknownScope) -> Self {
        Self::InvalidScope
    }
}
