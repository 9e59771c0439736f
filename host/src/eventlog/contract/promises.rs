//! Promises about events, deliveries and commits.

#![expect(clippy::disallowed_methods, reason = "the tasks of a test end with its runtime")]

use super::*;

engines! {
    events_are_there_after_a_restart
    positions_grow_by_one_across_restarts
    a_batch_is_stored_as_a_whole
    identities_are_known_within_their_window
    old_identities_leave_the_store
    a_redelivery_adds_deliveries
    a_delivery_is_repeated_once
    open_redeliveries_are_counted_by_agent
    payloads_of_any_size_come_back
    attempts_change_status_and_counts
    many_attempts_and_deliveries_come_back
    an_old_term_is_superseded
    a_snapshot_is_of_a_durable_commit
    nothing_is_acknowledged_after_a_failed_write
    a_full_store_goes_on_when_there_is_room
    a_full_queue_refuses_at_once
    a_closed_log_has_committed_what_it_accepted
    what_is_unknown_is_not_found
    what_can_never_be_stored_is_refused
}

async fn events_are_there_after_a_restart(bed: Bed) {
    let log = bed.open();
    let mut accepted = Vec::new();
    for index in 0..40 {
        accepted.push(accept(&log, NewEvent { subject: Some(index.to_string()), ..routed(&["a", "b"]) }).await);
    }

    let log = bed.reopen(log).await;

    for event in &accepted {
        let stored = log.event(event.id).unwrap().unwrap();
        assert_eq!(stored.event, **event);
        assert_eq!(stored.deliveries.len(), 2);
        assert_eq!(log.event(event.seq).unwrap(), Some(stored));
    }
    let found = read(&log, Seq(0), 1000);
    assert_eq!(
        found.iter().map(|stored| &stored.event).collect::<Vec<_>>(),
        accepted.iter().map(|event| &**event).collect::<Vec<_>>()
    );
    assert_eq!(read(&log, Seq(38), 1)[0].event.seq, Seq(39));
    assert_eq!(read(&log, Seq(40), 10), []);
    let counts = log.snapshot();
    assert_eq!(counts.head, Seq(40));
    assert_eq!(counts.channels[&accepted[0].channel].accepted, 40);
    assert_eq!(counts.channels[&accepted[0].channel].last_event_at, Some(accepted[0].time));
    assert_eq!(statuses(&log), [0, 40, 0, 0]);
}

async fn positions_grow_by_one_across_restarts(bed: Bed) {
    let mut log = bed.open();
    let mut seqs = Vec::new();
    for _ in 0..5 {
        let receipts = (0..7).map(|_| append(&log, vec![new_event("1"), new_event("2")]));
        for receipt in futures_util::future::join_all(receipts).await {
            for appended in receipt.unwrap() {
                let Appended::Accepted(event) = appended else { panic!("no duplicate") };
                assert_eq!(event.id.seq(), event.seq);
                seqs.push(event.seq.0);
            }
        }
        log = bed.reopen(log).await;
    }

    seqs.sort_unstable();

    assert_eq!(seqs, (1..=70).collect::<Vec<_>>());
    assert_eq!(log.head(), Seq(70));
}

async fn a_batch_is_stored_as_a_whole(mut bed: Bed) {
    bed.settings.batch_events = 4;
    bed.settings.batch_bytes = 2000;
    let log = bed.open();
    let receipt = |count: usize| (0..count).map(|_| new_event(vec![7; 300])).collect::<Vec<_>>();

    let (large, small, none) =
        tokio::join!(append(&log, receipt(50)), append(&log, receipt(3)), append(&log, Vec::new()));

    assert_eq!((large.unwrap().len(), small.unwrap().len(), none.unwrap().len()), (50, 3, 0));
    bed.fail_with(EngineError::Failed("no".to_owned()));
    append(&log, receipt(50)).await.unwrap_err();
    bed.heal();
    drop(log);
    let log = bed.open();
    assert_eq!(read(&log, Seq(0), 1000).len(), 53);
}

