//! Every scenario, one file each.

mod backup;
mod churn;
mod clock;
mod crash_points;
mod damaged_store;
mod dead_agent;
mod failed_sync;
mod flaky_agent;
mod full_disk;
mod kills;
mod late_answer;
mod overload;
mod power_cut;
mod recovery_crash;
mod restart;
mod slow_disk;
mod sync_order;

use crate::report::Report;
use crate::suite::{self, Scenario};

/// What a scenario gives back; the error says why it cannot run here.
type Outcome = suite::Outcome<Report>;

/// In the order in which they run. `rounds` are those of the short form and of the long one.
pub(crate) const ALL: &[Scenario<Report>] = &[
    Scenario {
        name: "SYNC",
        claim: "no answer is written before the disk has confirmed what it promises, and no commit asks the disk twice",
        rounds: [1, 10],
        run: |scale| Box::pin(sync_order::run(scale)),
    },
    Scenario {
        name: "DUR1",
        claim: "kill -9 at any time, also in the middle of a start",
        rounds: [20, 1000],
        run: |scale| Box::pin(kills::run(scale)),
    },
    Scenario {
        name: "DUR2",
        claim: "the power is cut: what the disk had not written is gone",
        rounds: [8, 200],
        run: |scale| Box::pin(power_cut::run(scale)),
    },
    Scenario {
        name: "DUR3",
        claim: "a crash before the 1st, 2nd, 3rd ... fdatasync, write and rename, until a run ends clean",
        rounds: [12, 2000],
        run: |scale| Box::pin(crash_points::run(scale)),
    },
    Scenario {
        name: "DUR4",
        claim: "a crash, and another in the middle of the recovery from it, and another",
        rounds: [6, 200],
        run: |scale| Box::pin(recovery_crash::run(scale)),
    },
    Scenario {
        name: "DUR5",
        claim: "one fdatasync fails: nothing that it should have covered is acknowledged, a restart has everything before it",
        rounds: [3, 60],
        run: |scale| Box::pin(failed_sync::run(scale)),
    },
    Scenario {
        name: "DUR6",
        claim: "the disk is full: 503 with Retry-After, reads and outcomes go on, intake comes back with the room",
        rounds: [1, 10],
        run: |scale| Box::pin(full_disk::run(scale)),
    },
    Scenario {
        name: "DUR7",
        claim: "store files are flipped, zeroed and cut off: reported, never other bytes, no panic",
        rounds: [3, 64],
        run: |scale| Box::pin(damaged_store::run(scale)),
    },
    Scenario {
        name: "DUR8",
        claim: "thousands and thousands of events come and go: the disk holds three times what is kept, and no more",
        rounds: [20, 10_000],
        run: |scale| Box::pin(churn::run(scale)),
    },
    Scenario {
        name: "DUR9",
        claim: "every fdatasync takes 300 ms: bounded memory, load is shed, nothing is acknowledged too early",
        rounds: [1, 10],
        run: |scale| Box::pin(slow_disk::run(scale)),
    },
    Scenario {
        name: "DUR10",
        claim: "a backup under load: restored it is a prefix of the log, with all that was acknowledged before",
        rounds: [2, 20],
        run: |scale| Box::pin(backup::run(scale)),
    },
    Scenario {
        name: "DEL1",
        claim: "an agent fails, hangs, resets and throttles: the schedule is kept, dead letters are exact",
        rounds: [4, 100],
        run: |scale| Box::pin(flaky_agent::run(scale)),
    },
    Scenario {
        name: "DEL2",
        claim: "an agent answers attempt 1 when attempt 2 is under way: it cannot settle attempt 2",
        rounds: [1, 20],
        run: |scale| Box::pin(late_answer::run(scale)),
    },
    Scenario {
        name: "DEL3",
        claim: "restarts under load: nothing is refused for longer than a restart, nothing is lost or made twice",
        rounds: [4, 100],
        run: |scale| Box::pin(restart::run(scale)),
    },
    Scenario {
        name: "DEL4",
        claim: "the clock jumps a day either way: no retry storm, nothing stuck",
        rounds: [1, 10],
        run: |scale| Box::pin(clock::run(scale)),
    },
    Scenario {
        name: "DEL5",
        claim: "five times what the gateway can take is offered: goodput stays, nothing is lost",
        rounds: [1, 3],
        run: |scale| Box::pin(overload::run(scale)),
    },
    Scenario {
        name: "DEL6",
        claim: "one dead agent among a hundred: the others do not notice",
        rounds: [1, 3],
        run: |scale| Box::pin(dead_agent::run(scale)),
    },
];
