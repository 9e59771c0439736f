//! How the calls of a generation went, as far as it decides whether the generation stays in service.

use std::sync::atomic::{AtomicU64, Ordering};

/// When a new generation is rolled back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RollbackRule {
    /// The first calls that count, at most [`RollbackRule::MAX_CALLS`]. 0 means that no generation is rolled back.
    pub calls: u32,
    /// The share of them that may fail, 0 to 1.
    pub share: f64,
}

/// What the first calls of a generation say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Too few calls were made.
    Open,
    Good,
    Bad,
}

/// The calls of one generation.
#[derive(Default)]
pub(super) struct CallRecord {
    calls: AtomicU64,
    /// Failures among the first calls.
    first_failures: AtomicU64,
    /// The last calls, a bit each: 1 for a failure.
    last: AtomicU64,
}

impl RollbackRule {
    /// The last calls of a generation that are remembered.
    pub const MAX_CALLS: u32 = u64::BITS;

    fn exceeds(self, failures: u64, calls: u64) -> bool {
        failures as f64 > self.share * calls as f64
    }
}

impl Default for RollbackRule {
    fn default() -> Self {
        Self { calls: 20, share: 0.5 }
    }
}

impl CallRecord {
    /// Adds a call.
    pub(super) fn add(&self, failed: bool, rule: RollbackRule) {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if failed && number <= u64::from(rule.calls) {
            self.first_failures.fetch_add(1, Ordering::Relaxed);
        }
        let push = |last| Some(last << 1 | u64::from(failed));
        let _ = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, push);
    }

    /// Judges the first calls. It is bad as soon as enough of them failed, whatever the others will do.
    pub(super) fn judgement(&self, rule: RollbackRule) -> Judgement {
        let failures = self.first_failures.load(Ordering::Relaxed);
        if rule.exceeds(failures, rule.calls.into()) {
            Judgement::Bad
        } else if self.calls.load(Ordering::Relaxed) >= rule.calls.into() {
            Judgement::Good
        } else {
            Judgement::Open
        }
    }

    /// Whether as many of the last calls failed as a new generation would be rolled back for.
    pub(super) fn fails(&self, rule: RollbackRule) -> bool {
        let calls = self.calls.load(Ordering::Relaxed).min(rule.calls.into());
        let mask = 1_u64.checked_shl(calls as u32).map_or(u64::MAX, |bit| bit - 1);
        let failures = (self.last.load(Ordering::Relaxed) & mask).count_ones();
        calls > 0 && rule.exceeds(failures.into(), calls)
    }

    /// Failures among the first calls, and how many calls were made of those that count.
    pub(super) fn first(&self, rule: RollbackRule) -> (u64, u64) {
        (self.first_failures.load(Ordering::Relaxed), self.calls.load(Ordering::Relaxed).min(rule.calls.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(calls: &str, rule: RollbackRule) -> CallRecord {
        let record = CallRecord::default();
        calls.chars().for_each(|call| record.add(call == 'x', rule));
        record
    }

    #[test]
    fn a_generation_is_bad_once_more_than_its_share_of_the_first_calls_failed() {
        let rule = RollbackRule { calls: 4, share: 0.5 };
        let check = |calls: &str, expected: Judgement| {
            assert_eq!(record(calls, rule).judgement(rule), expected, "{calls}");
        };

        check("", Judgement::Open);
        check("xx", Judgement::Open);
        check("xxx", Judgement::Bad);
        check(".xxx", Judgement::Bad);
        check("xx..", Judgement::Good);
        check("....xxxxxx", Judgement::Good);
        check("xxx.......", Judgement::Bad);
        assert_eq!(record("xxx", rule).first(rule), (3, 3));
    }

    #[test]
    fn no_number_of_calls_is_bad_when_none_counts() {
        let never = RollbackRule { calls: 0, share: 0.0 };

        assert_eq!(record("xxxx", never).judgement(never), Judgement::Good);
    }

    #[test]
    fn the_last_calls_say_whether_a_generation_fails_now() {
        let rule = RollbackRule { calls: 4, share: 0.5 };
        for (calls, expected) in
            [("", false), ("x", true), (".", false), ("xxxx..", false), ("....xx", false), ("....xxx", true)]
        {
            assert_eq!(record(calls, rule).fails(rule), expected, "{calls}");
        }
        let longest = RollbackRule { calls: RollbackRule::MAX_CALLS, share: 0.5 };
        assert!(record(&"x".repeat(100), longest).fails(longest));
    }
}
