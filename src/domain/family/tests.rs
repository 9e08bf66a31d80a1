//! The table of the decision, row by row; then random histories, which must keep the protocol's promises.

use std::time::Duration;

use proptest::prelude::*;

use uuid::Uuid;

use super::*;
use crate::domain::authentication::Authentication;

const LEEWAY: i64 = 30;
const IDLE: i64 = 7 * 86_400;
const ABSOLUTE: i64 = 90 * 86_400;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000_000 + seconds, 0).unwrap()
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

fn policy(leeway: i64) -> Policy {
    let lifetimes = Lifetimes::new(seconds(900), seconds(IDLE), seconds(ABSOLUTE), seconds(leeway)).unwrap();
    Policy { lifetimes, recovery_window: RecoveryWindow::Closed }
}

fn generation(number: i64) -> Generation {
    Generation::new(number).unwrap()
}

/// A family born at second 0, last rotated at `rotated`.
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
        claims: ClaimRequests::default(),
        agent: UserAgentInfo::default(),
        created_at: at(0),
        expires_at: at(ABSOLUTE),
        state: State::Live,
    }
}

fn to(next: i64, base: i64) -> Step {
    Step { generation: generation(next), base: Some(generation(base)) }
}

#[test]
fn the_current_generation_rotates() {
    let fresh = family(1, None, 0);
    assert_eq!(decide(&fresh, generation(1), at(5), &policy(LEEWAY)), Outcome::Rotate(to(2, 1)));
    let old = family(9, Some(8), 100);
    assert_eq!(decide(&old, generation(9), at(100), &policy(0)), Outcome::Rotate(to(10, 9)));
}

#[test]
fn the_base_is_replayed_inside_the_leeway_and_recovered_after_it() {
    let family = family(6, Some(5), 100);
    let base = generation(5);
    let decide = |now| decide(&family, base, at(now), &policy(LEEWAY));
    assert_eq!(decide(100), Outcome::Replay);
    assert_eq!(decide(129), Outcome::Replay);
    assert_eq!(decide(130), Outcome::Recover { step: to(7, 5), skipped: 1 });
    assert_eq!(decide(90), Outcome::Replay, "a negative age counts as zero");
}

#[test]
fn a_second_recovery_counts_every_skipped_generation() {
    let family = family(8, Some(5), 200);
    let outcome = decide(&family, generation(5), at(400), &policy(LEEWAY));
    assert_eq!(outcome, Outcome::Recover { step: to(9, 5), skipped: 3 });
}

#[test]
fn strict_mode_takes_the_base_for_reuse() {
    let family = family(6, Some(5), 100);
    assert_eq!(decide(&family, generation(5), at(100), &policy(0)), Outcome::Reuse);
    assert_eq!(decide(&family, generation(5), at(99), &policy(0)), Outcome::Overtaken);
}

#[test]
fn any_other_old_generation_is_reuse() {
    let family = family(8, Some(5), 100);
    for spent in [1, 4, 6, 7] {
        assert_eq!(decide(&family, generation(spent), at(101), &policy(LEEWAY)), Outcome::Reuse, "{spent}");
        assert_eq!(
            decide(&family, generation(spent), at(99), &policy(LEEWAY)),
            Outcome::Overtaken,
            "{spent}"
        );
    }
}

#[test]
fn a_token_ahead_of_its_row_catches_up_by_two_or_in_a_recovery_window() {
    let family = family(6, Some(5), 100);
    let decide = |presented, policy: &Policy| decide(&family, generation(presented), at(101), policy);
    let usual = policy(LEEWAY);
    assert_eq!(decide(7, &usual), Outcome::CatchUp(to(8, 7)));
    assert_eq!(decide(8, &usual), Outcome::CatchUp(to(9, 8)));
    assert_eq!(decide(9, &usual), Outcome::Refuse(Refusal::Ahead));
    let restored = Policy { recovery_window: RecoveryWindow::Open, ..usual };
    assert_eq!(decide(9, &restored), Outcome::CatchUp(to(10, 9)));
    assert_eq!(decide(5_000, &restored), Outcome::CatchUp(to(5_001, 5_000)));
}

#[test]
fn expiry_counts_from_its_first_instant() {
    let idle = family(6, Some(5), 100);
    let current = generation(6);
    let expired = Outcome::Refuse(Refusal::Expired);
    assert_eq!(decide(&idle, current, at(100 + IDLE - 1), &policy(LEEWAY)), Outcome::Rotate(to(7, 6)));
    assert_eq!(decide(&idle, current, at(100 + IDLE), &policy(LEEWAY)), expired);
    let old = family(6, Some(5), ABSOLUTE - 10);
    assert_eq!(decide(&old, current, at(ABSOLUTE - 1), &policy(LEEWAY)), Outcome::Rotate(to(7, 6)));
    assert_eq!(decide(&old, current, at(ABSOLUTE), &policy(LEEWAY)), expired);
    assert_eq!(
        decide(&old, generation(2), at(ABSOLUTE), &policy(LEEWAY)),
        expired,
        "expiry comes before reuse"
    );
}

