//! `heirloom client …`

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::output::{self, List, PART};
use crate::cli::{LONGEST, Office, duration, duration_within, json_object};
use crate::domain::audience::Audience;
use crate::domain::client::{ClientKind, CodeProtection, GrantType, Party, SecurityProfile};
use crate::domain::family::RotationPolicy;
use crate::domain::ids::ClientId;
use crate::domain::lifetimes::LifetimeOverrides;
use crate::domain::scope::ScopeSet;
use crate::domain::web_origin::WebOrigin;
use crate::service::admin::client_changes::ClientChanges;
use crate::service::admin::clients;
use crate::service::admin::error::AdminError;
use crate::service::admin::views::ClientView;

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Register a client; prints JSON, with the secret of a confidential one, once
    Add(AddClient),
    /// Show a client; prints JSON
    Show {
        /// Which
        id: ClientId,
    },
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
        /// Do not ask before a change that may end logins
        #[arg(long)]
        yes: bool,
    },
    /// Give a confidential client another secret; prints JSON
    RotateSecret {
        /// Which
        id: ClientId,
        /// How long the present secrets go on, such as 24h
        #[arg(long, value_parser = duration_within(Duration::ZERO..=LONGEST), default_value = "24h", value_name = "D")]
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
    pub(super) id: ClientId,
    /// It cannot keep a secret: a browser or mobile app
    #[arg(long)]
    pub(super) public: bool,
    /// It authenticates: with a secret, unless --metadata says with its keys
    #[arg(long)]
    confidential: bool,
    /// What a standard asks of a client, in one word: fapi2 has it push its requests, prove itself with a key, have its
    /// tokens bound, and not rotate them. What is said beside must not contradict it
    #[arg(long, value_name = "fapi2")]
    pub(super) profile: Option<SecurityProfile>,
    #[command(flatten)]
    pub(super) registration: ClientOptions,
}

#[derive(Debug, Args)]
pub(super) struct ClientOptions {
    /// It is run by whoever runs this server: it may take passwords
    #[arg(long)]
    first_party: bool,
    /// Where users may be sent back to; may be given more than once
    #[arg(long = "redirect-uri", value_name = "U")]
    redirect_uris: Option<Vec<String>>,
    /// What people are told that it is called
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Where users may be sent back to after a sign-out; may be given more than once
    #[arg(long = "post-logout-redirect-uri", value_name = "U")]
    post_logout_redirect_uris: Option<Vec<String>>,
    /// A site whose scripts are its own, beside those that its redirect URIs lead to, such as `capacitor://localhost`;
    /// may be given more than once
    #[arg(long = "origin", value_name = "O")]
    origins: Option<Vec<WebOrigin>>,
    /// No further site is its own
    #[arg(long, conflicts_with = "origins")]
    no_origins: bool,
    /// How its codes are protected: a confidential client may have pkce-or-nonce, and optional if it can do neither
    #[arg(long, value_name = "pkce|pkce-or-nonce|optional")]
    code_protection: Option<CodeProtection>,
    /// What else it says of itself, as a JSON object with the names of RFC 7591; null takes a member away
    #[arg(long, value_parser = json_object, value_name = "JSON|@FILE")]
    metadata: Option<Map<String, Value>>,
    /// A grant that it may use, such as `refresh_token`, by its name in RFC 7591; may be given more than once
    #[arg(long = "grant", value_name = "GRANT_TYPE")]
    grants: Option<Vec<GrantType>>,
    /// The scopes that it may be granted, such as "read write"
    #[arg(long, value_parser = ScopeSet::typed, value_name = "S")]
    scope: Option<ScopeSet>,
    /// An audience that it may choose with `resource`; may be given more than once
    #[arg(long = "audience", value_name = "A")]
    audiences: Option<Vec<Audience>>,
    /// An audience that it is itself: a resource service that asks what tokens are worth; may be given more than once
    #[arg(long, value_name = "A")]
    serves: Option<Vec<Audience>>,
    /// It is no resource service
    #[arg(long, conflicts_with = "serves")]
    serves_nothing: bool,
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
    /// How often its refresh tokens rotate: with every refresh, never, or once a period such as every:1h, for programs
    /// that share a login
    #[arg(long, value_name = "always|never|every:D")]
    rotation: Option<RotationPolicy>,
    /// It gets no token that is not bound to a key that it proves (DPoP)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    dpop_bound_access_tokens: Option<bool>,
    /// It gets no access token that is not bound to its certificate (mutual TLS)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    tls_client_certificate_bound_access_tokens: Option<bool>,
}

