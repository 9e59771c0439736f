//! Rights of a subscriber.

use crate::event::Filter;

/// Who reads, and what it may read.
#[derive(Clone, Debug)]
pub struct Grant {
    /// In lists and the log.
    pub subscriber: String,
    pub filter: Filter,
}
