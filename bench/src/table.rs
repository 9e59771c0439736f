//! The table of throughput: every row that is the same load on another server has a line in it.

use std::collections::BTreeMap;

use crate::measure::{Backlog, CONNECTIONS, Throughput, ratio};
use crate::row::{Results, Row};
use crate::rows::throughput::{APPEND_LOG, BARE_HTTP, EVENT_LOG};
use crate::samples::{median, megabytes, thousands};
use crate::webhook::BODY;

/// Prints a line for each of `rows` that was measured with this load, and then what went wrong.
pub(crate) fn print(results: &Results, rows: &[&Row]) {
    let measured: Vec<&Row> = rows.iter().copied().filter(|row| results.are::<Throughput>(row)).collect();
    if measured.is_empty() {
        return;
    }
    println!("{CONNECTIONS} connections, each with one request of {BODY} bytes at a time");
    let width = results.label_width();
    let bases = [&BARE_HTTP, &APPEND_LOG, &EVENT_LOG].into_iter().filter(|base| results.has(base));
    let bases: Vec<(&Row, String)> = bases.map(|base| (base, format!("  of {}", results.label(base)))).collect();
    print!("{:<width$}{:>11}{:>20}", "", "requests/s", "from .. to");
    for (_, head) in &bases {
        print!("{head:>7}");
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
        for (base, head) in &bases {
            let width = head.len().max(7);
            print!("{:>width$.2}", ratio(results, row, base).unwrap_or_default());
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
