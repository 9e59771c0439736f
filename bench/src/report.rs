//! The table.

use std::collections::BTreeMap;

use crate::channels::Channel;
use crate::crowd::{CROWDS, Crowd};
use crate::encrypted::{Encrypted, WAYS};
use crate::hostile::Hostile;
use crate::many::Many;
use crate::neighbours::Neighbours;
use crate::options::{Plan, Row};
use crate::overload::Overload;
use crate::rounds::{CONNECTIONS, Results, Throughput};
use crate::samples::median;
use crate::strangers::{ADDRESSES, Flood};
use crate::webhook::BODY;

/// Prints what was found, beside what was wanted.
pub(crate) fn print(plan: &Plan, results: &Results) {
    print!("\n{}", results.machine);
    println!(
        "{} rounds of {} s, interleaved, {:.0} s in all; medians of the rounds\n",
        plan.rounds,
        plan.time.as_secs(),
        results.took.as_secs_f64()
    );
    print_throughput(results);
    print_others(results);
    print_goals(results);
}

fn print_throughput(results: &Results) {
    if results.throughput.is_empty() {
        return;
    }
    println!("{CONNECTIONS} connections, each with one request of {BODY} bytes at a time");
    println!(
        "{:<4}{:>11}{:>20}{:>7}{:>7}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "",
        "requests/s",
        "from .. to",
        "of a",
        "of a2",
        "of a3",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "CPU µs",
        "load µs",
        "peak MB"
    );
    for (row, rounds) in &results.throughput {
        let of = |pick: fn(&Throughput) -> f64| median(rounds.iter().map(pick)).unwrap_or_default();
        let ratio = |base| ratio(results, *row, base).map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let rates = || rounds.iter().map(|round| round.rate);
        println!(
            "{:<4}{:>11}{:>20}{:>7}{:>7}{:>7}{:>9.2}{:>9.2}{:>9.2}{:>9.1}{:>9.1}{:>9.0}",
            row.name(),
            thousands(of(|round| round.rate)),
            format!(
                "{} .. {}",
                thousands(rates().fold(f64::INFINITY, f64::min)),
                thousands(rates().fold(0.0, f64::max))
            ),
            ratio(Row::Bare),
            ratio(Row::AppendLog),
            ratio(Row::EventLog),
            of(|round| round.latency.p50) / 1000.0,
            of(|round| round.latency.p95) / 1000.0,
            of(|round| round.latency.p99) / 1000.0,
            of(|round| round.cpu),
            of(|round| round.load_cpu),
            of(|round| megabytes(round.peak)),
        );
    }
    println!("CPU is the subject's for one request, its delivery included, and the load generator's.\n");
    for (row, rounds) in &results.throughput {
        let bad: u64 = rounds.iter().flat_map(|round| round.bad.values()).sum();
        if bad > 0 {
            let by_status: Vec<&BTreeMap<u16, u64>> = rounds.iter().map(|round| &round.bad).collect();
            println!("{}: {bad} answers were not 2xx, by status in each round: {by_status:?}", row.name());
        }
        let backlogs: Vec<_> = rounds.iter().filter_map(|round| round.backlog).collect();
        let of = |pick: fn(&crate::rounds::Backlog) -> f64| median(backlogs.iter().map(pick)).unwrap_or_default();
        if !backlogs.is_empty() {
            println!(
                "{}: {} deliveries were left at the end of a round and done {:.2} s later",
                row.name(),
                thousands(of(|backlog| backlog.left as f64)),
                of(|backlog| backlog.drain.as_secs_f64()),
            );
        }
        let undelivered: u64 = backlogs.iter().map(|backlog| backlog.undelivered).sum();
        let failed: u64 = backlogs.iter().map(|backlog| backlog.failed).sum();
        if undelivered + failed > 0 {
            println!("{}: {undelivered} deliveries were never done, {failed} attempts failed", row.name());
        }
    }
}

