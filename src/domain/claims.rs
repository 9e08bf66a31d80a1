//! What an access token says (RFC 9068 §2.2).

use serde::{Deserialize, Serialize};

use crate::domain::audience::Audience;
use crate::domain::ids::FamilyId;
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::one_or_many;
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::FamilySecret;
use crate::domain::status_list::StatusClaim;

/// An access token's claims, all but `jti`: that is made of these.
#[derive(Debug, Serialize)]
pub struct AccessClaims<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The user, or the client itself when it acts for itself.
    pub sub: &'a str,
    /// For whom the token is meant.
    #[serde(serialize_with = "one_or_many::serialize")]
    pub aud: &'a [Audience],
    /// The client that it was issued to.
    pub client_id: &'a str,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
    /// Issue time, in seconds since 1970.
    pub iat: i64,
    /// What was granted.
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: &'a ScopeSet,
    /// The family's id; absent when a client acts for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<FamilyId>,
    /// When the user signed in, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<&'a [String]>,
    /// Who acts for `sub` (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<&'a Actor>,
    /// The key that whoever shows it has to prove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Where it is told that the login was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusClaim>,
}

/// How whoever shows a token confirms that it is theirs (RFC 7800 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// By a proof of this key (RFC 9449 §6.1). `None` where it is by a way that this release does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<KeyThumbprint>,
}

impl From<&KeyThumbprint> for Confirmation {
    fn from(key: &KeyThumbprint) -> Self {
        Self { jkt: Some(key.clone()) }
    }
}

/// Who acts for a token's subject: the last one outside, those before within (RFC 8693 §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The user or client that acts.
    pub sub: String,
    /// Who acted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

impl Actor {
    /// How many act one after another.
    #[must_use]
    pub fn depth(&self) -> usize {
        1 + self.act.as_deref().map_or(0, Self::depth)
    }
}

impl AccessClaims<'_> {
    /// The claims as JSON, with a `jti` computed from all of them under the family's secret: the same grant has
    /// the same id however often it is handed out.
    #[must_use]
    pub fn of_family(&self, secret: &FamilySecret) -> String {
        let content = self.to_json();
        let jti = secret.token_id(content.as_bytes());
        with_token_id(content, &jti)
    }

    /// The claims as JSON with the given `jti`, which must need no escaping.
    #[must_use]
    pub fn with_jti(&self, jti: &str) -> String {
        with_token_id(self.to_json(), jti)
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain data is JSON: {error}"))
    }
}

fn with_token_id(mut json: String, jti: &str) -> String {
    json.truncate(json.len() - 1);
    json.push_str(r#","jti":""#);
    json.push_str(jti);
    json.push_str("\"}");
    json
}