async fn identities_are_known_within_their_window(mut bed: Bed) {
    bed.settings.dedup_window = Duration::from_secs(60);
    let log = bed.open();
    let first = accept(&log, known_as("one", 0)).await;
    let duplicate = vec![Appended::Duplicate(first.id)];

    assert_eq!(append(&log, vec![known_as("one", 59_999)]).await.unwrap(), duplicate);
    let log = bed.reopen(log).await;
    assert_eq!(append(&log, vec![known_as("one", 59_999)]).await.unwrap(), duplicate);
    assert_eq!(append(&log, vec![known_as("one", -5_000)]).await.unwrap(), duplicate);

    let together =
        futures_util::future::join_all((0..20).map(|_| append(&log, vec![known_as("two", 1), known_as("two", 2)])))
            .await;
    let together: Vec<_> = together.into_iter().flat_map(Result::unwrap).collect();
    let accepted: Vec<_> = together
        .iter()
        .filter_map(|appended| match appended {
            Appended::Accepted(event) => Some(event.id),
            Appended::Held(_) | Appended::Repeat { .. } | Appended::Duplicate(_) => None,
        })
        .collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!(together.iter().filter(|appended| **appended == Appended::Duplicate(accepted[0])).count(), 39);

    let again = accept(&log, known_as("one", 60_000)).await;
    assert_eq!(again.seq, Seq(3));
    assert_eq!(append(&log, vec![known_as("one", 60_001)]).await.unwrap(), [Appended::Duplicate(again.id)]);
    let counts = log.snapshot();
    let counts = counts.channels[&first.channel];
    assert_eq!((counts.accepted, counts.duplicates), (3, 43));
    let log = bed.reopen(log).await;
    assert_eq!(log.snapshot().channels[&first.channel], counts);
}

async fn old_identities_leave_the_store(mut bed: Bed) {
    bed.settings.dedup_window = Duration::from_secs(60);
    let mut log = bed.open();
    let mut ids = Vec::new();
    for index in 0..450 {
        ids.push(accept(&log, known_as(&index.to_string(), index)).await.id);
        if index % 130 == 0 {
            log = bed.reopen(log).await;
        }
    }
    let keys = |log: &EventLog| {
        let range =
            |start: u8| log.0.reader.store.engine.scan(&[start]..&[start + 1], Direction::Up, 10_000).unwrap().len();
        range(b'i') + range(b'k')
    };
    let most = keys(&log);
    for index in (0..450).rev().step_by(7) {
        let known = known_as(&index.to_string(), 30_000);
        assert_eq!(append(&log, vec![known]).await.unwrap(), [Appended::Duplicate(ids[index])], "{index}");
    }

    for index in 0..250 {
        let again = accept(&log, known_as(&index.to_string(), 200_000)).await;
        assert_eq!(
            append(&log, vec![known_as(&index.to_string(), 200_001)]).await.unwrap(),
            [Appended::Duplicate(again.id)]
        );
    }

    assert!(keys(&log) <= most, "{most} {}", keys(&log));
    let log = bed.reopen(log).await;
    assert_eq!(append(&log, vec![known_as("7", 200_001)]).await.unwrap().len(), 1);
    assert_eq!(log.head(), Seq(700));
}

/// Memory is bounded whatever the window: the oldest identities go first, and are counted.
#[tokio::test]
async fn no_more_identities_are_kept_than_allowed() {
    let mut bed = Bed::sled();
    bed.settings.dedup_max = 300;
    let log = bed.open();
    for index in 0..1000 {
        accept(&log, known_as(&index.to_string(), 0)).await;
    }

    let known = async |index: i64| {
        let appended = append(&log, vec![known_as(&index.to_string(), 0)]).await.unwrap();
        matches!(appended[..], [Appended::Duplicate(_)])
    };
    assert!(known(999).await && known(700).await);
    assert!(!known(0).await && !known(300).await);
    assert!(bed.metrics.identities_forgotten.get() >= 500);
}

