//! The hardening suite: attacks from the open internet on a gateway with a public address, and their cost.
//!
//! Attackers and good callers both run in this process. It counts the results of their requests and compares them with the
//! events that the gateway has stored. It has its own harness, because scenarios run in sequence and print one table.

#![expect(clippy::unwrap_used, reason = "a panic aborts a scenario")]

mod door;
mod frames;
mod github;
mod raw;
mod report;
mod scenarios;
mod subscriber;
mod tools;
mod traffic;
mod victim;

#[path = ".."]
mod shared {
    #[expect(dead_code, unused_imports, reason = "the tests of `it` use the rest of it")]
    pub(crate) mod signatures;
    pub(crate) mod suite;
}
#[path = "../it"]
mod it {
    #[expect(dead_code, unused_imports, reason = "the tests of `it` use the rest of it")]
    pub(crate) mod support;
}

use std::process::ExitCode;

pub(crate) use self::it::support;
pub(crate) use self::shared::{signatures, suite};

use self::suite::Suite;

fn main() -> ExitCode {
    let suite = Suite {
        name: "hardening",
        about: "Attacks the front door, counts stored events, and measures good callers meanwhile.",
        scenarios: scenarios::ALL,
    };
    suite.main()
}