pub(super) async fn run(command: ClientCommand, office: &Office) -> anyhow::Result<()> {
    let (core, now) = (&office.core, office.clock.now());
    match command {
        ClientCommand::Add(AddClient { id, public, profile, registration, .. }) => {
            let kind = if public { ClientKind::Public } else { ClientKind::Confidential(Vec::new()) };
            let said = ClientChanges { profile, ..ClientChanges::from(registration) };
            let lifetimes = said.lifetimes;
            output::json(&clients::register(core, id, kind, said, now).await?);
            warn(&lifetimes);
        }
        ClientCommand::Show { id } => output::json(&clients::show(core, &id, now).await?),
        ClientCommand::List { json } => list(office, json).await?,
        ClientCommand::Update { id, registration, third_party, yes } => {
            let mut changes = wanted(registration, third_party)?;
            changes.confirmed = yes;
            let lifetimes = changes.lifetimes;
            update(office, &id, changes).await?;
            warn(&lifetimes);
        }
        ClientCommand::RotateSecret { id, overlap } => {
            let secret = clients::rotate_secret(core, &id, overlap, now).await?;
            output::json(&json!({ "client_id": id, "client_secret": secret.expose() }));
        }
        ClientCommand::Remove { id } => {
            let batch = i64::from(office.settings.janitor.batch);
            let ended = clients::remove(core, &id, batch, now).await?;
            println!("{id} is removed; {}", output::logins_ended(ended));
        }
    }
    Ok(())
}

/// What is to be otherwise of a client.
pub(super) fn wanted(registration: ClientOptions, third_party: bool) -> anyhow::Result<ClientChanges> {
    let mut changes = ClientChanges::from(registration);
    changes.party = if third_party { Some(Party::Third) } else { changes.party };
    anyhow::ensure!(changes != ClientChanges::default(), "say what is to change; `--help` lists it");
    Ok(changes)
}

pub(super) fn warn(lifetimes: &LifetimeOverrides) {
    for caution in lifetimes.cautions() {
        eprintln!("note: {caution}; docs/clients.md has more");
    }
}

/// Asks before a change that may end logins.
async fn update(office: &Office, id: &ClientId, changes: ClientChanges) -> anyhow::Result<()> {
    let change = async |changes| clients::change(&office.core, id, changes, office.clock.now()).await;
    let client = match change(changes.clone()).await {
        Err(why @ AdminError::Unconfirmed { .. }) => {
            confirm(&why.to_string())?;
            change(ClientChanges { confirmed: true, ..changes }).await?
        }
        done => done?,
    };
    output::json(&client);
    Ok(())
}

/// Asks whether to go on, whoever can be asked.
pub(super) fn confirm(why: &str) -> anyhow::Result<()> {
    anyhow::ensure!(io::stdin().is_terminal(), "{why}; --yes changes it all the same");
    eprint!("{why}. Change it all the same? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    anyhow::ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), "nothing was changed");
    Ok(())
}

pub(super) const HEADINGS: [&str; 5] = ["id", "kind", "party", "grants", "scope"];

/// What the table shows of a client's JSON.
pub(super) fn row(client: &Value) -> [String; 5] {
    let party = if client["first_party"] == json!(true) { "first" } else { "third" };
    let [id, kind, grants, scope] =
        ["client_id", "kind", "grants", "scope"].map(|member| output::cell(&client[member]));
    [id, kind, party.to_owned(), grants, scope]
}

async fn list(office: &Office, json: bool) -> anyhow::Result<()> {
    let listed = List::new(json, HEADINGS, |client: &ClientView| row(&json!(client)));
    let read = async |after: Option<ClientId>| clients::list(&office.core, after.as_ref(), PART).await;
    Ok(listed.print_all(|client| client.client_id.clone(), read).await?)
}

impl From<ClientOptions> for ClientChanges {
    fn from(said: ClientOptions) -> Self {
        Self {
            profile: None,
            party: said.first_party.then_some(Party::First),
            redirect_uris: said.redirect_uris,
            name: said.name,
            post_logout_redirect_uris: said.post_logout_redirect_uris,
            web_origins: if said.no_origins { Some(Vec::new()) } else { said.origins },
            code_protection: said.code_protection,
            metadata: said.metadata,
            grants: said.grants,
            scopes: said.scope,
            audiences: said.audiences,
            serves: if said.serves_nothing { Some(Vec::new()) } else { said.serves },
            lifetimes: LifetimeOverrides {
                access_ttl: said.access_ttl,
                idle_ttl: said.idle_ttl,
                absolute_ttl: said.absolute_ttl,
                leeway: said.leeway,
            },
            rotation: said.rotation,
            dpop_bound_access_tokens: said.dpop_bound_access_tokens,
            tls_client_certificate_bound_access_tokens: said.tls_client_certificate_bound_access_tokens,
            confirmed: false,
        }
    }
}
