//! Rights of a subscriber.

use crate::event::Filter;

/// Who reads, and what it may read.
#[derive(Clone, Debug)]
pub struct Grant {
    /// In lists and the log.
    pub subscriber: String,
    pub filter: Filter,
    /// The consumers that it may hold; `*` means all.
    pub consumers: Vec<String>,
}

impl Grant {
    pub fn may_hold(&self, consumer: &str) -> bool {
        self.consumers.iter().any(|allowed| allowed == consumer || allowed == "*")
    }
}
