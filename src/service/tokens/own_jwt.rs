//! Tokens that we signed, as they come back to us.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use crate::crypto::jws::Jws;
use crate::crypto::signing_key::SigningKey;
use crate::service::Core;

/// The claims of a token of this `typ`, if one of the published keys signed it. Who reads them judges issuer and
/// times.
pub(crate) fn read_current<T: DeserializeOwned>(
    core: &Core,
    token: &str,
    typ: &str,
    now: DateTime<Utc>,
) -> Option<T> {
    let jws = of_type(token, typ)?;
    core.keys.with_signing_keys(|keys| {
        let key = keys.published(now).find(|key| jws.kid.as_deref() == Some(key.kid()))?;
        let is_proven = core.keys.proven().is_proven(token, || is_signed(&jws, key));
        if is_proven { jws.unproven_claims() } else { None }
    })
}

/// The same for what may be old: a key that is published no more will do, as long as nobody withdrew it.
pub(crate) fn read_old<T: DeserializeOwned>(core: &Core, token: &str, typ: &str) -> Option<T> {
    let jws = of_type(token, typ)?;
    core.keys.with_signing_keys(|keys| {
        let key = keys.genuine().find(|key| jws.kid.as_deref() == Some(key.kid()))?;
        if is_signed(&jws, key) { jws.unproven_claims() } else { None }
    })
}

/// RFC 8725 §3.11: a token of one kind must not pass for another.
fn of_type<'t>(token: &'t str, typ: &str) -> Option<Jws<'t>> {
    Jws::parse(token).filter(|jws| jws.typ.as_deref() == Some(typ))
}

/// RFC 8725 §3.1: the key has one algorithm, and the token cannot choose another.
fn is_signed(jws: &Jws<'_>, key: &SigningKey) -> bool {
    let (verifying, algorithm) = key.verifying();
    jws.alg == key.algorithm_name() && jws.is_signed_by(verifying, algorithm)
}
