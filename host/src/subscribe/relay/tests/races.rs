//! What happens between two steps that others see one by one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::*;
use crate::event::Timestamp;
use crate::eventlog::{CommitSink, EngineKind, NewDelivery, Settings};
use crate::metrics::Metrics;

/// Far longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Holds every event back, after its commit is shown and before subscribers hear of it.
struct Gate {
    reached: AtomicUsize,
    /// One word lets one event pass; when nobody can say one any more, all pass.
    words: Mutex<Receiver<()>>,
}

impl CommitSink for Gate {
    fn committed(&self, _: &Arc<Event>, _: &[NewDelivery]) {
        self.reached.fetch_add(1, Ordering::Relaxed);
        self.words.lock().unwrap().recv().ok();
    }
}

fn gated() -> (EventLog, Arc<Relay>, Arc<Gate>, SyncSender<()>) {
    let (arrivals, (word, words)) = (Arrivals::default(), sync_channel(8));
    let gate = Arc::new(Gate { reached: AtomicUsize::new(0), words: Mutex::new(words) });
    let sinks: Vec<Arc<dyn CommitSink>> = vec![Arc::<Gate>::clone(&gate), Arc::new(arrivals.clone())];
    let log = EventLog::open(&Settings::new(EngineKind::Memory), &Metrics::new(), sinks).unwrap();
    (log.clone(), Arc::new(Relay::new(log, arrivals)), gate, word)
}

fn of_channel_a(kind: &str) -> NewEvent {
    NewEvent { channel: "a".parse().unwrap(), kind: kind.to_owned(), time: Timestamp::now(), ..new_event("{}") }
}

async fn commit_all(log: &EventLog, kinds: impl IntoIterator<Item = &str>) {
    let events: Vec<_> = kinds.into_iter().map(of_channel_a).collect();
    log.commit(events.into()).await.unwrap();
}

/// So many events, in as many pages as it takes.
async fn next_many(reader: &mut Reader, count: usize) -> Vec<u64> {
    let mut found = Vec::new();
    while found.len() < count {
        found.extend(tokio::time::timeout(PATIENCE, next(reader)).await.expect("it is woken"));
    }
    found
}

