//! Promises about sinks.

use super::*;

engines! {
    sinks_hear_in_order_and_before_the_callers
    sinks_hear_of_what_is_stored_although_its_callers_were_refused
    sinks_hear_of_attempts_before_the_callers
    sinks_hear_of_the_end
}

async fn sinks_hear_in_order_and_before_the_callers(bed: Bed) {
    let log = bed.open();
    let appends = (0..50).map(|_| async {
        let event = accept(&log, routed(&["a"])).await;
        assert!(bed.told().contains(&(event.seq.0, 1)));
    });
    futures_util::future::join_all(appends).await;

    assert_eq!(bed.told(), (1..=50).map(|seq| (seq, 1)).collect::<Vec<_>>());
}

async fn sinks_hear_of_what_is_stored_although_its_callers_were_refused(bed: Bed) {
    let log = bed.open();
    bed.fail_after_write(EngineError::Full("no space".to_owned()));
    append(&log, vec![new_event("{}")]).await.unwrap_err();
    append(&log, vec![routed(&["a"])]).await.unwrap_err();

    serving(&log).await;

    assert_eq!(log.head(), Seq(2));
    assert_eq!(bed.told(), [(1, 0), (2, 1)]);
}

async fn sinks_hear_of_the_end(bed: Bed) {
    let failed = EventLogError::Poisoned("power cut".to_owned());
    let log = bed.reopen(bed.open()).await;
    assert_eq!(bed.ends(), [EventLogError::Closed]);
    bed.fail_writes();
    append(&log, vec![new_event("{}")]).await.unwrap_err();
    assert_eq!(bed.ends()[1..], [failed]);
}

async fn sinks_hear_of_attempts_before_the_callers(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, routed(&["a", "b"])).await;
    let [first, second] = [0, 1].map(|index| DeliveryId { seq: event.seq, index });
    let told = || bed.told.attempts.lock().unwrap().clone();
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
