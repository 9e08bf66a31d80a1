//! What can happen: every message, every step of a server, every loss, in every order.

use std::time::Duration;

use heirloom::domain::family::{Approach, Consequence, Outcome, RefreshAttempt, RotationPolicy, Served};
use heirloom::domain::refusal::Refusal;
use stateright::{Model, Property};

use crate::row::{Moment, Read, Row, Standing, Wanted, generation};
use crate::state::{Broken, LateCopy, Moves, OTHER, OWNER, Party, Request, Restore, Stage};
use crate::world::{Copies, Habit, Swapping, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Tick,
    /// A pause that is longer than the idle lifetime.
    LongPause,
    Arrives {
        server: usize,
        party: usize,
        presented: u8,
        awaited: bool,
        names_scope: bool,
    },
    /// A server does the next thing for its request.
    Works {
        server: usize,
    },
    /// An answer reaches who waits for it.
    Answered {
        server: usize,
    },
    /// A server crashes, or its answer gets lost.
    Lost {
        server: usize,
    },
    /// Who waited does no longer; the server works on.
    GivesUp {
        server: usize,
    },
    Revoked,
    /// A backup is made, or a standby falls behind.
    Copied,
    /// The row is again what it was then.
    Restored,
}

impl Model for World {
    type State = Moves;
    type Action = Happening;

    fn init_states(&self) -> Vec<Moves> {
        self.starts.iter().cloned().map(|start| start.renumbered(self.skew == 0)).collect()
    }

    fn actions(&self, state: &Moves, actions: &mut Vec<Happening>) {
        if state.clock < self.last_tick && self.may_pass(state, 1) {
            actions.push(Happening::Tick);
        }
        if state.clock <= self.last_tick && self.may_pass(state, self.long_pause()) {
            actions.push(Happening::LongPause);
        }
        if self.revocation && state.row.standing == Standing::Live {
            actions.push(Happening::Revoked);
        }
        match state.restore {
            Restore::None if self.restore => actions.push(Happening::Copied),
            Restore::Copied(row) if row != state.row => actions.push(Happening::Restored),
            Restore::None | Restore::Copied(_) | Restore::Done => {}
        }
        let mut idle_seen = false;
        for server in 0..state.servers.len() {
            let Some(request) = &state.servers[server] else {
                // Idle servers whose clocks agree are one as good as the other.
                if !idle_seen || self.skew > 0 {
                    self.arrivals(state, server, actions);
                }
                idle_seen = true;
                continue;
            };
            if !matches!(request.stage, Stage::Answer { .. }) {
                actions.push(Happening::Works { server });
            } else if request.awaited {
                actions.push(Happening::Answered { server });
            }
            if self.may_be_lost(request) {
                actions.push(Happening::Lost { server });
                if request.awaited {
                    actions.push(Happening::GivesUp { server });
                }
            }
        }
    }

    fn next_state(&self, state: &Moves, happening: Happening) -> Option<Moves> {
        let mut next = state.clone();
        match happening {
            Happening::Tick => next.clock += 1,
            Happening::LongPause => next.clock += self.long_pause(),
            Happening::Arrives { server, party, presented, awaited, names_scope } => {
                let now = state.next_moment(state.clock + if server == 0 { 0 } else { self.skew });
                let attempt = RefreshAttempt::new(generation(presented), now.real(&self.spans));
                next.servers[server] = Some(Request {
                    party: u8::try_from(party).unwrap(),
                    awaited,
                    presented,
                    now,
                    tries: attempt.tries,
                    stage: self.first_stage(names_scope),
                    after_end: state.row.standing != Standing::Live,
                });
            }
            Happening::Works { server } => self.work(&mut next, server),
            Happening::Answered { server } => {
                let request = next.servers[server].take()?;
                let Stage::Answer { generation, .. } = request.stage else { return None };
                answered(&mut next, usize::from(request.party), generation);
                if let Habit::Paced { answered: true, .. } = self.habits[usize::from(request.party)] {
                    let party = &mut next.parties[usize::from(request.party)];
                    party.served = party.served.max(request.now.tick);
                }
            }
            Happening::Lost { server } => next.servers[server] = None,
            Happening::GivesUp { server } => {
                let request = next.servers[server].as_mut()?;
                request.awaited = false;
                if matches!(request.stage, Stage::Answer { .. }) {
                    return None;
                }
            }
            Happening::Revoked => next.row = next.row.ended(Standing::Revoked),
            Happening::Copied => next.restore = Restore::Copied(state.row),
            Happening::Restored => restored(&mut next),
        }
        Some(next.renumbered(self.skew == 0))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }

