//! Random histories: processes with a memory of their own, answers that get lost, a clock.

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use super::*;

/// What is made of the decision: itself, or a broken one. A property that no broken rule violates promises nothing.
type Rule = fn(Outcome, &World, Generation) -> Outcome;

/// A family and what its row does with each decision.
struct World {
    family: Family,
    policy: Policy,
    now: i64,
    rule: Rule,
    /// When the row was written.
    writes: Vec<i64>,
}

impl World {
    fn new(rotation: RotationPolicy, leeway: i64) -> Self {
        let lifetimes = Lifetimes::new(seconds(900), seconds(IDLE), seconds(ABSOLUTE), seconds(leeway));
        let policy = Policy { lifetimes: lifetimes.unwrap(), rotation, restore: RestoreDecision::Undecided };
        Self { family: family(1, None, 0), policy, now: 0, rule: right, writes: vec![0] }
    }

    /// Presents a token, applies the outcome, gives what is handed out.
    fn present(&mut self, presented: Generation) -> Result<Generation, Outcome> {
        let outcome = decide(&self.family, presented, at(self.now), &self.policy);
        let outcome = (self.rule)(outcome, self, presented);
        match outcome {
            Outcome::Rotate(step)
            | Outcome::Recover { step, .. }
            | Outcome::CatchUp(step)
            | Outcome::Touch(step) => {
                let touched = matches!(outcome, Outcome::Touch(_));
                assert_eq!(step.generation == self.family.generation, touched, "{outcome:?}");
                assert!(step.generation >= self.family.generation, "a row never moves back");
                assert!(step.base.is_none_or(|base| base < step.generation));
                self.family.generation = step.generation;
                self.family.base = step.base;
                self.family.rotated_at = at(self.now);
                self.writes.push(self.now);
            }
            Outcome::Reuse => self.family.state = State::Ended { at: at(self.now), reason: EndReason::Reuse },
            Outcome::Replay
            | Outcome::Keep
            | Outcome::Overtaken
            | Outcome::Undecided
            | Outcome::Refuse(_) => {}
        }
        match outcome {
            Outcome::Reuse | Outcome::Overtaken | Outcome::Undecided | Outcome::Refuse(_) => Err(outcome),
            Outcome::Rotate(_)
            | Outcome::Replay
            | Outcome::Recover { .. }
            | Outcome::Keep
            | Outcome::Touch(_)
            | Outcome::CatchUp(_) => Ok(self.family.generation),
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds;
    }
}

/// How one of the programs that share a login behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    /// It comes again before half a period is over, whether its answers arrive or not.
    Often,
    /// It comes again before a period is over, and its answers arrive.
    Answered,
    /// It comes at any time with either of the two good tokens: the worst that others can do.
    Adverse,
}

/// A program, the generation that it holds, and its requests: after how many thousandths of its longest pause each, and
/// whether the answer arrives.
#[derive(Debug, Clone)]
struct Program {
    habit: Habit,
    held: Generation,
    requests: Vec<(i64, bool)>,
}

fn request() -> impl Strategy<Value = (i64, bool)> {
    (prop_oneof![0..1_000_i64, 900..1_000_i64], any::<bool>())
}

fn program(held: i64) -> impl Strategy<Value = Program> {
    let habit = prop_oneof![Just(Habit::Often), Just(Habit::Answered), Just(Habit::Adverse)];
    (habit, prop::collection::vec(request(), 1..30)).prop_map(move |(habit, requests)| Program {
        habit,
        held: generation(held),
        requests,
    })
}

/// When each program asks (`period` is at most a period, and longer pauses than the habit's do not occur), in the
/// order of time: the time, the program's number, whether the answer arrives.
fn schedule(programs: &[Program], start: i64, period: i64) -> Vec<(i64, usize, bool)> {
    let mut all = Vec::new();
    for (number, program) in programs.iter().enumerate() {
        let longest = if program.habit == Habit::Often { period / 2 } else { period };
        let mut now = start;
        for (thousandths, arrives) in &program.requests {
            // Less than the longest pause, though it may be so by a second only.
            now += (longest - 1) * thousandths / 999;
            all.push((now, number, *arrives || program.habit == Habit::Answered));
        }
    }
    all.sort_unstable();
    all
}

