//! The fault suite: it breaks the gateway on purpose and counts broken promises from outside.
//!
//! The senders record requests and responses, the agent records deliveries. Both run in this process, which outlives every
//! gateway. It has its own harness, because scenarios run in sequence and print one table.

#![expect(clippy::unwrap_used, reason = "a panic aborts a scenario")]

mod calls;
mod disk;
mod journal;
mod load;
mod receipts;
mod receiver;
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

use self::scenarios::processor;
use self::suite::Suite;

fn main() -> ExitCode {
    if let Some(folder) = processor::child_folder() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(processor::be_child(&folder));
        return ExitCode::FAILURE;
    }
    let suite = Suite {
        name: "faults",
        about: "Breaks the gateway on purpose and counts what is lost.",
        scenarios: scenarios::ALL,
    };
    suite.main()
}
