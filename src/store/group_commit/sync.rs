//! What the queue shares, as the machine has it, and in its own tests as a scheduler has it that tries interleavings.

#[cfg(test)]
pub(super) use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(test))]
pub(super) use std::sync::{Mutex, MutexGuard};