    fn within_boundary(&self, state: &Moves) -> bool {
        state.row.generation <= self.last_generation
    }
}

/// Who gets a generation holds it from now on. Owner and thief run in turn when each gets something newer than the
/// other has; an answer that comes when the other has something newer is none to go on with.
fn answered(state: &mut Moves, party: usize, generation: u8) {
    state.parties[party].gets(generation);
    let other = state.parties[if party == OWNER { OTHER } else { OWNER }].held;
    let seen = &mut state.seen;
    let who = u8::try_from(party).unwrap();
    if generation == other {
        (seen.runs, seen.last) = (0, None);
    } else if generation > other && seen.last != Some(who) {
        (seen.runs, seen.last) = ((seen.runs + 1).min(3), Some(who));
    }
}

/// What was acknowledged since is undone, too.
fn restored(state: &mut Moves) {
    let Restore::Copied(row) = state.restore else { return };
    state.row = row;
    state.restore = Restore::Done;
    for request in state.servers.iter_mut().flatten() {
        request.after_end = row.standing != Standing::Live;
    }
}

impl World {
    fn long_pause(&self) -> u8 {
        u8::try_from(self.spans.idle / self.spans.tick + 1).unwrap()
    }

    /// Whether those who never pause for long let so many ticks pass.
    fn may_pass(&self, state: &Moves, ticks: u8) -> bool {
        let is_done = |request: &Request| matches!(request.stage, Stage::Answer { .. });
        if self.prompt && !state.servers.iter().flatten().all(is_done) {
            return false;
        }
        self.habits.iter().zip(&state.parties).all(|(habit, party)| match habit {
            Habit::Paced { ticks: longest, .. } => state.clock + ticks - party.served <= *longest,
            Habit::Absent | Habit::Honest | Habit::Hoards | Habit::Adverse => true,
        })
    }

    fn may_be_lost(&self, request: &Request) -> bool {
        match self.habits[usize::from(request.party)] {
            Habit::Paced { answered, .. } => !(answered && request.awaited),
            Habit::Absent | Habit::Honest | Habit::Hoards | Habit::Adverse => true,
        }
    }

    fn first_stage(&self, names_scope: bool) -> Stage {
        match Approach::of(self.policy.rotation, self.policy.lifetimes.leeway()) {
            Approach::Bet if !names_scope => Stage::Bet,
            Approach::Bet | Approach::Read => Stage::Read,
        }
    }

    fn arrivals(&self, state: &Moves, server: usize, actions: &mut Vec<Happening>) {
        let mut arrive = |party, presented, awaited| {
            for names_scope in [false, true].into_iter().take(if self.scopes { 2 } else { 1 }) {
                actions.push(Happening::Arrives { server, party, presented, awaited, names_scope });
            }
        };
        for party in [OWNER, OTHER] {
            let Party { held, .. } = state.parties[party];
            match self.habits[party] {
                Habit::Absent => {}
                Habit::Honest | Habit::Paced { .. } => {
                    if !state.awaits(party) {
                        arrive(party, held, true);
                    }
                    if party == OWNER && self.copies == Copies::Late {
                        state.parties[party].knows().for_each(|known| arrive(party, known, false));
                    }
                }
                Habit::Hoards => {
                    if !state.awaits(party) {
                        state.parties[party].knows().for_each(|known| arrive(party, known, true));
                    }
                }
                Habit::Adverse => {
                    let good = [state.row.generation, state.row.base];
                    good.into_iter().filter(|good| *good > 0).for_each(|good| arrive(party, good, false));
                }
            }
        }
    }

