//! Every scenario, one file each.

mod slow_callers;
mod smuggling;

use crate::report::Report;
use crate::suite::{self, Scenario};

/// What a scenario gives back; the error says why it cannot run here.
type Outcome = suite::Outcome<Report>;

/// In the order in which they run. `rounds` are those of the short form and of the long one.
pub(crate) const ALL: &[Scenario<Report>] = &[
    Scenario {
        name: "WEB1",
        claim: "requests that two servers could read differently: refused and closed, or exactly one request",
        rounds: [1, 20],
        run: |scale| Box::pin(smuggling::run(scale)),
    },
    Scenario {
        name: "WEB2",
        claim: "heads and bodies that never end, callers that say nothing: cut off in time, others do not notice",
        rounds: [1, 10],
        run: |scale| Box::pin(slow_callers::run(scale)),
    },
];
