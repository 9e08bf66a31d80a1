//! What the protocol promises, and what must be seen to happen for the promises to mean anything.

use heirloom::domain::family::{Outcome, Served};
use heirloom::domain::refusal::Refusal;
use stateright::Property;

use crate::model::answered_by;
use crate::row::Standing;
use crate::state::{Broken, LateCopy, Moves, OTHER, OWNER, Stage};
use crate::world::World;

pub(crate) type Promise = Property<World>;

fn always(name: &'static str, condition: fn(&World, &Moves) -> bool) -> Promise {
    Promise::always(name, condition)
}

fn seen(name: &'static str, condition: fn(&World, &Moves) -> bool) -> Promise {
    Promise::sometimes(name, condition)
}

macro_rules! unbroken {
    ($name:ident, $text:literal, $($what:ident),+) => {
        pub(crate) fn $name() -> Promise {
            always($text, |_, state| $(!state.seen.has_broken(Broken::$what))&&+)
        }
    };
}

unbroken!(nothing_refreshes_after_the_end, "nothing refreshes after a revocation", ServedAfterEnd);
unbroken!(nobody_is_served_when_expired, "nobody is served from an expired family", ServedExpired);
unbroken!(nothing_spent_is_honoured, "only the current token and base are honoured", ServedSpent);
unbroken!(no_ended_row_is_written, "the row of an ended family is not written", WrittenAfterEnd);
unbroken!(no_row_moves_back, "a row never moves back", MovedBack);
unbroken!(replays_end_with_the_leeway, "nothing is replayed after the leeway", ReplayedLate);
unbroken!(tokens_work_once, "in strict mode each token works once", HonouredTwice);
unbroken!(owner_is_always_served, "the owner is always served", OwnerRefused, OwnerPutOff);
unbroken!(other_is_always_served, "the other program is always served", OtherRefused, OtherPutOff);
unbroken!(written_twice_a_period, "the row is written at most twice a period", WrittenTooSoon);
unbroken!(families_in_use_live, "a family in use keeps three quarters of its idle lifetime", EndsTooSoon);

/// Of all that was handed out for a generation, at most one token is current or base.
pub(crate) fn one_live_successor() -> Promise {
    always("a generation has at most one live successor", |_, state| {
        state.seen.parents[0] & state.seen.parents[1] == 0
    })
}

/// What holds in every world without a restore.
pub(crate) fn everywhere() -> Vec<Promise> {
    vec![
        one_live_successor(),
        nothing_refreshes_after_the_end(),
        nobody_is_served_when_expired(),
        nothing_spent_is_honoured(),
        no_ended_row_is_written(),
        no_row_moves_back(),
        replays_end_with_the_leeway(),
    ]
}

/// It may be asked to come back, and then the same token works.
pub(crate) fn owner_is_never_logged_out() -> Promise {
    always("an owner whose messages get lost is never logged out", |_, state| {
        state.row.standing != Standing::Reused && !state.seen.has_broken(Broken::OwnerRefused)
    })
}

pub(crate) fn only_late_requests_log_out() -> Promise {
    always("an owner is logged out only by requests that nobody waits for any more", |_, state| {
        let harmed = state.seen.was_late(LateCopy::Skipped) || state.seen.was_late(LateCopy::Spent);
        harmed || (state.row.standing != Standing::Reused && !state.seen.has_broken(Broken::OwnerRefused))
    })
}

/// A third run in turn gets nothing: whoever comes with a token that both have gone on from ends the family.
pub(crate) fn third_run_ends_it() -> [Promise; 2] {
    [
        always("of three alternating runs of owner and thief the third gets nothing", |_, state| {
            state.seen.runs <= 2
        }),
        always("the third of three alternating runs ends the family", |world, state| {
            let both_ran = state.seen.runs == 2 && state.is_quiet() && state.row.standing == Standing::Live;
            let next = if state.seen.last == Some(0) { OTHER } else { OWNER };
            !both_ran || is_caught(world, state, next)
        }),
    ]
}

pub(crate) fn two_behind_ends_it() -> Promise {
    always("whoever is two generations behind ends the family", |world, state| {
        let live = state.is_quiet() && state.row.standing == Standing::Live;
        [OWNER, OTHER].into_iter().all(|party| {
            !live || state.parties[party].held + 2 > state.row.generation || is_caught(world, state, party)
        })
    })
}

