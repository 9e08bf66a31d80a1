//! Our own access tokens, as they come back to us: at the session list, at introspection and revocation.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::domain::audience::Audience;
use crate::domain::certificate::ClientCertificate;
use crate::domain::claims::{Actor, Confirmation};
use crate::domain::client::Client;
use crate::domain::family::Family;
use crate::domain::ids::FamilyId;
use crate::domain::one_or_many::OneOrMany;
use crate::domain::status_list::StatusPlace;
use crate::service::clients::key_proof::ProvenKey;
use crate::service::tokens::issued::TokenType;
use crate::service::tokens::own_jwt;
use crate::service::{Core, Failure};
use crate::store::{families, revoked_tokens};

/// A genuine access token of ours that has not expired. Whether it was revoked, and whether its family still lives, are
/// other questions: [`standing`] answers them.
#[derive(Debug, Clone, Deserialize)]
pub struct AccessToken {
    /// The user, or the client acting for itself.
    pub sub: String,
    /// For whom it is meant.
    pub aud: OneOrMany<Audience>,
    /// The client that it was issued to.
    pub client_id: String,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
    /// Before which it is worth nothing either; we write none.
    nbf: Option<i64>,
    /// Issue time, in seconds since 1970.
    pub iat: i64,
    pub jti: String,
    /// What was granted.
    #[serde(default)]
    pub scope: String,
    /// Its family, unless a client acts for itself.
    pub sid: Option<FamilyId>,
    /// When the user signed in.
    pub auth_time: Option<i64>,
    /// The class of how the user signed in.
    pub acr: Option<String>,
    pub roles: Option<Vec<String>>,
    /// Who acts for the user (RFC 8693 §4.1).
    pub act: Option<Actor>,
    /// Who alone may act for the user (RFC 8693 §4.4).
    pub may_act: Option<Actor>,
    /// What whoever shows it has to prove.
    pub cnf: Option<Confirmation>,
    iss: String,
}

/// An access token as its holder shows it.
#[derive(Debug, Clone, Copy)]
pub struct ShownToken<'a> {
    pub text: &'a str,
    /// The key that was proved with it.
    pub key: Option<&'a ProvenKey>,
    /// The certificate that it came with.
    pub certificate: Option<&'a ClientCertificate>,
}

/// What stands behind a genuine token now.
#[derive(Debug)]
pub enum Standing {
    /// A family that lives.
    Family(Box<Family>),
    /// The client itself, which is still registered, with its own entry of a status list, if it has one.
    Client(Option<StatusPlace>),
    /// Nothing any more.
    Nothing,
}

/// Reads an access token: `None` when it is not ours, not an access token, changed, or expired.
#[must_use]
pub fn verify(core: &Core, token: &str, now: DateTime<Utc>) -> Option<AccessToken> {
    // RFC 9068 §4: an ID token or another JWT of ours must not pass for an access token.
    let token: AccessToken = own_jwt::read_current(core, token, "at+jwt", now)?;
    let seconds = now.timestamp();
    let is_current = seconds < token.exp && token.nbf.is_none_or(|begin| begin <= seconds);
    (token.iss == core.issuer.as_str() && is_current).then_some(token)
}

/// Reads an access token that its holder shows. One that is bound to a key is worth nothing without a proof of that,
/// and one that is not is none to show with a proof (RFC 9449 §7.1). The proof is used up. One that is bound to a
/// certificate is worth nothing without that (RFC 8705 §3).
///
/// # Errors
/// [`Failure::InvalidToken`], whatever is wrong with it; [`Failure::KeyProof`] when its key was proved by this before.
pub fn verify_shown(core: &Core, shown: ShownToken<'_>, now: DateTime<Utc>) -> Result<AccessToken, Failure> {
    let token = verify(core, shown.text, now).ok_or(Failure::InvalidToken)?;
    let key = shown.key.map(|key| &key.thumbprint);
    let certificate = shown.certificate.filter(|certificate| certificate.is_current(now));
    let is_held = match &token.cnf {
        None => key.is_none(),
        Some(cnf) => cnf.is_met_by(key, certificate.map(ClientCertificate::thumbprint)),
    };
    if !is_held {
        return Err(Failure::InvalidToken);
    }
    if let Some(key) = shown.key {
        core.key_proofs.spend(key, now)?;
    }
    Ok(token)
}

/// What stands behind a token: it is worth nothing once it was revoked, or its family, or a client that it names, is
/// gone.
pub async fn standing(core: &Core, token: &AccessToken, now: DateTime<Utc>) -> Result<Standing, Failure> {
    let Ok(client) = token.client_id.parse() else { return Ok(Standing::Nothing) };
    let Some(issued_to) = core.client(&client, now).await? else { return Ok(Standing::Nothing) };
    let Some(family) = token.sid else {
        let is_revoked = revoked_tokens::contains(&core.db, &token.jti).await?;
        return Ok(if is_revoked { Standing::Nothing } else { Standing::Client(issued_to.client.status) });
    };
    let Some(family) = families::find_for_token(&core.db, family, &token.jti).await? else {
        return Ok(Standing::Nothing);
    };
    let known = core.client(&family.client_id, now).await?;
    Ok(match known {
        Some(known) if family.is_live(now, &known.lifetimes) => Standing::Family(Box::new(family)),
        Some(_) | None => Standing::Nothing,
    })
}

impl AccessToken {
    /// From when on it is worth nothing; `None` for a time that there is not.
    #[must_use]
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.exp, 0)
    }

    /// What whoever shows it has to show beside it.
    #[must_use]
    pub fn token_type(&self) -> TokenType {
        TokenType::of(self.cnf.as_ref())
    }

    /// Whether `client` got it, or is one of those that it is meant for: many may call a service and are not it.
    #[must_use]
    pub fn concerns(&self, client: &Client) -> bool {
        let meant_for_it = self.aud.iter().any(|audience| client.serves.contains(audience));
        self.client_id == client.id.as_str() || meant_for_it
    }
}
