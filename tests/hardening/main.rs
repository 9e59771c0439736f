//! The hardening suite: what the open internet sends to a gateway on a public address, and what it costs.
//!
//! Attackers and good callers are both in this process; what became of their requests is counted here and compared with
//! what the gateway has stored. Its own harness, because scenarios run one after the other and end in one table.

#![expect(clippy::unwrap_used, reason = "a panic is how a scenario breaks off")]

mod door;
mod frames;
mod github;
mod raw;
mod report;
mod scenarios;
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
        about: "Attacks the front door, and counts what is stored and how good callers fare meanwhile.",
        scenarios: scenarios::ALL,
    };
    suite.main()
}
