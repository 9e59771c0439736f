//! Promises about who hears of attempts.

use super::*;

engines! {
    sinks_hear_of_attempts_before_the_callers
}

async fn sinks_hear_of_attempts_before_the_callers(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, routed(&["a", "b"])).await;
    let [first, second] = [0, 1].map(|index| DeliveryId { seq: event.seq, index });
    let told = || bed.told.1.lock().unwrap().clone();
    let finished = |delivery, number, outcome| FinishedAttempt {
        delivery,
        attempt: attempt(number, outcome),
        next_attempt_at: None,
    };

    let attempts = vec![finished(second, 1, Outcome::Dead), finished(first, 1, Outcome::Retry)];
    log.commit(Batch { attempts, ..Batch::default() }).await.unwrap();
    let mut expected = vec![(second, Outcome::Dead), (first, Outcome::Retry)];
    assert_eq!(told(), expected);

    // What is not stored is not told, and what fails is told once it is durable.
    record(&log, DeliveryId { seq: Seq(9), index: 0 }, attempt(1, Outcome::Dead), None).await.unwrap_err();
    bed.fail_with(EngineError::Full("no space".to_owned()));
    record(&log, first, attempt(2, Outcome::Delivered), None).await.unwrap_err();
    assert_eq!(told(), expected);
    bed.heal();
    serving(&log).await;
    record(&log, first, attempt(2, Outcome::Delivered), None).await.unwrap();
    expected.push((first, Outcome::Delivered));
    assert_eq!(told(), expected);
}
