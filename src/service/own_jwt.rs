//! Tokens that we signed, as they come back to us.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Validation, decode, decode_header};
use serde::de::DeserializeOwned;

use crate::service::Core;

/// The claims of a token of this `typ`, if one of the published keys signed it. Who reads them judges issuer and expiry.
pub(crate) fn read<T: DeserializeOwned>(
    core: &Core,
    token: &str,
    typ: &str,
    now: DateTime<Utc>,
) -> Option<T> {
    let header = decode_header(token).ok()?;
    // RFC 8725 §3.11: a token of one kind must not pass for another.
    if header.typ.as_deref() != Some(typ) {
        return None;
    }
    let read = core.keys.with_signing_keys(|keys| {
        let key = keys.published(now).find(|key| header.kid.as_deref() == Some(key.kid()))?;
        let (verifying, algorithm) = key.verifying();
        let mut validation = Validation::new(algorithm);
        // The library would ask the system's clock; we have our own.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        decode::<T>(token, verifying, &validation).ok()
    })?;
    Some(read.claims)
}
