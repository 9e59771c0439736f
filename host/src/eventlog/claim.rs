//! What this process may deliver.

use crate::event::Attempt;

/// The deliveries that this process may make, and the term under which it makes them.
///
/// In the embedded log one process has all deliveries, under term 1, for ever. A shared log gives a process some lanes and
/// takes them back with a higher term; attempts of the old term are then refused as superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    term: u64,
}

impl Claims {
    /// All deliveries, under the first term.
    pub const EVERYTHING: Self = Self { term: Attempt::FIRST_TERM };

    /// The term of all attempts that begin now.
    pub const fn term(&self) -> u64 {
        self.term
    }
}