async fn a_redelivery_adds_deliveries(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, NewEvent { recipients: recipients(&["a"]), ..known_as("one", 0) }).await;
    record(&log, DeliveryId { seq: event.seq, index: 0 }, attempt(1, Outcome::Delivered), None).await.unwrap();

    let ids = redeliver(&log, event.id, recipients(&["a", "b"])).await.unwrap();

    assert_eq!(ids, [DeliveryId { seq: event.seq, index: 1 }, DeliveryId { seq: event.seq, index: 2 }]);
    assert_eq!(bed.told(), [(1, 1), (1, 2)]);
    let log = bed.reopen(log).await;
    let stored = log.event(event.id).unwrap().unwrap();
    let replayed_by = stored.deliveries.iter().map(|delivery| delivery.replayed_by.as_deref()).collect::<Vec<_>>();
    assert_eq!(replayed_by, [None, Some("me"), Some("me")]);
    assert_eq!(stored.status(), EventStatus::Pending);
    assert_eq!(log.head(), Seq(1));
    assert_eq!(redeliver(&log, event.id, Vec::new()).await.unwrap(), []);
}

async fn payloads_of_any_size_come_back(bed: Bed) {
    let log = bed.open();
    let sizes = [0, 1, 31 << 10, (32 << 10) - 1, 32 << 10, 33 << 10, 1 << 20, 25 << 20];
    let payload = |size: usize| (0..size).map(|index| (index * 31 + size) as u8).collect::<Vec<u8>>();
    for size in sizes {
        accept(&log, new_event(payload(size))).await;
    }
    append(&log, sizes[..7].iter().map(|size| new_event(payload(*size))).collect()).await.unwrap();

    let log = bed.reopen(log).await;

    for (seq, size) in (1..).map(Seq).zip(sizes.iter().chain(&sizes[..7])) {
        assert!(log.event(seq).unwrap().unwrap().event.data == payload(*size), "{size}");
    }
    let page = log.scan(&Query::default(), Range::up_from(Seq(8)), ScanLimits::items(1)).unwrap();
    assert_eq!((page.items[0].event.data.len(), page.items[0].size), (0, 25 << 20));
    let mut after = Seq(0);
    while let Some(last) = read(&log, after, 4).last() {
        after = last.event.seq;
    }
    assert_eq!(after, Seq(15));
}

async fn attempts_change_status_and_counts(bed: Bed) {
    let log = bed.open();
    for event in [routed(&[]), routed(&["a"]), routed(&["a", "b"]), routed(&["a"])] {
        accept(&log, event).await;
    }
    assert_eq!(statuses(&log), [1, 3, 0, 0]);
    let id = |seq, index| DeliveryId { seq: Seq(seq), index };
    record(&log, id(2, 0), attempt(1, Outcome::Delivered), None).await.unwrap();
    record(&log, id(3, 0), attempt(1, Outcome::Dead), None).await.unwrap();
    assert_eq!(statuses(&log), [1, 2, 0, 1]);
    record(&log, id(3, 1), attempt(1, Outcome::Delivered), None).await.unwrap();
    let retry = |number| record(&log, id(4, 0), attempt(number, Outcome::Retry), Some(Timestamp::from_millis(7)));
    for attempt in futures_util::future::join_all((1..=30).map(retry)).await {
        attempt.unwrap();
    }
    assert_eq!(statuses(&log), [1, 1, 1, 1]);

    let log = bed.reopen(log).await;

    assert_eq!(statuses(&log), [1, 1, 1, 1]);
    let retried = &log.event(Seq(4)).unwrap().unwrap().deliveries[0];
    assert_eq!((retried.attempts_made, retried.attempts.len()), (30, Delivery::ATTEMPTS_KEPT));
    assert_eq!(retried.next_attempt_at, Some(Timestamp::from_millis(7)));
    redeliver(&log, log.event(Seq(3)).unwrap().unwrap().event.id, recipients(&["a"])).await.unwrap();
    assert_eq!(statuses(&log), [1, 2, 0, 1]);
}

