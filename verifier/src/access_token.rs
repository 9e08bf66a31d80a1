//! What a verified token says.

use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer};

use crate::clock::numeric_date as time;
use crate::confirmation::Confirmation;
use crate::error::VerifyError;
use crate::status::StatusReference;

/// A verified access token (RFC 9068): what it says can be read right off it, see [`Claims`]. There is no other way to
/// one than [`Verifier::verify`](crate::Verifier::verify) and the extractors built on it. Cheap to clone.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let access = sample().build().await?.verify(TOKEN).await?;
/// assert_eq!((access.subject.as_str(), access.session_id.as_deref()), ("ana", Some("family")));
/// assert_eq!(access.auth_time, Some(now()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken(Arc<Claims>);

/// What an [`AccessToken`] says.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let access = sample_access().await;
/// let (client, scopes) = (&access.client_id, &access.scopes);
/// assert_eq!((client.as_str(), scopes.join("+").as_str()), ("app", "orders:read+profile"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// `iss`: who issued the token.
    pub issuer: String,
    /// `sub`: the user, or the client itself when it acts for itself.
    pub subject: String,
    /// The client that the token was issued to.
    pub client_id: String,
    /// For whom the token is meant: you among them.
    pub audience: Vec<String>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// The user's roles; none without the scope `roles`. A role says what the user may do, and nothing of what the app
    /// may do for the user: check the scope, too.
    pub roles: Vec<String>,
    /// `sid`: the login that the token belongs to; `None` when a client acts for itself.
    pub session_id: Option<String>,
    /// `jti`: the token's own id.
    pub token_id: Option<String>,
    /// `exp`: from this instant on the token is worth nothing.
    pub expires_at: SystemTime,
    /// `nbf`: before this instant it is worth nothing either.
    pub not_before: Option<SystemTime>,
    /// `iat`: when it was issued.
    pub issued_at: Option<SystemTime>,
    /// When the user signed in.
    pub auth_time: Option<SystemTime>,
    /// `acr`: the class of how the user signed in, as its issuer calls it. [`StepUp`](crate::StepUp) asks for one.
    pub acr: Option<String>,
    /// `act`: who acts for the subject, if it is not the subject that acts.
    pub actor: Option<Actor>,
    /// `status.status_list`: where it stands whether the token was revoked. The verifier looks there itself.
    pub status: Option<StatusReference>,
    /// `cnf`: what the token is bound to. The verifier checks it itself.
    pub confirmation: Option<Confirmation>,
}

/// Who acts for a token's subject (RFC 8693 §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Actor {
    /// `sub`: the user or client that acts.
    #[serde(rename = "sub")]
    pub subject: String,
    /// Who acted before. Only the one that acts now counts for a decision: the others are for the record.
    #[serde(rename = "act")]
    pub before: Option<Box<Self>>,
}

impl Deref for AccessToken {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.0
    }
}

impl AccessToken {
    /// Whether the token was granted this scope: whether the app may do it. Whether the user may is for the role to
    /// say, see [`has_role`](Self::has_role).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let access = sample_access().await;
    /// assert!(access.has_scope("orders:read") && !access.has_scope("orders:write"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    /// Whether the user has this role: whether the user may do it. Whether this app may do it for the user is for the
    /// scope to say: check both.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let access = sample_access().await;
    /// assert!(access.has_scope("orders:read") && access.has_role("admin"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|given| given == role)
    }

    /// Refuses unless every one of these scopes was granted.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let access = sample_access().await;
    /// assert!(access.require_scopes(&["orders:read", "profile"]).is_ok());
    /// assert_eq!(access.require_scopes(&["orders:write"]).unwrap_err().status(), 403);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`VerifyError::InsufficientScope`], naming all that is required.
    pub fn require_scopes<S: AsRef<str>>(&self, required: &[S]) -> Result<(), VerifyError> {
        if required.iter().all(|scope| self.has_scope(scope.as_ref())) {
            return Ok(());
        }
        let required: Vec<&str> = required.iter().map(AsRef::as_ref).collect();
        Err(VerifyError::InsufficientScope { required: required.join(" ") })
    }
}

/// The claims as they stand in the token.
#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    #[serde(deserialize_with = "one_or_many")]
    aud: Vec<String>,
    client_id: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
    #[serde(default)]
    scope: String,
    sid: Option<String>,
    auth_time: Option<f64>,
    acr: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    act: Option<Actor>,
    #[serde(default)]
    status: Status,
    cnf: Option<Confirmation>,
}

/// draft-ietf-oauth-status-list-20 §6.2: other mechanisms than lists may stand there, too.
#[derive(Default, Deserialize)]
struct Status {
    status_list: Option<StatusReference>,
}

/// RFC 7519 §4.1.3: a single audience may stand there as a plain string.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(audience) => vec![audience],
        OneOrMany::Many(audiences) => audiences,
    })
}

impl AccessToken {
    /// Reads the payload of a token whose signature is right. `None` for what lacks something, or is no JSON.
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        let payload: Payload = serde_json::from_slice(json).ok()?;
        let scopes = payload.scope.split(' ').filter(|scope| !scope.is_empty());
        Some(Self(Arc::new(Claims {
            issuer: payload.iss,
            subject: payload.sub,
            client_id: payload.client_id,
            audience: payload.aud,
            scopes: scopes.map(ToOwned::to_owned).collect(),
            roles: payload.roles,
            session_id: payload.sid,
            token_id: payload.jti,
            expires_at: time(payload.exp)?,
            not_before: match payload.nbf {
                Some(seconds) => Some(time(seconds)?),
                None => None,
            },
            issued_at: payload.iat.and_then(time),
            auth_time: payload.auth_time.and_then(time),
            acr: payload.acr,
            actor: payload.act,
            status: payload.status.status_list,
            confirmation: payload.cnf,
        })))
    }
}
