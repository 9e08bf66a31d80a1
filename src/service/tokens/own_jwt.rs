//! Tokens that we signed, as they come back to us.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Validation, decode, decode_header};
use serde::de::DeserializeOwned;

use crate::crypto::signing_key::SigningKey;
use crate::service::Core;

/// The claims of a token of this `typ`, if one of the published keys signed it. Who reads them judges issuer and
/// expiry.
pub(crate) fn read_current<T: DeserializeOwned>(
    core: &Core,
    token: &str,
    typ: &str,
    now: DateTime<Utc>,
) -> Option<T> {
    let kid = kid_of(token, typ)?;
    core.keys.with_signing_keys(|keys| {
        let key = keys.published(now).find(|key| key.kid() == kid)?;
        verified(token, key)
    })
}

/// The same for what may be old: a key that is published no more will do, as long as nobody withdrew it.
pub(crate) fn read_old<T: DeserializeOwned>(core: &Core, token: &str, typ: &str) -> Option<T> {
    let kid = kid_of(token, typ)?;
    core.keys.with_signing_keys(|keys| {
        let key = keys.genuine().find(|key| key.kid() == kid)?;
        verified(token, key)
    })
}

/// RFC 8725 §3.11: a token of one kind must not pass for another.
fn kid_of(token: &str, typ: &str) -> Option<String> {
    let header = decode_header(token).ok()?;
    header.kid.filter(|_| header.typ.as_deref() == Some(typ))
}

fn verified<T: DeserializeOwned>(token: &str, key: &SigningKey) -> Option<T> {
    let (verifying, algorithm) = key.verifying();
    let mut validation = Validation::new(algorithm);
    // The library would ask the system's clock; we have our own.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    Some(decode::<T>(token, verifying, &validation).ok()?.claims)
}