async fn many_attempts_and_deliveries_come_back(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, routed(&["a"])).await;
    let agents: Vec<_> = (0..100).map(|agent| format!("agent-{agent}")).collect();
    let agents: Vec<_> = agents.iter().map(String::as_str).collect();
    redeliver(&log, event.id, recipients(&agents)).await.unwrap();
    let explained = |number| Attempt { message: "because ".repeat(100), ..attempt(number, Outcome::Retry) };
    for index in 0..=100 {
        let id = DeliveryId { seq: event.seq, index };
        let attempts = (1..=3).map(|number| record(&log, id, explained(number), None));
        assert!(futures_util::future::join_all(attempts).await.iter().all(Result::is_ok));
    }

    let log = bed.reopen(log).await;

    let stored = log.event(event.seq).unwrap().unwrap();
    assert_eq!(stored.deliveries.len(), 101);
    assert!(
        stored.deliveries.iter().all(|delivery| delivery.attempts.len() == 3 && delivery.attempts[2] == explained(3))
    );
}

/// All parts of a batch are stored, or none: each refused batch has a part that would be fine alone.
async fn an_old_term_is_superseded(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, routed(&["a"])).await;
    let delivery = DeliveryId { seq: event.seq, index: 0 };
    let old = Attempt { term: 0, ..attempt(1, Outcome::Delivered) };
    let attempts = vec![FinishedAttempt { delivery, attempt: old, next_attempt_at: None }];

    let refused = log.commit(Batch { attempts, events: vec![new_event("{}")], ..Batch::default() }).await;

    assert_eq!(refused, Err(EventLogError::Superseded));
    assert_eq!((log.head(), statuses(&log)), (Seq(1), vec![0, 1, 0, 0]));
    let current = Attempt { term: log.claims().borrow().term(), ..attempt(1, Outcome::Delivered) };
    record(&log, delivery, current, None).await.unwrap();
    assert_eq!(statuses(&log), [0, 0, 0, 1]);
}

async fn a_delivery_is_repeated_once(bed: Bed) {
    let log = bed.open();
    accept(&log, routed(&["a"])).await;
    let id = |index| DeliveryId { seq: Seq(1), index };
    let conflicts =
        |repeated: Result<Vec<DeliveryId>, EventLogError>| matches!(repeated, Err(EventLogError::Conflict(_)));
    assert!(conflicts(repeat(&log, id(0)).await), "it is open");
    record(&log, id(0), attempt(1, Outcome::Dead), None).await.unwrap();

    let both = tokio::join!(repeat(&log, id(0)), repeat(&log, id(0)));

    assert_eq!(both.0, Ok(vec![id(1)]));
    assert!(conflicts(both.1), "there is a later one");
    let event = Arc::new(log.event(Seq(1)).unwrap().unwrap().event);
    record(&log, id(1), attempt(1, Outcome::Delivered), None).await.unwrap();
    let twice = |state| {
        let target = RedeliveryTarget::Repeat { index: 1, state };
        let redelivery = Redelivery { event: Arc::clone(&event), target, by: "me".to_owned() };
        Batch { redeliveries: vec![redelivery.clone(), redelivery], ..Batch::default() }
    };
    assert!(matches!(log.commit(twice(None)).await, Err(EventLogError::Conflict(_))), "twice in one batch");
    assert!(matches!(log.commit(twice(Some(DeliveryState::Dead))).await, Err(EventLogError::Conflict(_))));
    assert_eq!(repeat(&log, id(1)).await, Ok(vec![id(2)]));
    assert_eq!(repeat(&log, id(9)).await, Err(EventLogError::NotFound));
    assert_eq!(log.event(Seq(1)).unwrap().unwrap().deliveries.len(), 3);
}

