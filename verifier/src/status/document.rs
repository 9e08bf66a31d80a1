//! The signed document that holds a list: a status list token (draft-ietf-oauth-status-list-20 §5.1).

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::clock::numeric_date;
use crate::jws::Parts;
use crate::keys::KeySet;
use crate::rules::Rules;
use crate::status::StatusListError;
use crate::status::list::StatusList;
use crate::status::pace::Validity;

/// How long a list is used that does not say it.
const TTL: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Document {
    pub(super) list: StatusList,
    pub(super) validity: Validity,
}

#[derive(Deserialize)]
struct Payload {
    iss: Option<String>,
    sub: String,
    iat: f64,
    exp: Option<f64>,
    nbf: Option<f64>,
    ttl: Option<serde_json::Value>,
    status_list: Encoded,
}

#[derive(Deserialize)]
struct Encoded {
    bits: u64,
    lst: String,
}

impl Document {
    pub(super) fn parts<'t>(jwt: &'t str, rules: &Rules) -> Result<Parts<'t>, StatusListError> {
        Ok(Parts::of(jwt, "statuslist+jwt", &rules.algorithms)?)
    }

    /// Reads the document of the list `uri` (§8.3). What is cheap to check comes before what is not.
    pub(super) fn read(
        parts: &Parts<'_>,
        keys: &KeySet,
        uri: &str,
        rules: &Rules,
        now: SystemTime,
    ) -> Result<Self, StatusListError> {
        let (payload, _) = parts.signed_by(keys)?;
        let payload: Payload = serde_json::from_slice(&payload).map_err(|_| StatusListError::Malformed)?;
        if payload.iss.is_some_and(|iss| iss != rules.issuer) {
            return Err(StatusListError::WrongIssuer);
        }
        if payload.sub != uri {
            return Err(StatusListError::WrongSubject);
        }
        let time = |seconds| numeric_date(seconds).ok_or(StatusListError::Malformed);
        let issued_at = time(payload.iat)?;
        let expires_at = payload.exp.map(time).transpose()?;
        if expires_at.is_some_and(|end| rules.is_over(end, now)) {
            return Err(StatusListError::Expired);
        }
        if let Some(seconds) = payload.nbf
            && rules.is_to_come(time(seconds)?, now)
        {
            return Err(StatusListError::NotYetValid);
        }
        let ttl = payload.ttl.map_or(Ok(TTL), |ttl| duration(&ttl).ok_or(StatusListError::InvalidTtl))?;
        let list = StatusList::read(payload.status_list.bits, &payload.status_list.lst)?;
        Ok(Self { list, validity: Validity { issued_at, expires_at, ttl } })
    }
}

fn duration(ttl: &serde_json::Value) -> Option<Duration> {
    let seconds = ttl.as_f64().filter(|seconds| *seconds > 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}
