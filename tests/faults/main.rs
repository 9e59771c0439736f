//! The fault suite: the gateway is broken on purpose, and what it promised is counted from outside.
//!
//! What was sent and answered is written down by the senders, what was delivered by the agent, both in this process, which
//! outlives every gateway. Its own harness, because scenarios run one after the other and end in one table.

#![expect(clippy::unwrap_used, reason = "a panic is how a scenario breaks off")]

mod calls;
mod disk;
mod journal;
mod load;
mod recorder;
mod report;
mod scenarios;
mod trace;
mod trial;
mod verdict;

#[path = "../it"]
mod it {
    #[expect(dead_code, unused_imports, reason = "the tests of `it` use the rest of it")]
    pub(crate) mod support;
}

#[path = ".."]
mod shared {
    pub(crate) mod suite;
}

use std::process::ExitCode;

pub(crate) use self::it::support;
pub(crate) use self::shared::suite;

use self::suite::Suite;

fn main() -> ExitCode {
    let suite = Suite {
        name: "faults",
        about: "Breaks the gateway on purpose and counts what is lost.",
        scenarios: scenarios::ALL,
    };
    suite.main()
}
