//! A state of the model: the row, who holds what, the requests that the servers work on, and what was seen.

use heirloom::domain::family::Served;

use crate::row::{Moment, Read, Row, Standing, Wanted};

/// Of one state: the row's, its copy's, and two of each request.
const MOST_MOMENTS: usize = 7;

/// The owner, by its place among the parties.
pub(crate) const OWNER: usize = 0;
/// Whoever else holds tokens of the chain: a thief, or another program of the owner's.
pub(crate) const OTHER: usize = 1;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Moves {
    pub(crate) clock: u8,
    pub(crate) row: Row,
    pub(crate) restore: Restore,
    pub(crate) parties: [Party; 2],
    /// A server works on one request at a time.
    pub(crate) servers: [Option<Request>; 2],
    pub(crate) seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Restore {
    /// Nothing was copied yet.
    None,
    /// A backup, or a standby that replays no further.
    Copied(Row),
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Party {
    /// The newest token that it got.
    pub(crate) held: u8,
    /// Every token that it ever held, a bit each.
    pub(crate) known: u16,
    /// The tick in which its last request arrived that was served.
    pub(crate) served: u8,
}

/// A request that has arrived at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    pub(crate) party: u8,
    /// Whether its sender waits for the answer: not if it gave up, or if this is a copy that the network made.
    pub(crate) awaited: bool,
    pub(crate) presented: u8,
    pub(crate) now: Moment,
    pub(crate) tries: u8,
    pub(crate) stage: Stage,
    /// Whether the family had ended, and that was acknowledged, before it arrived.
    pub(crate) after_end: bool,
}

/// What its server does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    Bet,
    Read,
    Swap {
        read: Read,
        wanted: Wanted,
        served: Served,
    },
    End,
    /// The answer is on its way: this generation is handed out.
    Answer {
        generation: u8,
        served: Served,
    },
}

/// What the promises are about and the rest of the state does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seen {
    /// The [`Broken`] ones.
    pub(crate) broken: u32,
    /// Under which presented generations the current one was handed out as their successor, and base; a bit each.
    pub(crate) parents: [u16; 2],
    /// Alternating runs of owner and thief that got something since they held the same.
    pub(crate) runs: u8,
    /// Who got something last.
    pub(crate) last: Option<u8>,
    /// The generations for which something was handed out, where each may be used once.
    pub(crate) spent: u16,
    /// What late copies of the owner's requests did: see [`LateCopy`].
    pub(crate) late: u8,
    /// When the current generation became current: only where a row is written without that.
    pub(crate) moved_at: Option<Moment>,
}

/// What went wrong in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A request that began after the family's end was served.
    ServedAfterEnd,
    ServedExpired,
    /// A token was honoured that was neither current nor base when its row was read or written.
    ServedSpent,
    /// A generation was handed out again when the leeway since its rotation was over.
    ReplayedLate,
    /// A row of a family that had ended was written.
    WrittenAfterEnd,
    /// A row moved back.
    MovedBack,
    /// Under strict mode a generation was honoured twice.
    HonouredTwice,
    /// An honest owner was refused, and the family had neither expired nor been revoked.
    OwnerRefused,
    /// An honest owner was asked to come back.
    OwnerPutOff,
    /// The same of the other one, where that is honest, too.
    OtherRefused,
    OtherPutOff,
    /// The row was written again within half a period.
    WrittenTooSoon,
    /// A family was used, and had less than three quarters of its idle lifetime left.
    EndsTooSoon,
}

/// How a request of the owner's can harm it that its sender waits for no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LateCopy {
    /// It came after the leeway, and skipped the token that the owner had got for another copy, or was about to get.
    Skipped,
    /// It came when the owner was two generations ahead, and was taken for a thief's.
    Spent,
}

impl Row {
    /// After a login.
    pub(crate) const FIRST: Self =
        Self { generation: 1, base: 0, rotated_at: Moment::START, standing: Standing::Live };
}

impl Party {
    pub(crate) const fn holding(held: u8) -> Self {
        Self { held, known: 1 << held, served: 0 }
    }

    pub(crate) fn gets(&mut self, generation: u8) {
        self.held = generation;
        self.known |= 1 << generation;
    }

    pub(crate) fn knows(&self) -> impl Iterator<Item = u8> + '_ {
        (1..16).filter(|generation| self.known & (1 << generation) != 0)
    }
}

impl Seen {
    pub(crate) fn breaks(&mut self, what: Broken) {
        self.broken |= 1 << what as u32;
    }

    pub(crate) fn has_broken(&self, what: Broken) -> bool {
        self.broken & (1 << what as u32) != 0
    }

    pub(crate) fn late(&mut self, what: LateCopy) {
        self.late |= 1 << what as u8;
    }

    pub(crate) fn was_late(&self, what: LateCopy) -> bool {
        self.late & (1 << what as u8) != 0
    }
}

impl Moves {
    pub(crate) fn starting(row: Row, parties: [Party; 2]) -> Self {
        let seen = Seen::default();
        Self { clock: 0, row, restore: Restore::None, parties, servers: [None, None], seen }
    }

    pub(crate) fn awaits(&self, party: usize) -> bool {
        self.servers.iter().flatten().any(|request| request.awaited && usize::from(request.party) == party)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.servers.iter().all(Option::is_none)
    }

    /// The first moment of a tick that comes after all others of it.
    pub(crate) fn next_moment(&self, tick: u8) -> Moment {
        let last = self.moments().filter(|moment| moment.tick == tick).map(|moment| moment.order).max();
        Moment { tick, order: last.map_or(0, |order| order + 1) }
    }

    /// The same state, with its moments numbered without gaps, and its servers in one order if they are alike.
    pub(crate) fn renumbered(mut self, servers_are_alike: bool) -> Self {
        let mut moments = [Moment::START; MOST_MOMENTS];
        let mut count = 0;
        for moment in self.moments() {
            moments[count] = moment;
            count += 1;
        }
        let moments = &mut moments[..count];
        moments.sort_unstable();
        let mut orders = [0; MOST_MOMENTS];
        for place in 1..count {
            let (before, this) = (moments[place - 1], moments[place]);
            orders[place] = match this.tick == before.tick {
                true if this == before => orders[place - 1],
                true => orders[place - 1] + 1,
                false => 0,
            };
        }
        self.each_moment(|moment| moment.order = orders[moments.binary_search(moment).unwrap()]);
        if servers_are_alike {
            self.servers.sort_unstable();
        }
        self
    }

    fn moments(&self) -> impl Iterator<Item = Moment> + '_ {
        let copied = if let Restore::Copied(row) = &self.restore { Some(row.rotated_at) } else { None };
        let requests = self.servers.iter().flatten();
        let read = |request: &Request| match request.stage {
            Stage::Swap { read, .. } => Some(read.rotated_at),
            Stage::Bet | Stage::Read | Stage::End | Stage::Answer { .. } => None,
        };
        let worked_on = requests.flat_map(move |request| [Some(request.now), read(request)]);
        [Some(self.row.rotated_at), self.seen.moved_at, copied].into_iter().chain(worked_on).flatten()
    }

    fn each_moment(&mut self, mut visit: impl FnMut(&mut Moment)) {
        visit(&mut self.row.rotated_at);
        self.seen.moved_at.iter_mut().for_each(&mut visit);
        if let Restore::Copied(row) = &mut self.restore {
            visit(&mut row.rotated_at);
        }
        for request in self.servers.iter_mut().flatten() {
            visit(&mut request.now);
            if let Stage::Swap { read, .. } = &mut request.stage {
                visit(&mut read.rotated_at);
            }
        }
    }
}
