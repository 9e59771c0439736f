//! What went wrong with the requests of a channel: how often for each cause, and the last time. In memory, and bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::event::Timestamp;
use crate::http::problem::HttpProblem;

/// Causes that are told apart. Plugins choose statuses, so there might be more.
const CAUSES: usize = 64;

/// Characters of the last reason.
const REASON: usize = 256;

#[derive(Default)]
pub(crate) struct Failures(Mutex<Noted>);

/// Failures as `/admin/channels` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct FailureReport {
    /// By status and code.
    pub(crate) failures: Vec<FailureCount>,
    pub(crate) last_failure: Option<LastFailure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FailureCount {
    status: u16,
    code: &'static str,
    count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LastFailure {
    at: Timestamp,
    status: u16,
    code: &'static str,
    /// What the log says, which may be more than what the sender is told.
    reason: String,
}

#[derive(Default)]
struct Noted {
    counts: BTreeMap<(u16, &'static str), u64>,
    last: Option<LastFailure>,
}

impl Failures {
    pub(crate) fn note(&self, problem: &HttpProblem) {
        self.note_at(problem, Timestamp::now());
    }

    fn note_at(&self, problem: &HttpProblem, at: Timestamp) {
        let (status, code) = (problem.status.as_u16(), problem.code);
        let reason = problem.internal.as_deref().unwrap_or(&problem.detail).chars().take(REASON).collect();
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.counts.len() < CAUSES || noted.counts.contains_key(&(status, code)) {
            *noted.counts.entry((status, code)).or_default() += 1;
        }
        noted.last = Some(LastFailure { at, status, code, reason });
    }

    pub(crate) fn report(&self) -> FailureReport {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |(&(status, code), &count): (&(u16, &'static str), &u64)| FailureCount { status, code, count };
        FailureReport { failures: noted.counts.iter().map(count).collect(), last_failure: noted.last.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_cause_and_the_last_one_is_kept() {
        let (failures, at) = (Failures::default(), Timestamp::from_millis(7));
        let refused = HttpProblem::conflict("a", "A", "first");
        failures.note(&refused);
        failures.note(&refused);
        let secret = HttpProblem::not_found("b", "B", "told").internal("for the operator".to_owned());

        failures.note_at(&secret, at);

        let FailureReport { failures, last_failure } = failures.report();
        let counts: Vec<_> = failures.iter().map(|known| (known.status, known.code, known.count)).collect();
        assert_eq!(counts, [(404, "b", 1), (409, "a", 2)]);
        let last = LastFailure { at, status: 404, code: "b", reason: "for the operator".to_owned() };
        assert_eq!(last_failure, Some(last));
    }
}
