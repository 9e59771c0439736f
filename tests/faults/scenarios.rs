//! All scenarios; each has a file of its own.

mod alert_kills;
mod backup;
mod churn;
mod clock;
mod consumer_kills;
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
pub(crate) mod processor;
mod recovery_crash;
mod reloads;
mod restart;
mod segments;
mod silent_consumer;
mod slow_disk;
mod sync_order;

use crate::report::Report;
use crate::suite::{self, Scenario};

/// The result of a scenario; the error is the reason why it cannot run here.
type Outcome = suite::Outcome<Report>;

/// All scenarios in the order of their runs. `rounds` has the number of rounds for the short form and for the long form.
pub(crate) const ALL: &[Scenario<Report>] = &[
    Scenario {
        name: "SYNC",
        claim: "no response is written before an fdatasync covers it, and each commit has exactly one fdatasync",
        rounds: [1, 10],
        run: |scale| Box::pin(sync_order::run(scale)),
    },
    Scenario {
        name: "DUR1",
        claim: "kill -9 at any moment, also during a start",
        rounds: [20, 1000],
        run: |scale| Box::pin(kills::run(scale)),
    },
    Scenario {
        name: "DUR2",
        claim: "a power cut: all data that the disk has not written is lost",
        rounds: [8, 200],
        run: |scale| Box::pin(power_cut::run(scale)),
    },
    Scenario {
        name: "DUR3",
        claim: "a crash before the 1st, 2nd, 3rd ... fdatasync, write and rename, until a run ends cleanly",
        rounds: [12, 2000],
        run: |scale| Box::pin(crash_points::run(scale)),
    },
    Scenario {
        name: "DUR4",
        claim: "a crash, and more crashes during the recovery from it",
        rounds: [6, 200],
        run: |scale| Box::pin(recovery_crash::run(scale)),
    },
    Scenario {
        name: "DUR5",
        claim: "one fdatasync fails: no event that it should cover is acknowledged, a restart has all earlier events",
        rounds: [3, 60],
        run: |scale| Box::pin(failed_sync::run(scale)),
    },
    Scenario {
        name: "DUR6",
        claim: "the disk is full: 503 with Retry-After, reads and outcomes go on, intake resumes when there is space",
        rounds: [1, 10],
        run: |scale| Box::pin(full_disk::run(scale)),
    },
    Scenario {
        name: "DUR7",
        claim: "store files with flipped, zeroed and truncated bytes: reported, never wrong bytes, no panic",
        rounds: [3, 64],
        run: |scale| Box::pin(damaged_store::run(scale)),
    },
    Scenario {
        name: "DUR8",
        claim: "events arrive and are removed by retention: disk usage stays below three times the live data",
        rounds: [2, 1000],
        run: |scale| Box::pin(churn::run(scale)),
    },
    Scenario {
        name: "DUR9",
        claim: "every fdatasync takes 300 ms: bounded memory, load is shed, no early acknowledgement",
        rounds: [1, 10],
        run: |scale| Box::pin(slow_disk::run(scale)),
    },
    Scenario {
        name: "DUR10",
        claim: "a backup under load: the restored log is a prefix, with all events acknowledged before the backup",
        rounds: [2, 20],
        run: |scale| Box::pin(backup::run(scale)),
    },
    Scenario {
        name: "DUR11",
        claim: "a processor is killed at any moment: each event is counted and derived from exactly once",
        rounds: [10, 200],
        run: |scale| Box::pin(processor::run(scale)),
    },
    Scenario {
        name: "DUR12",
        claim: "kills while segments of the journal are prepared, applied, freed and emptied; their room is used again",
        rounds: [3, 200],
        run: |scale| Box::pin(segments::run(scale)),
    },
    Scenario {
        name: "DEL1",
        claim: "an agent fails, hangs, resets and throttles: retries keep their schedule, dead letters are exact",
        rounds: [4, 100],
        run: |scale| Box::pin(flaky_agent::run(scale)),
    },
    Scenario {
        name: "DEL2",
        claim: "an agent answers attempt 1 during attempt 2: the answer does not settle the delivery",
        rounds: [1, 20],
        run: |scale| Box::pin(late_answer::run(scale)),
    },
    Scenario {
        name: "DEL3",
        claim: "restarts under load: no refusal lasts longer than a restart, no event is lost or duplicated",
        rounds: [4, 100],
        run: |scale| Box::pin(restart::run(scale)),
    },
    Scenario {
        name: "DEL4",
        claim: "the clock jumps a day forward and back: no retry storm, no stuck delivery",
        rounds: [1, 10],
        run: |scale| Box::pin(clock::run(scale)),
    },
    Scenario {
        name: "DEL5",
        claim: "five times the peak load is offered: goodput stays, no event is lost",
        rounds: [1, 3],
        run: |scale| Box::pin(overload::run(scale)),
    },
    Scenario {
        name: "DEL6",
        claim: "one dead agent among a hundred: the others are not affected",
        rounds: [1, 3],
        run: |scale| Box::pin(dead_agent::run(scale)),
    },
    Scenario {
        name: "DEL7",
        claim: "reloads under load, also of broken files and with a kill: no refusal, no loss, order is kept",
        rounds: [12, 200],
        run: |scale| Box::pin(reloads::run(scale)),
    },
    Scenario {
        name: "ALR1",
        claim: "kills while notifications of alerts arrive: agents are told exactly what they are told without a kill",
        rounds: [10, 500],
        run: |scale| Box::pin(alert_kills::run(scale)),
    },
    Scenario {
        name: "SUB3",
        claim: "kills while a consumer acknowledges, retries and parks: nothing confirmed is sent again, nothing is skipped",
        rounds: [10, 200],
        run: |scale| Box::pin(consumer_kills::run(scale)),
    },
    Scenario {
        name: "SUB7",
        claim: "a connection of a consumer falls silent: a standby takes over, and what the first says late is refused",
        rounds: [2, 40],
        run: |scale| Box::pin(silent_consumer::run(scale)),
    },
];
