//! Promises about repetitions that are kept.

use super::maintenance::{backed_up, restored};
use super::states::{at, delivered_as, say, saying};
use super::*;
use crate::event::Filter;

engines! {
    a_repetition_is_kept_for_processors_alone
    what_repeats_a_held_event_is_kept
    a_repetition_gets_no_deliveries
    a_kept_repetition_is_removed_as_a_settled_event
    a_backup_restores_repetitions
    a_repetition_of_another_log_is_one_here
}

/// Something said of `x` at this second, in the delivery `id`, whose repetitions are kept.
fn kept(second: i64, id: &str, state: &str) -> NewEvent {
    let data = Bytes::from(format!("{state} {id}"));
    NewEvent { keep_repeat: true, data, ..delivered_as(id, saying(second, "x", state, "p")) }
}

async fn say_again(log: &EventLog, event: NewEvent) -> (Arc<Event>, EventId) {
    match say(log, event).await {
        Appended::Repeat { event, first } => (event, first),
        other => panic!("{other:?}"),
    }
}

fn status(log: &EventLog, seq: Seq) -> (EventStatus, usize) {
    let stored = log.event(seq).unwrap().unwrap();
    (stored.status(), stored.deliveries.len())
}

/// Events that are pending and repetitions, and what was accepted of the channel and counted as a duplicate.
fn counts(log: &EventLog) -> [u64; 4] {
    let snapshot = log.snapshot();
    let channel = snapshot.channels.values().next().copied().unwrap_or_default();
    let [pending, repeat] = [EventStatus::Pending, EventStatus::Repeat].map(|status| snapshot.with_status(status));
    [pending, repeat, channel.accepted, channel.duplicates]
}

fn found(log: &EventLog, query: &Query) -> Vec<u64> {
    let page = log.scan(query, Range::up_from(Seq(1)), ScanLimits::items(100)).unwrap();
    page.items.iter().map(|stored| stored.event.seq.0).collect()
}

async fn tailed(log: &EventLog, mut tail: Tail) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let page = tail.next().await.unwrap();
        seen.extend(page.events.iter().map(|event| event.seq.0));
        if page.upto == log.head() {
            return seen;
        }
    }
}

async fn a_repetition_is_kept_for_processors_alone(bed: Bed) {
    let log = bed.open();
    let [all, told] = [log.tail(Seq(0)).with_repeats(), log.tail(Seq(0))];
    let first = accept(&log, kept(0, "1", "firing")).await;
    let second = kept(1, "2", "firing");
    let request_id = second.request_id;
    let (event, of) = say_again(&log, second).await;
    assert_eq!((of, event.repeat_of, event.request_id), (first.id, Some(first.id), request_id));
    assert_eq!(event.data, "firing 2");
    assert_eq!(bed.told().last(), Some(&(2, 0)), "it has no deliveries");
    // The same delivery again is counted, as is what does not match its schema.
    for event in [kept(2, "2", "firing"), NewEvent { quarantine: Some("why".to_owned()), ..kept(3, "3", "firing") }] {
        assert_eq!(say(&log, event).await, Appended::Duplicate(first.id));
    }
    accept(&log, kept(4, "4", "resolved")).await;
    assert_eq!((tailed(&log, all).await, tailed(&log, told).await), (vec![1, 2, 3], vec![1, 3]));

    let log = bed.reopen(log).await;
    assert_eq!(log.event(event.seq).unwrap().unwrap().event, *event);
    assert_eq!((status(&log, event.seq), counts(&log)), ((EventStatus::Repeat, 0), [2, 1, 2, 3]));
    assert_eq!(say(&log, kept(5, "2", "firing")).await, Appended::Duplicate(first.id), "also by its delivery");
    assert_eq!(counts(&log), [2, 1, 2, 4]);
    let [all, told] = [log.tail(Seq(0)).with_repeats(), log.tail(Seq(0))];
    assert_eq!((tailed(&log, all).await, tailed(&log, told).await), (vec![1, 2, 3], vec![1, 3]), "from the log");
    assert_eq!(found(&log, &Query { status: Some(EventStatus::Repeat), ..Query::default() }), [2]);
    assert_eq!(found(&log, &Query { filter: Some(Filter::default()), ..Query::default() }), [1, 3]);
    assert_eq!(found(&log, &Query::default()), [1, 2, 3]);
}

async fn what_repeats_a_held_event_is_kept(bed: Bed) {
    let log = bed.open();
    bed.clock.set(at(0));
    accept(&log, saying(0, "x", "resolved", "p")).await;
    let Appended::Held(held) = say(&log, saying(10, "x", "firing", "q")).await else { panic!("it may be late") };

    let late = NewEvent { keep_repeat: true, ..saying(11, "x", "firing", "q") };
    let (event, of) = say_again(&log, late).await;

    assert_eq!((of, status(&log, event.seq)), (held.id, (EventStatus::Repeat, 0)));
    let log = bed.reopen(log).await;
    assert_eq!(status(&log, held.seq).0, EventStatus::Held);
    assert_eq!(status(&log, event.seq).0, EventStatus::Repeat);
}

async fn a_repetition_gets_no_deliveries(bed: Bed) {
    let log = bed.open();
    accept(&log, kept(0, "1", "firing")).await;
    let (event, _) = say_again(&log, kept(1, "2", "firing")).await;

    let delivered = redeliver(&log, event.id, recipients(&["a"])).await;

    assert!(matches!(delivered, Err(EventLogError::Conflict(_))), "{delivered:?}");
}

async fn a_kept_repetition_is_removed_as_a_settled_event(mut bed: Bed) {
    bed.settings.retention.max_events = Some(1);
    let log = bed.open();
    let first = accept(&log, kept(0, "1", "firing")).await;
    say_again(&log, kept(1, "2", "firing")).await;
    say_again(&log, kept(2, "3", "firing")).await;
    while found(&log, &Query::default()) != [first.seq.0] {
        checkpoint(&log, "clock", Seq(0)).await.unwrap();
    }

    let log = bed.reopen(log).await;

    assert_eq!(counts(&log), [1, 0, 1, 2], "the first one is open, and stays");
    assert_eq!(say(&log, kept(3, "3", "firing")).await, Appended::Duplicate(first.id));
}

async fn a_backup_restores_repetitions(bed: Bed) {
    let log = bed.open();
    let first = accept(&log, kept(0, "1", "firing")).await;
    let (event, _) = say_again(&log, kept(1, "2", "firing")).await;

    let target = restored(&bed, &backed_up(&log));
    let twin = target.open();

    assert_eq!(counts(&twin), [1, 1, 1, 1]);
    assert_eq!(twin.event(event.seq).unwrap().unwrap().event, *event);
    let (_, of) = say_again(&twin, kept(2, "3", "firing")).await;
    assert_eq!(of, first.id);
}

async fn a_repetition_of_another_log_is_one_here(bed: Bed) {
    let log = bed.open();
    let of = EventId::new(at(0), Seq(1_000), 7);
    let imported = || NewEvent { is_imported: true, repeat_of: Some(of), ..known_as("imported", 0) };

    let (event, first) = say_again(&log, imported()).await;

    assert_eq!((first, event.repeat_of, counts(&log)), (of, Some(of), [0, 1, 0, 1]));
    assert_eq!(say(&log, imported()).await, Appended::Duplicate(event.id), "it is imported once");
}
