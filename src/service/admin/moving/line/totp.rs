//! The authenticator app of a user who moves (RFC 6238).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::crypto::totp::{TotpSecret, UnfitTotp};
use crate::service::admin::moving::line::told::told;

/// Why an app is not taken along. It shows nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum UnfitApp {
    #[error("it must be an object with a secret, or Keycloak's credential")]
    NotAnObject,
    /// Members that are unknown, missing or there twice.
    #[error("{0}")]
    Members(String),
    #[error("secret must be a text")]
    SecretOfOtherType,
    #[error("it cannot be read as Keycloak's credential")]
    UnreadableCredential,
    #[error(transparent)]
    Totp(#[from] UnfitTotp),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TotpMembers {
    secret: Value,
    algorithm: Option<Value>,
    digits: Option<Value>,
    period: Option<Value>,
}

/// An app as it is written: with everything that it is, for systems where that differs.
#[derive(Debug, Serialize)]
pub(super) struct WrittenTotp<'a> {
    secret: &'a str,
    algorithm: &'static str,
    digits: u8,
    period: u8,
}

impl<'a> WrittenTotp<'a> {
    pub(super) fn of(typed: &'a str) -> Self {
        Self { secret: typed, algorithm: "SHA1", digits: 6, period: 30 }
    }
}

/// A credential of the type `otp`, as Keycloak exports it: two texts that hold JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KeycloakApp {
    credential_data: String,
    secret_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakAppData {
    sub_type: String,
    algorithm: Option<Value>,
    digits: Option<Value>,
    period: Option<Value>,
    /// What the value is written in; without it, its bytes are the secret.
    secret_encoding: Option<String>,
}

#[derive(Deserialize)]
struct KeycloakSecret {
    value: String,
}

/// Reads an app. Who comes with one whose codes this server does not make is not let in by the password alone: the line
/// is refused.
pub(super) fn read(app: Value) -> Result<TotpSecret, UnfitApp> {
    let Some(members) = app.as_object() else {
        return Err(UnfitApp::NotAnObject);
    };
    let is_keycloak = members.contains_key("credentialData");
    let unreadable = |error: serde_json::Error| UnfitApp::Members(told(&error));
    if is_keycloak {
        return of_keycloak(&serde_json::from_value(app).map_err(unreadable)?);
    }
    let it: TotpMembers = serde_json::from_value(app).map_err(unreadable)?;
    let Value::String(secret) = it.secret else {
        return Err(UnfitApp::SecretOfOtherType);
    };
    check([it.algorithm, it.digits, it.period])?;
    Ok(TotpSecret::from_base32(&secret)?)
}

fn of_keycloak(app: &KeycloakApp) -> Result<TotpSecret, UnfitApp> {
    let unreadable = |_| UnfitApp::UnreadableCredential;
    let data: KeycloakAppData = serde_json::from_str(&app.credential_data).map_err(unreadable)?;
    let secret: KeycloakSecret = serde_json::from_str(&app.secret_data).map_err(unreadable)?;
    if data.sub_type != "totp" {
        return Err(UnfitTotp::Counted.into());
    }
    check([data.algorithm, data.digits, data.period])?;
    Ok(match data.secret_encoding.as_deref() {
        None => TotpSecret::taken_along(Zeroizing::new(secret.value.into_bytes()))?,
        Some("BASE32") => TotpSecret::from_base32(&secret.value)?,
        Some(_) => return Err(UnfitTotp::NotBase32.into()),
    })
}

/// Whether codes are made as they are here; what is not told is so.
fn check([algorithm, digits, period]: [Option<Value>; 3]) -> Result<(), UnfitTotp> {
    // Keycloak calls it after what it does with it.
    let is_sha1 = |it: &Value| it.as_str().is_some_and(|it| ["SHA1", "HmacSHA1"].contains(&it));
    if !algorithm.as_ref().is_none_or(is_sha1) {
        return Err(UnfitTotp::Algorithm);
    }
    if digits.is_some_and(|digits| digits != 6) {
        return Err(UnfitTotp::Digits);
    }
    if period.is_some_and(|period| period != 30) {
        return Err(UnfitTotp::Period);
    }
    Ok(())
}