/// Everybody is served at each request; the family lives on for three quarters of its idle lifetime after it, and is
/// written no more often than every `rest` seconds.
fn everybody_goes_on(
    world: &mut World,
    mut programs: Vec<Program>,
    period: i64,
    rest: i64,
) -> Result<(), TestCaseError> {
    for (now, number, arrives) in schedule(&programs, world.now, period) {
        world.now = now;
        let program = &mut programs[number];
        let presented = match program.habit {
            Habit::Often | Habit::Answered => program.held,
            Habit::Adverse if arrives => world.family.generation,
            Habit::Adverse => world.family.base.unwrap_or(world.family.generation),
        };
        let answer = world.present(presented);
        let Ok(given) = answer else {
            return Err(TestCaseError::fail(format!("{now}: {presented:?} of {number} got {answer:?}")));
        };
        if arrives {
            program.held = given;
        }
        let end = world.family.ends_at(&world.policy.lifetimes);
        let least = at(now + IDLE / 4 * 3).min(world.family.expires_at);
        prop_assert!(end >= least, "in use at {now}, over at {end}");
    }
    let close = world.writes.windows(2).find(|pair| pair[1] - pair[0] < rest);
    prop_assert_eq!(close, None, "written twice within {}", rest);
    Ok(())
}

fn periods() -> impl Strategy<Value = i64> {
    // The bounds, and between them.
    prop_oneof![Just(900), Just(3_600), Just(IDLE / 4)]
}

type Shared = (i64, Vec<Program>);

fn shared_login() -> impl Strategy<Value = Shared> {
    (periods(), prop::collection::vec(program(1), 1..6))
}

fn a_login_is_shared(rule: Rule, (period, programs): Shared) -> Result<(), TestCaseError> {
    let mut world = World { rule, ..World::new(RotationPolicy::Every(seconds(period)), LEEWAY) };
    everybody_goes_on(&mut world, programs, period, period / 2)
}

type Restored = (i64, i64, Program, Program);

/// A period, how old the restored row of generation 6 is, and the holders of two generations in a row: its own and the
/// next, or the next two.
fn restored_login() -> impl Strategy<Value = Restored> {
    let holders = prop_oneof![(program(6), program(7)), (program(7), program(8))];
    (periods(), 0..1_500_i64, holders).prop_map(|(period, age, (one, other))| (period, age, one, other))
}

fn a_restore_loses_a_rotation(rule: Rule, (period, age, one, other): Restored) -> Result<(), TestCaseError> {
    let mut world = World { rule, ..World::new(RotationPolicy::Every(seconds(period)), LEEWAY) };
    world.family = family(6, Some(5), 0);
    world.pass(period * age / 1_000);
    everybody_goes_on(&mut world, vec![one, other], period, 0)
}

fn right(outcome: Outcome, _: &World, _: Generation) -> Outcome {
    outcome
}

/// Broken: base is kept until the period ends, and only then touched.
fn base_is_kept_for_a_period(outcome: Outcome, world: &World, _: Generation) -> Outcome {
    match (outcome, world.policy.rotation) {
        (Outcome::Touch(_), RotationPolicy::Every(period)) if world.family.age(at(world.now)) < period => {
            Outcome::Keep
        }
        (outcome, _) => outcome,
    }
}

/// Broken: base moves the family on, as it does under `always`.
fn base_rotates(outcome: Outcome, _: &World, _: Generation) -> Outcome {
    match outcome {
        Outcome::Touch(Step { generation, base }) => {
            Outcome::Rotate(Step { generation: generation.next().unwrap(), base })
        }
        outcome => outcome,
    }
}

/// Broken: a token ahead moves the row past itself, as it does under `always`.
fn catches_up_past_the_token(outcome: Outcome, _: &World, presented: Generation) -> Outcome {
    match outcome {
        Outcome::CatchUp(_) => {
            Outcome::CatchUp(Step { generation: presented.next().unwrap(), base: Some(presented) })
        }
        outcome => outcome,
    }
}

/// Broken: base is touched at once.
fn base_is_touched_each_time(outcome: Outcome, world: &World, presented: Generation) -> Outcome {
    let Family { generation, base, .. } = world.family;
    match outcome {
        Outcome::Keep if base == Some(presented) => Outcome::Touch(Step { generation, base }),
        outcome => outcome,
    }
}

