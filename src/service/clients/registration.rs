//! Clients that register themselves (RFC 7591) and look after their registration (RFC 7592).
//!
//! Such a client is a third party's: people are always asked before it is let in, and it never takes a password.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::crypto::random;
use crate::domain::client::{AuthMethod, Client, ClientKind, Origin};
use crate::domain::event::{ClientChange, Event};
use crate::domain::ids::{ClientId, uuid_v7};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::EndReason;
use crate::domain::registration::{self, InvalidRegistration, Mode, Registration};
use crate::domain::secrets::ClientSecret;
use crate::service::admin::{self, janitor};
use crate::service::clients::{sector, signing};
use crate::service::{Core, Failure};
use crate::store::families::OfClient;
use crate::store::registrations::{self, StoredRegistration};
use crate::store::{StoreError, Tx, clients, registration_tokens, transaction};

/// Ends the families of a client that removes itself, or gives up its proof.
const BATCH: i64 = 1000;

/// How often a change is tried that others come before.
const TRIES: usize = 5;

/// Who wants to register a client.
#[derive(Debug, Clone, Copy)]
pub struct Registrant<'a> {
    /// The initial access token that was presented.
    pub token: Option<&'a str>,
    /// From where.
    pub address: Option<IpAddr>,
}

/// A registration, with the secrets that are told this once.
#[derive(Debug)]
pub struct Registered {
    pub client: Client,
    /// Its new secret, if it got one.
    pub secret: Option<ClientSecret>,
    /// The token that manages it.
    pub token: OpaqueSecret,
    /// What it is told that it registered.
    pub told: Map<String, Value>,
}

/// Registers a client.
///
/// # Errors
/// [`Failure::InvalidToken`] without a good initial access token where one is needed; [`Failure::TooMany`];
/// [`Failure::InvalidRedirectUri`], [`Failure::InvalidClientMetadata`], [`Failure::Store`].
pub async fn register(
    core: &Core,
    members: &Map<String, Value>,
    caller: Registrant<'_>,
    now: DateTime<Utc>,
) -> Result<Registered, Failure> {
    let rules = &core.registrar.rules;
    let initial = match rules.mode {
        Mode::Off => return Err(Failure::NotFound),
        Mode::InitialAccessToken => {
            let token = caller.token.and_then(OpaqueSecret::presented).ok_or(Failure::InvalidToken)?;
            let hash = token.hash();
            if !registration_tokens::is_good(&core.db, &hash, now).await? {
                return Err(Failure::InvalidToken);
            }
            Some(hash)
        }
        Mode::Open => None,
    };
    let read = read(core, members, None)?;
    let told = read.told.clone();
    let id = uuid_v7(now, random::bytes()).to_string().parse().unwrap_or_else(|_| ClientId::built_in());
    let mut client = Client::new(id, ClientKind::Public, Origin::Registered, now);
    client.code_protection = rules.code_protection;
    read.apply(&mut client)?;
    rotation_fits(core, &client)?;
    if rules.mode == Mode::Open {
        core.registrar.limit.count(caller.address, now)?;
    }
    sector_fits(core, &client, caller.address, now).await?;
    signing::want(core, &client.metadata, now).await?;
    let token = OpaqueSecret::from_random(&random::bytes());
    let added = core.write(now, async |tx| {
        // What can still refuse the request was checked: this is what it costs.
        if let Some(hash) = &initial
            && !registration_tokens::spend(tx, hash, now).await?
        {
            return Ok(None);
        }
        clients::insert(tx, &client).await?;
        let secret = if client.has_secrets() {
            Some(admin::clients::new_secret(tx, &client.id, now).await?)
        } else {
            None
        };
        let kept = (&token.hash(), &told);
        registrations::insert(tx, &client.id, kept, now + rules.unused_ttl).await?;
        tx.record(Event::ClientChanged { client: client.id.clone(), change: ClientChange::RegisteredItself });
        Ok(Some(secret))
    });
    let secret = added.await?.ok_or(Failure::InvalidToken)?;
    Ok(Registered { client, secret, token, told })
}

