//! Why a password's hash that another system made is not taken along.

/// A hash of another system that is not taken along. What it says is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitHash {
    #[error("it is of no kind that is known here")]
    UnknownKind,
    #[error("{0} is not taken along: {1}")]
    Refused(&'static str, &'static str),
    /// By the name of its kind.
    #[error("it begins like {0}, and cannot be read as that")]
    Unreadable(&'static str),
    #[error("{kind} with {parameter} {value} is too cheap to guess: the least is {least}")]
    TooCheap { kind: &'static str, parameter: &'static str, value: u64, least: u64 },
    #[error("{kind} with {parameter} {value} is too dear to check: the most is {most}")]
    TooDear { kind: &'static str, parameter: &'static str, value: u64, most: u64 },
    #[error(
        "Firebase's scrypt needs the project's hash parameters: give the file with them as --firebase-config"
    )]
    NoSignerKey,
    #[error("it was made with another signer key than the one given")]
    OtherSignerKey,
}

/// What is allowed of a parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct HashBounds {
    pub(super) kind: &'static str,
    pub(super) parameter: &'static str,
    pub(super) least: u64,
    pub(super) most: u64,
}

impl HashBounds {
    pub(super) fn check(self, value: u64) -> Result<(), UnfitHash> {
        let Self { kind, parameter, least, most } = self;
        if value < least {
            Err(UnfitHash::TooCheap { kind, parameter, value, least })
        } else if value > most {
            Err(UnfitHash::TooDear { kind, parameter, value, most })
        } else {
            Ok(())
        }
    }
}