#[test]
fn an_ended_family_says_why() {
    for reason in EndReason::ALL {
        let ended = Family { state: State::Ended { at: at(50), reason }, ..family(6, Some(5), 10) };
        let refusal = if reason == EndReason::Reuse { Refusal::Reused } else { Refusal::Ended(reason) };
        for presented in [1, 5, 6, 7, 99] {
            let outcome = decide(&ended, generation(presented), at(60), &policy(LEEWAY));
            assert_eq!(outcome, Outcome::Refuse(refusal));
        }
    }
}

#[test]
fn the_counter_ends_as_expiry_and_never_wraps() {
    let last = i64::from(u32::MAX);
    let expired = Outcome::Refuse(Refusal::Expired);
    let family = family(last, Some(last - 1), 0);
    assert_eq!(decide(&family, generation(last), at(1), &policy(LEEWAY)), expired);
    assert_eq!(decide(&family, generation(last - 1), at(1), &policy(LEEWAY)), Outcome::Replay);
    assert_eq!(decide(&family, generation(last - 1), at(40), &policy(LEEWAY)), expired);
}

/// A family, the generations that were handed out, and what the row does with each decision.
struct World {
    family: Family,
    policy: Policy,
    now: i64,
}

impl World {
    fn new(leeway: i64) -> Self {
        Self { family: family(1, None, 0), policy: policy(leeway), now: 0 }
    }

    /// Presents a token, applies the outcome, gives what is handed out.
    fn present(&mut self, presented: Generation) -> Result<Generation, Outcome> {
        let outcome = decide(&self.family, presented, at(self.now), &self.policy);
        match outcome {
            Outcome::Rotate(step) | Outcome::Recover { step, .. } | Outcome::CatchUp(step) => {
                assert!(step.generation > self.family.generation, "a generation is handed out once");
                assert!(step.base.is_some_and(|base| base < step.generation));
                self.family.generation = step.generation;
                self.family.base = step.base;
                self.family.rotated_at = at(self.now);
            }
            Outcome::Reuse => self.family.state = State::Ended { at: at(self.now), reason: EndReason::Reuse },
            Outcome::Replay | Outcome::Overtaken | Outcome::Refuse(_) => {}
        }
        match outcome {
            Outcome::Reuse | Outcome::Overtaken | Outcome::Refuse(_) => Err(outcome),
            _ => Ok(self.family.generation),
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds;
    }
}

/// What happens between two presentations: time passes; the answer arrives or is lost.
fn step() -> impl Strategy<Value = (i64, bool)> {
    (prop_oneof![0..3_i64, 25..35_i64, 60..100_000_i64], any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lost_answers_never_log_an_honest_client_out(history in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new(LEEWAY);
        let mut held = Generation::FIRST;
        for (pause, arrives) in history {
            world.pass(pause);
            let answer = world.present(held);
            prop_assert!(answer.is_ok(), "{answer:?} for {held:?}");
            if arrives {
                held = answer.unwrap();
            }
        }
    }

    #[test]
    fn once_both_have_moved_on_the_copy_is_always_caught(
        before in prop::collection::vec(step(), 0..20),
        after in prop::collection::vec(step(), 0..20),
        pause in 0..100_000_i64,
    ) {
        let mut world = World::new(LEEWAY);
        let mut held = Generation::FIRST;
        for (pause, arrives) in before {
            world.pass(pause);
            let answer = world.present(held).unwrap();
            held = if arrives { answer } else { held };
        }
        // The token is copied. One of the two, whichever, uses it and then what it got for it.
        let copied = held;
        let mut mover = world.present(held).unwrap();
        mover = world.present(mover).unwrap();
        for (pause, arrives) in after {
            world.pass(pause);
            let answer = world.present(mover).unwrap();
            mover = if arrives { answer } else { mover };
        }
        world.pass(pause);
        prop_assert_eq!(world.present(copied), Err(Outcome::Reuse));
        prop_assert_eq!(world.present(mover), Err(Outcome::Refuse(Refusal::Reused)));
    }

    #[test]
    fn a_generation_has_one_live_successor(
        history in prop::collection::vec((0..200_usize, 0..120_i64), 1..80),
        leeway in prop_oneof![Just(0), Just(LEEWAY)],
    ) {
        let mut world = World::new(leeway);
        let mut handed_out = vec![Generation::FIRST];
        for (pick, pause) in history {
            world.pass(pause);
            let presented = handed_out[pick % handed_out.len()];
            let (current, base) = (world.family.generation, world.family.base);
            let live = world.family.state == State::Live;
            match world.present(presented) {
                // Only the current generation and the base are ever honoured, and what they get is the row's current
                // generation: two holders can never both hold a token that still rotates.
                Ok(next) => {
                    prop_assert!(live && (presented == current || (Some(presented) == base && leeway > 0)));
                    prop_assert_eq!(next, world.family.generation);
                    if next != current {
                        handed_out.push(next);
                    }
                }
                Err(Outcome::Reuse) => prop_assert!(presented != current && (Some(presented) != base || leeway == 0)),
                Err(outcome) => prop_assert_eq!(outcome, Outcome::Refuse(Refusal::Reused)),
            }
        }
    }
}
