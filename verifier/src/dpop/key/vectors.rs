//! The vectors of Project Wycheproof, against keys as they stand in proofs.

use super::*;
use crate::keys::vectors::{eddsa, es256, judge, rs256};

#[test]
fn proofs_are_judged_as_wycheproof_says() {
    for (alg, groups) in [("ES256", es256()), ("EdDSA", eddsa()), ("RS256", rs256())] {
        judge(&format!("{alg}, keys in proofs"), &groups, |group, case| {
            let jwk: Jwk = serde_json::from_value(group.jwk.clone()).ok()?;
            let key = ProofKey::new(alg, &jwk).ok()?;
            Some(key.signed(&case.message, &case.signature))
        });
    }
}
