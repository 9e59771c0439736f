//! What a replay does across crashes, conflicts and restarts, on a real log.

use std::collections::BTreeSet;

use super::record::{Records, Replay, ReplayId, ReplayState};
use super::step::{Step, scan_of};
use crate::event::{AgentName, DeliveryId, DeliveryState, Outcome, Seq};
use crate::eventlog::contract::{Bed, accept, attempt, record, routed};
use crate::eventlog::{DeliveryFilter, EventLog, EventLogError, Query, Range, ScanLimits};

fn agents() -> BTreeSet<AgentName> {
    ["a", "b"].into_iter().map(|name| name.parse().unwrap()).collect()
}

fn dead() -> DeliveryFilter {
    DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() }
}

/// `count` events with a dead delivery to `a` and a delivered one to `b`.
async fn with_dead_letters(log: &EventLog, count: u64) {
    for _ in 0..count {
        let seq = accept(log, routed(&["a", "b"])).await.seq;
        record(log, DeliveryId { seq, index: 0 }, attempt(1, Outcome::Dead), None).await.unwrap();
        record(log, DeliveryId { seq, index: 1 }, attempt(1, Outcome::Delivered), None).await.unwrap();
    }
}

fn records(log: &EventLog) -> Records {
    Records::load(log.clone()).unwrap()
}

async fn begun(log: &EventLog, records: &Records) -> Replay {
    let (floor, last) = (log.snapshot().floor, log.head());
    records.add(Replay::new(dead(), "ann".to_owned(), 5, 0, floor, last)).await.unwrap()
}

/// The next step of `replay`, of `limit` deliveries.
fn step_of(log: &EventLog, replay: &Replay, limit: usize) -> Step {
    let (query, range, limits) = scan_of(replay, limit);
    let page = log.scan(&query, range, limits).unwrap();
    Step::of(page, &query.deliveries.unwrap())
}

async fn take(records: &Records, replay: Replay, step: Step) -> Result<Replay, EventLogError> {
    let (replay, redeliveries) = step.apply(replay, &agents());
    records.change(replay, redeliveries).await
}

async fn to_the_end(log: &EventLog, records: &Records, mut replay: Replay) -> Replay {
    while replay.state == ReplayState::Running {
        let step = step_of(log, &replay, 3);
        replay = take(records, replay, step).await.unwrap();
    }
    replay
}

fn deliveries(log: &EventLog) -> Vec<usize> {
    let page = log.scan(&Query::default(), Range::up_from(Seq(1)), ScanLimits::items(1000)).unwrap();
    page.items.iter().map(|stored| stored.deliveries.len()).collect()
}

#[tokio::test]
async fn a_step_adds_its_deliveries_and_moves_the_replay_at_once() {
    let bed = Bed::sled();
    let log = bed.open();
    with_dead_letters(&log, 10).await;
    let kept = records(&log);
    let replay = begun(&log, &kept).await;
    accept(&log, routed(&["a"])).await;

    let moved = take(&kept, replay.clone(), step_of(&log, &replay, 4)).await.unwrap();

    assert_eq!((moved.state, moved.next, moved.replayed), (ReplayState::Running, Seq(5), 4));
    drop(kept);
    let log = bed.reopen(log).await;
    let kept = records(&log);
    assert_eq!(kept.all(), std::slice::from_ref(&moved));
    assert_eq!(deliveries(&log), [3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 1]);
    let done = to_the_end(&log, &kept, moved).await;
    assert_eq!((done.state, done.next, done.replayed, done.skipped), (ReplayState::Done, Seq(11), 10, 0));
    assert!(done.ended_at.is_some());
    assert_eq!(deliveries(&log), [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1]);
    let added = log.event(Seq(7)).unwrap().unwrap().deliveries.remove(2);
    assert_eq!((added.agent.as_str(), added.replayed_by.as_deref()), ("a", Some("ann")));
}

/// The process may die before, while or after a step is written: it is there as a whole or not at all.
#[tokio::test]
async fn a_step_that_was_not_written_is_taken_again() {
    let bed = Bed::sled();
    let log = bed.open();
    with_dead_letters(&log, 6).await;
    let kept = records(&log);
    let begun = begun(&log, &kept).await;
    let replay = take(&kept, begun.clone(), step_of(&log, &begun, 2)).await.unwrap();
    bed.fail_writes();
    take(&kept, replay.clone(), step_of(&log, &replay, 2)).await.unwrap_err();
    assert_eq!(kept.get(replay.id), Some(replay.clone()), "what is not durable must not be shown");
    bed.heal();
    drop((kept, log));

    let log = bed.open();

    let kept = records(&log);
    assert_eq!(kept.get(replay.id), Some(replay.clone()));
    assert_eq!(deliveries(&log), [3, 3, 2, 2, 2, 2]);
    assert_eq!(to_the_end(&log, &kept, replay).await.replayed, 6);
    assert_eq!(deliveries(&log), [3; 6]);
}

