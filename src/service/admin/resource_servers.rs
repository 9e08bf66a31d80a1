//! What an operator says of the audiences of access tokens: scopes, lifetime, algorithm, roles.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::audience::Audience;
use crate::domain::event::{AudienceChange, Event};
use crate::domain::lifetimes::duration_text;
use crate::domain::resource_server::{ResourceServer, RolesInTokens};
use crate::domain::scope::ScopeSet;
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::error::AdminError;
use crate::service::admin::views::entity_tag;
use crate::service::clients::signing;
use crate::service::{Core, Failure};
use crate::store::resource_servers::{self, BroughtInBy};
use crate::store::{StoreError, Tx, audiences};

/// A resource server as an operator is shown it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceServerView {
    #[schema(value_type = String)]
    pub audience: Audience,
    /// The scopes that it knows; null knows whatever is granted.
    #[schema(value_type = Option<String>)]
    pub scope: Option<ScopeSet>,
    /// How long its access tokens live at most; null as long as each client has them.
    pub access_ttl: Option<String>,
    /// `with_scope`, `always` or `never`.
    #[schema(value_type = String)]
    pub roles: RolesInTokens,
    /// What its access tokens are signed with; null as all others.
    #[schema(value_type = Option<String>)]
    pub signing_algorithm: Option<SigningAlgorithm>,
}

impl ResourceServerView {
    fn of(server: ResourceServer, signing_algorithm: Option<SigningAlgorithm>) -> Self {
        Self {
            audience: server.audience,
            scope: server.scope,
            access_ttl: server.access_ttl.map(duration_text),
            roles: server.roles,
            signing_algorithm,
        }
    }
}

/// What changes of a resource server: what is absent stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ResourceServerChanges {
    pub scope: Option<Option<ScopeSet>>,
    pub access_ttl: Option<Option<Duration>>,
    pub roles: Option<RolesInTokens>,
    pub signing_algorithm: Option<Option<SigningAlgorithm>>,
}

impl ResourceServerChanges {
    fn apply_to(self, server: &mut ResourceServer, algorithm: &mut Option<SigningAlgorithm>) {
        server.scope = self.scope.unwrap_or(server.scope.take());
        server.access_ttl = self.access_ttl.unwrap_or(server.access_ttl);
        server.roles = self.roles.unwrap_or(server.roles);
        *algorithm = self.signing_algorithm.unwrap_or(*algorithm);
    }
}

