//! `heirloom client …`

use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::app;
use crate::cli::{Office, duration, json_object, merged, output};
use crate::domain::audience::Audience;
use crate::domain::client::{Client, ClientKind, CodeProtection, GrantType, Origin, Party};
use crate::domain::ids::ClientId;
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::ClientSecret;
use crate::domain::subject::check_sector;
use crate::service::Failure;
use crate::service::admin;
use crate::service::clients::known_clients::Clients;
use crate::store::{StoreError, clients};

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Register a client; prints JSON, with the secret of a confidential one, once
    Add(AddClient),
    /// List clients
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a client: what is given replaces what was; prints JSON
    Update {
        /// Which
        id: ClientId,
        #[command(flatten)]
        registration: ClientOptions,
        /// Make it a third party's
        #[arg(long, conflicts_with = "first_party")]
        third_party: bool,
    },
    /// Give a confidential client another secret; prints JSON
    RotateSecret {
        /// Which
        id: ClientId,
        /// How long the present secrets go on, such as 24h
        #[arg(long, value_parser = duration, default_value = "24h", value_name = "D")]
        overlap: Duration,
    },
    /// Remove a client; ends all of its logins
    Remove {
        /// Which
        id: ClientId,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("kind").required(true).args(["public", "confidential"])))]
pub(super) struct AddClient {
    /// Its id
    id: ClientId,
    /// It cannot keep a secret: a browser or mobile app
    #[arg(long)]
    public: bool,
    /// It authenticates: with a secret, unless --metadata says with its keys
    #[arg(long)]
    confidential: bool,
    #[command(flatten)]
    registration: ClientOptions,
}

#[derive(Debug, Args)]
pub(super) struct ClientOptions {
    /// It is run by whoever runs this server: it may take passwords
    #[arg(long)]
    first_party: bool,
    /// Where users may be sent back to; may be given more than once
    #[arg(long = "redirect-uri", value_name = "U")]
    redirect_uris: Vec<String>,
    /// What people are told that it is called
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Where users may be sent back to after a sign-out; may be given more than once
    #[arg(long = "post-logout-redirect-uri", value_name = "U")]
    post_logout_redirect_uris: Vec<String>,
    /// How its codes are protected: a confidential client may have pkce-or-nonce, and optional if it can do neither
    #[arg(long, value_name = "pkce|pkce-or-nonce|optional")]
    code_protection: Option<CodeProtection>,
    /// What else it says of itself, as a JSON object with the names of RFC 7591; null takes a member away
    #[arg(long, value_parser = json_object, value_name = "JSON|@FILE")]
    metadata: Option<Map<String, Value>>,
    /// A grant that it may use, such as `refresh_token`, by its name in RFC 7591; may be given more than once
    #[arg(long = "grant", value_name = "GRANT_TYPE")]
    grants: Vec<GrantType>,
    /// The scopes that it may be granted, such as "read write"
    #[arg(long, value_name = "S")]
    scope: Option<ScopeSet>,
    /// An audience that it may choose with `resource`; may be given more than once
    #[arg(long = "audience", value_name = "A")]
    audiences: Vec<Audience>,
    /// How long its access tokens live, such as 15m
    #[arg(long, value_parser = duration, value_name = "D")]
    access_ttl: Option<Duration>,
    /// After how long without a refresh a login ends, such as 7d
    #[arg(long, value_parser = duration, value_name = "D")]
    idle_ttl: Option<Duration>,
    /// After how long a login ends in any case, such as 90d
    #[arg(long, value_parser = duration, value_name = "D")]
    absolute_ttl: Option<Duration>,
    /// How long a consumed token may come back after a lost response, such as 30s; 0s is strict mode
    #[arg(long, value_parser = duration, value_name = "D")]
    leeway: Option<Duration>,
}

pub(super) async fn run(command: ClientCommand, office: &Office) -> anyhow::Result<()> {
    match command {
        ClientCommand::Add(add) => register(add, office).await,
        ClientCommand::List { json } => list(office, json).await,
        ClientCommand::Update { id, registration, third_party } => {
            update(office, &id, registration, third_party).await
        }
        ClientCommand::RotateSecret { id, overlap } => rotate_secret(office, &id, overlap).await,
        ClientCommand::Remove { id } => {
            let batch = i64::from(office.settings.janitor.batch);
            match admin::clients::remove(&office.core, &id, batch, office.clock.now()).await {
                Err(Failure::NotFound) => anyhow::bail!("there is no client {id}"),
                ended => println!("{id} is removed; {} logins have ended", ended?),
            }
            Ok(())
        }
    }
}

async fn register(add: AddClient, office: &Office) -> anyhow::Result<()> {
    let now = office.clock.now();
    let kind = if add.public { ClientKind::Public } else { ClientKind::Confidential(Vec::new()) };
    let grants = default_grants(&kind, &add.registration);
    let mut client = Client { grants, ..Client::new(add.id, kind, Origin::Operator, now) };
    add.registration.apply_to(&mut client)?;
    check(office, &client)?;
    let secret = match admin::clients::add(&office.core, &client, now).await {
        Err(Failure::Store(StoreError::Exists)) => {
            anyhow::bail!("there is or was a client {}; an id is never given out twice", client.id)
        }
        secret => secret?,
    };
    output::json(&client_json(&client, secret.as_ref()));
    Ok(())
}

/// A client that users are sent back to takes part in the code flow; a confidential one without is a service.
fn default_grants(kind: &ClientKind, registration: &ClientOptions) -> std::collections::BTreeSet<GrantType> {
    match kind {
        _ if !registration.redirect_uris.is_empty() => {
            [GrantType::AuthorizationCode, GrantType::RefreshToken].into()
        }
        ClientKind::Public => [GrantType::RefreshToken].into(),
        ClientKind::Confidential(_) => [GrantType::ClientCredentials].into(),
    }
}

