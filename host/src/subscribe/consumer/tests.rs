//! What is written of a consumer, and what its receivers are told of that.

use super::record::{CONSUMERS, PARKED};
use super::*;
use crate::eventlog::RetentionLimits;
use crate::subscribe::message::NackAction;
use crate::subscribe::tests::{commit, log};

/// A consumer of a log with as many events, all of subject `a`, and the turn of whoever pulls.
async fn pulled(events: usize) -> (Consumer, EventLog, Lease, Reader, Vec<ConsumerEntry>) {
    let (log, arrivals) = log();
    for _ in 0..events {
        commit(&log, "a.x", Some("a")).await;
    }
    let record = Record::new(ConsumerSpec::default(), Seq(0), &BTreeSet::new());
    let consumer = Consumer::new("audit", record, false, BTreeSet::new(), log.clone(), Counter::default()).unwrap();
    let lease = consumer.pull(None).unwrap();
    let mut reader = consumer.reader(&Arc::new(Relay::new(log.clone(), arrivals)), &Filter::default());
    let entries = consumer.next(lease, &mut reader, 10).await.unwrap();
    (consumer, log, lease, reader, entries)
}

fn id(entry: &ConsumerEntry) -> EventId {
    match entry {
        ConsumerEntry::Event(shared, _) => shared.event().id,
        ConsumerEntry::Gap(gap) => panic!("{gap:?}"),
    }
}

fn ack(entry: &ConsumerEntry) -> Ack {
    Ack { cursor: None, ids: vec![id(entry)] }
}

fn nack(entry: &ConsumerEntry, action: NackAction) -> Nack {
    Nack { id: Some(id(entry)), ids: Vec::new(), action, delay_ms: 0, reason: String::new() }
}

#[tokio::test]
async fn what_is_durable_before_its_turn_to_be_confirmed_is_confirmed_all_the_same() {
    let (consumer, _log, lease, _reader, entries) = pulled(3).await;
    let last = id(&entries[2]);
    consumer.ack(lease, &Ack { cursor: None, ids: vec![last] }).unwrap();

    consumer.flush().await.unwrap();

    assert_eq!(consumer.confirm().await.unwrap(), Confirmed { position: Seq(0), ids: vec![last] });
    assert_eq!(consumer.confirm().await.unwrap().ids, [], "it is told once");
}

#[tokio::test]
async fn what_retention_removes_before_it_is_settled_is_told_as_a_gap() {
    let (consumer, log, lease, mut reader, entries) = pulled(2).await;
    consumer.nack(lease, &nack(&entries[0], NackAction::Retry)).unwrap();
    log.set_retention(RetentionLimits { max_events: Some(1), ..RetentionLimits::default() });
    let began = Instant::now();
    while log.event(Seq(1)).unwrap().is_some() {
        assert!(began.elapsed() < Duration::from_secs(20), "retention removes the first event");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let entries = consumer.next(lease, &mut reader, 10).await.unwrap();

    let [ConsumerEntry::Gap(gap)] = &entries[..] else { panic!("{} entries", entries.len()) };
    assert_eq!(*gap, Skipped { first: Seq(1), last: Seq(1), reason: SkipReason::Retention });
    assert_eq!(consumer.position(), Seq(1));
}

#[tokio::test]
async fn a_parked_event_that_was_acknowledged_is_not_replayed() {
    let (consumer, log, lease, mut reader, entries) = pulled(1).await;
    consumer.nack(lease, &nack(&entries[0], NackAction::Park)).unwrap();
    consumer.flush().await.unwrap();
    let parked = log.event(Seq(1)).unwrap().unwrap().event;
    assert!(consumer.replay(&parked));
    let again = consumer.next(lease, &mut reader, 10).await.unwrap();
    consumer.ack(lease, &ack(&again[0])).unwrap();

    assert_eq!(consumer.parked().unwrap().len(), 1, "the log does not know it yet");
    assert!(!consumer.replay(&parked));

    assert_eq!(consumer.confirm().await.unwrap().ids, [parked.id]);
    assert_eq!(consumer.next(lease, &mut reader, 10).await.unwrap().len(), 0);
    assert_eq!(consumer.parked().unwrap(), []);
}

#[tokio::test]
async fn what_was_parked_a_moment_before_a_move_stays_parked() {
    let (consumer, _log, lease, _reader, entries) = pulled(2).await;
    consumer.nack(lease, &nack(&entries[1], NackAction::Park)).unwrap();

    consumer.seek(Seq(2), false).unwrap();
    consumer.flush().await.unwrap();

    let parked = consumer.parked().unwrap();
    assert_eq!(parked.iter().map(|parked| parked.seq).collect::<Vec<_>>(), [Seq(2)]);
}

#[tokio::test]
async fn what_was_acknowledged_before_a_move_is_not_confirmed_after_it() {
    let (consumer, _log, lease, _reader, entries) = pulled(3).await;
    consumer.ack(lease, &ack(&entries[2])).unwrap();

    consumer.seek(Seq(0), false).unwrap();

    assert_eq!(consumer.confirm().await.unwrap(), Confirmed { position: Seq(0), ids: Vec::new() });
}

#[tokio::test]
async fn a_deleted_consumer_is_not_written_again() {
    let (consumer, log, lease, _reader, entries) = pulled(2).await;
    consumer.nack(lease, &nack(&entries[0], NackAction::Park)).unwrap();
    consumer.flush().await.unwrap();
    consumer.ack(lease, &ack(&entries[1])).unwrap();

    consumer.delete().await.unwrap();
    consumer.flush().await.unwrap();

    assert_eq!((log.values(&CONSUMERS, "").unwrap(), log.values(&PARKED, "").unwrap()), (vec![], vec![]));
}