/// Up to `limit` of them, by audience: those after another one, or the first. There are few.
pub async fn list(
    core: &Core,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<ResourceServerView>, AdminError> {
    let servers = resource_servers::list(&core.db).await?;
    let algorithms = audiences::list(&core.db).await?;
    let wanted = servers.into_values().filter(|it| after.is_none_or(|after| it.audience.as_str() > after));
    let views = wanted.map(|server| {
        let algorithm = algorithms.get(&server.audience).copied();
        ResourceServerView::of(server, algorithm)
    });
    Ok(views.take(usize::try_from(limit).unwrap_or_default()).collect())
}

/// One of them.
pub async fn show(core: &Core, audience: &Audience) -> Result<ResourceServerView, AdminError> {
    let server = resource_servers::list(&core.db).await?.remove(audience);
    let server = server.ok_or_else(|| AdminError::NoResourceServer(audience.clone()))?;
    let algorithm = audiences::list(&core.db).await?.remove(audience);
    Ok(ResourceServerView::of(server, algorithm))
}

/// Says what there is to say of an audience of which nothing is said.
pub async fn create(
    core: &Core,
    server: &ResourceServer,
    algorithm: Option<SigningAlgorithm>,
    now: DateTime<Utc>,
) -> Result<ResourceServerView, AdminError> {
    server.check()?;
    want_key(core, algorithm, now).await?;
    let created = core.write(now, async |tx| {
        if !resource_servers::insert_if_new(tx, server, BroughtInBy::Somebody, now).await? {
            return Ok(None);
        }
        changed(tx, &server.audience, AudienceChange::SettingsAdded);
        sign_with(tx, &server.audience, algorithm).await?;
        Ok(Some(()))
    });
    created.await?.ok_or_else(|| AdminError::ResourceServerTaken(server.audience.clone()))?;
    take_note(core).await?;
    Ok(ResourceServerView::of(server.clone(), algorithm))
}

/// Changes what is said of an audience, if it is still what the operator has seen: that of `seen` ([`entity_tag`]),
/// where that is told.
pub async fn change_seen(
    core: &Core,
    audience: &Audience,
    changes: ResourceServerChanges,
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<ResourceServerView, AdminError> {
    want_key(core, changes.signing_algorithm.flatten(), now).await?;
    let told = core.write(now, async |tx| {
        let Some(was) = resource_servers::lock(tx, audience).await? else { return Ok(None) };
        let mut algorithm = audiences::algorithm_of(tx, audience).await?;
        if seen.is_some_and(|seen| seen != entity_tag(&ResourceServerView::of(was.clone(), algorithm))) {
            return Ok(Some(Err(AdminError::Stale)));
        }
        let mut server = was.clone();
        changes.clone().apply_to(&mut server, &mut algorithm);
        if let Err(unfit) = server.check() {
            return Ok(Some(Err(unfit.into())));
        }
        update(tx, &server, &was).await?;
        sign_with(tx, audience, algorithm).await?;
        Ok(Some(Ok(ResourceServerView::of(server, algorithm))))
    });
    let view = told.await?.ok_or_else(|| AdminError::NoResourceServer(audience.clone()))??;
    take_note(core).await?;
    Ok(view)
}

/// Nothing is said of an audience any more, if what is said is still what the operator has seen.
pub async fn remove_seen(
    core: &Core,
    audience: &Audience,
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    let removed = core.write(now, async |tx| {
        let Some(was) = resource_servers::lock(tx, audience).await? else { return Ok(None) };
        let algorithm = audiences::algorithm_of(tx, audience).await?;
        if seen.is_some_and(|seen| seen != entity_tag(&ResourceServerView::of(was, algorithm))) {
            return Ok(Some(Err(AdminError::Stale)));
        }
        take_away(tx, audience).await?;
        Ok(Some(Ok(())))
    });
    removed.await?.ok_or_else(|| AdminError::NoResourceServer(audience.clone()))??;
    take_note(core).await
}

/// This process knows at once what it has changed; others learn of it in a moment.
pub(super) async fn take_note(core: &Core) -> Result<(), AdminError> {
    core.keys.reload(&core.db).await.map_err(Failure::from)?;
    Ok(core.resource_servers.reload(&core.db).await?)
}

/// What is signed with from now on has a key.
pub(super) async fn want_key(
    core: &Core,
    algorithm: Option<SigningAlgorithm>,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    let Some(algorithm) = algorithm else { return Ok(()) };
    Ok(signing::ask_for(core, algorithm, now).await.map_err(Failure::from)?)
}

/// Says of an audience what is new, within a transaction.
pub(super) async fn update(
    tx: &mut Tx,
    server: &ResourceServer,
    was: &ResourceServer,
) -> Result<(), StoreError> {
    if server != was {
        resource_servers::update(tx, server).await?;
        changed(tx, &server.audience, AudienceChange::SettingsUpdated);
    }
    Ok(())
}

/// Has an audience's tokens signed so, within a transaction.
pub(super) async fn sign_with(
    tx: &mut Tx,
    audience: &Audience,
    algorithm: Option<SigningAlgorithm>,
) -> Result<(), StoreError> {
    if audiences::algorithm_of(tx, audience).await? == algorithm {
        return Ok(());
    }
    if let Some(algorithm) = algorithm {
        audiences::put(tx, audience, algorithm).await?;
        changed(tx, audience, AudienceChange::AlgorithmSet);
    } else {
        audiences::remove(tx, audience).await?;
        changed(tx, audience, AudienceChange::AlgorithmRemoved);
    }
    Ok(())
}

/// Takes away all that is said of an audience, within a transaction; `false` when nothing is.
pub(super) async fn take_away(tx: &mut Tx, audience: &Audience) -> Result<bool, StoreError> {
    if !resource_servers::remove(tx, audience).await? {
        return Ok(false);
    }
    changed(tx, audience, AudienceChange::SettingsRemoved);
    sign_with(tx, audience, None).await?;
    Ok(true)
}

pub(super) fn changed(tx: &mut Tx, audience: &Audience, change: AudienceChange) {
    tx.record(Event::AudienceChanged { audience: audience.clone(), change });
}
