//! Makes the store be as the files say: all of it in one transaction, or nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::event::{AudienceChange, ClientChange};
use crate::domain::ids::ClientId;
use crate::domain::resource_server::ResourceServer;
use crate::service::admin::clients as client_office;
use crate::service::admin::error::AdminError;
use crate::service::admin::files::declared::Declared;
use crate::service::admin::files::mistake::Mistakes;
use crate::service::admin::files::plan::{self, Deed, Plan, Undeclared};
use crate::service::admin::{janitor, resource_servers};
use crate::service::clients::signing;
use crate::service::{Core, Failure};
use crate::store::resource_servers::{self as stored_servers, BroughtInBy};
use crate::store::{StoreError, Tx, applied_files, clients};

/// How often others may change the same things meanwhile.
const TRIES: usize = 8;
/// How long the secrets of a client go on that has got another one.
const OVERLAP: Duration = Duration::from_hours(24);

/// What is to be done with the files.
#[derive(Debug)]
pub struct FileOrder<'a> {
    pub declared: &'a Declared,
    pub undeclared: Undeclared,
    pub risks: Risks,
    /// How many families are ended at once.
    pub batch: i64,
}

/// Whether the operator knows that a change may end logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risks {
    Known,
    Unknown,
}

/// Why files are not applied.
#[derive(Debug, thiserror::Error)]
pub enum FilesRefused {
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
    #[error("{0}; --yes changes it all the same")]
    Risk(AdminError),
    #[error("others changed the same things again and again; nothing was changed here")]
    Overtaken,
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl From<StoreError> for FilesRefused {
    fn from(error: StoreError) -> Self {
        Self::Admin(error.into())
    }
}

/// What would change. Nothing is written.
///
/// # Errors
/// [`FilesRefused`].
pub async fn plan(core: &Core, order: &FileOrder<'_>, now: DateTime<Utc>) -> Result<Plan, FilesRefused> {
    let mut undone = core.db.begin().await?;
    let plan = plan::made(&mut undone, core, (order.declared, order.undeclared)).await??;
    drop(undone);
    for deed in &plan.deeds {
        if let (Deed::UpdateClient { before, after }, Risks::Unknown) = (deed, order.risks) {
            match client_office::must_not_end_logins(core, before, after, now).await {
                Err(risk @ AdminError::Unconfirmed { .. }) => return Err(FilesRefused::Risk(risk)),
                done => done?,
            }
        }
    }
    Ok(plan)
}

/// Makes it so; gives what was changed. Whoever finds it so writes nothing.
///
/// # Errors
/// [`FilesRefused`], and nothing was changed.
pub async fn apply(core: &Core, order: &FileOrder<'_>, now: DateTime<Utc>) -> Result<Plan, FilesRefused> {
    for _ in 0..TRIES {
        let seen = plan(core, order, now).await?;
        if seen.changes.is_empty() {
            return Ok(seen);
        }
        make_keys(core, &seen, now).await?;
        let done = core.write(now, async |tx| {
            applied_files::wait_for_turn(tx, now).await?;
            let Ok(due) = plan::made(tx, core, (order.declared, order.undeclared)).await? else {
                return Ok(None);
            };
            // Somebody else was here meanwhile: another look tells what is left to do.
            if due.changes != seen.changes {
                return Ok(None);
            }
            for deed in &due.deeds {
                if !carry_out(tx, deed, now).await? {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        });
        if done.await?.is_some() {
            resource_servers::take_note(core).await?;
            end_logins(core, &seen, order.batch, now).await?;
            return Ok(seen);
        }
    }
    Err(FilesRefused::Overtaken)
}

/// What is signed with from now on has a key.
async fn make_keys(core: &Core, plan: &Plan, now: DateTime<Utc>) -> Result<(), AdminError> {
    for deed in &plan.deeds {
        match deed {
            Deed::PutServer { algorithm, .. } => resource_servers::want_key(core, *algorithm, now).await?,
            Deed::AddClient(client, _) | Deed::UpdateClient { after: client, .. } => {
                signing::want(core, &client.metadata, now).await.map_err(Failure::from)?;
            }
            Deed::RemoveServer(_) | Deed::SetSecret(..) | Deed::RemoveClient(_) => {}
        }
    }
    Ok(())
}

/// `false` when somebody else was faster.
async fn carry_out(tx: &mut Tx, deed: &Deed, now: DateTime<Utc>) -> Result<bool, StoreError> {
    match deed {
        Deed::PutServer { server, was, algorithm } => {
            if !say(tx, server, was.as_ref(), now).await? {
                return Ok(false);
            }
            resource_servers::sign_with(tx, &server.audience, *algorithm).await?;
            Ok(true)
        }
        Deed::RemoveServer(audience) => resource_servers::take_away(tx, audience).await,
        Deed::AddClient(client, secret) => {
            if !clients::insert_if_new(tx, client).await? {
                return Ok(false);
            }
            client_office::added(tx, client).await?;
            applied_files::mark_client(tx, &client.id, now).await?;
            if let Some(secret) = secret {
                client_office::put_secret(tx, &client.id, secret, now).await?;
            }
            Ok(true)
        }
        Deed::UpdateClient { before, after } => {
            let seen = client_office::tag_of(before);
            Ok(matches!(client_office::update_within(tx, after, Some(&seen)).await?, Some(Ok(()))))
        }
        Deed::SetSecret(id, secret) => {
            clients::expire_secrets(tx, id, now + OVERLAP, now).await?;
            client_office::changed(tx, id, ClientChange::SecretRotated);
            client_office::put_secret(tx, id, secret, now).await?;
            Ok(true)
        }
        Deed::RemoveClient(id) => {
            Ok(matches!(client_office::remove_within(tx, id, None, now).await?, Some(Ok(()))))
        }
    }
}

async fn say(
    tx: &mut Tx,
    server: &ResourceServer,
    was: Option<&ResourceServer>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let audience = &server.audience;
    if let Some(was) = was {
        let is_as_seen = stored_servers::lock(tx, audience).await?.as_ref() == Some(was);
        if is_as_seen {
            resource_servers::update(tx, server, was).await?;
        }
        return Ok(is_as_seen);
    }
    let is_new = stored_servers::insert_if_new(tx, server, BroughtInBy::Files, now).await?;
    if is_new {
        resource_servers::changed(tx, audience, AudienceChange::SettingsAdded);
    }
    Ok(is_new)
}

/// Of removed clients there may be many: in bounded batches, as the janitor does if this is cut short.
async fn end_logins(core: &Core, plan: &Plan, batch: i64, now: DateTime<Utc>) -> Result<(), StoreError> {
    let removed = plan.deeds.iter().filter_map(|deed| match deed {
        Deed::RemoveClient(id) => Some(id),
        Deed::PutServer { .. }
        | Deed::RemoveServer(_)
        | Deed::AddClient(..)
        | Deed::UpdateClient { .. }
        | Deed::SetSecret(..) => None,
    });
    let removed: Vec<&ClientId> = removed.collect();
    for id in removed {
        janitor::end_families_of_client(core, id, batch, now).await?;
    }
    Ok(())
}
