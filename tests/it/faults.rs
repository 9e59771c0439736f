//! Nothing that was acknowledged is lost: not to a kill, a power cut, a failed fsync, a full disk or a damaged file.
//!
//! What was sent and answered is written down here, outside the process under test, and compared with what the gateway
//! shows afterwards. Some tests need root or `strace`; without it they say so and pass.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod damaged_store;
mod disk;
mod full_disk;
mod journal;
mod kills;
mod load;
mod power_cut;
mod sync;
mod trace;

use std::io::Write;
use std::time::Duration;

use crate::support::{Setup, TO_STUB, built_in};

/// A gateway that stores everything and delivers it, and tells apart what it was sent.
fn setup() -> Setup {
    Setup::new()
        .plugin(built_in::DUMMY)
        .plugin(built_in::STUB)
        .config(TO_STUB)
        .config("\n[channels.dummy]\nkeep_headers = [\"x-delivery-id\"]\n")
        .env("GATEWAY__LOG__LEVEL", "info")
}

/// Says something also when the test passes: the test runner keeps back what is printed.
fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// A moment that nobody can foresee.
fn random(most: Duration) -> Duration {
    most.mul_f64(f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX))
}

/// The times at 50 and 99 of a hundred.
fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}