async fn update(
    office: &Office,
    id: &ClientId,
    change: ClientOptions,
    third_party: bool,
) -> anyhow::Result<()> {
    let found = clients::find(&office.core.db, id, office.clock.now()).await?;
    let mut client = found.with_context(|| format!("there is no client {id}"))?;
    if third_party {
        client.party = Party::Third;
    }
    change.apply_to(&mut client)?;
    check(office, &client)?;
    admin::clients::update(&office.core, &client, office.clock.now()).await?;
    output::json(&client_json(&client, None));
    Ok(())
}

async fn rotate_secret(office: &Office, id: &ClientId, overlap: Duration) -> anyhow::Result<()> {
    match admin::clients::rotate_secret(&office.core, id, overlap, office.clock.now()).await {
        Err(Failure::NotFound) => anyhow::bail!("there is no client {id}"),
        Err(Failure::UnauthorizedClient) => anyhow::bail!("{id} does not authenticate with a secret"),
        secret => output::json(&json!({ "client_id": id, "client_secret": secret?.expose() })),
    }
    Ok(())
}

async fn list(office: &Office, json: bool) -> anyhow::Result<()> {
    let clients = clients::list(&office.core.db).await?;
    if json {
        output::json(&clients.iter().map(|client| client_json(client, None)).collect());
        return Ok(());
    }
    let rows: Vec<[String; 5]> = clients
        .iter()
        .map(|client| {
            let grants: Vec<&str> = client.grants.iter().map(|grant| grant.as_str()).collect();
            [
                client.id.to_string(),
                kind(client).to_owned(),
                if client.party == Party::First { "first" } else { "third" }.to_owned(),
                grants.join(","),
                output::or_dash(Some(client.scopes.to_string())),
            ]
        })
        .collect();
    output::table(["id", "kind", "party", "grants", "scope"], &rows);
    Ok(())
}

impl ClientOptions {
    fn apply_to(self, client: &mut Client) -> anyhow::Result<()> {
        if self.first_party {
            client.party = Party::First;
        }
        for uri in self.redirect_uris.iter().chain(&self.post_logout_redirect_uris) {
            check_redirect_uri(uri)?;
        }
        replace_unless_empty(&mut client.redirect_uris, self.redirect_uris);
        replace_unless_empty(&mut client.post_logout_redirect_uris, self.post_logout_redirect_uris);
        client.name = self.name.or(client.name.take());
        client.code_protection = self.code_protection.unwrap_or(client.code_protection);
        if let Some(changes) = self.metadata {
            client.metadata = merged(&client.metadata, changes).context("--metadata")?;
        }
        replace_unless_empty(&mut client.audiences, self.audiences);
        if !self.grants.is_empty() {
            client.grants = self.grants.into_iter().collect();
        }
        if let Some(scope) = self.scope {
            client.scopes = scope;
        }
        let lifetimes = &mut client.lifetimes;
        lifetimes.access_ttl = self.access_ttl.or(lifetimes.access_ttl);
        lifetimes.idle_ttl = self.idle_ttl.or(lifetimes.idle_ttl);
        lifetimes.absolute_ttl = self.absolute_ttl.or(lifetimes.absolute_ttl);
        lifetimes.leeway = self.leeway.or(lifetimes.leeway);
        // RFC 6749 §4.4: only confidential clients may use it; nor may anybody exchange tokens who cannot prove to be
        // who the policy is for.
        for grant in [GrantType::ClientCredentials, GrantType::TokenExchange] {
            if matches!(client.kind, ClientKind::Public) && client.grants.contains(&grant) {
                anyhow::bail!(
                    "a public client cannot use {}: it does not have a secret to show",
                    grant.as_str()
                );
            }
        }
        client.metadata.check(&client.kind).context("--metadata")?;
        Ok(())
    }
}

fn replace_unless_empty<T>(old: &mut Vec<T>, new: Vec<T>) {
    if !new.is_empty() {
        *old = new;
    }
}

/// RFC 6749 §3.1.2: an absolute URI without fragment.
fn check_redirect_uri(uri: &str) -> anyhow::Result<()> {
    let parsed = url::Url::parse(uri).ok().filter(|url| url.fragment().is_none());
    parsed.map(|_| ()).with_context(|| {
        format!("{uri} is not a redirect URI: it must be absolute and must not have a fragment")
    })
}

fn check(office: &Office, client: &Client) -> anyhow::Result<()> {
    Clients::new(app::lifetimes(&office.settings)?).lifetimes_of(client)?;
    check_sector(client)?;
    Ok(())
}

fn kind(client: &Client) -> &'static str {
    match client.kind {
        ClientKind::Public => "public",
        ClientKind::Confidential(_) => "confidential",
    }
}

fn client_json(client: &Client, secret: Option<&ClientSecret>) -> Value {
    let duration = |duration: Option<Duration>| duration.map(|it| humantime::format_duration(it).to_string());
    json!({
        "client_id": client.id,
        "client_secret": secret.map(ClientSecret::expose),
        "kind": kind(client),
        "first_party": client.party == Party::First,
        "name": client.name,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "code_protection": client.code_protection.as_str(),
        "grants": client.grants,
        "scope": client.scopes,
        "audiences": client.audiences,
        "metadata": client.metadata,
        "access_ttl": duration(client.lifetimes.access_ttl),
        "idle_ttl": duration(client.lifetimes.idle_ttl),
        "absolute_ttl": duration(client.lifetimes.absolute_ttl),
        "leeway": duration(client.lifetimes.leeway),
        "created_at": output::time(client.created_at),
    })
}