async fn open_redeliveries_are_counted_by_agent(bed: Bed) {
    let log = bed.open();
    let id = |seq, index| DeliveryId { seq: Seq(seq), index };
    for seq in 1..=3 {
        accept(&log, routed(&["a", "b"])).await;
        record(&log, id(seq, 0), attempt(1, Outcome::Dead), None).await.unwrap();
        record(&log, id(seq, 1), attempt(1, Outcome::Delivered), None).await.unwrap();
    }
    accept(&log, routed(&["a"])).await;
    assert!(log.snapshot().open_redeliveries.is_empty());
    for delivery in [id(1, 0), id(2, 0), id(3, 0), id(1, 1)] {
        repeat(&log, delivery).await.unwrap();
    }
    let open = |log: &EventLog| {
        let open = log.snapshot().open_redeliveries;
        open.iter().map(|(name, open)| (name.to_string(), *open)).collect::<Vec<_>>()
    };
    let of = |a: u64, b: u64| vec![("a".to_owned(), a), ("b".to_owned(), b)];
    assert_eq!(open(&log), of(3, 1));
    record(&log, id(2, 2), attempt(1, Outcome::Retry), None).await.unwrap();
    record(&log, id(3, 2), attempt(1, Outcome::Dead), None).await.unwrap();

    let log = bed.reopen(log).await;

    assert_eq!(open(&log), of(2, 1));
    for id in [id(1, 2), id(1, 3), id(2, 2)] {
        record(&log, id, attempt(2, Outcome::Delivered), None).await.unwrap();
    }
    assert!(log.snapshot().open_redeliveries.is_empty());
}

async fn a_snapshot_is_of_a_durable_commit(bed: Bed) {
    let log = bed.open();
    let mut snapshots = log.watch();
    let first = accept(&log, routed(&["a"])).await;
    snapshots.wait_for(|snapshot| snapshot.head == first.seq).await.unwrap();
    let seen = log.snapshot();
    assert_eq!((seen.head, seen.with_status(EventStatus::Pending)), (Seq(1), 1));
    bed.fail_with(EngineError::Failed("power cut".to_owned()));

    append(&log, vec![new_event("{}")]).await.unwrap_err();

    let after = snapshots.wait_for(|snapshot| snapshot.writer != WriterState::Serving).await.unwrap().clone();
    assert_eq!(Snapshot { writer: WriterState::Serving, ..after }, seen, "what is not durable must not be shown");
}

async fn nothing_is_acknowledged_after_a_failed_write(bed: Bed) {
    let log = bed.open();
    let first = accept(&log, known_as("one", 0)).await;
    log.health().unwrap();
    bed.fail_with(EngineError::Failed("input/output error".to_owned()));
    let poisoned = EventLogError::Poisoned("input/output error".to_owned());

    assert_eq!(append(&log, vec![new_event("{}")]).await.unwrap_err(), poisoned);

    bed.heal();
    assert_eq!(log.failed().await, poisoned);
    assert_eq!(log.health().unwrap_err(), poisoned);
    assert_eq!(append(&log, vec![known_as("one", 0)]).await.unwrap_err(), poisoned);
    assert_eq!(checkpoint(&log, "x", Seq(1)).await.unwrap_err(), poisoned);
    assert_eq!(log.event(Seq(1)).unwrap().unwrap().event, *first);
    assert_eq!(log.head(), Seq(1));
    assert_eq!(bed.told(), [(1, 0)]);
    drop(log);
    assert_eq!(bed.open().head(), Seq(1));
}

async fn a_full_store_goes_on_when_there_is_room(bed: Bed) {
    let log = bed.open();
    accept(&log, new_event("{}")).await;
    bed.fail_with(EngineError::Full("no space".to_owned()));
    let full = append(&log, vec![new_event("{}")]).await.unwrap_err();
    assert!(matches!(full, EventLogError::Full(_)) && full.is_transient());
    assert!(append(&log, vec![new_event("{}")]).await.is_err());
    assert!(log.health().is_err());
    bed.heal();

    serving(&log).await;

    assert_eq!(accept(&log, new_event("{}")).await.seq, Seq(2));
    assert_eq!(read(&log, Seq(0), 10).len(), 2);
}