/// Whether the next request of a party would end the family, unless that has expired.
fn is_caught(world: &World, state: &Moves, party: usize) -> bool {
    match answered_by(world, state, state.parties[party].held) {
        Outcome::Reuse | Outcome::Refuse(Refusal::Expired) => true,
        Outcome::Rotate(_)
        | Outcome::Replay
        | Outcome::Recover { .. }
        | Outcome::Keep
        | Outcome::Touch(_)
        | Outcome::CatchUp(_)
        | Outcome::Overtaken
        | Outcome::Undecided
        | Outcome::Refuse(_) => false,
    }
}

fn is_answered(state: &Moves, wanted: fn(Served) -> bool) -> bool {
    let answers = state.servers.iter().flatten().filter_map(|request| match request.stage {
        Stage::Answer { served, .. } => Some(served),
        Stage::Bet | Stage::Read | Stage::Swap { .. } | Stage::End => None,
    });
    answers.into_iter().any(wanted)
}

pub(crate) fn somebody_replays() -> Promise {
    seen("an answer is given again", |_, state| is_answered(state, |served| served == Served::Replayed))
}

pub(crate) fn somebody_recovers() -> Promise {
    seen("a successor is skipped", |_, state| {
        is_answered(state, |served| matches!(served, Served::Recovered { .. }))
    })
}

pub(crate) fn somebody_catches_up() -> Promise {
    seen("a row is caught up", |_, state| is_answered(state, |served| served == Served::CaughtUp))
}

pub(crate) fn somebody_keeps() -> Promise {
    seen("a token is kept", |_, state| is_answered(state, |served| served == Served::Kept))
}

pub(crate) fn somebody_touches() -> Promise {
    seen("a token is kept, and the time is noted", |_, state| {
        let writes = state.servers.iter().flatten().any(|request| {
            matches!(request.stage, Stage::Swap { wanted, read, .. } if wanted.generation == read.generation)
        });
        writes && state.row.standing == Standing::Live
    })
}

pub(crate) fn a_swap_is_lost() -> Promise {
    seen("a compare-and-swap loses", |_, state| {
        state
            .servers
            .iter()
            .flatten()
            .any(|request| matches!(request.stage, Stage::Read) && request.tries < 8)
    })
}

pub(crate) fn the_last_generation_is_held() -> Promise {
    seen("the owner holds the last generation", |world, state| {
        state.parties[OWNER].held == world.last_generation
    })
}

pub(crate) fn a_thief_is_caught() -> Promise {
    seen("a family is ended by reuse", |_, state| state.row.standing == Standing::Reused)
}

pub(crate) fn it_expires() -> Promise {
    seen("a live family expires", |world, state| {
        let now = state.next_moment(state.clock);
        state.row.standing == Standing::Live && state.row.has_expired(now, &world.spans)
    })
}

pub(crate) fn it_is_revoked_while_asked() -> Promise {
    seen("a family is revoked while a request is between its read and its write", |_, state| {
        let between = |stage| matches!(stage, Stage::Swap { .. });
        let writing = state.servers.iter().flatten().any(|request| between(request.stage));
        state.row.standing == Standing::Revoked && writing
    })
}

pub(crate) fn a_late_request_skips() -> Promise {
    seen("a late request skips the owner's token, which then ends the family", |_, state| {
        state.row.standing == Standing::Reused
            && state.seen.was_late(LateCopy::Skipped)
            && !state.seen.was_late(LateCopy::Spent)
    })
}

pub(crate) fn a_late_request_is_spent() -> Promise {
    seen("a late request is two generations behind, and ends the family", |_, state| {
        state.row.standing == Standing::Reused
            && state.seen.was_late(LateCopy::Spent)
            && !state.seen.was_late(LateCopy::Skipped)
    })
}

/// What `every` allows: both hold one of the two good tokens after two rotations, and nobody can tell.
pub(crate) fn a_thief_shadows_the_owner() -> Promise {
    seen("a thief shadows the owner", |_, state| {
        let good = |party: usize| [state.row.generation, state.row.base].contains(&state.parties[party].held);
        state.row.standing == Standing::Live && state.row.generation >= 3 && good(OWNER) && good(OTHER)
    })
}

pub(crate) fn the_owner_is_asked_to_wait() -> Promise {
    seen("the owner is asked to come back after a restore", |_, state| {
        state.seen.has_broken(Broken::OwnerPutOff)
    })
}
