//! Broken rules, one at a time: each must break a promise, or the promises promise nothing.

use heirloom::domain::family::{Family, Outcome, Policy, RefreshAttempt, RotationPolicy, Step};
use heirloom::domain::refusal::Refusal;
use stateright::{Checker, HasDiscoveries, Model};

use crate::promises::*;
use crate::world::{Rule, Swapping, World, right};
use crate::worlds::{self, Reach};

/// Follows a world until each of the promises is broken, and says by what.
fn breaks(world: World, promises: &[Promise]) {
    let name = world.name;
    let names = promises.iter().map(|promise| promise.name).collect();
    let checker = world.checker().finish_when(HasDiscoveries::AllOf(names)).spawn_bfs().join();
    for promise in promises {
        let found = checker.discovery(promise.name);
        let path = found.unwrap_or_else(|| panic!("{name}: \"{}\" holds all the same", promise.name));
        println!("{name}: \"{}\" does not hold:", promise.name);
        path.into_actions().iter().for_each(|action| println!("    {action:?}"));
    }
}

fn broken_by(rule: Rule, world: fn(Reach) -> World, promises: &[Promise]) {
    breaks(World { rule, ..world(Reach::Short) }, promises);
}

#[test]
fn without_compare_and_swap_rows_move_back_and_ended_ones_are_written() {
    let world = World { swapping: Swapping::OnlySwaps, ..worlds::lost_messages(Reach::Short) };
    breaks(world, &[no_row_moves_back(), no_ended_row_is_written()]);
}

#[test]
fn with_sliding_leeway_a_successor_is_handed_out_for_ever() {
    fn slides(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        let Family { generation, base, .. } = *family;
        match right(family, attempt, policy) {
            Outcome::Replay => Outcome::Touch(Step { generation, base }),
            outcome => outcome,
        }
    }
    broken_by(slides, worlds::theft_in_the_leeway, &[replays_end_with_the_leeway()]);
}

#[test]
fn with_branching_grace_a_generation_has_two_live_successors() {
    fn branches(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::Replay => Outcome::Rotate(Step {
                generation: family.generation.next().unwrap(),
                base: Some(family.generation),
            }),
            outcome => outcome,
        }
    }
    broken_by(branches, worlds::theft, &[one_live_successor()]);
}

#[test]
fn a_base_that_is_kept_silently_logs_out_who_comes_often() {
    fn keeps(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match (right(family, attempt, policy), policy.rotation) {
            (Outcome::Touch(_), RotationPolicy::Every(period)) if family.age(attempt.now) < period => {
                Outcome::Keep
            }
            (outcome, _) => outcome,
        }
    }
    broken_by(keeps, worlds::shared_often, &[owner_is_always_served()]);
}

/// No rule is broken here: a row that is caught up as of when the request came, and that only half a period later, is
/// half a period old at once.
#[test]
fn a_server_that_catches_up_for_half_a_period_logs_out_who_shares() {
    let world = World { prompt: false, ..worlds::shared_restored(Reach::Short) };
    breaks(world, &[owner_is_always_served()]);
}

#[test]
fn a_base_that_rotates_logs_out_who_shares() {
    fn rotates(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::Touch(Step { generation, base }) => {
                Outcome::Rotate(Step { generation: generation.next().unwrap(), base })
            }
            outcome => outcome,
        }
    }
    broken_by(rotates, worlds::shared_often, &[owner_is_always_served()]);
    broken_by(rotates, worlds::shared_answered, &[owner_is_always_served()]);
}

#[test]
fn catching_up_past_the_token_logs_out_who_shares() {
    fn passes(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::CatchUp(_) => Outcome::CatchUp(Step {
                generation: attempt.presented.next().unwrap(),
                base: Some(attempt.presented),
            }),
            outcome => outcome,
        }
    }
    broken_by(passes, worlds::shared_restored, &[owner_is_always_served(), other_is_always_served()]);
}

#[test]
fn without_catching_up_a_lost_rotation_logs_the_owner_out() {
    fn stays(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::CatchUp(_) => Outcome::Refuse(Refusal::Ahead),
            outcome => outcome,
        }
    }
    broken_by(stays, worlds::lost_rotations, &[owner_is_never_logged_out()]);
    broken_by(stays, worlds::recovery_window, &[owner_is_never_logged_out()]);
}

#[test]
fn without_recovery_a_lost_answer_logs_the_owner_out() {
    fn ends(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::Recover { .. } => Outcome::Reuse,
            outcome => outcome,
        }
    }
    broken_by(ends, worlds::lost_messages, &[owner_is_never_logged_out()]);
    broken_by(ends, worlds::late_copies, &[only_late_requests_log_out()]);
}

#[test]
fn a_request_that_waited_is_no_thief() {
    fn ends(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::Overtaken => Outcome::Reuse,
            outcome => outcome,
        }
    }
    broken_by(ends, worlds::lost_messages, &[owner_is_never_logged_out()]);
}

#[test]
fn a_recovery_that_moves_base_hides_the_thief() {
    fn hides(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::Recover { step, .. } => Outcome::Rotate(Step { base: Some(family.generation), ..step }),
            outcome => outcome,
        }
    }
    let [third_run_gets_nothing, _] = third_run_ends_it();
    let promises = [third_run_gets_nothing, one_live_successor()];
    breaks(World { rule: hides, last_generation: 4, last_tick: 2, ..worlds::theft(Reach::Short) }, &promises);
}

#[test]
fn reuse_that_only_refuses_ends_nothing() {
    fn refuses(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::Reuse => Outcome::Refuse(Refusal::Unknown),
            outcome => outcome,
        }
    }
    let [_, ends] = third_run_ends_it();
    broken_by(refuses, worlds::theft, &[ends]);
    broken_by(refuses, worlds::shadowing_thief, &[two_behind_ends_it()]);
}

#[test]
fn every_other_promise_can_be_broken() {
    fn serves_all(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::Refuse(Refusal::Expired | Refusal::Ended(_)) | Outcome::Reuse => Outcome::Keep,
            outcome => outcome,
        }
    }
    let promises =
        [nobody_is_served_when_expired(), nothing_refreshes_after_the_end(), nothing_spent_is_honoured()];
    let world = World { last_generation: 4, ..worlds::lost_messages(Reach::Short) };
    breaks(World { rule: serves_all, copies: crate::world::Copies::Late, ..world }, &promises);

    fn replays(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        let is_base = family.base == Some(attempt.presented);
        match right(family, attempt, policy) {
            Outcome::Reuse if is_base => Outcome::Replay,
            outcome => outcome,
        }
    }
    broken_by(replays, worlds::strict, &[tokens_work_once()]);

    fn touches_each_time(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        let Family { generation, base, .. } = *family;
        match right(family, attempt, policy) {
            Outcome::Keep if base == Some(attempt.presented) => Outcome::Touch(Step { generation, base }),
            outcome => outcome,
        }
    }
    broken_by(touches_each_time, worlds::shared_often, &[written_twice_a_period()]);

    fn touches_never(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
        match right(family, attempt, policy) {
            Outcome::Touch(_) => Outcome::Keep,
            outcome => outcome,
        }
    }
    broken_by(touches_never, worlds::unrotated, &[families_in_use_live()]);
}
