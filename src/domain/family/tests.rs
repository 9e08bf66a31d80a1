//! The protocol's vectors, row by row; then random histories, which must keep the protocol's promises.

mod promises;
mod vectors;

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::domain::authentication::Authentication;
use crate::domain::client::ClientKind;
use crate::domain::refusal::Refusal;

const LEEWAY: i64 = 30;
const IDLE: i64 = 7 * 86_400;
const ABSOLUTE: i64 = 90 * 86_400;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000_000 + seconds, 0).unwrap()
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

fn generation(number: i64) -> Generation {
    Generation::new(number).unwrap()
}

/// A family born at second 0, last written at `rotated`.
fn family(current: i64, base: Option<i64>, rotated: i64) -> Family {
    Family {
        id: FamilyId(Uuid::nil()),
        authentication: Authentication::by_password(UserId(Uuid::nil()), at(0)),
        subject: "ana".to_owned(),
        client_id: ClientId::built_in(),
        scope: ScopeSet::default(),
        audiences: Vec::new(),
        roles: Vec::new(),
        key_thumbprint: None,
        secret_hash: SecretHash::from_stored(&[0; 32]).unwrap(),
        generation: generation(current),
        base: base.map(generation),
        rotated_at: at(rotated),
        claims: ClaimsRequest::default(),
        agent: UserAgentInfo::default(),
        created_at: at(0),
        expires_at: at(ABSOLUTE),
        status: None,
        state: State::Live,
    }
}

#[test]
fn an_access_token_counts_from_the_last_change_unless_its_token_is_kept() {
    let row = family(6, Some(5), 100);
    assert_eq!(Grant::from(row.clone()).issued_at, at(100));
    let kept = Grant::kept(row, at(160));
    assert_eq!((kept.issued_at, kept.rotated_at, kept.generation), (at(160), at(100), generation(6)));
}