#[tokio::test]
async fn whoever_begins_while_a_commit_is_handed_over_gets_it_once() {
    for is_read in [false, true] {
        for handed_over in 0..3 {
            let (log, relay, gate, word) = gated();
            let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
            tasks.spawn(Arc::clone(&relay).run(stop.clone()));
            let other = is_read.then(|| relay.reader(Seq(0), of_kind("a.never")));

            let begin = async {
                (0..handed_over).for_each(|_| word.try_send(()).unwrap());
                while gate.reached.load(Ordering::Relaxed) <= handed_over {
                    tokio::task::yield_now().await;
                }
                let mut readers = [Seq(0), Seq(2), log.head()].map(|after| relay.reader(after, of_kind("a.x")));
                // Those who have nothing to read begin to wait now.
                let early = readers.each_mut().map(|reader| reader.ready().now_or_never().is_some());
                drop(word);
                (readers, early)
            };
            let ((), (mut readers, early)) = tokio::join!(commit_all(&log, ["a.x"; 3]), begin);
            commit(&log, "a.x", None).await;

            let case = format!("read by others: {is_read}, handed over: {handed_over}, ready at once: {early:?}");
            for (reader, expected) in readers.iter_mut().zip([&[1, 2, 3, 4][..], &[3, 4], &[4]]) {
                assert_eq!(next_many(reader, expected.len()).await, expected, "{case}");
            }
            drop(other);
            stop.cancel();
            tasks.join_next().await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn what_comes_faster_than_it_is_taken_is_read_from_the_log_and_no_more_than_that() {
    let (log, relay) = relayed();
    let mut all = relay.reader(Seq(0), Filter::default());
    let mut waits = relay.reader(Seq(0), of_kind("a.y"));
    assert!(waits.ready().now_or_never().is_none());
    commit(&log, "a.x", None).await;
    assert_eq!(waits.position(), Seq(1));
    let many = 5000;

    commit_all(&log, std::iter::repeat_n("a.x", many).chain(["a.y"])).await;

    assert!(ring(&relay).is_empty(), "it was too much");
    assert_eq!(waits.position(), Seq(1), "it does not move back");
    let last = many as u64 + 2;
    assert_eq!(next_many(&mut waits, 1).await, [last]);
    assert_eq!(next_many(&mut all, many + 2).await, (1..=last).collect::<Vec<_>>());
    commit_all(&log, ["a.y"]).await;
    assert_eq!(ring(&relay), [last + 1], "the next ones are kept again");
    assert_eq!(next_many(&mut waits, 1).await, [last + 1]);
}

#[tokio::test]
async fn a_slow_reader_that_falls_out_of_the_ring_misses_nothing() {
    let (log, relay) = relayed();
    let mut slow = relay.reader(Seq(0), Filter::default());
    assert_eq!(slow.position(), Seq(0));
    for _ in 0..2 {
        commit_all(&log, ["a.x"; 3000]).await;
        assert!(slow.head() > Seq(0));
    }
    assert_eq!(ring(&relay).len(), EVENTS);
    let first = next_many(&mut slow, 1000).await;
    assert_eq!(first, (1..=first.len() as u64).collect::<Vec<_>>());

    // While it reads on, what it has not read falls out of the ring.
    commit_all(&log, ["a.x"; 3000]).await;

    let position = slow.position().0;
    let rest = next_many(&mut slow, 9000 - usize::try_from(position).unwrap()).await;
    assert_eq!(rest, (position + 1..=9000).collect::<Vec<_>>());
}

#[tokio::test]
async fn more_unwanted_kinds_than_the_table_holds_are_still_found() {
    let (log, relay) = relayed();
    let never = relay.reader(Seq(0), of_kind("a.never"));
    let kinds: Vec<_> = (1..=1100).map(|number| format!("a.{number}")).collect();
    commit_all(&log, kinds.iter().map(String::as_str)).await;
    assert_eq!(never.head(), Seq(1100));

    for number in [1, 500, 1024, 1025, 1100] {
        let mut reader = relay.reader(Seq(0), of_kind(&format!("a.{number}")));
        assert_eq!(next_many(&mut reader, 1).await, [number]);
    }
}

#[tokio::test]
async fn what_came_while_nobody_read_is_in_the_log() {
    let (log, relay) = relayed();
    let first = relay.reader(Seq(0), of_kind("a.x"));
    commit(&log, "a.y", None).await;
    drop(first);
    commit_all(&log, ["a.x", "a.y"]).await;

    let mut again = relay.reader(Seq(0), of_kind("a.*"));
    commit(&log, "a.y", None).await;

    assert_eq!(next_many(&mut again, 4).await, [1, 2, 3, 4]);
    assert_eq!(ring(&relay), [4]);
}

#[tokio::test]
async fn whoever_begins_after_the_end_learns_of_it_at_once() {
    let (log, relay) = relayed();
    commit(&log, "a.x", None).await;
    log.close().await;

    for _ in 0..2 {
        let mut late = relay.reader(Seq(0), Filter::default());
        assert_eq!(late.ready().now_or_never(), Some(Err(EventLogError::Closed)));
    }
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Reads with changing filters from changing positions until there is an `a.end`.
async fn come_and_go(relay: Arc<Relay>, mut numbers: Numbers) {
    let log = relay.log().clone();
    loop {
        let after = Seq(log.head().0.saturating_sub(numbers.below(40)));
        if log.event(after).unwrap().is_some_and(|last| last.event.kind == "a.end") {
            return;
        }
        let mut kinds: Vec<_> = (0..numbers.below(3)).map(|_| format!("a.{}", numbers.below(6))).collect();
        kinds.push("a.end".to_owned());
        let kinds = kinds.iter().map(|kind| Pattern::new(kind).unwrap()).collect();
        let filter = Filter::default().and(Arc::new(EventPatterns { kinds, ..EventPatterns::default() }));
        let (mut reader, mut seen, wanted) = (relay.reader(after, filter.clone()), Vec::new(), numbers.below(30));
        let mut is_over = false;
        while !is_over && seen.len() as u64 <= wanted {
            tokio::time::timeout(PATIENCE, reader.ready()).await.expect("it is woken").unwrap();
            for entry in reader.read(ReadLimits { events: 7, bytes: 1 << 20 }).await.unwrap().entries {
                let Entry::Event(shared) = entry else { panic!("nothing is removed") };
                is_over |= shared.event().kind == "a.end";
                seen.push(shared.event().seq);
            }
        }
        let stored = |seq| log.event(Seq(seq)).unwrap().unwrap().event;
        let read = (after.0 + 1..=reader.position().0).map(stored);
        let expected: Vec<_> = read.filter(|event| filter.matches(event)).map(|event| event.seq).collect();
        assert_eq!(seen, expected);
        if is_over {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_come_and_go_miss_nothing() {
    for readers in [1, 2, 6] {
        let (log, relay) = relayed();
        let (stop, mut tasks, mut reads) = (CancellationToken::new(), JoinSet::new(), JoinSet::new());
        tasks.spawn(Arc::clone(&relay).run(stop.clone()));
        for number in 0..readers {
            reads.spawn(come_and_go(Arc::clone(&relay), Numbers(number)));
        }
        let mut numbers = Numbers(4711);
        for _ in 0..2000 {
            let events = (0..=numbers.below(3)).map(|_| {
                let quarantine = (numbers.below(10) == 0).then(|| "why".to_owned());
                NewEvent { quarantine, ..of_channel_a(&format!("a.{}", numbers.below(6))) }
            });
            log.commit(events.collect::<Vec<_>>().into()).await.unwrap();
        }
        commit(&log, "a.end", None).await;

        while let Some(read) = reads.join_next().await {
            read.unwrap();
        }
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }
}
