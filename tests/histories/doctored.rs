//! The checker takes good histories and finds fault with doctored ones: each promise is broken at least once.

use crate::checker::{Promise, violations};
use crate::history::{Asked, History, Loss, Moment, Operation, Rotation, Row, Said};

const FAMILY: u128 = 7;

/// One after another: each begins when the last one has ended.
fn history(steps: &[(Asked, Said)]) -> History {
    let login = (Asked::LogIn, Said::Gave(1));
    let operations = std::iter::once(&login).chain(steps).zip((0..).step_by(10));
    let operations = operations
        .map(|((asked, said), began)| Operation {
            family: FAMILY,
            asked: *asked,
            said: *said,
            began,
            ended: began + 9,
        })
        .collect();
    let last =
        steps.iter().rev().find_map(|(_, said)| if let Said::Gave(it) = said { Some(*it) } else { None });
    let is_live = !steps.iter().any(|step| *step == (Asked::End, Said::Done) || step.1 == Said::Refused);
    History {
        rotations: [(FAMILY, Rotation::Always)].into(),
        operations,
        rows: [(FAMILY, Row { generation: last.unwrap_or(1), is_live })].into(),
        ..History::default()
    }
}

fn gave(presented: u32, given: u32) -> (Asked, Said) {
    (Asked::Refresh(presented), Said::Gave(given))
}

fn unknown(presented: u32) -> (Asked, Said) {
    (Asked::Refresh(presented), Said::Unknown)
}

fn refused(presented: u32) -> (Asked, Said) {
    (Asked::Refresh(presented), Said::Refused)
}

const END: (Asked, Said) = (Asked::End, Said::Done);
const THEFT: (Asked, Said) = (Asked::Theft, Said::Done);

#[track_caller]
fn broken(history: &History) -> Vec<Promise> {
    let mut promises: Vec<_> = violations(history).into_iter().map(|violation| violation.promise).collect();
    promises.sort_unstable();
    promises
}

#[test]
fn good_histories_are_good() {
    for steps in [
        // Rotations, a replay, a lost answer that is replayed, one that is recovered.
        vec![gave(1, 2), gave(1, 2), unknown(2), gave(2, 3), unknown(3), gave(3, 5), gave(5, 6)],
        // An owner who ended the login.
        vec![gave(1, 2), END, refused(2), refused(1)],
        // A thief: both use what they get until one of them comes with a spent token.
        vec![THEFT, gave(1, 2), gave(1, 2), gave(2, 3), refused(1), refused(3)],
        // An end of which nobody knows whether it was done.
        vec![gave(1, 2), (Asked::End, Said::Unknown), gave(2, 3)],
    ] {
        assert_eq!(broken(&history(&steps)), [], "{steps:?}");
    }
}

#[test]
fn two_successors_of_a_generation_are_found() {
    // The skipped one is good still.
    assert_eq!(broken(&history(&[gave(1, 2), gave(1, 3), gave(2, 4)])), [Promise::OneSuccessor]);
    // A spent one is.
    assert_eq!(broken(&history(&[gave(1, 2), gave(2, 3), gave(1, 4)])), [Promise::OneSuccessor]);
    assert_eq!(broken(&history(&[gave(1, 2), gave(2, 3), gave(1, 3)])), [Promise::OneSuccessor]);
}

#[test]
fn two_good_tokens_are_what_the_other_policies_promise_and_no_more() {
    let rarely = |steps: &[(Asked, Said)]| History {
        rotations: [(FAMILY, Rotation::Rarely)].into(),
        ..history(steps)
    };
    assert_eq!(broken(&rarely(&[gave(1, 1), gave(1, 2), gave(1, 2), gave(2, 2), gave(1, 2)])), []);
    assert_eq!(broken(&rarely(&[gave(1, 2), gave(2, 3), gave(1, 3)])), [Promise::OneSuccessor]);
}

