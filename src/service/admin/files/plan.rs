//! What would have to change in the store for it to be as the files say.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::audience::Audience;
use crate::domain::client::{Client, Origin};
use crate::domain::ids::ClientId;
use crate::domain::resource_server::ResourceServer;
use crate::domain::secrets::SecretHash;
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::Core;
use crate::service::admin::client_changes::check;
use crate::service::admin::error::AdminError;
use crate::service::admin::files::client_entry::{ClientEntry, SecretReference};
use crate::service::admin::files::declared::{Declared, DeclaredClient, DeclaredSecret};
use crate::service::admin::files::mistake::{Mistake, Mistakes};
use crate::service::admin::files::server_entry::ServerEntry;
use crate::store::resource_servers::{self, BroughtInBy};
use crate::store::{StoreError, Tx, applied_files, audiences, clients};

/// What becomes of that which an earlier apply brought in, and the files say no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeclared {
    Stays,
    IsRemoved,
}

/// All that would change.
#[derive(Debug, Default)]
pub struct Plan {
    pub changes: Vec<FileChange>,
    /// What whoever applies it should know.
    pub notes: Vec<String>,
    pub(super) deeds: Vec<Deed>,
}

/// Something that would be added, changed or removed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileChange {
    pub action: FileAction,
    pub kind: DeclaredKind,
    pub id: String,
    /// What of it would be another than before.
    pub fields: BTreeMap<String, ChangedField>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileAction {
    Add,
    Change,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclaredKind {
    Client,
    ResourceServer,
}

/// Nothing before is what was not there, and nothing after what will not be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedField {
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Deed {
    PutServer { server: ResourceServer, was: Option<ResourceServer>, algorithm: Option<SigningAlgorithm> },
    RemoveServer(Audience),
    AddClient(Box<Client>, Option<SecretHash>),
    UpdateClient { before: Box<Client>, after: Box<Client> },
    SetSecret(ClientId, SecretHash),
    RemoveClient(ClientId),
}

/// Compares the files with the store, as a transaction sees it.
pub(super) async fn made(
    tx: &mut Tx,
    core: &Core,
    (declared, undeclared): (&Declared, Undeclared),
) -> Result<Result<Plan, Mistakes>, StoreError> {
    let mut planning = Planning { core, plan: Plan::default(), mistakes: Vec::new() };
    planning.servers(tx, declared, undeclared).await?;
    for declared in declared.clients.values() {
        planning.client(tx, declared).await?;
    }
    if undeclared == Undeclared::IsRemoved {
        for id in applied_files::clients(tx).await? {
            if !declared.clients.contains_key(&id) {
                planning.remove_client(id);
            }
        }
    }
    let Planning { plan, mistakes, .. } = planning;
    Ok(if mistakes.is_empty() { Ok(plan) } else { Err(Mistakes(mistakes)) })
}

struct Planning<'a> {
    core: &'a Core,
    plan: Plan,
    mistakes: Vec<Mistake>,
}

