//! Whether an address is up.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::Timestamp;

/// What is known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Verdict {
    /// It was not tried yet. Requests are tried.
    Unknown = 0,
    Up = 1,
    Down = 2,
}

impl Verdict {
    pub(in crate::web) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A verdict, and what speaks against it. The first result decides at once; after that so many of the other kind have to come in a row.
pub(super) struct Standing {
    verdict: AtomicU8,
    counts: Mutex<Counts>,
    up_after: u32,
    down_after: u32,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    successes: u32,
    failures: u32,
    since: Option<Timestamp>,
    error: Option<String>,
}

/// A verdict for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) verdict: Verdict,
    pub(super) since: Option<Timestamp>,
    pub(super) error: Option<String>,
}

impl Standing {
    pub(super) fn new(up_after: u32, down_after: u32) -> Self {
        Self { verdict: AtomicU8::new(0), counts: Mutex::default(), up_after, down_after }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self.verdict.load(Ordering::Acquire) {
            1 => Verdict::Up,
            2 => Verdict::Down,
            _ => Verdict::Unknown,
        }
    }

    /// Notes a success. Returns whether the address is up because of it, and was not before.
    pub(super) fn succeeded(&self) -> bool {
        let mut counts = self.counts();
        counts.failures = 0;
        counts.error = None;
        counts.successes = counts.successes.saturating_add(1);
        let rises = match self.verdict() {
            Verdict::Unknown => true,
            Verdict::Up => false,
            Verdict::Down => counts.successes >= self.up_after,
        };
        if rises {
            self.turn(&mut counts, Verdict::Up);
        }
        rises
    }

    /// Notes a failure. Returns whether the address is down because of it, and was not before. `is_probe` says whether nothing but
    /// the address can be to blame.
    pub(super) fn failed(&self, error: String, is_probe: bool) -> bool {
        let mut counts = self.counts();
        counts.successes = 0;
        counts.failures = counts.failures.saturating_add(1);
        counts.error = Some(error);
        let falls = match self.verdict() {
            Verdict::Unknown => is_probe || counts.failures >= self.down_after,
            Verdict::Up => counts.failures >= self.down_after,
            Verdict::Down => false,
        };
        if falls {
            self.turn(&mut counts, Verdict::Down);
        }
        falls
    }

    pub(super) fn record(&self) -> Record {
        let Counts { since, error, .. } = self.counts().clone();
        Record { verdict: self.verdict(), since, error }
    }

    fn turn(&self, counts: &mut Counts, verdict: Verdict) {
        counts.since = Some(Timestamp::now());
        self.verdict.store(verdict as u8, Ordering::Release);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_result_decides_and_later_ones_come_in_a_row() {
        let standing = Standing::new(2, 3);
        let fails = || standing.failed("refused".to_owned(), true);

        assert_eq!(standing.verdict(), Verdict::Unknown);
        assert!(standing.succeeded());
        assert!(!fails() && !fails());
        assert!(!standing.succeeded(), "it never was down");
        assert!(!fails() && !fails() && fails());
        assert_eq!(standing.record().error.as_deref(), Some("refused"));
        assert!(!standing.succeeded() && !fails() && !standing.succeeded());
        assert_eq!(standing.verdict(), Verdict::Down);
        assert!(standing.succeeded());
        assert_eq!((standing.verdict(), standing.record().error), (Verdict::Up, None));
    }

    #[test]
    fn a_request_that_fails_is_no_verdict_on_an_address_that_was_never_tried() {
        let standing = Standing::new(2, 2);

        assert!(!standing.failed("refused".to_owned(), false));
        assert!(standing.failed("refused".to_owned(), false));
        let probed = Standing::new(2, 2);
        assert!(probed.failed("refused".to_owned(), true));
    }
}
