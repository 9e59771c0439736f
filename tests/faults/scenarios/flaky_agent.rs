//! DEL1: an agent that fails, hangs, resets and throttles.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::deliver;
use crate::recorder::{Answer, Record};
use crate::report::Report;
use crate::suite::{Scale, percentiles};
use crate::trial::{Trial, all_events};

use super::Outcome;

const ATTEMPTS: u32 = 4;
const TIMEOUT: Duration = Duration::from_millis(500);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const MAX_WAIT: Duration = Duration::from_secs(1);
const RETRY_AFTER: u64 = 2;

/// The random share of a wait.
const JITTER: f64 = 0.5;

/// The gateway stores times in whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

/// The tolerated delay of an attempt on a busy machine.
const LATE: Duration = Duration::from_secs(10);

/// The agent's behaviour for an event; the subject has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trick {
    Fine,
    /// 500 twice.
    Failing,
    /// No response to the first attempt.
    Hanging,
    /// The connection of the first two attempts is reset.
    Resetting,
    /// 429 with `Retry-After` once.
    Throttling,
    /// 410.
    Gone,
    /// 500 for ever.
    Broken,
}

impl Trick {
    const ALL: [Self; 7] =
        [Self::Fine, Self::Failing, Self::Hanging, Self::Resetting, Self::Throttling, Self::Gone, Self::Broken];

    fn of(subject: &str) -> Self {
        Self::ALL.into_iter().find(|trick| subject.starts_with(&format!("{trick:?}"))).unwrap_or(Self::Fine)
    }

    fn answer(self, attempt: u32) -> Answer {
        match (self, attempt) {
            (Self::Failing, 1 | 2) | (Self::Broken, _) => Answer::Status(500),
            (Self::Hanging, 1) => Answer::Hang,
            (Self::Resetting, 1 | 2) => Answer::Reset,
            (Self::Throttling, 1) => Answer::Throttled(RETRY_AFTER),
            (Self::Gone, _) => Answer::Status(410),
            _ => Answer::Status(200),
        }
    }

    /// The total number of attempts.
    fn attempts(self) -> u32 {
        match self {
            Self::Fine | Self::Gone => 1,
            Self::Hanging | Self::Throttling => 2,
            Self::Failing | Self::Resetting => 3,
            Self::Broken => ATTEMPTS,
        }
    }

    fn is_dead(self) -> bool {
        matches!(self, Self::Gone | Self::Broken)
    }

    /// The gateway's longest wait after the failed attempt `attempt`.
    fn longest_wait(self, attempt: u32) -> Duration {
        let step = match self {
            Self::Hanging | Self::Throttling => attempt + 1,
            _ => attempt,
        };
        (FIRST_WAIT * 2_u32.pow(step - 1)).min(MAX_WAIT)
    }
}

/// A round has one event for each trick, each with its own subject.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut trial = Trial::answering(|record| Trick::of(&record.arrival.subject).answer(record.arrival.attempt)).await;
    let setup = trial.setup_with(&format!(
        "timeout = \"{}ms\"\nbreaker = {{ failures = 0 }}\n\
         retry = {{ attempts = {ATTEMPTS}, first_wait = \"{}ms\", max_wait = \"{}ms\", jitter = {JITTER} }}",
        TIMEOUT.as_millis(),
        FIRST_WAIT.as_millis(),
        MAX_WAIT.as_millis()
    ));
    let gateway = setup.start().await;
    for round in 0..scale.rounds {
        scale.progress(round);
        for trick in Trick::ALL {
            let letter = trial.journal.attempt_about(format!("{trick:?} {round}"));
            deliver(&gateway.client, &trial.journal, &letter).await.unwrap().expect_accepted();
        }
    }
    let mut report = Report::new(scale.rounds);
    report.add(&trial.judge(&gateway).await);
    let rows = all_events(&gateway).await;
    for row in &rows {
        let trick = Trick::of(row["subject"].as_str().unwrap());
        let expected = if trick.is_dead() { "dead" } else { "delivered" };
        report.expect(row["status"] == expected, || format!("{trick:?} is {}, not {expected}", row["status"]));
    }
    let dead = rows.iter().filter(|row| row["status"] == "dead").count();
    // A restart repeats none of them.
    let setup = trial.kill(gateway).await;
    let gateway = trial.recover(setup).await;
    trial.settled(&gateway).await;
    let waits = judge_schedule(&trial.agent.records(), &mut report);
    let [p50, p99] = percentiles(&waits).unwrap_or_default();
    report.note(format!("{dead} dead letters, as many as there had to be; attempts came p50 {p50:.0?}, p99 {p99:.0?} after the earliest moment"));
    report.recoveries = trial.recoveries;
    Ok(report)
}

/// Checks the number and the times of all attempts; returns how long after their earliest time the retries came.
fn judge_schedule(records: &[Record], report: &mut Report) -> Vec<Duration> {
    let mut events = BTreeMap::<&str, Vec<&Record>>::new();
    for record in records {
        events.entry(&record.arrival.subject).or_default().push(record);
    }
    let mut waits = Vec::new();
    for (subject, attempts) in events {
        let trick = Trick::of(subject);
        let numbers: Vec<_> = attempts.iter().map(|record| record.arrival.attempt).collect();
        let due: Vec<_> = (1..=trick.attempts()).collect();
        report.expect(numbers == due, || format!("{subject}: attempts {numbers:?}, not {due:?}"));
        for pair in attempts.windows(2) {
            let [before, after] = [pair[0], pair[1]];
            let failed = match trick {
                Trick::Hanging => before.at + TIMEOUT,
                _ => before.answered.unwrap_or(before.at),
            };
            let longest = trick.longest_wait(before.arrival.attempt);
            let (earliest, latest) = match trick {
                Trick::Throttling => {
                    let asked = Duration::from_secs(RETRY_AFTER);
                    (asked, asked.max(longest))
                }
                _ => (longest.mul_f64(1.0 - JITTER), longest),
            };
            let waited = after.at.saturating_duration_since(failed);
            // A timeout starts a little before the agent has the request.
            let early = if trick == Trick::Hanging { TIMEOUT / 5 } else { ROUNDING };
            report.expect(waited + early >= earliest, || {
                format!("{subject}: attempt {} came after {waited:?}, not {earliest:?}", after.arrival.attempt)
            });
            report.expect(waited <= latest + LATE, || {
                format!("{subject}: attempt {} came after {waited:?}, not {latest:?}", after.arrival.attempt)
            });
            waits.push(waited.saturating_sub(earliest));
        }
    }
    waits
}
