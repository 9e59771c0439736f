//! Promises about replays.

use super::*;

engines! {
    a_step_adds_its_deliveries_and_moves_the_replay_at_once
    a_step_that_was_not_written_is_taken_again
    no_delivery_is_made_again_twice
    one_delivery_is_made_again
    a_replay_ends_once
    open_replays_are_counted_by_agent
    the_oldest_replays_that_ended_are_forgotten
}

fn dead() -> DeliveryFilter {
    DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() }
}

/// `count` events with a dead delivery to `a` and a delivered one to `b`.
async fn with_dead_letters(log: &EventLog, count: u64) {
    for _ in 0..count {
        let seq = accept(log, routed(&["a", "b"])).await.seq;
        log.record(DeliveryId { seq, index: 0 }, attempt(1, Outcome::Dead), None).await.unwrap();
        log.record(DeliveryId { seq, index: 1 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    }
}

async fn begun(log: &EventLog) -> Replay {
    let new = NewReplay { filter: dead(), by: "ann".to_owned(), rate: 5, total: 0, last: log.head() };
    log.begin_replay(new).await.unwrap()
}

/// The next step of the replay, of `limit` events.
fn step_of(log: &EventLog, replay: &Replay, limit: usize) -> ReplayStep {
    let found = log.replayable(&replay.filter, replay.next, replay.last, limit).unwrap();
    let event = |seq| Arc::new(log.get(seq).unwrap().unwrap().event);
    let items = found.items.iter().map(|candidate| (candidate.id, event(candidate.id.seq))).collect();
    ReplayStep { id: replay.id, from: replay.next, next: found.next, items, skipped: 0 }
}

async fn to_the_end(log: &EventLog, mut replay: Replay) -> Replay {
    while replay.state == ReplayState::Running {
        replay = log.step_replay(step_of(log, &replay, 3)).await.unwrap();
    }
    replay
}

fn deliveries(log: &EventLog) -> Vec<usize> {
    log.read(Seq(0), 1000).unwrap().iter().map(|stored| stored.deliveries.len()).collect()
}

async fn a_step_adds_its_deliveries_and_moves_the_replay_at_once(bed: Bed) {
    let log = bed.open();
    with_dead_letters(&log, 10).await;
    let replay = begun(&log).await;
    accept(&log, routed(&["a"])).await;
    let before = bed.told().len();

    let moved = log.step_replay(step_of(&log, &replay, 4)).await.unwrap();

    assert_eq!((moved.state, moved.next, moved.replayed), (ReplayState::Running, Seq(5), 4));
    assert_eq!(bed.told()[before..], [(1, 1), (2, 1), (3, 1), (4, 1)]);
    let log = bed.reopen(log).await;
    assert_eq!(log.replays().values().collect::<Vec<_>>(), [&moved]);
    assert_eq!(deliveries(&log), [3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 1]);
    let done = to_the_end(&log, moved).await;
    assert_eq!((done.state, done.next, done.replayed, done.skipped), (ReplayState::Done, Seq(11), 10, 0));
    assert!(done.ended_at.is_some());
    assert_eq!(deliveries(&log), [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1]);
    let added = log.get(Seq(7)).unwrap().unwrap().deliveries.remove(2);
    assert_eq!((added.agent.as_str(), added.replayed_by.as_deref()), ("a", Some("ann")));
}

/// The process may die before, while or after a step is written: it is there as a whole or not at all.
async fn a_step_that_was_not_written_is_taken_again(bed: Bed) {
    let log = bed.open();
    with_dead_letters(&log, 6).await;
    let replay = log.step_replay(step_of(&log, &begun(&log).await, 2)).await.unwrap();
    bed.fail_with(EngineError::Failed("power cut".to_owned()));
    log.step_replay(step_of(&log, &replay, 2)).await.unwrap_err();
    assert_eq!(log.replays()[&replay.id], replay, "what is not durable must not be shown");
    bed.fault.lock().unwrap().take();
    drop(log);

    let log = bed.open();

    assert_eq!(log.replays()[&replay.id], replay);
    assert_eq!(deliveries(&log), [3, 3, 2, 2, 2, 2]);
    assert_eq!(to_the_end(&log, replay).await.replayed, 6);
    assert_eq!(deliveries(&log), [3; 6]);
}

async fn no_delivery_is_made_again_twice(bed: Bed) {
    let log = bed.open();
    with_dead_letters(&log, 4).await;
    let (first, second) = (begun(&log).await, begun(&log).await);
    let (stale, late) = (step_of(&log, &first, 2), step_of(&log, &second, 4));

    log.step_replay(stale.clone()).await.unwrap();
    let repeated = log.step_replay(stale).await.unwrap();
    assert_eq!((repeated.replayed, repeated.next), (2, Seq(3)), "a step is taken once");
    let second = log.step_replay(late).await.unwrap();
    assert_eq!((second.replayed, second.skipped), (2, 2), "what is open again is left alone");
    for seq in 1..=4 {
        let id = DeliveryId { seq: Seq(seq), index: 2 };
        log.record(id, attempt(1, if seq == 4 { Outcome::Dead } else { Outcome::Delivered }), None).await.unwrap();
    }

    let third = to_the_end(&log, begun(&log).await).await;

    assert_eq!(third.replayed, 1, "only what died again");
    assert_eq!(deliveries(&log), [3, 3, 3, 4]);
}

async fn one_delivery_is_made_again(bed: Bed) {
    let log = bed.open();
    with_dead_letters(&log, 1).await;
    let id = |index| DeliveryId { seq: Seq(1), index };

    assert_eq!(log.renew(id(0), "ann").await.unwrap(), Some(id(2)));
    assert_eq!(log.renew(id(0), "ann").await.unwrap(), None, "there is a later one");
    assert_eq!(log.renew(id(2), "ann").await.unwrap(), None, "it is open");
    log.record(id(2), attempt(1, Outcome::Delivered), None).await.unwrap();
    assert_eq!(log.renew(id(2), "ann").await.unwrap(), Some(id(3)));
    assert_eq!(log.renew(id(9), "ann").await, Err(EventLogError::NotFound));
    assert_eq!(log.renew(DeliveryId { seq: Seq(2), index: 0 }, "ann").await, Err(EventLogError::NotFound));
}

async fn a_replay_ends_once(bed: Bed) {
    let log = bed.open();
    let empty = begun(&log).await;
    assert_eq!(empty.state, ReplayState::Done, "there is nothing to look at");
    with_dead_letters(&log, 4).await;
    let replay = log.step_replay(step_of(&log, &begun(&log).await, 1)).await.unwrap();
    let step = step_of(&log, &replay, 1);

    let cancelled = log.end_replay(replay.id, ReplayState::Cancelled, None).await.unwrap();

    assert_eq!((cancelled.state, cancelled.replayed), (ReplayState::Cancelled, 1));
    assert_eq!(log.step_replay(step).await.unwrap(), cancelled);
    let why = Some("no".to_owned());
    assert_eq!(log.end_replay(replay.id, ReplayState::Failed, why).await.unwrap(), cancelled);
    assert_eq!(deliveries(&log), [3, 2, 2, 2]);
    let log = bed.reopen(log).await;
    assert_eq!(log.replays()[&replay.id], cancelled);
    let unknown = log.end_replay(ReplayId(9), ReplayState::Cancelled, None).await;
    assert_eq!(unknown, Err(EventLogError::NotFound));
}

async fn open_replays_are_counted_by_agent(bed: Bed) {
    let log = bed.open();
    with_dead_letters(&log, 3).await;
    accept(&log, routed(&["a"])).await;
    assert!(log.open_replays().is_empty());

    to_the_end(&log, begun(&log).await).await;
    log.renew(DeliveryId { seq: Seq(1), index: 1 }, "ann").await.unwrap();

    let open = |log: &EventLog| log.open_replays().iter().map(|(name, open)| (name.to_string(), *open)).collect();
    let of = |a: u64, b: u64| vec![("a".to_owned(), a), ("b".to_owned(), b)];
    let found: Vec<(String, u64)> = open(&log);
    assert_eq!(found, of(3, 1));
    let id = |seq, index| DeliveryId { seq: Seq(seq), index };
    log.record(id(2, 2), attempt(1, Outcome::Retry), None).await.unwrap();
    log.record(id(3, 2), attempt(1, Outcome::Dead), None).await.unwrap();
    let log = bed.reopen(log).await;
    let found: Vec<(String, u64)> = open(&log);
    assert_eq!(found, of(2, 1));
    for id in [id(1, 2), id(1, 3), id(2, 2)] {
        log.record(id, attempt(2, Outcome::Delivered), None).await.unwrap();
    }
    assert!(log.open_replays().is_empty());
}

async fn the_oldest_replays_that_ended_are_forgotten(bed: Bed) {
    let log = bed.open();
    with_dead_letters(&log, 1).await;
    let running = begun(&log).await;
    for _ in 0..Replay::KEPT + 5 {
        let ended = begun(&log).await;
        log.end_replay(ended.id, ReplayState::Cancelled, None).await.unwrap();
    }

    let log = bed.reopen(log).await;

    let replays = log.replays();
    assert_eq!(replays.len(), Replay::KEPT);
    assert_eq!(replays.first_key_value().unwrap().0, &running.id, "one that runs is never forgotten");
    assert_eq!(replays.last_key_value().unwrap().0, &ReplayId(Replay::KEPT as u64 + 6));
    assert_eq!(to_the_end(&log, running).await.replayed, 1);
}