    /// What the server does for its request: production's code, on the model's row.
    fn work(&self, state: &mut Moves, server: usize) {
        let Some(request) = state.servers[server] else { return };
        let Request { presented, now, .. } = request;
        match request.stage {
            Stage::Bet => match state.row.bet(presented, now, &self.spans) {
                Some(row) => {
                    let before = std::mem::replace(&mut state.row, row);
                    self.written(state, &request, before);
                    self.serve(state, server, before, (row.generation, Served::Rotated));
                }
                None => move_on(state, server, Stage::Read),
            },
            Stage::Read => self.read(state, server),
            Stage::Swap { read, wanted, served } => match self.swap(state.row, read, wanted, now) {
                Some(row) => {
                    let before = std::mem::replace(&mut state.row, row);
                    self.written(state, &request, before);
                    self.serve(state, server, before, (row.generation, served));
                }
                None => match self.attempt(&request).again() {
                    Some(attempt) => {
                        move_on(state, server, Stage::Read);
                        if let Some(request) = &mut state.servers[server] {
                            request.tries = attempt.tries;
                        }
                    }
                    None => put_off(state, server),
                },
            },
            Stage::End => {
                state.row = state.row.ended(Standing::Reused);
                self.refuse(state, server, Refusal::Reused);
            }
            Stage::Answer { .. } => {}
        }
    }

    fn attempt(&self, request: &Request) -> RefreshAttempt {
        RefreshAttempt {
            tries: request.tries,
            ..RefreshAttempt::new(generation(request.presented), request.now.real(&self.spans))
        }
    }

    fn read(&self, state: &mut Moves, server: usize) {
        let Some(request) = state.servers[server] else { return };
        let row = state.row;
        let outcome = (self.rule)(&row.family(&self.spans), &self.attempt(&request), &self.policy);
        match Consequence::from(outcome) {
            Consequence::HandOut(served) => {
                self.serve(state, server, row, (row.generation, served));
            }
            Consequence::Swap(step, served) => {
                let (read, wanted) = (row.read(), step.into());
                move_on(state, server, Stage::Swap { read, wanted, served });
            }
            // Others may do whatever does not end the family.
            Consequence::End if self.habits[usize::from(request.party)] == Habit::Adverse => {
                state.servers[server] = None;
            }
            Consequence::End => {
                let party = &state.parties[OWNER];
                if usize::from(request.party) == OWNER && !request.awaited && request.presented < party.held {
                    state.seen.late(LateCopy::Spent);
                }
                move_on(state, server, Stage::End);
            }
            Consequence::Overtaken | Consequence::Undecided => put_off(state, server),
            Consequence::Refuse(refusal) => self.refuse(state, server, refusal),
        }
    }

    fn swap(&self, row: Row, read: Read, wanted: Wanted, now: Moment) -> Option<Row> {
        match self.swapping {
            Swapping::Compares => row.swap(read, wanted, now),
            Swapping::OnlySwaps => Some(row.written(wanted, now)),
        }
    }

    fn half_period(&self) -> Option<i64> {
        let RotationPolicy::Every(period) = self.policy.rotation else { return None };
        i64::try_from((period / 2).as_secs()).ok()
    }

    /// The row was written for a request.
    fn written(&self, state: &mut Moves, request: &Request, before: Row) {
        let Moves { row, seen, restore, .. } = state;
        if row.generation < before.generation {
            seen.breaks(Broken::MovedBack);
        }
        if before.standing != Standing::Live {
            seen.breaks(Broken::WrittenAfterEnd);
        }
        let soon = |half| !self.spans.passed(half, before.rotated_at, row.rotated_at);
        if row.generation <= before.generation + 1
            && *restore != Restore::Done
            && self.half_period().is_some_and(soon)
        {
            seen.breaks(Broken::WrittenTooSoon);
        }
        // What the tokens' holders presented for them is remembered of those that are still good.
        let parents = |generation| match generation {
            0 => 0,
            this if this == before.generation => seen.parents[0],
            this if this == before.base => seen.parents[1],
            _ => 0,
        };
        seen.parents = [parents(row.generation), parents(row.base)];
        if row.generation != before.generation {
            seen.moved_at = None;
        } else if self.policy.rotation == RotationPolicy::Always && seen.moved_at.is_none() {
            seen.moved_at = Some(before.rotated_at);
        }
        let owner = state.parties[OWNER];
        let is_copy = usize::from(request.party) == OWNER && !request.awaited;
        let under_way = state.servers.iter().flatten().filter_map(|other| match other.stage {
            Stage::Answer { generation, .. } if other.awaited => Some(generation),
            _ => None,
        });
        let mut gets = under_way.chain(Some(owner.held)).filter(|gets| *gets > request.presented);
        if is_copy && gets.any(|gets| ![row.generation, row.base].contains(&gets)) {
            seen.late(LateCopy::Skipped);
        }
    }

