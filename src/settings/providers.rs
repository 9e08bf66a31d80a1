//! The providers that users may sign in with, in the order of their buttons: tables in a file, or their text as JSON.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use url::Url;

use crate::domain::one_or_many::OneOrMany;
use crate::domain::upstream::{Provider, ProviderKind, ProviderSecret, RoleMapping, SecondFactor};
use crate::domain::user::check_role;

/// The tables as they were written. What is wrong with one is told in words of its own.
#[derive(Clone, Default)]
pub struct ProviderTables(Vec<Value>);

/// What a provider must be and is not, in the words that follow "expected".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnfitProvider(String);

/// A table's members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderTable {
    id: String,
    name: Option<String>,
    #[serde(default)]
    kind: TableKind,
    issuer: Option<String>,
    client_id: String,
    /// Whatever it is, it is not shown.
    client_secret: Option<Value>,
    client_secret_file: Option<PathBuf>,
    scopes: Option<String>,
    #[serde(default)]
    create: bool,
    #[serde(default)]
    mail_domains: Vec<String>,
    #[serde(default)]
    home_domains: Vec<String>,
    roles_claim: Option<String>,
    #[serde(default)]
    roles: BTreeMap<String, OneOrMany<String>>,
    #[serde(default)]
    hand_over: bool,
    #[serde(default)]
    second_factor: FactorPlace,
    api: Option<Url>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TableKind {
    #[default]
    Oidc,
    Github,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum FactorPlace {
    #[default]
    Here,
    There,
}

const GITHUB: &str = "https://github.com";
const GITHUB_API: &str = "https://api.github.com";

impl ProviderTables {
    /// Tables that were made elsewhere.
    #[must_use]
    pub fn new(tables: Vec<Value>) -> Self {
        Self(tables)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The providers.
    ///
    /// # Errors
    /// What is wrong with the first one that is.
    pub fn read(&self) -> Result<Vec<Provider>, UnfitProvider> {
        let mut providers = Vec::new();
        for (place, table) in (1..).zip(&self.0) {
            let place = table
                .get("id")
                .and_then(Value::as_str)
                .map_or_else(|| format!("provider {place} of the list"), |id| format!("the provider {id:?}"));
            let unfit = |what: String| UnfitProvider(format!("of {place} {what}"));
            let table: ProviderTable = serde_json::from_value(table.clone())
                .map_err(|error| unfit(format!("other members: {error}")))?;
            providers.push(provider(table).map_err(&unfit)?);
        }
        alone(&providers)?;
        Ok(providers)
    }
}

fn provider(table: ProviderTable) -> Result<Provider, String> {
    let is_id = |text: &str| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_id(&table.id) {
        return Err("an id of 1 to 32 lower-case letters, digits and hyphens".to_owned());
    }
    let client_secret = secret(table.client_secret, table.client_secret_file)?;
    let (kind, issuer, scopes) = match table.kind {
        TableKind::Oidc => {
            let issuer = table.issuer.ok_or("an issuer")?;
            if table.api.is_some() {
                return Err("no api: that is for GitHub".to_owned());
            }
            (ProviderKind::OpenId, issuer, "openid email profile")
        }
        TableKind::Github => {
            let api =
                table.api.map_or_else(|| Url::parse(GITHUB_API), Ok).map_err(|error| error.to_string())?;
            if client_secret.is_none() {
                return Err("a client_secret".to_owned());
            }
            let issuer = table.issuer.unwrap_or_else(|| GITHUB.to_owned());
            (ProviderKind::GitHub { api }, issuer, "read:user user:email")
        }
    };
    let scopes: Vec<String> =
        table.scopes.as_deref().unwrap_or(scopes).split_whitespace().map(ToOwned::to_owned).collect();
    if kind == ProviderKind::OpenId && !scopes.iter().any(|scope| scope == "openid") {
        return Err("openid among its scopes".to_owned());
    }
    let lower = |domains: Vec<String>| domains.iter().map(|domain| domain.to_lowercase()).collect();
    Ok(Provider {
        name: table.name.unwrap_or_else(|| table.id.clone()),
        id: table.id,
        issuer: issuer_of(issuer)?,
        client_id: table.client_id,
        client_secret,
        scopes,
        creates_accounts: table.create,
        mail_domains: lower(table.mail_domains),
        home_domains: lower(table.home_domains),
        roles: role_mapping(table.roles_claim, &table.roles, &kind)?,
        hands_over: hands_over(table.hand_over, &kind)?,
        second_factor: match table.second_factor {
            FactorPlace::Here => SecondFactor::Here,
            FactorPlace::There => SecondFactor::There,
        },
        kind,
    })
}

fn hands_over(wanted: bool, kind: &ProviderKind) -> Result<bool, String> {
    if wanted && *kind != ProviderKind::OpenId {
        return Err("no hand_over: GitHub knows no prompt=none".to_owned());
    }
    Ok(wanted)
}

/// Kept as it is written: issuers are compared byte by byte (OpenID Connect Discovery §4.3).
fn issuer_of(text: String) -> Result<String, String> {
    let expected = "an issuer that is an https URL without query and fragment";
    let url = Url::parse(&text).map_err(|_| expected)?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_plain && matches!(url.scheme(), "http" | "https") { Ok(text) } else { Err(expected.to_owned()) }
}

fn secret(text: Option<Value>, file: Option<PathBuf>) -> Result<Option<ProviderSecret>, String> {
    let text = match (text, file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err("client_secret or client_secret_file, not both".to_owned()),
        (Some(Value::String(text)), None) => text,
        (Some(_), None) => return Err("a client_secret that is a text".to_owned()),
        (None, Some(path)) => {
            let read = fs::read_to_string(&path);
            let unreadable =
                |error| format!("a client_secret_file that can be read: {}: {error}", path.display());
            read.map_err(unreadable)?.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    if text.is_empty() {
        Err("a client_secret that is not empty".to_owned())
    } else {
        Ok(Some(ProviderSecret::new(text)))
    }
}

fn role_mapping(
    claim: Option<String>,
    roles: &BTreeMap<String, OneOrMany<String>>,
    kind: &ProviderKind,
) -> Result<Option<RoleMapping>, String> {
    let Some(claim) = claim else {
        return if roles.is_empty() { Ok(None) } else { Err("a roles_claim beside roles".to_owned()) };
    };
    if *kind != ProviderKind::OpenId {
        return Err("no roles_claim: GitHub tells no claims".to_owned());
    }
    let roles: BTreeMap<_, _> = roles.iter().map(|(value, roles)| (value.clone(), roles.to_vec())).collect();
    for role in roles.values().flatten() {
        check_role(role).map_err(|unfit| format!("other roles: {unfit}"))?;
    }
    Ok(Some(RoleMapping { claim, roles }))
}

/// What only one of them may have.
fn alone(providers: &[Provider]) -> Result<(), UnfitProvider> {
    let mut ids = HashSet::new();
    let mut domains = HashSet::new();
    for provider in providers {
        if !ids.insert(&provider.id) {
            return Err(UnfitProvider(format!("the id {:?} once", provider.id)));
        }
        if let Some(domain) = provider.home_domains.iter().find(|domain| !domains.insert(*domain)) {
            return Err(UnfitProvider(format!("{domain:?} among the home_domains of one provider")));
        }
    }
    if providers.iter().filter(|provider| provider.hands_over).count() > 1 {
        return Err(UnfitProvider("hand_over at one provider".to_owned()));
    }
    Ok(())
}

/// What is shown in the place of a secret.
const MASKED: &str = "(set)";

impl Serialize for ProviderTables {
    /// As JSON text, with masked secrets.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.is_empty() {
            return to.serialize_str("");
        }
        let masked = |table: &Value| {
            let mut table = table.as_object().cloned().unwrap_or_default();
            if let Some(secret) = table.get_mut("client_secret") {
                *secret = json!(MASKED);
            }
            Value::Object(table)
        };
        to.serialize_str(&json!(self.0.iter().map(masked).collect::<Vec<_>>()).to_string())
    }
}

impl<'de> Deserialize<'de> for ProviderTables {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let expected = || D::Error::custom("it is not a list of tables");
        let tables = match Value::deserialize(from)? {
            Value::String(text) if text.trim().is_empty() => Vec::new(),
            Value::String(text) => serde_json::from_str(&text).map_err(|_| expected())?,
            Value::Array(tables) => tables,
            _ => return Err(expected()),
        };
        if tables.iter().all(Value::is_object) { Ok(Self(tables)) } else { Err(expected()) }
    }
}

impl std::fmt::Debug for ProviderTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProviderTables({})", self.0.len())
    }
}