fn print_others(results: &Results) {
    if !results.delivery.is_empty() {
        let of =
            |pick: fn(&crate::delivery::Delivery) -> f64| median(results.delivery.iter().map(pick)).unwrap_or_default();
        println!(
            "e    from the request to its first byte at an HTTP agent, 1,000 requests/s:\n     \
             p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, longest {:.1} ms; CPU {:.0} µs, of load and agent {:.0} µs",
            of(|round| round.latency.p50) / 1000.0,
            of(|round| round.latency.p95) / 1000.0,
            of(|round| round.latency.p99) / 1000.0,
            of(|round| round.worst) / 1000.0,
            of(|round| round.cpu),
            of(|round| round.load_cpu),
        );
        let lost: usize = results.delivery.iter().map(|round| round.lost).sum();
        let late: usize = results.delivery.iter().map(|round| round.late).sum();
        if lost + late > 0 {
            println!("     {lost} events did not arrive within 10 s; {late} requests were sent 1 ms late or more");
        }
    }
    if let Some((idle, peak)) = memory(results) {
        println!("f    resident memory of the gateway: idle {idle:.0} MB, at the peak of b {peak:.0} MB");
    }
    if let Some(drop_in) = median(results.drop_in.iter().copied()) {
        let worst = results.drop_in.iter().copied().fold(0.0, f64::max);
        println!(
            "g    from writing a new component to its first answer: {drop_in:.0} ms, the longest of {} {worst:.0} ms",
            results.drop_in.len()
        );
    }
    for (plugin, pick) in [("github", 0), ("dummy", 1)] {
        let pairs = results.calls.iter().map(|calls| [calls.github, calls.dummy][pick]);
        if let (Some(fresh), Some(reused)) =
            (median(pairs.clone().map(|pair| pair.fresh)), median(pairs.map(|pair| pair.reused)))
        {
            println!("h    a call of the channel plugin `{plugin}` alone: fresh {fresh:.1} µs, reused {reused:.1} µs");
        }
    }
    print_endurance(results);
    print_plugins(results);
    print_channels(results);
    print_encrypted(results);
    print_strangers(results);
}

/// The rows of faults and of large numbers.
fn print_endurance(results: &Results) {
    if let Some(found) = results.pending {
        println!(
            "i    {} deliveries to make: serves after {:.2} s, the first arrives {:.2} s later, then {} in a second; peak {:.0} MB",
            thousands(found.deliveries.into()),
            found.start,
            found.first,
            thousands(found.rate),
            megabytes(found.peak),
        );
    }
    if !results.neighbours.is_empty() {
        let of =
            |pick: fn(&Neighbours) -> f64| median(results.neighbours.iter().map(pick)).unwrap_or_default() / 1000.0;
        let lost: usize = results.neighbours.iter().map(|round| round.lost).sum();
        println!(
            "j    p99 of 99 agents, 1,000 requests/s: {:.2} ms while the 100th works, {:.2} ms while it is dead; {lost} events did not arrive",
            of(|round| round.without),
            of(|round| round.with),
        );
    }
    if !results.overload.is_empty() {
        let of = |pick: fn(&Overload) -> f64| median(results.overload.iter().map(pick)).unwrap_or_default();
        println!(
            "k    5,120 callers, five times as many as are served at once: {} of {} good answers in a second, p99 {:.0} ms, {} refusals",
            thousands(of(|round| round.goodput)),
            thousands(of(|round| round.peak)),
            of(|round| round.p99),
            thousands(of(|round| round.refused)),
        );
    }
    if let Some(found) = results.endurance {
        println!(
            "l    accepted in a second: {} at the start, {} after {} events; peak {:.0} MB",
            thousands(found.first),
            thousands(found.last),
            thousands(found.events as f64),
            megabytes(found.peak),
        );
    }
}

/// The rows of many plugins, and of bad ones.
fn print_plugins(results: &Results) {
    if !results.many.is_empty() {
        let of = |pick: fn(&Many) -> f64| median(results.many.iter().map(pick)).unwrap_or_default();
        println!(
            "m    500 plugins: serves after {:.2} s, idle {:.0} MB; p99 of deliveries {:.2} ms, {:.2} ms while one is replaced ({:.0} times)",
            of(|round| round.start),
            of(|round| megabytes(round.idle)),
            of(|round| round.without / 1000.0),
            of(|round| round.with / 1000.0),
            of(|round| round.swaps.into()),
        );
    }
    if let Some(found) = results.reloads {
        println!(
            "n    resident memory {:.1} MB after 1,000 reloads of one plugin, {:.1} MB after 10,000; {:.1} ms each",
            megabytes(found.early),
            megabytes(found.late),
            found.took,
        );
    }
    if !results.hostile.is_empty() {
        let of = |pick: fn(&Hostile) -> f64| median(results.hostile.iter().map(pick)).unwrap_or_default();
        let lost: usize = results.hostile.iter().map(|round| round.lost).sum();
        println!(
            "o    p99 of deliveries, 1,000 requests/s: {:.2} ms, {:.2} ms beside a spinning plugin ({:.0} calls stopped); {lost} events did not arrive",
            of(|round| round.without / 1000.0),
            of(|round| round.with / 1000.0),
            of(|round| round.stopped as f64),
        );
    }
}

