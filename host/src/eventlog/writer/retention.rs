//! How far the removal of events is, and why events are removed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Seq, Timestamp};
use crate::eventlog::settings::{Hold, RetentionLimits};

/// Why an event was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Age,
    Count,
    Size,
}

impl Reason {
    pub(crate) const ALL: [Self; 3] = [Self::Age, Self::Count, Self::Size];

    /// The label in the metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Count => "count",
            Self::Size => "size",
        }
    }
}

/// How far the removal of events is.
pub(super) struct Retention {
    pub(super) limits: RetentionLimits,
    holds: Arc<Vec<Hold>>,
    /// Below it are only events that were open when it came by, and those in `settled`.
    pub(super) cursor: Seq,
    /// Events below the cursor that are settled by now.
    pub(super) settled: BTreeSet<Seq>,
    /// Nothing is due by age before.
    pub(super) not_before: Option<Timestamp>,
    /// Whether the first event that is held may be another one than `LogState::floor` says.
    pub(super) floor_moves: bool,
    /// When the first event that is held was received.
    pub(super) oldest: Option<Timestamp>,
    /// Whether more is due than the last commit removed.
    pub(super) unfinished: bool,
}

impl Retention {
    /// How many settled events below the cursor are kept in mind; with more, the cursor goes back.
    const SETTLED: usize = 4096;
    /// How many events one commit checks, at least.
    pub(super) const CHECKED: usize = 256;
    /// How long a store that cannot be read is left alone.
    pub(super) const PAUSE: Duration = Duration::from_secs(60);

    /// Replaces the limits. What is due by them is removed with the next commits.
    pub(super) fn replace(&mut self, limits: RetentionLimits, floor: Seq) {
        if self.limits != limits {
            (self.limits, self.cursor, self.not_before, self.unfinished) = (limits, floor, None, true);
        }
    }

    /// Replaces what readers hold. What they have let go may be due now.
    pub(super) fn hold(&mut self, holds: &Arc<Vec<Hold>>) {
        if !Arc::ptr_eq(&self.holds, holds) {
            (self.holds, self.not_before) = (Arc::clone(holds), None);
        }
    }

    /// How old the event at `seq` may become at least.
    pub(super) fn held(&self, seq: Seq) -> Duration {
        let holds = self.holds.iter().filter(|hold| hold.after < seq);
        holds.map(|hold| hold.max_age).max().unwrap_or_default()
    }

    pub(super) fn new(limits: RetentionLimits, floor: Seq) -> Self {
        Self {
            limits,
            holds: Arc::default(),
            cursor: floor,
            settled: BTreeSet::new(),
            not_before: None,
            floor_moves: true,
            oldest: None,
            unfinished: true,
        }
    }

    /// Notes that the last delivery of the event at `seq` ended.
    pub(super) fn settled(&mut self, seq: Seq) {
        if seq < self.cursor {
            self.settled.insert(seq);
            if self.settled.len() > Self::SETTLED {
                self.go_back();
            }
        }
    }

    pub(super) fn go_back(&mut self) {
        if let Some(first) = self.settled.first() {
            self.cursor = self.cursor.min(*first);
        }
        self.settled.clear();
    }
}