#[test]
fn a_refresh_after_an_acknowledged_end_is_found() {
    assert_eq!(broken(&history(&[END, gave(1, 2)])), [Promise::EndsForGood]);
    let refused_and_served = history(&[THEFT, gave(1, 2), gave(2, 3), refused(1), gave(3, 4)]);
    assert_eq!(broken(&refused_and_served), [Promise::EndsForGood]);
    let mut lives_on = history(&[END]);
    lives_on.rows.get_mut(&FAMILY).unwrap().is_live = true;
    assert_eq!(broken(&lives_on), [Promise::EndsForGood]);
}

#[test]
fn one_that_was_under_way_when_it_ended_may_succeed() {
    let mut racing = history(&[gave(1, 2), END]);
    racing.operations[1].ended = 25;
    assert_eq!(broken(&racing), []);
}

#[test]
fn what_was_acknowledged_and_is_lost_is_found() {
    assert_eq!(broken(&history(&[gave(1, 2), gave(2, 3), gave(2, 2)])), [Promise::NothingIsLost]);
    let mut behind = history(&[gave(1, 2), gave(2, 3)]);
    behind.rows.get_mut(&FAMILY).unwrap().generation = 2;
    assert_eq!(broken(&behind), [Promise::NothingIsLost]);
    behind.rows.clear();
    assert_eq!(broken(&behind), [Promise::NothingIsLost]);
}

#[test]
fn a_family_that_does_not_go_on_is_found() {
    assert_eq!(broken(&history(&[gave(1, 2), unknown(2)])), [Promise::GoesOn]);
    let mut not_asked = history(&[gave(1, 2)]);
    not_asked.healed = 1000;
    assert_eq!(broken(&not_asked), [Promise::GoesOn]);
}

#[test]
fn an_honest_owner_who_is_logged_out_is_found() {
    assert_eq!(broken(&history(&[gave(1, 2), refused(2)])), [Promise::NobodyIsLoggedOut]);
    // Somebody's theft, or the owner's word, does not explain what was before.
    assert_eq!(broken(&history(&[gave(1, 2), refused(2), THEFT])), [Promise::NobodyIsLoggedOut]);
}

fn lost(steps: &[(Asked, Said)], since: Moment, until: Moment, ends_are_done_again: bool) -> Vec<Promise> {
    let losses = vec![Loss { since, until, ends_are_done_again }];
    broken(&History { losses, ..history(steps) })
}

#[test]
fn a_loss_explains_what_was_acknowledged_in_its_time_and_nothing_else() {
    let forgotten = [gave(1, 2), gave(2, 3), gave(3, 4), gave(4, 5)];
    assert_eq!(lost(&forgotten, 25, 35, false), [], "the owner goes on");
    let behind = [gave(1, 2), gave(2, 3), gave(3, 4), gave(2, 3)];
    assert_eq!(lost(&behind, 25, 35, false), [], "what was acknowledged before is known");
    assert_eq!(lost(&behind, 40, 40, false), [Promise::NothingIsLost], "not in its time");
    assert_eq!(lost(&[gave(1, 2), gave(2, 3), refused(3)], 15, 25, false), [Promise::NobodyIsLoggedOut]);
    assert_eq!(lost(&[gave(1, 2), gave(2, 3), refused(3)], 5, 25, false), [], "the login was lost");
}

#[test]
fn an_end_is_lost_unless_it_is_done_again() {
    let mut steps = vec![gave(1, 2), END, gave(2, 3)];
    assert_eq!(lost(&steps, 25, 30, true), [Promise::EndsForGood]);
    let mut undone = history(&steps);
    undone.rows.get_mut(&FAMILY).unwrap().is_live = true;
    undone.losses = vec![Loss { since: 25, until: 30, ends_are_done_again: false }];
    assert_eq!(broken(&undone), []);
    steps[2] = refused(2);
    assert_eq!(lost(&steps, 25, 30, true), []);
    let asked_again = [gave(1, 2), (Asked::End, Said::Unknown), END, gave(2, 3)];
    assert_eq!(lost(&asked_again, 15, 40, true), [], "it may be in no log");
}
