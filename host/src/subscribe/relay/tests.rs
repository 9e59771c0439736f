//! What readers get, and when they are woken.

mod races;

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::*;
use crate::event::{EventPatterns, Pattern};
use crate::eventlog::NewEvent;
use crate::eventlog::contract::new_event;
use crate::subscribe::tests::{commit, log};

/// A log, and the relay that reads it.
fn relayed() -> (EventLog, Arc<Relay>) {
    let (log, arrivals) = log();
    (log.clone(), Arc::new(Relay::new(log, arrivals)))
}

fn of_kind(kind: &str) -> Filter {
    let kinds = vec![Pattern::new(kind).unwrap()];
    Filter::default().and(Arc::new(EventPatterns { kinds, ..EventPatterns::default() }))
}

async fn read(reader: &mut Reader) -> Vec<u64> {
    let reading = reader.read(ReadLimits::PAGE).await.unwrap();
    reading.entries.iter().map(|entry| entry.last().0).collect()
}

/// The next events, in as many pages as it takes.
async fn next(reader: &mut Reader) -> Vec<u64> {
    loop {
        reader.ready().await.unwrap();
        let found = read(reader).await;
        if !found.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_reader_gets_what_its_filter_lets_through_from_the_log_and_as_it_comes() {
    let (log, relay) = relayed();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&relay).run(stop.clone()));
    for kind in ["a.x", "a.y", "a.x"] {
        commit(&log, kind, None).await;
    }
    let mut early = relay.reader(Seq(0), of_kind("a.x"));
    assert_eq!(read(&mut early).await, [1, 3], "also before anybody follows the log");
    let mut late = relay.reader(log.head(), of_kind("a.z"));

    let mut waits = JoinSet::new();
    waits.spawn(async move { (next(&mut late).await, late.position()) });
    for kind in ["a.y", "a.x", "a.z"] {
        commit(&log, kind, None).await;
    }

    assert_eq!(waits.join_next().await.unwrap().unwrap(), (vec![6], Seq(6)));
    assert_eq!(next(&mut early).await, [5]);
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

/// The next events, in at most ten looks.
async fn soon(reader: &mut Reader) -> Vec<u64> {
    for _ in 0..10 {
        reader.ready().await.unwrap();
        let found = read(reader).await;
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

#[tokio::test]
async fn nobody_misses_what_comes_after_an_event_in_quarantine() {
    let (log, relay) = relayed();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&relay).run(stop.clone()));
    let suspect = async || {
        let event = NewEvent { quarantine: Some("why".to_owned()), ..new_event("{}") };
        log.commit(vec![event].into()).await.unwrap();
    };
    let mut all = relay.reader(Seq(0), Filter::default());
    for seq in [1, 2] {
        commit(&log, "a.x", None).await;
        assert_eq!(next(&mut all).await, [seq]);
    }
    suspect().await;
    for seq in [4, 5, 6] {
        commit(&log, "a.x", None).await;
        assert_eq!(soon(&mut all).await, [seq]);
    }
    suspect().await;
    while relay.state().upto < Seq(7) {
        tokio::task::yield_now().await;
    }
    assert_eq!(relay.reader(Seq(5), Filter::default()).read(ReadLimits::PAGE).await.unwrap().upto, Seq(7));
    drop(all);
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn what_nobody_wanted_is_read_from_the_log_by_whoever_wants_it_later() {
    let (log, relay) = relayed();
    let mut first = relay.reader(Seq(0), of_kind("a.x"));
    for kind in ["a.x", "a.y", "a.x", "a.y"] {
        commit(&log, kind, None).await;
    }
    assert_eq!(read(&mut first).await, [1, 3]);
    let mut late = relay.reader(Seq(1), of_kind("a.y"));
    let mut later = relay.reader(Seq(3), of_kind("a.*"));
    commit(&log, "a.y", None).await;

    assert_eq!(ring(&relay), [1, 3, 5], "nobody wanted the others when they came");
    assert_eq!(read(&mut late).await, [2, 4, 5]);
    assert_eq!(read(&mut later).await, [4, 5]);
    commit(&log, "a.y", None).await;
    assert_eq!(read(&mut late).await, [6]);
    assert_eq!(ring(&relay), [1, 3, 5, 6]);
}

fn ring(relay: &Relay) -> Vec<u64> {
    relay.state().ring.iter().map(|shared| shared.event().seq.0).collect()
}

#[tokio::test]
async fn nobody_is_woken_for_what_no_reader_wants() {
    let (log, relay) = relayed();
    let mut waits = relay.reader(Seq(0), of_kind("a.never"));
    assert!(waits.ready().now_or_never().is_none());
    commit(&log, "a.x", None).await;
    relay.arrivals.changed().await;
    drop(relay.state());

    for _ in 0..100 {
        commit(&log, "a.x", None).await;
    }

    assert!(relay.arrivals.changed().now_or_never().is_none(), "not even the relay");
    assert!(ring(&relay).is_empty());
    assert!(waits.ready().now_or_never().is_none());
    assert_eq!(waits.position(), Seq(101));
}

#[tokio::test]
async fn whoever_waits_learns_that_the_log_has_ended() {
    let (log, relay) = relayed();
    let mut waits = relay.reader(Seq(0), Filter::default());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&relay).run(stop.clone()));

    let (ended, ()) = tokio::join!(waits.ready(), log.close());

    assert_eq!(ended, Err(EventLogError::Closed));
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn the_position_of_a_reader_that_waits_moves_on() {
    let (log, relay) = relayed();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&relay).run(stop.clone()));
    let mut waits = relay.reader(Seq(0), of_kind("a.never"));
    let mut all = relay.reader(Seq(0), Filter::default());
    let waiting = async {
        tokio::select! {
            // It waits before the first event comes.
            biased;
            _ = waits.ready() => panic!("nothing is for it"),
            () = async {
                commit(&log, "a.x", None).await;
                let mut seen = next(&mut all).await;
                commit(&log, "a.x", None).await;
                seen.extend(next(&mut all).await);
                assert_eq!(seen, [1, 2]);
            } => {}
        }
    };
    waiting.await;

    assert_eq!(waits.position(), Seq(2));
    assert!(read(&mut waits).await.is_empty());
    drop((waits, all));
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}
