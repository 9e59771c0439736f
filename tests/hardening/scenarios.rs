//! All scenarios; each has a file of its own.

mod admin_access;
mod bad_signatures;
mod bombs;
mod description;
mod forged_delivery;
mod http2_floods;
mod reconnections;
mod signature_matrix;
mod slow_callers;
mod slow_reader;
mod smuggling;
mod subscriber_floods;
mod websocket_frames;

use crate::report::Report;
use crate::suite::{self, Scenario};

/// The result of a scenario; the error is the reason why it cannot run here.
type Outcome = suite::Outcome<Report>;

/// All scenarios in the order of their runs. `rounds` has the number of rounds for the short form and for the long form.
pub(crate) const ALL: &[Scenario<Report>] = &[
    Scenario {
        name: "WEB1",
        claim: "requests that two servers could parse differently: refused and closed, or exactly one request",
        rounds: [1, 20],
        run: |scale| Box::pin(smuggling::run(scale)),
    },
    Scenario {
        name: "WEB2",
        claim: "heads and bodies that never end, silent callers: disconnected in time, others are not affected",
        rounds: [1, 10],
        run: |scale| Box::pin(slow_callers::run(scale)),
    },
    Scenario {
        name: "WEB3",
        claim: "floods of HTTP/2 frames, in the clear and over TLS: bounded memory and CPU, good callers are served",
        rounds: [1, 3],
        run: |scale| Box::pin(http2_floods::run(scale)),
    },
    Scenario {
        name: "WEB4",
        claim: "bodies that are small to send and large to parse: a status, in time, in bounded memory",
        rounds: [1, 10],
        run: |scale| Box::pin(bombs::run(scale)),
    },
    Scenario {
        name: "WEB5",
        claim: "valid and invalid requests by the OpenAPI description of the admin API: answered as described",
        rounds: [1, 5],
        run: |scale| Box::pin(description::run(scale)),
    },
    Scenario {
        name: "SIG1",
        claim: "all schemes; requests that are changed, repeated, too old or signed differently: refused",
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
        claim: "bad signatures at full speed: the store grows by 0 bytes, good callers are served",
        rounds: [1, 60],
        run: |scale| Box::pin(bad_signatures::run(scale)),
    },
    Scenario {
        name: "SIG4",
        claim: "foreign requests to the admin API, scripts and escape sequences in its data: refused, or inert",
        rounds: [1, 5],
        run: |scale| Box::pin(admin_access::run(scale)),
    },
    Scenario {
        name: "SUB1",
        claim: "the frames of the Autobahn testsuite: each is answered as RFC 6455 says, or closes with its code",
        rounds: [1, 20],
        run: |scale| Box::pin(websocket_frames::run(scale)),
    },
    Scenario {
        name: "SUB4",
        claim: "thousands of subscribers over TLS, all back at once after a kill: none loses an event, memory is bounded",
        rounds: [1, 3],
        run: |scale| Box::pin(reconnections::run(scale)),
    },
    Scenario {
        name: "SUB5",
        claim: "a subscriber that reads 1 KB/s among many: the others are not slower, and it misses nothing",
        rounds: [1, 3],
        run: |scale| Box::pin(slow_reader::run(scale)),
    },
    Scenario {
        name: "SUB8",
        claim: "pings that nobody reads, endless parts, silent subscribers, endless handshakes: ended in time",
        rounds: [1, 10],
        run: |scale| Box::pin(subscriber_floods::run(scale)),
    },
];
