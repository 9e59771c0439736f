use crate::github::{PATH, Webhook};
use crate::report::Report;
use crate::suite::Scale;
use crate::victim::Victim;

use super::Outcome;

/// Delivery ids that are taken in a round.
const DELIVERIES: usize = 50;

/// GitHub's signature covers the body and not the delivery id. Somebody who has the body of an old webhook can send it with
/// the id of one that is still to come, and anybody can send any body with it: neither keeps the real one from being taken.
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

            // Really signed, but for another delivery.
            let replayed = Webhook { delivery: id.clone(), ..Webhook::issue("old", 1_000_000 + number) };
            post(&replayed).await.expect_accepted();
            let taken = post(&real).await;
            report.expect(taken.status == 202, || format!("{id}: the real one was answered {}", taken.status));
            let again = post(&real).await.expect_status(200).json();
            report.expect(again["events"][0]["status"] == "duplicate", || format!("{id}: sent again it is {again}"));
            report.attacks += 3;
        }
    }
    report.note("forged bodies were answered 401 and left nothing; the real webhook was taken, and once");
    Ok(report)
}