    /// A generation is handed out: `good` is the row as the token was judged by it.
    fn serve(&self, state: &mut Moves, server: usize, good: Row, (handed_out, served): (u8, Served)) {
        let Some(request) = state.servers[server] else { return };
        let Request { presented, now, .. } = request;
        let party = usize::from(request.party);
        let seen = &mut state.seen;
        if request.after_end {
            seen.breaks(Broken::ServedAfterEnd);
        }
        if good.has_expired(now, &self.spans) {
            seen.breaks(Broken::ServedExpired);
        }
        if presented != good.generation && presented != good.base && presented < good.generation {
            seen.breaks(Broken::ServedSpent);
        }
        if self.policy.lifetimes.leeway() == Duration::ZERO {
            if seen.spent & (1 << presented) != 0 {
                seen.breaks(Broken::HonouredTwice);
            }
            seen.spent |= 1 << presented;
        }
        let leeway = i64::try_from(self.policy.lifetimes.leeway().as_secs()).unwrap();
        let again = presented < handed_out && handed_out == good.generation;
        let moved_at = seen.moved_at.unwrap_or(state.row.rotated_at);
        let rotates = self.policy.rotation == RotationPolicy::Always;
        if rotates && again && leeway > 0 && self.spans.passed(leeway, moved_at, now) {
            seen.breaks(Broken::ReplayedLate);
        }
        let three_quarters = self.spans.idle / 4 * 3;
        let rests =
            !rotates && self.spans.passed(self.spans.idle - three_quarters, state.row.rotated_at, now);
        if rests {
            seen.breaks(Broken::EndsTooSoon);
        }
        if presented < handed_out {
            for (place, live) in [state.row.generation, state.row.base].into_iter().enumerate() {
                if live == handed_out {
                    seen.parents[place] |= 1 << presented;
                }
            }
        }
        if !matches!(self.habits[party], Habit::Paced { answered: true, .. }) {
            let party = &mut state.parties[party];
            party.served = party.served.max(now.tick);
        }
        if request.awaited {
            move_on(state, server, Stage::Answer { generation: handed_out, served });
        } else {
            state.servers[server] = None;
        }
    }

    fn refuse(&self, state: &mut Moves, server: usize, refusal: Refusal) {
        let Some(request) = state.servers[server].take() else { return };
        let fair = match refusal {
            Refusal::Expired => state.row.has_expired(request.now, &self.spans),
            Refusal::Ended(_) => state.row.standing == Standing::Revoked,
            _ => false,
        };
        if fair {
            return;
        }
        match usize::from(request.party) {
            OWNER => state.seen.breaks(Broken::OwnerRefused),
            _ => state.seen.breaks(Broken::OtherRefused),
        }
    }
}

fn put_off(state: &mut Moves, server: usize) {
    let Some(request) = state.servers[server].take() else { return };
    match usize::from(request.party) {
        OWNER if request.awaited => state.seen.breaks(Broken::OwnerPutOff),
        OTHER if request.awaited => state.seen.breaks(Broken::OtherPutOff),
        _ => {}
    }
}

fn move_on(state: &mut Moves, server: usize, stage: Stage) {
    if let Some(request) = &mut state.servers[server] {
        request.stage = stage;
    }
}

/// What production would decide if a token arrived now.
pub(crate) fn answered_by(world: &World, state: &Moves, presented: u8) -> Outcome {
    let now = state.next_moment(state.clock).real(&world.spans);
    let attempt = RefreshAttempt::new(generation(presented), now);
    (world.rule)(&state.row.family(&world.spans), &attempt, &world.policy)
}
