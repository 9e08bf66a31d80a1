//! What is told of a user: by scope, and claim by claim where a client asked for it so (OpenID Connect Core §5.3.2,
//! §5.4, §5.5).

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::domain::claims_request::ClaimRequests;
use crate::domain::ids::UserId;
use crate::domain::scope::ScopeSet;
use crate::domain::standard_claims::CLAIMS;
use crate::domain::user::User;
use crate::service::clients::known_clients::KnownClient;
use crate::service::clients::signing;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::{Core, Failure};
use crate::store::users;

/// Somebody of whom ID tokens tell, and what is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClaimsAsked<'a> {
    pub(crate) user: UserId,
    /// What is granted.
    pub(crate) scope: &'a ScopeSet,
    /// What is asked for by name.
    pub(crate) claims: &'a ClaimRequests,
}

/// What ID tokens of a client tell of a user: what it asked for by name and, if it is registered so, what the granted
/// scope opens. Only then is the user's row read. The key that is to sign them is there from now on.
pub(crate) async fn told_in_id_token(
    core: &Core,
    (known, wanted): (&KnownClient, &Wanted),
    asked: ClaimsAsked<'_>,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, Failure> {
    let client = &known.client;
    signing::ready(core, client.id_token_signing(), now).await?;
    let by_scope = client.metadata.scope_claims_in_id_token;
    if !by_scope && asked.claims.is_empty() {
        return Ok(Map::new());
    }
    let granted = wanted.scope_within(&grant::scope_left(asked.scope, client))?;
    let opened = if by_scope { granted.to_string() } else { String::new() };
    if !granted.contains("openid") || (opened.is_empty() && asked.claims.is_empty()) {
        return Ok(Map::new());
    }
    let user = users::find(&core.db, asked.user).await?;
    Ok(user.map(|user| told(&user, &opened, &asked.claims.within(&client.scopes))).unwrap_or_default())
}

/// The claims that `scope` opens, and those that are asked for by name and have a value that is asked for. What a
/// user does not have is left out.
pub(crate) fn told(user: &User, scope: &str, requests: &ClaimRequests) -> Map<String, Value> {
    let mut known = known(user);
    let mut told = Map::new();
    for (claim, opening) in CLAIMS {
        let Some(value) = known.remove(claim) else { continue };
        let opened = scope.split(' ').any(|it| it == opening);
        if opened || requests.get(claim).is_some_and(|requested| requested.accepts(&value)) {
            told.insert(claim.to_owned(), value);
        }
    }
    told
}

fn known(user: &User) -> Map<String, Value> {
    let mut known = match json!(user.claims) {
        Value::Object(known) => known,
        _ => Map::new(),
    };
    if known.contains_key("phone_number") {
        known.entry("phone_number_verified").or_insert(json!(false));
    } else {
        known.remove("phone_number_verified");
    }
    known.entry("updated_at").or_insert(json!(user.created_at.timestamp()));
    known.insert("preferred_username".to_owned(), json!(user.username.as_str()));
    known.insert("roles".to_owned(), json!(user.roles));
    if let Some(email) = &user.email {
        known.insert("email".to_owned(), json!(email));
        known.insert("email_verified".to_owned(), json!(user.email_verified));
    }
    known
}
