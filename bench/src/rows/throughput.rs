//! Rows a to d: requests per second of the gateway, and of the servers that it is compared with. `table` prints them.

use anyhow::Result;

use crate::baseline::Baseline;
use crate::measure::{Task, measure, plain_load, ratio};
use crate::row::{Effort, Found, Goal, Row, Run, Wanted};
use crate::subject::{REUSE, STUB, Subject};

pub(crate) static BARE_HTTP: Row = Row {
    name: "bare_http",
    letter: "a",
    about: "bare hyper server: reads the body, answers 202",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.baseline(Baseline::Bare)?, Task::Accept, effort)),
    print: |_| {},
};

pub(crate) static APPEND_LOG: Row = Row {
    name: "append_log",
    letter: "a2",
    about: "the same with HMAC and an append-only log (fdatasync)",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.baseline(Baseline::AppendLog)?, Task::Accept, effort)),
    print: |_| {},
};

pub(crate) static EVENT_LOG: Row = Row {
    name: "event_log",
    letter: "a3",
    about: "the same with HMAC and the gateway's event log",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.baseline(Baseline::EventLog)?, Task::Accept, effort)),
    print: |_| {},
};

pub(crate) static THROUGHPUT: Row = Row {
    name: "throughput",
    letter: "b",
    about: "the gateway: 1 KiB GitHub webhooks, agent `stub`",
    goals: &[
        Goal {
            figure: "/ event_log",
            wanted: Wanted::AtLeast(0.7),
            unit: "",
            found: |results| ratio(results, &THROUGHPUT, &EVENT_LOG),
        },
        Goal {
            figure: "/ append_log",
            wanted: Wanted::AtLeast(0.4),
            unit: "",
            found: |results| ratio(results, &THROUGHPUT, &APPEND_LOG),
        },
    ],
    run: Run::EachRound(|place, effort| run(place.gateway(STUB)?, Task::Deliver, effort)),
    print: |_| {},
};

pub(crate) static REUSED: Row = Row {
    name: "reused",
    letter: "c",
    about: "throughput with plugin instances that are reused",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.gateway(&format!("{STUB}{REUSE}"))?, Task::Deliver, effort)),
    print: |_| {},
};

pub(crate) static ACCEPT_ONLY: Row = Row {
    name: "accept_only",
    letter: "d",
    about: "throughput when nothing is routed",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.gateway("")?, Task::Accept, effort)),
    print: |_| {},
};

fn run(subject: Subject, task: Task, effort: &Effort) -> Result<Found> {
    let found = measure(&subject.server, task, effort.time, plain_load)?;
    Ok(Found::new(format!("{:.0} requests/s", found.rate), found))
}