async fn a_full_queue_refuses_at_once(mut bed: Bed) {
    bed.settings.queue = 3;
    bed.settings.batch_events = 1;
    let log = bed.open();
    accept(&log, routed(&["a"])).await;
    bed.held.store(true, Ordering::Release);
    let spawn = || {
        tokio::spawn({
            let log = log.clone();
            async move { append(&log, vec![new_event("{}")]).await.map(|appended| appended.len()) }
        })
    };
    let mut waiting = Vec::new();
    // One is taken by the writer, which hangs, and three wait; whether it has taken one yet is not known here.
    let refused = loop {
        waiting.push(spawn());
        tokio::task::yield_now().await;
        if let Some(index) = waiting.iter().position(tokio::task::JoinHandle::is_finished) {
            break waiting.swap_remove(index).await.unwrap();
        }
    };

    let record = tokio::spawn({
        let log = log.clone();
        async move { record(&log, DeliveryId { seq: Seq(1), index: 0 }, attempt(1, Outcome::Delivered), None).await }
    });
    tokio::task::yield_now().await;
    bed.held.store(false, Ordering::Release);
    assert_eq!(refused, Err(EventLogError::Overloaded));
    assert!(EventLogError::Overloaded.is_transient());
    assert!(waiting.len() <= 4, "{}", waiting.len());
    for appended in waiting {
        assert_eq!(appended.await.unwrap(), Ok(1));
    }
    record.await.unwrap().unwrap();
}

async fn a_closed_log_has_committed_what_it_accepted(bed: Bed) {
    let log = bed.open();
    let clone = log.clone();
    let appending = tokio::spawn({
        let log = log.clone();
        async move { append(&log, vec![new_event("{}")]).await.map(|appended| appended.len()) }
    });
    tokio::task::yield_now().await;

    log.close().await;

    assert_eq!(appending.await.unwrap(), Ok(1));
    assert_eq!(append(&clone, vec![new_event("{}")]).await.unwrap_err(), EventLogError::Closed);
    assert_eq!(clone.health().unwrap_err(), EventLogError::Closed);
    assert_eq!(bed.open().head(), Seq(1));
}

async fn what_is_unknown_is_not_found(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, routed(&["a"])).await;
    let foreign = EventId::new(event.time, event.seq, 12_345);
    let ahead = EventId::new(event.time, Seq(99), 1);

    for id in [foreign, ahead] {
        assert_eq!(log.event(id).unwrap(), None);
        assert_eq!(redeliver(&log, id, recipients(&["a"])).await.unwrap_err(), EventLogError::NotFound);
    }
    for (seq, index) in [(1, 1), (2, 0), (0, 0), (17, 0)] {
        let id = DeliveryId { seq: Seq(seq), index };
        assert_eq!(record(&log, id, attempt(1, Outcome::Dead), None).await.unwrap_err(), EventLogError::NotFound);
    }
    assert_eq!(log.event(Seq(0)).unwrap(), None);
    assert_eq!(log.event(Seq(2)).unwrap(), None);
    assert_eq!(accept(&log, new_event("{}")).await.seq, Seq(2));
}

async fn what_can_never_be_stored_is_refused(mut bed: Bed) {
    bed.settings.queue_bytes = 100_000;
    let log = bed.open();
    let wide = NewEvent { subject: Some("x".repeat(30_000)), ..new_event("{}") };
    for receipt in [vec![wide], vec![new_event(vec![0; 200_000])]] {
        let error = append(&log, receipt).await.unwrap_err();
        assert!(matches!(error, EventLogError::TooLarge { .. }) && !error.is_transient());
    }
    let nearly = NewEvent { subject: Some("x".repeat(20_000)), ..new_event(vec![1; 40_000]) };
    let event = accept(&log, nearly).await;
    assert_eq!(log.event(event.seq).unwrap().unwrap().event, *event);
}