fn read(core: &Core, members: &Map<String, Value>, before: Option<&Client>) -> Result<Registration, Failure> {
    registration::check_algorithms(members)?;
    let allowed = &core.registrar.rules.allowed;
    let read = registration::read_registration(members, AuthMethod::ClientSecretBasic, allowed)?;
    Ok(read.with_usual_algorithms(before))
}

/// A client's registration, in the hands of who holds its token.
struct HeldRegistration {
    client: Client,
    kept: StoredRegistration,
    token: OpaqueSecret,
}

/// The registration of who holds its token. The token that came with the last change takes the place of the one before
/// with its first use: until then the client may not have got it.
async fn held(core: &Core, id: &str, token: &str, now: DateTime<Utc>) -> Result<HeldRegistration, Failure> {
    let id: ClientId = id.parse().map_err(|_| Failure::InvalidToken)?;
    let token = OpaqueSecret::presented(token).ok_or(Failure::InvalidToken)?;
    let hash = token.hash();
    let mut kept = registrations::find(&core.db, &id).await?.ok_or(Failure::InvalidToken)?;
    if kept.next_token_hash.as_ref().is_some_and(|next| next.matches(&hash)) {
        transaction::retrying(|| registrations::use_next(&core.db, &id, &hash)).await?;
        (kept.token_hash, kept.next_token_hash) = (hash, None);
    } else if !kept.token_hash.matches(&hash) {
        return Err(Failure::InvalidToken);
    }
    let client = clients::find(&core.db, &id, now).await?.ok_or(Failure::InvalidToken)?;
    Ok(HeldRegistration { client, kept, token })
}

/// What a client registered (RFC 7592 §2.1).
///
/// # Errors
/// [`Failure::InvalidToken`], whether the client is unknown or the token is another's; [`Failure::Store`].
pub async fn look(core: &Core, id: &str, token: &str, now: DateTime<Utc>) -> Result<Registered, Failure> {
    let HeldRegistration { client, kept, token } = held(core, id, token, now).await?;
    Ok(Registered { client, secret: None, token, told: kept.told })
}

