//! Row s: memory of a rate limit for each of many addresses.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::load::Load;
use crate::measure::{CONNECTIONS, settled};
use crate::row::{Found, Goal, Results, Row, Run, Wanted};
use crate::samples::{megabytes, thousands};
use crate::subject::Place;
use crate::webhook::Requests;

pub(crate) static ADDRESS_LIMITS: Row = Row {
    name: "address_limits",
    letter: "s",
    about: "memory of a rate limit for each of 1,000,000 addresses",
    goals: &[Goal { figure: "", wanted: Wanted::Below(64.0), unit: " MB", found: memory }],
    run: Run::Once(|place, _| {
        let found = run(place)?;
        Ok(Found::new(format!("{found} bytes"), found))
    }),
    print,
};

const ADDRESSES: u64 = 1_000_000;

/// How long requests are sent before they are counted.
const STEP: Duration = Duration::from_millis(500);

/// Bytes of memory for a limit of each of [`ADDRESSES`], compared with a gateway without one.
fn run(place: &mut Place) -> Result<u64> {
    let without = resident(place, "", 1)?;
    let with = resident(place, "[http.address_limit]\nrate = \"1/s\"\naddresses = 1000000\n", ADDRESSES)?;
    Ok(with.saturating_sub(without))
}

/// Resident bytes of a gateway after one request from each of `addresses` addresses, none of which is limited.
fn resident(place: &mut Place, limit: &str, addresses: u64) -> Result<u64> {
    // An admin API of its own, because it does not answer on an address that trusts proxies.
    let http = format!("trusted_proxies = [\"127.0.0.1\"]\n{limit}[admin]\nlisten = \"127.0.0.1:0\"\n");
    let gateway = place.gateway_with(&http, "")?;
    let mut load = Load::connect(gateway.server.address, CONNECTIONS)?;
    let mut requests = Requests::forged_everywhere();
    let mut answered = 0;
    while answered < addresses {
        let found = load.run(&mut requests, STEP)?;
        ensure!(found.bad.keys().all(|status| *status == 401), "a new address was limited: {:?}", found.bad);
        answered += found.answered;
    }
    settled(&gateway.server)
}

fn memory(results: &Results) -> Option<f64> {
    results.median(&ADDRESS_LIMITS, |bytes: &u64| megabytes(*bytes))
}

fn print(results: &Results) {
    let text = format!(
        "a rate limit for each of {} addresses takes {:.1} MB",
        thousands(ADDRESSES as f64),
        memory(results).unwrap_or_default()
    );
    results.print(&ADDRESS_LIMITS, &text);
}
