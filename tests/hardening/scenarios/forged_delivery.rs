//! SIG2: forged delivery ids must not suppress the real event.

use crate::github::{PATH, Webhook};
use crate::report::Report;
use crate::suite::Scale;
use crate::victim::Victim;

use super::Outcome;

/// The delivery ids of a round.
const DELIVERIES: usize = 50;

/// GitHub's signature covers the body but not the delivery id. An attacker who has the body of an old webhook can send it with
/// the id of a future one, and anyone can send any body with that id. In both cases the real webhook must still be accepted.
pub(super) async fn run(scale: Scale) -> Outcome {
    let mut report = Report::new(scale.rounds);
    let victim = Victim::start(&[]).await;
    let client = victim.door.client();
    let post = async |webhook: &Webhook| client.post(PATH, &webhook.headers(), webhook.body.clone()).await;
    for round in 0..scale.rounds {
        scale.progress(round);
        for number in 0..DELIVERIES {
            let before = victim.stored().await;
            let id = format!("{round}-{number}");
            let real = Webhook::issue(&id, number);
            let mut forged = Webhook { body: b"{}".to_vec(), ..real.clone() };
            post(&forged).await.expect_problem(401, "verification_failed");
            forged.signature = String::new();
            post(&forged).await.expect_problem(401, "verification_failed");
            let stored = victim.stored().await;
            report.expect(stored == before, || format!("{id}: a forged body left {} events", stored - before));

            // The signature is valid, but of another delivery.
            let replayed = Webhook { delivery: id.clone(), ..Webhook::issue("old", 1_000_000 + number) };
            post(&replayed).await.expect_accepted();
            let first = post(&real).await;
            report.expect(first.status == 202, || format!("{id}: the real webhook was answered {}", first.status));
            let second = post(&real).await.expect_status(200).json();
            report.expect(second["events"][0]["status"] == "duplicate", || {
                format!("{id}: the second time it is {second}")
            });
            report.attacks += 3;
        }
    }
    report.note("forged bodies were answered 401 and not stored; the real webhook was accepted exactly once");
    Ok(report)
}