/// One line for each channel.
fn print_channels(results: &Results) {
    let rounds = by_channel(results);
    if rounds.is_empty() {
        return;
    }
    println!("p    channels with their own samples, {CONNECTIONS} connections, accepted only");
    println!("     {:<20}{:>8}{:>12}{:>9}{:>10}", "", "bytes", "requests/s", "p99 ms", "of dummy");
    for (name, rounds) in rounds {
        let of = |pick: fn(&Channel) -> f64| median(rounds.iter().map(|round| pick(round))).unwrap_or_default();
        println!(
            "     {name:<20}{:>8}{:>12}{:>9.2}{:>10.2}",
            of(|round| round.body as f64),
            thousands(of(|round| round.rate)),
            of(|round| round.p99),
            of(|round| round.ratio),
        );
    }
}

fn by_channel(results: &Results) -> BTreeMap<&str, Vec<&Channel>> {
    let mut rounds: BTreeMap<&str, Vec<&Channel>> = BTreeMap::new();
    for channel in &results.channels {
        rounds.entry(&channel.name).or_default().push(channel);
    }
    rounds
}

/// How the slowest channel compares with `dummy`.
fn slowest_channel(results: &Results) -> Option<f64> {
    let ratios = by_channel(results).into_values();
    ratios.filter_map(|rounds| median(rounds.iter().map(|round| round.ratio))).min_by(f64::total_cmp)
}

/// One line for each way of row q.
fn print_encrypted(results: &Results) {
    if results.encrypted.is_empty() {
        return;
    }
    println!(
        "q    HTTP/2 over TLS, {CONNECTIONS} requests at a time, accepted only; `of 1` and `of 2` are the lines above"
    );
    println!(
        "     {:<50}{:>11}{:>9}{:>9}{:>9}{:>7}{:>7}",
        "", "requests/s", "p99 ms", "CPU µs", "load µs", "of 1", "of 2"
    );
    for (way, name) in WAYS.iter().enumerate() {
        let of = |pick: fn(&Throughput) -> f64| {
            median(results.encrypted.iter().map(|round| pick(&round.ways[way]))).unwrap_or_default()
        };
        let ratio = |base| encrypted_ratio(results, way, base).unwrap_or_default();
        println!(
            "     {}  {name:<47}{:>11}{:>9.2}{:>9.1}{:>9.1}{:>7.2}{:>7.2}",
            way + 1,
            thousands(of(|way| way.rate)),
            of(|way| way.latency.p99) / 1000.0,
            of(|way| way.cpu),
            of(|way| way.load_cpu),
            ratio(0),
            ratio(1),
        );
    }
}

/// How fast one way of row q is compared with another.
fn encrypted_ratio(results: &Results, way: usize, base: usize) -> Option<f64> {
    let rates = results.encrypted.iter().map(Encrypted::rates);
    median(rates.map(|rates| rates[way] / rates[base]))
}

/// The rows of callers that nobody invited.
fn print_strangers(results: &Results) {
    if !results.crowd.is_empty() {
        let of = |pick: fn(&Crowd) -> f64| median(results.crowd.iter().map(pick)).unwrap_or_default();
        println!(
            "r    {} idle connections take {:.1} kB each, {} take {:.1} kB; over TLS {:.1} kB and {:.1} kB;\n     \
             p99 of others {:.2} ms without them, {:.2} ms and {:.2} ms with them",
            thousands(CROWDS[0] as f64),
            of(|round| round.plain[0] / 1000.0),
            thousands(CROWDS[1] as f64),
            of(|round| round.plain[1] / 1000.0),
            of(|round| round.encrypted[0] / 1000.0),
            of(|round| round.encrypted[1] / 1000.0),
            of(|round| round.alone),
            of(|round| round.beside[0]),
            of(|round| round.beside[1]),
        );
    }
    if let Some(bytes) = results.limiter {
        println!(
            "s    a rate limit for each of {} addresses takes {:.1} MB",
            thousands(ADDRESSES as f64),
            megabytes(bytes)
        );
    }
    if !results.flood.is_empty() {
        let of = |pick: fn(&Flood) -> f64| median(results.flood.iter().map(pick)).unwrap_or_default();
        let stored: u64 = results.flood.iter().map(|round| round.stored).sum();
        println!(
            "t    good requests in a second, of 1,000: {} alone, {} beside {} bad signatures in a second, which store {stored} bytes",
            thousands(of(|round| round.without)),
            thousands(of(|round| round.with)),
            thousands(of(|round| round.forged)),
        );
    }
}

