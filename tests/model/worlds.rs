//! The worlds that are explored. Each has a short form, which every run of the tests explores, and a long one.

use std::time::Duration;

use heirloom::domain::family::{RestoreDecision, RotationPolicy};

use crate::promises::*;
use crate::row::{Row, Spans};
use crate::state::{Moves, Party};
use crate::world::{Copies, Habit, World};

/// The leeway is over in the next tick, an unused family in the third, every family in the fifth.
const BRIEF: Spans = Spans { tick: 20, idle: 50, absolute: 90 };
const LEEWAY: i64 = 10;

/// A period of 60 s: half of it is over in the second tick, all of it in the third.
const SHARED: Spans = Spans { tick: 25, idle: 240, absolute: 1_010 };
const PERIOD: RotationPolicy = RotationPolicy::Every(Duration::from_mins(1));
/// Less than half a period from one request to the next.
const OFTEN: Habit = Habit::Paced { ticks: 1, answered: false };
/// Less than a period.
const ANSWERED: Habit = Habit::Paced { ticks: 2, answered: true };

/// How far the worlds are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Short,
    Long,
}

impl Reach {
    fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

fn always(name: &'static str) -> World {
    World::new(name, RotationPolicy::Always, LEEWAY, BRIEF).promising(everywhere())
}

/// Messages get lost, and servers crash.
pub(crate) fn lost_messages(reach: Reach) -> World {
    World {
        last_generation: reach.pick(3, 5),
        last_tick: reach.pick(3, 5),
        scopes: true,
        revocation: true,
        ..always("always: an owner whose messages get lost")
    }
    .promising([
        owner_is_never_logged_out(),
        somebody_replays(),
        somebody_recovers(),
        a_swap_is_lost(),
        the_last_generation_is_held(),
        it_expires(),
        it_is_revoked_while_asked(),
    ])
}

/// The same, and copies of the owner's requests arrive at any time.
pub(crate) fn late_copies(reach: Reach) -> World {
    World {
        copies: Copies::Late,
        last_generation: reach.pick(3, 4),
        last_tick: reach.pick(2, 4),
        ..always("always: copies of the owner's requests that come late")
    }
    .promising([only_late_requests_log_out(), a_late_request_skips(), a_late_request_is_spent()])
}

/// A thief has a copy and uses what it gets for it, as the owner does; the answers to both get lost.
pub(crate) fn theft(reach: Reach) -> World {
    World {
        habits: [Habit::Honest, Habit::Honest],
        last_generation: 3,
        last_tick: reach.pick(1, 2),
        revocation: reach == Reach::Long,
        ..always("always: owner and thief, who both use what they get")
    }
    .promising(third_run_ends_it())
    .promising([a_thief_is_caught(), somebody_replays(), somebody_recovers(), a_swap_is_lost()])
}

/// The same with a leeway of more than a tick.
pub(crate) fn theft_in_the_leeway(reach: Reach) -> World {
    let leeway = 30;
    let spans = Spans { tick: 20, idle: 70, absolute: 130 };
    let world =
        World::new("always: owner and thief, and a longer leeway", RotationPolicy::Always, leeway, spans);
    World {
        habits: [Habit::Honest, Habit::Honest],
        last_generation: reach.pick(3, 4),
        last_tick: 2,
        ..world.promising(everywhere())
    }
    .promising(third_run_ends_it())
    .promising([a_thief_is_caught(), somebody_replays(), somebody_recovers()])
}

/// A thief that presents whatever it ever got.
pub(crate) fn hoarding_thief(reach: Reach) -> World {
    World {
        habits: [Habit::Honest, Habit::Hoards],
        last_generation: 3,
        last_tick: reach.pick(1, 2),
        ..always("always: a thief that keeps every token")
    }
    .promising([a_thief_is_caught()])
}

/// A database that loses its last rotations, and goes on.
pub(crate) fn lost_rotations(reach: Reach) -> World {
    let world = always("always: an owner, and a database that loses rotations");
    World {
        restore: true,
        last_generation: reach.pick(4, 5),
        last_tick: reach.pick(1, 3),
        properties: vec![nobody_is_served_when_expired(), nothing_refreshes_after_the_end()],
        ..world
    }
    .promising([owner_is_never_logged_out(), somebody_catches_up(), the_owner_is_asked_to_wait()])
}

/// A backup is restored while a recovery window is open.
pub(crate) fn recovery_window(reach: Reach) -> World {
    let world = lost_rotations(reach);
    let mut policy = world.policy;
    policy.restore = RestoreDecision::Recover;
    World {
        name: "always: an owner, and a restore with a recovery window",
        policy,
        properties: vec![nobody_is_served_when_expired(), nothing_refreshes_after_the_end()],
        ..world
    }
    .promising([owner_is_never_logged_out(), owner_is_always_served(), somebody_catches_up()])
}

/// Leeway 0.
pub(crate) fn strict(reach: Reach) -> World {
    World {
        habits: [Habit::Honest, Habit::Honest],
        last_generation: reach.pick(3, 5),
        last_tick: reach.pick(1, 3),
        ..World::new("strict mode: owner and thief", RotationPolicy::Always, 0, BRIEF).promising(everywhere())
    }
    .promising([tokens_work_once(), a_thief_is_caught(), a_swap_is_lost()])
}

fn every(name: &'static str) -> World {
    World::new(name, PERIOD, LEEWAY, SHARED).promising(everywhere())
}

/// A program that comes often; the worst that others can do with good tokens.
pub(crate) fn shared_often(reach: Reach) -> World {
    World {
        habits: [OFTEN, Habit::Adverse],
        last_generation: reach.pick(3, 4),
        last_tick: reach.pick(7, 10),
        ..every("every: a program that comes again within half a period, whichever answers get lost")
    }
    .promising([
        owner_is_always_served(),
        written_twice_a_period(),
        families_in_use_live(),
        somebody_keeps(),
        somebody_touches(),
        a_swap_is_lost(),
        the_last_generation_is_held(),
    ])
}

/// A program that gets its answers.
pub(crate) fn shared_answered(reach: Reach) -> World {
    let world = shared_often(reach);
    World {
        name: "every: a program that gets its answers and comes again within a period",
        habits: [ANSWERED, Habit::Adverse],
        ..world
    }
}

/// A restore takes the row back to generation 2, and two programs hold two generations in a row.
pub(crate) fn shared_restored(reach: Reach) -> World {
    let row = Row { generation: 2, base: 1, ..Row::FIRST };
    let holders = [(2, 3), (3, 2), (3, 4), (4, 3)];
    let starts = holders.into_iter().flat_map(|(one, other)| {
        // However old the row is by then.
        (0..=3).map(move |clock| {
            let holder = |held| Party { served: clock, ..Party::holding(held) };
            Moves { clock, ..Moves::starting(row, [holder(one), holder(other)]) }
        })
    });
    let habits = [OFTEN, ANSWERED];
    World {
        habits,
        prompt: true,
        starts: starts.collect(),
        last_generation: reach.pick(5, 6),
        last_tick: reach.pick(4, 7),
        properties: vec![nobody_is_served_when_expired()],
        ..every("every: two programs after a restore")
    }
    .promising([
        owner_is_always_served(),
        other_is_always_served(),
        somebody_catches_up(),
        somebody_touches(),
    ])
}

/// A thief under `every`.
pub(crate) fn shadowing_thief(reach: Reach) -> World {
    World {
        habits: [Habit::Honest, Habit::Honest],
        prompt: true,
        last_generation: reach.pick(3, 4),
        last_tick: reach.pick(6, 9),
        revocation: reach == Reach::Long,
        ..every("every: owner and thief")
    }
    .promising([
        two_behind_ends_it(),
        written_twice_a_period(),
        a_thief_is_caught(),
        a_thief_shadows_the_owner(),
        it_expires(),
    ])
}

/// Two programs that hold the two good tokens of a family which never rotates.
pub(crate) fn unrotated(reach: Reach) -> World {
    let row = Row { generation: 2, base: 1, ..Row::FIRST };
    let world =
        World::new("never: two programs with the two good tokens", RotationPolicy::Never, LEEWAY, SHARED);
    World {
        habits: [Habit::Honest, Habit::Honest],
        starts: vec![Moves::starting(row, [Party::holding(1), Party::holding(2)])],
        prompt: true,
        last_generation: 2,
        last_tick: reach.pick(6, 10),
        revocation: true,
        ..world
    }
    .promising(everywhere())
    .promising([
        owner_is_never_logged_out(),
        owner_is_always_served(),
        other_is_always_served(),
        families_in_use_live(),
        somebody_keeps(),
        somebody_touches(),
        it_expires(),
    ])
}

/// The second server's clock is a tick ahead, and the leeway longer than that.
pub(crate) fn skewed_clocks(reach: Reach) -> World {
    World {
        skew: 1,
        last_generation: reach.pick(3, 4),
        last_tick: reach.pick(3, 4),
        ..World::new(
            "always: an owner whose messages get lost, and servers whose clocks differ",
            RotationPolicy::Always,
            30,
            Spans { tick: 20, idle: 70, absolute: 130 },
        )
        .promising(everywhere())
    }
    .promising([
        only_late_requests_log_out(),
        a_late_request_is_spent(),
        somebody_replays(),
        somebody_recovers(),
    ])
}
