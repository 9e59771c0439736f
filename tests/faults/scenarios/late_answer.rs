//! DEL2: an answer to an attempt that has timed out.

use std::time::Duration;

use crate::load::deliver;
use crate::recorder::Answer;
use crate::report::Report;
use crate::suite::Scale;
use crate::trial::Trial;

use super::Outcome;

/// The agent's timeout; the answer to attempt 1 takes three times as long.
const TIMEOUT: Duration = Duration::from_millis(500);

pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    for round in 0..scale.rounds {
        scale.progress(round);
        // The answer to attempt 1 arrives during attempt 2, which then fails.
        let mut trial = Trial::answering(|record| match record.arrival.attempt {
            1 => Answer::Late(3 * TIMEOUT, 200),
            2 => Answer::Late(TIMEOUT / 2, 500),
            _ => Answer::Status(200),
        })
        .await;
        let agent = format!(
            "timeout = \"{}ms\"\nbreaker = {{ failures = 0 }}\nretry = {{ attempts = 5, first_wait = \"10ms\", max_wait = \"20ms\" }}",
            TIMEOUT.as_millis()
        );
        let mut gateway = trial.setup_with(&agent).start().await;

        for number in 0..8 {
            let letter = trial.journal.attempt_about(format!("subject {number}"));
            deliver(&gateway.client, &trial.journal, &letter).await.unwrap().expect_accepted();
        }

        report.add(&trial.judge(&gateway).await);
        for letter in trial.journal.acknowledged(8, 0) {
            let id = trial.journal.event(&letter).unwrap();
            let event = gateway.event_until(&id, "delivered").await;
            let attempts = event["deliveries"][0]["attempts"].as_array().unwrap();
            let codes: Vec<_> = attempts.iter().map(|attempt| attempt["code"].as_str().unwrap_or("none")).collect();
            report.expect(codes == ["timeout", "status", "none"], || format!("{id}: {codes:?}"));
        }
        // A late answer does not count after a restart either.
        let setup = trial.kill(gateway).await;
        gateway = trial.recover(setup).await;
        trial.settled(&gateway).await;
        let arrived = trial.agent.count();
        report.expect(arrived == 3 * 8, || format!("{arrived} attempts of 8 events, expected three each"));
        report.recoveries.append(&mut trial.recoveries);
    }
    report.note("3 attempts each: timeout, 500, delivered");
    Ok(report)
}
