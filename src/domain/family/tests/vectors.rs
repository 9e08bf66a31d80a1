//! `docs/rotation-vectors.json`: every row of the protocol's tables, and their boundaries, as anybody may run them.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotationVectors {
    decisions: Vec<DecisionVector>,
    effective_policies: Vec<JudgedVector>,
    policy_bounds: Vec<BoundsVector>,
    policy_texts: Vec<TextVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionVector {
    name: String,
    policy: RotationPolicy,
    leeway: i64,
    idle: i64,
    restore: String,
    state: RowVector,
    presented: i64,
    now: i64,
    outcome: String,
    refusal: Option<String>,
    skipped: Option<i64>,
    next: RowVector,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowVector {
    generation: i64,
    base: Option<i64>,
    rotated_at: i64,
    expires_at: i64,
    ended: Option<EndReason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JudgedVector {
    policy: RotationPolicy,
    client: String,
    key_bound: bool,
    effective: RotationPolicy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundsVector {
    policy: RotationPolicy,
    access: i64,
    idle: i64,
    leeway: i64,
    valid: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextVector {
    text: String,
    policy: Option<String>,
}

fn vectors() -> RotationVectors {
    serde_json::from_str(include_str!("../../../../docs/rotation-vectors.json")).unwrap()
}

impl RowVector {
    fn family(&self) -> Family {
        Family {
            expires_at: at(self.expires_at),
            state: self.ended.map_or(State::Live, |reason| State::Ended { at: at(0), reason }),
            ..family(self.generation, self.base, self.rotated_at)
        }
    }

    fn after(&self, step: Step, now: i64) -> Self {
        let (generation, base) = (step.generation.number(), step.base.map(Generation::number));
        Self { generation, base, rotated_at: now, ..self.clone() }
    }
}

#[test]
fn every_decision_is_as_documented() {
    let vectors = vectors().decisions;
    for vector in &vectors {
        let lifetimes =
            Lifetimes::new(seconds(900), seconds(vector.idle), seconds(ABSOLUTE), seconds(vector.leeway));
        let restore = match vector.restore.as_str() {
            "undecided" => RestoreDecision::Undecided,
            "recover" => RestoreDecision::Recover,
            "decline" => RestoreDecision::Decline,
            other => panic!("{other}"),
        };
        let policy = Policy { lifetimes: lifetimes.unwrap(), rotation: vector.policy, restore };
        let (row, now) = (&vector.state, vector.now);
        let outcome = decide(&row.family(), generation(vector.presented), at(now), &policy);
        let same = row.clone();
        let (word, next) = match outcome {
            Outcome::Rotate(step) => ("rotate", row.after(step, now)),
            Outcome::Replay => ("replay", same),
            Outcome::Recover { step, .. } => ("recover", row.after(step, now)),
            Outcome::Keep => ("keep", same),
            Outcome::Touch(step) => ("touch", row.after(step, now)),
            Outcome::CatchUp(step) => ("catch_up", row.after(step, now)),
            Outcome::Reuse => ("reuse", RowVector { ended: Some(EndReason::Reuse), ..same }),
            Outcome::Overtaken => ("overtaken", same),
            Outcome::Undecided => ("undecided", same),
            Outcome::Refuse(_) => ("refuse", same),
        };
        let refusal = if let Outcome::Refuse(refusal) = outcome { Some(refusal.as_str()) } else { None };
        let skipped = if let Outcome::Recover { skipped, .. } = outcome { Some(skipped) } else { None };
        assert_eq!(
            (word, refusal, skipped, &next),
            (&*vector.outcome, vector.refusal.as_deref(), vector.skipped, &vector.next),
            "{}: {}",
            vector.policy,
            vector.name
        );
    }
    assert!(vectors.len() > 80, "the vectors were found");
}

#[test]
fn a_token_that_stays_good_needs_a_client_or_a_key_that_is_proved() {
    for vector in vectors().effective_policies {
        let kind = match vector.client.as_str() {
            "public" => ClientKind::Public,
            "confidential" => ClientKind::Confidential(Vec::new()),
            other => panic!("{other}"),
        };
        let thumbprint =
            vector.key_bound.then(|| "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap());
        let effective = vector.policy.for_family(&kind, thumbprint.as_ref());
        assert_eq!(effective, vector.effective, "{} {} {thumbprint:?}", vector.policy, vector.client);
    }
}

#[test]
fn a_policy_agrees_with_the_lifetimes() {
    for vector in vectors().policy_bounds {
        let lifetimes = Lifetimes::new(
            seconds(vector.access),
            seconds(vector.idle),
            seconds(ABSOLUTE),
            seconds(vector.leeway),
        );
        let checked = vector.policy.checked(&lifetimes.unwrap());
        assert_eq!(checked.is_ok(), vector.valid, "{}: {checked:?}", vector.policy);
    }
}

#[test]
fn a_policy_has_one_spelling_and_reads_several() {
    for TextVector { text, policy } in vectors().policy_texts {
        let read = text.parse::<RotationPolicy>();
        assert_eq!(read.ok().map(|read| read.to_string()), policy, "{text:?}");
        assert_eq!(serde_json::from_value::<RotationPolicy>(text.into()).ok().map(String::from), policy);
    }
}

#[test]
fn what_is_wrong_with_a_policy_is_said_with_its_bounds() {
    let message = |policy: &str, access, idle, leeway| {
        let lifetimes = Lifetimes::new(seconds(access), seconds(idle), seconds(ABSOLUTE), seconds(leeway));
        let checked = policy.parse::<RotationPolicy>().and_then(|policy| policy.checked(&lifetimes.unwrap()));
        checked.unwrap_err().to_string()
    };
    assert_eq!(
        message("sometimes", 900, IDLE, LEEWAY),
        "the rotation policy must be always, never, or every: and a period, such as every:1h"
    );
    assert_eq!(
        message("every:soon", 900, IDLE, LEEWAY),
        "the rotation period must be a duration in whole seconds, such as 15m, 1h or 1d"
    );
    assert_eq!(
        message("every:14m", 900, IDLE, LEEWAY),
        "the rotation period must be between 15m (the access-token lifetime, one minute at least) and 1d 18h (a \
         quarter of the idle lifetime)"
    );
    assert_eq!(
        message("every:15m", 900, 3_596, LEEWAY),
        "there is no rotation period for these lifetimes: it would have to be at least 15m (the access-token \
         lifetime, one minute at least) and at most 14m 59s (a quarter of the idle lifetime)"
    );
    assert_eq!(
        message("never", 900, IDLE, 0),
        "a leeway of 0s (strict mode) needs the rotation policy always"
    );
}