/// Broken: the time is never noted.
fn nothing_is_touched(outcome: Outcome, _: &World, _: Generation) -> Outcome {
    if matches!(outcome, Outcome::Touch(_)) { Outcome::Keep } else { outcome }
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// What a rule does to a property: `None` when it keeps it.
fn violation<S: Strategy>(
    histories: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Option<String> {
    match TestRunner::new(cases()).run(histories, property) {
        Err(TestError::Fail(reason, _)) => Some(reason.message().to_owned()),
        Ok(()) | Err(TestError::Abort(_)) => None,
    }
}

#[test]
fn broken_rules_break_the_promises() {
    let shared = |rule| violation(&shared_login(), |login| a_login_is_shared(rule, login));
    let refused = |why: Option<String>| why.is_some_and(|why| why.contains("got Err(Reuse)"));
    assert_eq!(shared(right), None);
    assert!(refused(shared(base_is_kept_for_a_period)), "base kept for a period");
    assert!(refused(shared(base_rotates)), "base that rotates");
    assert!(shared(base_is_touched_each_time).is_some_and(|why| why.contains("written twice")));
    let restored = |rule| violation(&restored_login(), |login| a_restore_loses_a_rotation(rule, login));
    assert_eq!(restored(right), None);
    assert!(refused(restored(catches_up_past_the_token)), "catching up past the token");
    let unrotated = |rule| violation(&unrotated_login(), |login| a_login_never_rotates(rule, login));
    assert_eq!(unrotated(right), None);
    assert!(unrotated(nothing_is_touched).is_some_and(|why| why.contains("over at")));
}

fn unrotated_login() -> impl Strategy<Value = Vec<Program>> {
    prop::collection::vec(prop_oneof![program(6), program(5)], 1..4)
}

/// Whoever holds one of the two good tokens goes on for ever, however long the pauses, as long as they are shorter
/// than three quarters of the idle lifetime.
fn a_login_never_rotates(rule: Rule, programs: Vec<Program>) -> Result<(), TestCaseError> {
    let mut world = World { rule, ..World::new(RotationPolicy::Never, LEEWAY) };
    // A login that no absolute lifetime ends meanwhile.
    world.family = Family { expires_at: at(100 * ABSOLUTE), ..family(6, Some(5), 0) };
    everybody_goes_on(&mut world, programs, IDLE / 4 * 3, 60)?;
    prop_assert_eq!(world.family.generation, generation(6));
    Ok(())
}

/// What happens between two presentations: time passes; the answer arrives or is lost.
fn step() -> impl Strategy<Value = (i64, bool)> {
    (prop_oneof![0..3_i64, 25..35_i64, 60..100_000_i64], any::<bool>())
}

fn policies() -> impl Strategy<Value = (RotationPolicy, i64)> {
    let every = periods().prop_map(|period| (RotationPolicy::Every(seconds(period)), LEEWAY));
    let always = RotationPolicy::Always;
    prop_oneof![Just((always, 0)), Just((always, LEEWAY)), every, Just((RotationPolicy::Never, LEEWAY))]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn lost_answers_never_log_an_honest_client_out(history in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new(RotationPolicy::Always, LEEWAY);
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
        let mut world = World::new(RotationPolicy::Always, LEEWAY);
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
        history in prop::collection::vec((0..200_usize, 0..120_i64, any::<bool>()), 1..80),
        (rotation, leeway) in policies(),
    ) {
        let mut world = World::new(rotation, leeway);
        let mut handed_out = vec![Generation::FIRST];
        for (pick, pause, long) in history {
            world.pass(if long { pause * 60 } else { pause });
            let presented = handed_out[pick % handed_out.len()];
            let (current, base) = (world.family.generation, world.family.base);
            let live = world.family.state == State::Live;
            let is_good = presented == current || (Some(presented) == base && leeway > 0);
            match world.present(presented) {
                // Only the current generation and the base are ever honoured, and what they get is the row's current
                // generation: a copy is good until its holder falls two generations behind.
                Ok(next) => {
                    prop_assert!(live && is_good);
                    prop_assert_eq!(next, world.family.generation);
                    prop_assert!(next == current || Some(next) == current.next());
                    if next != current {
                        handed_out.push(next);
                    }
                }
                Err(Outcome::Reuse) => prop_assert!(!is_good),
                Err(outcome) => prop_assert_eq!(outcome, Outcome::Refuse(Refusal::Reused)),
            }
        }
    }
}
