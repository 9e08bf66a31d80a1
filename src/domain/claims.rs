//! What an access token says (RFC 9068 §2.2).

use serde::{Deserialize, Serialize};

use crate::domain::audience::Audience;
use crate::domain::certificate::CertificateThumbprint;
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
    /// The class of how the user signed in, for services that ask for one (RFC 9470 §6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<&'a [String]>,
    /// Who acts for `sub` (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<&'a Actor>,
    /// What whoever shows it has to prove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<&'a Confirmation>,
    /// Where it is told that the login was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusClaim>,
}

/// How whoever shows a token confirms that it is theirs (RFC 7800 §3.1). Where it names two ways, by both; where it
/// names neither, by a way that this release does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// By a proof of this key (RFC 9449 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<KeyThumbprint>,
    /// By this certificate (RFC 8705 §3.1).
    #[serde(rename = "x5t#S256", default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateThumbprint>,
}

impl Confirmation {
    /// What is bound to a key, a certificate or both; `None` for what is bound to nothing.
    #[must_use]
    pub fn by(key: Option<&KeyThumbprint>, certificate: Option<&CertificateThumbprint>) -> Option<Self> {
        let is_bound = key.is_some() || certificate.is_some();
        is_bound.then(|| Self { jkt: key.cloned(), certificate: certificate.cloned() })
    }

    /// Whether it is confirmed by whoever proved this key and has this certificate. A key that it does not name is one
    /// too many (RFC 9449 §7.1).
    #[must_use]
    pub fn is_met_by(
        &self,
        key: Option<&KeyThumbprint>,
        certificate: Option<&CertificateThumbprint>,
    ) -> bool {
        let names_some = self.jkt.is_some() || self.certificate.is_some();
        let has_certificate = self.certificate.is_none() || self.certificate.as_ref() == certificate;
        names_some && self.jkt.as_ref() == key && has_certificate
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