fn print_goals(results: &Results) {
    let delivery = median(results.delivery.iter().map(|round| round.latency.p95)).map(|micros| micros / 1000.0);
    let (idle, peak) = memory(results).unzip();
    let drop_in = median(results.drop_in.iter().copied());
    let fresh = median(results.calls.iter().map(|calls| calls.github.fresh));
    let reused = median(results.calls.iter().map(|calls| calls.github.reused));
    let neighbours = median(results.neighbours.iter().map(|round| round.with / round.without));
    let overload = median(results.overload.iter().map(|round| round.goodput / round.peak));
    let swapping = median(results.many.iter().map(|round| round.with / round.without));
    let hostile = median(results.hostile.iter().map(|round| round.with / round.without));
    println!("\n{:<24}{:>12}{:>10}", "goal", "wanted", "found");
    for (goal, wanted, found, unit) in [
        ("b/a3", Wanted::AtLeast(0.7), ratio(results, Row::Gateway, Row::EventLog), ""),
        ("b/a2", Wanted::AtLeast(0.4), ratio(results, Row::Gateway, Row::AppendLog), ""),
        ("e p95", Wanted::Below(2.0), delivery, " ms"),
        ("f idle", Wanted::Below(64.0), idle, " MB"),
        ("f peak under b", Wanted::Below(256.0), peak, " MB"),
        ("g", Wanted::Below(250.0), drop_in, " ms"),
        ("h github, fresh", Wanted::Below(10.0), fresh, " µs"),
        ("h github, reused", Wanted::Below(3.0), reused, " µs"),
        ("i start", Wanted::Below(10.0), results.pending.map(|found| found.start), " s"),
        ("i first delivery", Wanted::Below(1.0), results.pending.map(|found| found.first), " s"),
        ("i peak", Wanted::Below(256.0), results.pending.map(|found| megabytes(found.peak)), " MB"),
        ("j dead/alive", Wanted::Below(1.2), neighbours, ""),
        ("k goodput/peak", Wanted::AtLeast(0.8), overload, ""),
        ("m start", Wanted::Below(2.0), median(results.many.iter().map(|round| round.start)), " s"),
        ("m idle", Wanted::Below(256.0), median(results.many.iter().map(|round| megabytes(round.idle))), " MB"),
        ("m replacing/not", Wanted::Below(1.2), swapping, ""),
        ("n late/early", Wanted::Below(1.1), results.reloads.map(|found| found.late as f64 / found.early as f64), ""),
        ("o spinning/not", Wanted::Below(1.2), hostile, ""),
        ("p slowest/dummy", Wanted::AtLeast(0.6), slowest_channel(results), ""),
        ("q TLS and h2/plain", Wanted::AtLeast(0.6), encrypted_ratio(results, 2, 1), ""),
        ("s", Wanted::Below(64.0), results.limiter.map(megabytes), " MB"),
        (
            "t flood/none",
            Wanted::AtLeast(0.8),
            median(results.flood.iter().map(|round| round.with / round.without)),
            "",
        ),
        ("l last/first", Wanted::AtLeast(0.8), results.endurance.map(|found| found.last / found.first), ""),
    ] {
        let Some(found) = found else { continue };
        let (wanted, met) = match wanted {
            Wanted::AtLeast(least) => (format!(">= {least}"), found >= least),
            Wanted::Below(limit) => (format!("< {limit}{unit}"), found < limit),
        };
        let met = if met { "met" } else { "missed" };
        println!("{goal:<24}{wanted:>12}{:>10}  {met}", format!("{found:.2}{unit}"));
    }
}

enum Wanted {
    AtLeast(f64),
    Below(f64),
}

/// How fast one row is compared with another: the median of what the rounds say, each with its own state of the machine.
fn ratio(results: &Results, row: Row, base: Row) -> Option<f64> {
    let rounds = results.throughput.get(&row)?.iter().zip(results.throughput.get(&base)?);
    median(rounds.map(|(row, base)| row.rate / base.rate))
}

/// Idle and at the peak under row b, in megabytes.
fn memory(results: &Results) -> Option<(f64, f64)> {
    let rounds = results.throughput.get(&Row::Gateway)?;
    let idle = median(rounds.iter().map(|round| megabytes(round.idle)))?;
    Some((idle, median(rounds.iter().map(|round| megabytes(round.peak)))?))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// `12,345`.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_readable() {
        for (number, expected) in [(0.4, "0"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.8, "1,234,568")] {
            assert_eq!(thousands(number), expected);
        }
    }
}
