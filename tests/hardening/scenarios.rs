//! Every scenario, one file each.

mod bad_signatures;
mod bombs;
mod description;
mod forged_delivery;
mod http2_floods;
mod signature_matrix;
mod slow_callers;
mod smuggling;
mod strangers;

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
    Scenario {
        name: "WEB3",
        claim: "floods of HTTP/2 frames, in the clear and over TLS: memory and processor bounded, good callers go on",
        rounds: [1, 3],
        run: |scale| Box::pin(http2_floods::run(scale)),
    },
    Scenario {
        name: "WEB4",
        claim: "bodies that are small to send and large to read: a status, in time, in bounded memory",
        rounds: [1, 10],
        run: |scale| Box::pin(bombs::run(scale)),
    },
    Scenario {
        name: "WEB5",
        claim: "requests that the description of the admin API allows, and others: answered as it says",
        rounds: [1, 5],
        run: |scale| Box::pin(description::run(scale)),
    },
    Scenario {
        name: "SIG1",
        claim: "every scheme, and requests that were changed, repeated, aged or signed in another way: refused",
        rounds: [1, 200],
        run: |scale| Box::pin(signature_matrix::run(scale)),
    },
    Scenario {
        name: "SIG2",
        claim: "a forged delivery id with another body does not suppress the real event",
        rounds: [1, 20],
        run: |scale| Box::pin(forged_delivery::run(scale)),
    },
    Scenario {
        name: "SIG3",
        claim: "bad signatures at full speed: the store grows by 0 bytes, good callers go on",
        rounds: [1, 60],
        run: |scale| Box::pin(bad_signatures::run(scale)),
    },
    Scenario {
        name: "SIG4",
        claim: "strangers at the admin API, scripts and escape sequences in what it shows: refused, or inert",
        rounds: [1, 5],
        run: |scale| Box::pin(strangers::run(scale)),
    },
];
