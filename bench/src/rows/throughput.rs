//! Rows a to d: requests per second of the gateway, and of the servers that it is compared with.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::baseline::Baseline;
use crate::measure::{Backlog, CONNECTIONS, Task, Throughput, measure, plain_load};
use crate::row::{Effort, Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{median, megabytes, thousands};
use crate::subject::{REUSE, STUB, Subject};
use crate::webhook::BODY;

pub(crate) static BARE_HTTP: Row = Row {
    name: "bare_http",
    letter: "a",
    about: "bare hyper server: reads the body, answers 202",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.baseline(Baseline::Bare)?, Task::Accept, effort)),
    print: |results| print_from(results, &BARE_HTTP),
};

pub(crate) static APPEND_LOG: Row = Row {
    name: "append_log",
    letter: "a2",
    about: "the same with HMAC and an append-only log (fdatasync)",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.baseline(Baseline::AppendLog)?, Task::Accept, effort)),
    print: |results| print_from(results, &APPEND_LOG),
};

pub(crate) static EVENT_LOG: Row = Row {
    name: "event_log",
    letter: "a3",
    about: "the same with HMAC and the gateway's event log",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.baseline(Baseline::EventLog)?, Task::Accept, effort)),
    print: |results| print_from(results, &EVENT_LOG),
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
    print: |results| print_from(results, &THROUGHPUT),
};

pub(crate) static REUSED: Row = Row {
    name: "reused",
    letter: "c",
    about: "throughput with plugin instances that are reused",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.gateway(&format!("{STUB}{REUSE}"))?, Task::Deliver, effort)),
    print: |results| print_from(results, &REUSED),
};

pub(crate) static ACCEPT_ONLY: Row = Row {
    name: "accept_only",
    letter: "d",
    about: "throughput when nothing is routed",
    goals: &[],
    run: Run::EachRound(|place, effort| run(place.gateway("")?, Task::Accept, effort)),
    print: |results| print_from(results, &ACCEPT_ONLY),
};

/// The rows of one table.
static TABLE: [&Row; 6] = [&BARE_HTTP, &APPEND_LOG, &EVENT_LOG, &THROUGHPUT, &REUSED, &ACCEPT_ONLY];

fn run(subject: Subject, task: Task, effort: &Effort) -> Result<Found> {
    let found = measure(&subject.server, task, effort.time, plain_load)?;
    Ok(Found::new(format!("{:.0} requests/s", found.rate), found))
}

/// How fast one row is compared with another: the median of the ratios of each round, because both rows of a round met the
/// same state of the machine.
fn ratio(results: &Results, row: &Row, base: &Row) -> Option<f64> {
    let rounds = results.of::<Throughput>(row).zip(results.of::<Throughput>(base));
    median(rounds.map(|(row, base)| row.rate / base.rate))
}

/// Prints the table of all rows if `row` is the first of them.
fn print_from(results: &Results, row: &Row) {
    let measured: Vec<_> = TABLE.into_iter().filter(|row| results.has(row)).collect();
    if measured.first().is_none_or(|first| first.name != row.name) {
        return;
    }
    println!("{CONNECTIONS} connections, each with one request of {BODY} bytes at a time");
    let width = results.label_width();
    let bases = [&BARE_HTTP, &APPEND_LOG, &EVENT_LOG];
    let heads = bases.map(|base| format!("of {}", results.label(base)));
    let widths = heads.each_ref().map(|head| head.len().max(5) + 2);
    print!("{:<width$}{:>11}{:>20}", "", "requests/s", "from .. to");
    for (head, width) in heads.iter().zip(widths) {
        print!("{head:>width$}");
    }
    let heads = ["p50 ms", "p95 ms", "p99 ms", "CPU µs", "load µs", "peak MB"];
    println!("{}", heads.map(|head| format!("{head:>9}")).concat());
    for row in &measured {
        let of = |pick: fn(&Throughput) -> f64| results.median(row, pick).unwrap_or_default();
        let rates = || results.of::<Throughput>(row).map(|round| round.rate);
        print!(
            "{:<width$}{:>11}{:>20}",
            results.label(row),
            thousands(of(|round| round.rate)),
            format!(
                "{} .. {}",
                thousands(rates().fold(f64::INFINITY, f64::min)),
                thousands(rates().fold(0.0, f64::max))
            ),
        );
        for (base, width) in bases.iter().zip(widths) {
            let ratio = ratio(results, row, base).map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            print!("{ratio:>width$}");
        }
        println!(
            "{:>9.2}{:>9.2}{:>9.2}{:>9.1}{:>9.1}{:>9.0}",
            of(|round| round.latency.p50) / 1000.0,
            of(|round| round.latency.p95) / 1000.0,
            of(|round| round.latency.p99) / 1000.0,
            of(|round| round.cpu),
            of(|round| round.load_cpu),
            of(|round| megabytes(round.peak)),
        );
    }
    println!("CPU is the subject's for one request, its delivery included, and the load generator's.\n");
    for row in measured {
        print_faults(results, row);
    }
}

/// What went wrong in a row, and what was left when its load ended.
fn print_faults(results: &Results, row: &Row) {
    let label = results.label(row);
    let rounds: Vec<&Throughput> = results.of(row).collect();
    let bad: u64 = rounds.iter().flat_map(|round| round.bad.values()).sum();
    if bad > 0 {
        let by_status: Vec<&BTreeMap<u16, u64>> = rounds.iter().map(|round| &round.bad).collect();
        println!("{label}: {bad} answers were not 2xx, by status in each round: {by_status:?}");
    }
    let backlogs: Vec<_> = rounds.iter().filter_map(|round| round.backlog).collect();
    let of = |pick: fn(&Backlog) -> f64| median(backlogs.iter().map(pick)).unwrap_or_default();
    if !backlogs.is_empty() {
        println!(
            "{label}: {} deliveries were left at the end of a round and done {:.2} s later",
            thousands(of(|backlog| backlog.left as f64)),
            of(|backlog| backlog.drain.as_secs_f64()),
        );
    }
    let undelivered: u64 = backlogs.iter().map(|backlog| backlog.undelivered).sum();
    let failed: u64 = backlogs.iter().map(|backlog| backlog.failed).sum();
    if undelivered + failed > 0 {
        println!("{label}: {undelivered} deliveries were never done, {failed} attempts failed");
    }
}
