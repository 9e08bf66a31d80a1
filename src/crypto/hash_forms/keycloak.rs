//! The credentials of Keycloak's exports: two texts that hold JSON.

use std::collections::HashMap;

use serde::Deserialize;

use crate::crypto::hash_forms::text::{pbkdf2, unpadded};
use crate::crypto::unfit_hash::UnfitHash;

const KIND: &str = "Keycloak's credential";

/// A credential of the type `password`, as Keycloak exports it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeycloakCredential {
    credential_data: String,
    secret_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    hash_iterations: u32,
    algorithm: String,
    #[serde(default)]
    additional_parameters: HashMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct SecretData {
    value: String,
    salt: String,
}

impl KeycloakCredential {
    /// The stored form.
    pub(super) fn stored(&self) -> Result<String, UnfitHash> {
        let unreadable = UnfitHash::Unreadable(KIND);
        let data: CredentialData = serde_json::from_str(&self.credential_data).map_err(|_| unreadable)?;
        let secret: SecretData = serde_json::from_str(&self.secret_data).map_err(|_| unreadable)?;
        let iterations = data.hash_iterations.to_string();
        let (salt, output) = (secret.salt.as_str(), secret.value.as_str());
        Ok(match data.algorithm.as_str() {
            "pbkdf2" => pbkdf2("sha1", &iterations, salt, output),
            "pbkdf2-sha256" => pbkdf2("sha256", &iterations, salt, output),
            "pbkdf2-sha512" => pbkdf2("sha512", &iterations, salt, output),
            "argon2" => argon2(&data, &secret).ok_or(unreadable)?,
            _ => return Err(UnfitHash::UnknownKind),
        })
    }
}

fn argon2(data: &CredentialData, secret: &SecretData) -> Option<String> {
    let parameter = |name: &str| match data.additional_parameters.get(name)?.as_slice() {
        [value] => Some(value.as_str()),
        _ => None,
    };
    let version = match parameter("version")? {
        "1.0" => 16,
        "1.3" => 19,
        _ => return None,
    };
    let (kind, memory, lanes) = (parameter("type")?, parameter("memory")?, parameter("parallelism")?);
    let (salt, output) = (unpadded(&secret.salt), unpadded(&secret.value));
    let passes = data.hash_iterations;
    Some(format!("$argon2{kind}$v={version}$m={memory},t={passes},p={lanes}${salt}${output}"))
}