/// Puts `members` in the place of all that a client registered (RFC 7592 §2.2). A client that begins to need a secret
/// gets one, and each gets another token. People agree anew to one that has become another client, and one that proves
/// no longer who it is loses its logins.
///
/// # Errors
/// As [`look`] and [`register`]; [`Failure::Busy`] when others change it again and again.
pub async fn replace(
    core: &Core,
    id: &str,
    (token, address): (&str, Option<IpAddr>),
    members: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<Registered, Failure> {
    for _ in 0..TRIES {
        let before = held(core, id, token, now).await?;
        if let Some(registered) = change(core, (&before, address), members, now).await? {
            return Ok(registered);
        }
    }
    Err(Failure::Busy)
}

/// Changes a registration: `None` when another change came first.
async fn change(
    core: &Core,
    (before, address): (&HeldRegistration, Option<IpAddr>),
    members: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<Option<Registered>, Failure> {
    names_itself(members, &before.client)?;
    let read = read(core, members, Some(&before.client))?;
    let told = read.told.clone();
    let mut client = before.client.clone();
    read.apply(&mut client)?;
    rotation_fits(core, &client)?;
    sector_fits(core, &client, address, now).await?;
    signing::want(core, &client.metadata, now).await?;
    let token = OpaqueSecret::from_random(&random::bytes());
    let changed = core.write(now, async |tx| {
        let stays = registrations::update(tx, &client.id, &before.kept, (&token.hash(), &told)).await?;
        if !stays || !clients::update(tx, &client).await? {
            return Ok(None);
        }
        store_identity(tx, &before.client, &client, now).await.map(Some)
    });
    let Some(secret) = changed.await? else { return Ok(None) };
    if is_confidential(&before.client) && !is_confidential(&client) && before.kept.is_used {
        let which = OfClient { client: client.id.clone(), reason: EndReason::ClientChanged, until: now };
        janitor::end_families(core, &which, BATCH, now).await?;
    }
    Ok(Some(Registered { client, secret, token, told }))
}

/// Stores what a change makes of whom a client is taken for; gives its secret if it begins to need one.
async fn store_identity(
    tx: &mut Tx,
    before: &Client,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<Option<ClientSecret>, StoreError> {
    if is_confidential(client) != is_confidential(before) {
        clients::set_kind(tx, client, now).await?;
    }
    let gets_secret = client.has_secrets() && !before.has_secrets();
    let secret =
        if gets_secret { Some(admin::clients::new_secret(tx, &client.id, now).await?) } else { None };
    tx.record(Event::ClientChanged { client: client.id.clone(), change: ClientChange::UpdatedItself });
    if client.is_another_than(before) {
        admin::clients::forget_consents(tx, &client.id).await?;
    }
    Ok(secret)
}

/// Whether a client is of the sector that it names. The list that says so is fetched at the expense of who registers.
async fn sector_fits(
    core: &Core,
    client: &Client,
    address: Option<IpAddr>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if client.metadata.sector_identifier_uri.is_some() {
        core.fetches.count(address, now)?;
    }
    Ok(sector::check_anew(&core.outbound, client, now).await?)
}

fn rotation_fits(core: &Core, client: &Client) -> Result<(), Failure> {
    let policy = client.metadata.refresh_token_rotation.checked(core.clients.defaults());
    policy.map(drop).map_err(|_| {
        Failure::InvalidClientMetadata(
            "The period of refresh_token_rotation does not fit the lifetimes of this server's tokens.",
        )
    })
}

fn is_confidential(client: &Client) -> bool {
    matches!(client.kind, ClientKind::Confidential(_))
}

/// RFC 7592 §2.2: the client names itself, may repeat its secret, and may choose none of what the server gave it.
fn names_itself(members: &Map<String, Value>, client: &Client) -> Result<(), Failure> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if text("client_id") != Some(client.id.as_str()) {
        return Err(Failure::InvalidClientMetadata(
            "The client_id is missing, or it belongs to another client.",
        ));
    }
    let given = [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ];
    if given.iter().any(|name| members.contains_key(*name)) {
        return Err(Failure::InvalidClientMetadata(
            "Leave out registration_access_token, registration_client_uri, client_secret_expires_at and \
             client_id_issued_at.",
        ));
    }
    let secret_fits = match members.get("client_secret") {
        None => true,
        Some(Value::String(secret)) => client.is_authenticated_by(&ClientSecret::presented(secret.clone())),
        Some(_) => false,
    };
    if secret_fits {
        Ok(())
    } else {
        Err(Failure::InvalidClientMetadata("The client_secret is not the client's."))
    }
}

/// Removes a client because it asks for it, and ends its families (RFC 7592 §2.3).
///
/// # Errors
/// As [`look`].
pub async fn remove(core: &Core, id: &str, token: &str, now: DateTime<Utc>) -> Result<(), Failure> {
    let HeldRegistration { client, .. } = held(core, id, token, now).await?;
    let removed = core.write(now, async |tx| {
        registrations::remove(tx, &client.id).await?;
        if !clients::remove(tx, &client.id, now).await? {
            return Ok(None);
        }
        tx.record(Event::ClientChanged { client: client.id.clone(), change: ClientChange::RemovedItself });
        Ok(Some(()))
    });
    if removed.await?.is_some() {
        janitor::end_families_of_client(core, &client.id, BATCH, now).await?;
    }
    Ok(())
}

impl From<InvalidRegistration> for Failure {
    fn from(invalid: InvalidRegistration) -> Self {
        match invalid {
            InvalidRegistration::RedirectUri(why) => Self::InvalidRedirectUri(why),
            InvalidRegistration::Metadata(why) => Self::InvalidClientMetadata(why),
        }
    }
}
