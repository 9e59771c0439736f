//! Promises about tails and processors.

use tokio_util::sync::CancellationToken;

use super::*;

engines! {
    a_tail_returns_every_event_once
    a_tail_ends_with_its_log
    a_processor_sees_each_event_exactly_once
}

async fn upto(tail: &mut Tail, last: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let page = tail.next().await.unwrap();
        seen.extend(page.events.iter().map(|event| event.seq.0));
        if page.upto >= Seq(last) {
            return seen;
        }
    }
}

async fn a_tail_returns_every_event_once(bed: Bed) {
    let log = bed.open();
    for _ in 0..3 {
        append(&log, (0..200).map(|_| new_event("{}")).collect()).await.unwrap();
    }
    let (mut old, mut late) = (log.tail(Seq(0)), log.tail(Seq(590)));

    assert_eq!(upto(&mut late, 600).await, (591..=600).collect::<Vec<_>>());
    let writes = async {
        for size in [1, 300, 1, 2_000_000, 7] {
            accept(&log, new_event(vec![7; size])).await;
        }
    };
    let ((), recent) = tokio::join!(writes, upto(&mut late, 605));

    assert_eq!(recent, (601..=605).collect::<Vec<_>>());
    assert_eq!(upto(&mut old, 605).await, (1..=605).collect::<Vec<_>>(), "from the log, then from memory");
    tokio::time::timeout(Duration::from_millis(20), old.next()).await.unwrap_err();
    let last = accept(&log, new_event("last")).await;
    assert_eq!(old.next().await.unwrap().events[0], last, "nothing is lost when a wait was given up");
}

async fn a_tail_ends_with_its_log(bed: Bed) {
    let log = bed.open();
    accept(&log, new_event("{}")).await;
    let mut tail = log.tail(Seq(0));
    assert_eq!(tail.next().await.unwrap().upto, Seq(1));

    log.close().await;

    assert_eq!(tail.next().await.unwrap_err(), EventLogError::Closed);
}

/// Counts the events of a channel, and derives one event for each.
struct Counting {
    count: u64,
}

const SPACE: Space = Space::of_module("counting");

impl Counting {
    fn read(log: &EventLog) -> u64 {
        let count = log.value(&SPACE, "count").unwrap();
        count.map_or(0, |count| std::str::from_utf8(&count).unwrap().parse().unwrap())
    }
}

impl Processor for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn load(&mut self, log: &EventLog) -> Result<(), EventLogError> {
        self.count = Self::read(log);
        Ok(())
    }

    fn process(&mut self, events: &[Arc<Event>]) -> Batch {
        let own = events.iter().filter(|event| event.channel.as_str() == "github");
        let derived: Vec<_> = own
            .map(|event| NewEvent { channel: "counted".parse().unwrap(), ..new_event(event.seq.to_string()) })
            .collect();
        self.count += derived.len() as u64;
        let values = ValueChange::all(&SPACE, vec![("count".to_owned(), Some(self.count.to_string().into()))]);
        Batch { events: derived, values, ..Batch::default() }
    }
}

/// Runs a processor beside `test`, which ends it.
async fn both(processing: impl Future<Output = Result<(), EventLogError>>, test: impl Future<Output = ()>) {
    let test = async {
        test.await;
        Ok(())
    };
    tokio::try_join!(processing, test).unwrap();
}

async fn a_processor_sees_each_event_exactly_once(bed: Bed) {
    let log = bed.open();
    let processing =
        |log: &EventLog, stop: &CancellationToken| run_processor(log.clone(), Counting { count: 0 }, stop.clone());
    let counted = async |log: &EventLog, expected: u64| {
        let mut snapshots = log.watch();
        while Counting::read(log) < expected {
            snapshots.changed().await.unwrap();
        }
    };
    let stop = CancellationToken::new();
    let first = async {
        append(&log, (0..300).map(|_| new_event("{}")).collect()).await.unwrap();
        counted(&log, 300).await;
        // The commit of the next ones fails, so that nobody knows whether it is durable.
        bed.fail_with(EngineError::Full("no space".to_owned()));
        append(&log, vec![new_event("{}")]).await.unwrap_err();
        bed.heal();
        serving(&log).await;
        append(&log, (0..40).map(|_| new_event("{}")).collect()).await.unwrap();
        counted(&log, 340).await;
        stop.cancel();
    };
    both(processing(&log, &stop), first).await;
    let log = bed.reopen(log).await;
    append(&log, (0..7).map(|_| new_event("{}")).collect()).await.unwrap();
    let stop = CancellationToken::new();
    let second = async {
        counted(&log, 347).await;
        stop.cancel();
    };
    both(processing(&log, &stop), second).await;

    let derived: Vec<String> = read(&log, Seq(0), 10_000)
        .iter()
        .filter(|stored| stored.event.channel.as_str() == "counted")
        .map(|stored| String::from_utf8(stored.event.data.to_vec()).unwrap())
        .collect();
    let mut unique = derived.clone();
    unique.dedup();
    assert_eq!((Counting::read(&log), derived.len(), unique.len()), (347, 347, 347));
}
