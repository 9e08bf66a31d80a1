//! What was asked of the servers, when, and what came back: all that the checker knows.

use std::collections::HashMap;

/// Microseconds since the run began.
pub type Moment = u64;

/// A family, by the id in its tokens.
pub type Family = u128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    LogIn,
    /// A refresh with the token of this generation.
    Refresh(u32),
    /// The family's end: a logout, a revocation, an operator's word.
    End,
    /// Nothing of a server: somebody took a copy of the owner's token.
    Theft,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The token of this generation.
    Gave(u32),
    /// It is done.
    Done,
    /// The token is good for nothing any more (`invalid_grant`).
    Refused,
    /// No answer came, or one that says nothing of the token: it may have been done or not, or be done later.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub family: Family,
    pub asked: Asked,
    pub said: Said,
    pub began: Moment,
    pub ended: Moment,
}

/// When the family's tokens rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    Always,
    /// `every P` and `never`: both good tokens are handed out again.
    Rarely,
}

/// A database that has forgotten: a restore, or a failover to a standby that lagged.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// What was acknowledged from now on may be lost.
    pub since: Moment,
    /// From now on servers work with what is left.
    pub until: Moment,
    /// Whether what it had undone of ended families was done again, from the log.
    pub ends_are_done_again: bool,
}

/// A family's row when all was over.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub generation: u32,
    pub is_live: bool,
}

#[derive(Debug, Default)]
pub struct History {
    /// Of each family that was handed out.
    pub rotations: HashMap<Family, Rotation>,
    pub operations: Vec<Operation>,
    /// In the order of time.
    pub losses: Vec<Loss>,
    /// When all was well again for good.
    pub healed: Moment,
    pub rows: HashMap<Family, Row>,
}