impl Planning<'_> {
    async fn servers(
        &mut self,
        tx: &mut Tx,
        declared: &Declared,
        undeclared: Undeclared,
    ) -> Result<(), StoreError> {
        let present = resource_servers::list_within(tx).await?;
        for (audience, wanted) in &declared.servers {
            let was = present.get(audience).map(|(server, _)| server);
            let algorithm = audiences::algorithm_of(tx, audience).await?;
            let after = ServerEntry::of(&wanted.server, wanted.algorithm);
            let unsaid = ResourceServer::new(audience.clone());
            let before = ServerEntry::of(was.unwrap_or(&unsaid), algorithm);
            let fields = changed(&json!(before), &json!(after));
            // Of an audience with nothing but an algorithm no more is said than this.
            let is_there = was.is_some() || algorithm.is_some();
            if is_there && fields.is_empty() {
                continue;
            }
            let action = if was.is_some() { FileAction::Change } else { FileAction::Add };
            let (server, was) = (wanted.server.clone(), was.cloned());
            self.note(action, DeclaredKind::ResourceServer, audience.as_str(), fields);
            self.plan.deeds.push(Deed::PutServer { server, was, algorithm: wanted.algorithm });
        }
        for (audience, (_, by)) in &present {
            let is_ours = undeclared == Undeclared::IsRemoved && *by == BroughtInBy::Files;
            if is_ours && !declared.servers.contains_key(audience) {
                let none = BTreeMap::new();
                self.note(FileAction::Remove, DeclaredKind::ResourceServer, audience.as_str(), none);
                self.plan.deeds.push(Deed::RemoveServer(audience.clone()));
            }
        }
        Ok(())
    }

    async fn client(&mut self, tx: &mut Tx, declared: &DeclaredClient) -> Result<(), StoreError> {
        let id = &declared.client.id;
        let planned = match clients::find_within(tx, id).await? {
            Some(present) => self.changed_client(tx, declared, present).await?,
            None if applied_files::is_removed_client(tx, id).await? => {
                Err(AdminError::ClientRemoved(id.clone()).to_string())
            }
            None => self.new_client(declared),
        };
        if let Err(what) = planned {
            let what = format!("client {id}: {what}");
            self.mistakes.push(Mistake { place: declared.place.clone(), what });
        }
        Ok(())
    }

    fn new_client(&mut self, declared: &DeclaredClient) -> Result<(), String> {
        let client = &declared.client;
        check(self.core, client).map_err(|error| error.to_string())?;
        let mut fields = changed(&json!({}), &json!(ClientEntry::of(client)));
        let hash = declared.secret.as_ref().and_then(|secret| {
            fields.insert("secret".to_owned(), new_secret(&secret.reference));
            secret.hash.clone()
        });
        if client.has_secrets() && declared.secret.is_none() {
            let id = &client.id;
            self.plan.notes.push(format!(
                "client {id} has no secret yet: name one by \"secret\", or let `heirloom client rotate-secret {id}` make \
                 one"
            ));
        }
        self.note(FileAction::Add, DeclaredKind::Client, client.id.as_str(), fields);
        self.plan.deeds.push(Deed::AddClient(Box::new(client.clone()), hash));
        Ok(())
    }

    async fn changed_client(
        &mut self,
        tx: &mut Tx,
        declared: &DeclaredClient,
        before: Client,
    ) -> Result<Result<(), String>, StoreError> {
        let id = before.id.clone();
        let secret = match &declared.secret {
            Some(secret) => self.other_secret(tx, &id, secret).await?,
            None => None,
        };
        Ok(self.compared_client(declared, before, secret))
    }

    /// A secret that the client does not have yet, or not for long any more.
    async fn other_secret<'a>(
        &self,
        tx: &mut Tx,
        id: &ClientId,
        declared: &'a DeclaredSecret,
    ) -> Result<Option<(&'a SecretReference, SecretHash)>, StoreError> {
        let Some(hash) = &declared.hash else { return Ok(None) };
        let lasting = applied_files::lasting_secrets(tx, id).await?;
        let is_there = lasting.iter().any(|present| present.matches(hash));
        Ok((!is_there).then(|| (&declared.reference, hash.clone())))
    }

    fn compared_client(
        &mut self,
        declared: &DeclaredClient,
        before: Client,
        secret: Option<(&SecretReference, SecretHash)>,
    ) -> Result<(), String> {
        if before.origin != Origin::Operator {
            return Err("it registered itself, and stays what it says: choose another id".to_owned());
        }
        if before.is_confidential() != declared.client.is_confidential() {
            let is = if before.is_confidential() { "confidential" } else { "public" };
            return Err(format!("it is {is}, and stays so: choose another id for one of the other kind"));
        }
        let after = Client {
            kind: before.kind.clone(),
            origin: before.origin,
            identity: before.identity,
            status: before.status,
            created_at: before.created_at,
            ..declared.client.clone()
        };
        check(self.core, &after).map_err(|error| error.to_string())?;
        let id = after.id.clone();
        let mut fields = changed(&json!(ClientEntry::of(&before)), &json!(ClientEntry::of(&after)));
        if !fields.is_empty() {
            self.plan.deeds.push(Deed::UpdateClient { before: Box::new(before), after: Box::new(after) });
        }
        if let Some((reference, hash)) = secret {
            fields.insert("secret".to_owned(), new_secret(reference));
            self.plan.deeds.push(Deed::SetSecret(id.clone(), hash));
        }
        if !fields.is_empty() {
            self.note(FileAction::Change, DeclaredKind::Client, id.as_str(), fields);
        }
        Ok(())
    }

    fn remove_client(&mut self, id: ClientId) {
        self.plan.notes.push(format!("with client {id} its logins end, and its id is never given out again"));
        self.note(FileAction::Remove, DeclaredKind::Client, id.as_str(), BTreeMap::new());
        self.plan.deeds.push(Deed::RemoveClient(id));
    }

    fn note(
        &mut self,
        action: FileAction,
        kind: DeclaredKind,
        id: &str,
        fields: BTreeMap<String, ChangedField>,
    ) {
        self.plan.changes.push(FileChange { action, kind, id: id.to_owned(), fields });
    }
}

/// Where a secret comes from, and never what it is.
fn new_secret(reference: &SecretReference) -> ChangedField {
    ChangedField { before: None, after: Some(json!(reference)) }
}

/// The fields in which two forms differ; those of the metadata by themselves.
fn changed(before: &Value, after: &Value) -> BTreeMap<String, ChangedField> {
    let (before, after) = (flat(before), flat(after));
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            let field = ChangedField { before: before.get(name).cloned(), after: after.get(name).cloned() };
            (name.clone(), field)
        })
        .collect()
}

fn flat(form: &Value) -> Map<String, Value> {
    let mut flat = form.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(members)) = flat.remove("metadata") {
        flat.extend(members.into_iter().map(|(name, value)| (format!("metadata.{name}"), value)));
    }
    flat
}