#[tokio::test]
async fn no_delivery_is_repeated_twice() {
    let bed = Bed::memory();
    let log = bed.open();
    with_dead_letters(&log, 4).await;
    let kept = records(&log);
    let (first, second) = (begun(&log, &kept).await, begun(&log, &kept).await);
    let (step, stale, late) = (step_of(&log, &first, 2), step_of(&log, &first, 2), step_of(&log, &second, 4));
    let conflicts = |taken| matches!(taken, Err(EventLogError::Conflict(_)));

    let taken = take(&kept, first.clone(), step).await.unwrap();
    assert!(conflicts(take(&kept, first, stale).await), "a step is taken once");
    assert!(conflicts(take(&kept, second.clone(), late).await), "two of its deliveries are open again");
    assert_eq!((kept.get(taken.id), kept.get(second.id)), (Some(taken), Some(second.clone())));
    let second = to_the_end(&log, &kept, second).await;
    assert_eq!(second.replayed, 2, "what is open again is left alone");
    for seq in 1..=4 {
        let id = DeliveryId { seq: Seq(seq), index: 2 };
        record(&log, id, attempt(1, if seq == 4 { Outcome::Dead } else { Outcome::Delivered }), None).await.unwrap();
    }

    let third = begun(&log, &kept).await;
    let third = to_the_end(&log, &kept, third).await;

    assert_eq!(third.replayed, 1, "only what died again");
    assert_eq!(deliveries(&log), [3, 3, 3, 4]);
}

#[tokio::test]
async fn a_replay_ends_once() {
    let bed = Bed::sled();
    let log = bed.open();
    let kept = records(&log);
    let empty = begun(&log, &kept).await;
    assert_eq!(empty.state, ReplayState::Done, "there is nothing to scan");
    with_dead_letters(&log, 4).await;
    let replay = begun(&log, &kept).await;
    let replay = take(&kept, replay.clone(), step_of(&log, &replay, 1)).await.unwrap();

    let cancelled = kept.end(replay.id, ReplayState::Cancelled, None).await.unwrap();

    assert_eq!((cancelled.state, cancelled.replayed), (ReplayState::Cancelled, 1));
    let why = Some("no".to_owned());
    assert_eq!(kept.end(replay.id, ReplayState::Failed, why).await.unwrap(), cancelled);
    assert_eq!(kept.end(ReplayId(9), ReplayState::Cancelled, None).await, Err(EventLogError::NotFound));
    assert_eq!(deliveries(&log), [3, 2, 2, 2]);
    drop(kept);
    let log = bed.reopen(log).await;
    assert_eq!(records(&log).get(replay.id), Some(cancelled));
}

/// A step races with the end of its replay, which it has not heard of.
#[tokio::test]
async fn a_step_of_a_replay_that_was_ended_conflicts() {
    let bed = Bed::memory();
    let log = bed.open();
    with_dead_letters(&log, 2).await;
    let here = records(&log);
    let replay = begun(&log, &here).await;
    let stale = records(&log);
    here.end(replay.id, ReplayState::Cancelled, None).await.unwrap();

    let taken = take(&stale, replay.clone(), step_of(&log, &replay, 1)).await;

    assert!(matches!(taken, Err(EventLogError::Conflict(_))));
    assert_eq!(stale.get(replay.id).unwrap().state, ReplayState::Cancelled, "it was read again");
    assert_eq!(deliveries(&log), [2, 2]);
}

#[tokio::test]
async fn the_oldest_replays_that_ended_are_forgotten() {
    let bed = Bed::memory();
    let log = bed.open();
    with_dead_letters(&log, 1).await;
    let kept = records(&log);
    let running = begun(&log, &kept).await;
    for _ in 0..Replay::KEPT + 5 {
        let ended = begun(&log, &kept).await;
        kept.end(ended.id, ReplayState::Cancelled, None).await.unwrap();
    }
    drop(kept);

    let log = bed.reopen(log).await;

    let kept = records(&log);
    let replays = kept.all();
    assert_eq!(replays.len(), Replay::KEPT);
    assert_eq!(replays[0].id, running.id, "one that runs is never forgotten");
    assert_eq!(replays.last().unwrap().id, ReplayId(Replay::KEPT as u64 + 6));
    assert_eq!(to_the_end(&log, &kept, running).await.replayed, 1);
}
