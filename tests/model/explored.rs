//! Every world, explored from end to end.

use std::collections::BTreeMap;
use std::time::Duration;

use stateright::report::{ReportData, ReportDiscovery, Reporter};
use stateright::{Checker, Model};

use crate::world::World;
use crate::worlds::{self, Reach};

/// Says how far it is, every ten seconds and at the end, where somebody looks.
struct Progress {
    world: &'static str,
    next: Duration,
}

impl Reporter<World> for Progress {
    fn report_checking(&mut self, data: ReportData) {
        let ReportData { unique_states, max_depth, duration, done, .. } = data;
        if !done && duration < self.next {
            return;
        }
        self.next = duration + Duration::from_secs(10);
        let (world, seconds) = (self.world, duration.as_secs_f32());
        let end = if done { "explored" } else { "so far" };
        println!("{world}: {unique_states} states, depth {max_depth}, {seconds:.1} s {end}");
    }

    fn report_discoveries(&mut self, _: &World, _: BTreeMap<&'static str, ReportDiscovery<World>>) {}

    fn delay(&self) -> Duration {
        Duration::from_millis(50)
    }
}

fn reach() -> Reach {
    if std::env::var_os("HEIRLOOM_TRUST").is_some() { Reach::Long } else { Reach::Short }
}

fn explore(world: fn(Reach) -> World) {
    let world = world(reach());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut progress = Progress { world: world.name, next: Duration::from_secs(10) };
    let checker = world.checker().threads(threads).spawn_dfs();
    checker.join_and_report(&mut progress).assert_properties();
}

macro_rules! explored {
    ($($test:ident: $world:ident),+ $(,)?) => {
        $(#[test]
        fn $test() {
            explore(worlds::$world);
        })+
    };
}

explored! {
    lost_messages_never_log_an_owner_out: lost_messages,
    late_requests_log_an_owner_out_in_two_ways: late_copies,
    clocks_that_differ_make_requests_late: skewed_clocks,
    a_thief_who_goes_on_ends_the_family: theft,
    a_thief_who_comes_within_the_leeway_goes_on_no_longer: theft_in_the_leeway,
    a_thief_gains_nothing_by_old_tokens: hoarding_thief,
    an_owner_goes_on_when_rotations_are_lost: lost_rotations,
    an_owner_goes_on_in_a_recovery_window: recovery_window,
    strict_tokens_work_once: strict,
    who_comes_often_is_always_served: shared_often,
    who_gets_its_answers_is_always_served: shared_answered,
    programs_that_share_a_login_go_on_after_a_restore: shared_restored,
    who_is_two_behind_is_caught: shadowing_thief,
    tokens_that_never_rotate_live_on: unrotated,
}
