//! Promises about tails and processors.

use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::states::at;
use super::*;

engines! {
    a_tail_returns_every_event_once
    a_tail_ends_with_its_log
    a_processor_sees_each_event_exactly_once
    a_processor_is_woken_and_answers_what_is_durable
    nothing_is_done_twice_after_a_failed_commit
    requests_starve_neither_events_nor_time
    requests_that_wait_are_one_commit
    what_is_refused_for_now_is_stored_later
    the_end_of_a_delivery_is_kept_until_it_is_heard
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
    type Request = Infallible;

    fn name(&self) -> &'static str {
        "counting"
    }

    fn load(&mut self, log: &EventLog) -> Result<(), EventLogError> {
        self.count = Self::read(log);
        Ok(())
    }

    fn process(&mut self, events: &[Arc<Event>], _: Timestamp) -> Batch {
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

/// Writes a line for each event of a channel, each moment that is due, and each request: an event of its own.
struct Diary {
    due: Timestamp,
    every: Duration,
    /// Who waits, and whether they asked for a line.
    waiting: Vec<(oneshot::Sender<EventId>, bool)>,
    /// How often it was loaded.
    loads: Arc<AtomicUsize>,
}

/// What is to be written, and who waits for it.
type Entry = (String, oneshot::Sender<EventId>);

impl Diary {
    const SPACE: Space = Space::of_module("diary");
    const REQUESTS: usize = 4;

    /// One that is due at second 10, and then after each `every`.
    fn new(every: Duration) -> Self {
        Self { due: at(10), every, waiting: Vec::new(), loads: Arc::default() }
    }

    fn line(text: String) -> NewEvent {
        NewEvent { channel: "diary".parse().unwrap(), ..new_event(text) }
    }

    /// Runs it with the clock of `bed`.
    async fn run(
        self,
        bed: &Bed,
        log: &EventLog,
        mut requests: mpsc::Receiver<Entry>,
        stop: &CancellationToken,
    ) -> Result<(), EventLogError> {
        let clock = bed.clock.clone();
        run_processor_with(log.clone(), self, &mut requests, move || clock.now(), stop.clone()).await
    }
}

impl Processor for Diary {
    type Request = Entry;

    fn name(&self) -> &'static str {
        "diary"
    }

    fn load(&mut self, log: &EventLog) -> Result<(), EventLogError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        (self.due, self.waiting) = (at(10), Vec::new());
        if let Some(due) = log.value(&Self::SPACE, "due")? {
            self.due = Timestamp::from_millis(std::str::from_utf8(&due).unwrap().parse().unwrap());
        }
        Ok(())
    }

    fn process(&mut self, events: &[Arc<Event>], now: Timestamp) -> Batch {
        assert!(now >= at(0), "the time is that of the clock");
        let own = events.iter().filter(|event| event.channel.as_str() == "github");
        own.map(|event| Self::line(format!("event {}", event.seq))).collect::<Vec<_>>().into()
    }

    fn due(&self) -> Option<Timestamp> {
        Some(self.due)
    }

    fn tick(&mut self, now: Timestamp) -> Batch {
        assert!(self.due <= now);
        let events = vec![Self::line(format!("due {}", self.due.since(at(0)).as_millis()))];
        self.due = self.due.after(self.every);
        let values =
            ValueChange::all(&Self::SPACE, vec![("due".to_owned(), Some(self.due.as_millis().to_string().into()))]);
        Batch { events, values, ..Batch::default() }
    }

    fn request(&mut self, (text, answer): Entry, _: Timestamp) -> Batch {
        self.waiting.push((answer, !text.is_empty()));
        if text.is_empty() { Batch::default() } else { vec![Self::line(format!("request {text}"))].into() }
    }

    fn committed(&mut self, committed: Committed) {
        let mut lines = committed.events.iter().map(Appended::id);
        for (answer, has_line) in self.waiting.drain(..) {
            let nothing = EventId::new(at(0), Seq(0), 0);
            let _ = answer.send(lines.next().filter(|_| has_line).unwrap_or(nothing));
        }
    }
}

/// Asks the diary; `None` if the request was dropped.
async fn ask(requests: &mpsc::Sender<Entry>, text: &str) -> Option<EventId> {
    let (answer, answered) = oneshot::channel();
    requests.send((text.to_owned(), answer)).await.unwrap();
    answered.await.ok()
}

/// The lines of the diary.
fn lines(log: &EventLog) -> Vec<String> {
    let found = read(log, Seq(0), 100_000);
    let own = found.iter().filter(|stored| stored.event.channel.as_str() == "diary");
    own.map(|stored| String::from_utf8(stored.event.data.to_vec()).unwrap()).collect()
}

/// Waits until the diary has such a line.
async fn written(log: &EventLog, line: &str) {
    let mut snapshots = log.watch();
    while !lines(log).iter().any(|found| found == line) {
        tokio::time::timeout(Duration::from_secs(30), snapshots.changed()).await.expect(line).unwrap();
    }
}

async fn a_processor_is_woken_and_answers_what_is_durable(bed: Bed) {
    let log = bed.open();
    let (requests, taken) = mpsc::channel(Diary::REQUESTS);
    let stop = CancellationToken::new();
    bed.clock.set(at(9));
    let test = async {
        let id = ask(&requests, "a").await.unwrap();
        assert_eq!(log.event(id).unwrap().unwrap().event.data, "request a");
        assert!(bed.told().iter().any(|(seq, _)| *seq == id.seq().0));
        assert_eq!(lines(&log), ["request a"], "nothing is due yet");

        bed.clock.set(at(10));
        written(&log, "due 10000").await;
        // The clock jumps ahead, and back.
        bed.clock.set(at(40));
        written(&log, "due 40000").await;
        bed.clock.set(at(5));
        let event = accept(&log, new_event("{}")).await;
        written(&log, &format!("event {}", event.seq)).await;

        let head = log.head();
        // A commit is readable a moment before its snapshot is shown; after a further one it is.
        checkpoint(&log, "clock", Seq(0)).await.unwrap();
        let snapshots = log.watch();
        assert_eq!(ask(&requests, "").await.map(EventId::seq), Some(Seq(0)), "what changes nothing is answered");
        assert_eq!((log.head(), snapshots.has_changed().unwrap()), (head, false), "and not committed");
        stop.cancel();
    };
    both(Diary::new(Duration::from_secs(10)).run(&bed, &log, taken, &stop), test).await;

    let written = lines(&log);
    assert_eq!(written[1..5], ["due 10000", "due 20000", "due 30000", "due 40000"]);
    assert_eq!(written.len(), 6, "{written:?}");
}

async fn nothing_is_done_twice_after_a_failed_commit(bed: Bed) {
    let diary = || Diary::new(Duration::from_secs(10));
    let log = bed.open();
    bed.clock.set(at(0));
    let ((requests, taken), stop) = (mpsc::channel(Diary::REQUESTS), CancellationToken::new());
    let unstored = async {
        accept(&log, new_event("{}")).await;
        written(&log, "event 1").await;
        bed.fail_with(EngineError::Full("no space".to_owned()));
        bed.clock.set(at(10));
        let healing = async {
            let mut snapshots = log.watch();
            snapshots.wait_for(|snapshot| snapshot.writer != WriterState::Serving).await.unwrap();
            bed.heal();
        };
        let (answer, ()) = tokio::join!(ask(&requests, "a"), healing);
        assert!(answer.is_some(), "it is answered when it is stored");
        serving(&log).await;
        assert!(ask(&requests, "b").await.is_some());
        written(&log, "due 10000").await;
        stop.cancel();
    };
    both(diary().run(&bed, &log, taken, &stop), unstored).await;

    // The next commit is stored, and the process ends before it knows.
    let (requests, taken) = mpsc::channel(Diary::REQUESTS);
    bed.fail_after_write(EngineError::Failed("killed".to_owned()));
    bed.clock.set(at(20));
    let never = CancellationToken::new();
    let (answer, answered) = oneshot::channel();
    requests.try_send(("c".to_owned(), answer)).unwrap();
    let ended = diary().run(&bed, &log, taken, &never).await;
    assert!(matches!(ended, Err(EventLogError::Poisoned(_))), "{ended:?}");
    assert_eq!(answered.await.ok(), None);
    *bed.after_write.lock().unwrap() = None;

    let log = bed.reopen(log).await;
    let ((requests, taken), stop) = (mpsc::channel(Diary::REQUESTS), CancellationToken::new());
    let again = async {
        written(&log, "due 20000").await;
        assert!(ask(&requests, "d").await.is_some());
        stop.cancel();
    };
    both(diary().run(&bed, &log, taken, &stop), again).await;

    let written = lines(&log);
    for line in ["event 1", "due 10000", "due 20000", "request a", "request b", "request d"] {
        assert_eq!(written.iter().filter(|found| *found == line).count(), 1, "{line}: {written:?}");
    }
    let asked = written.iter().filter(|line| line.starts_with("request c")).count();
    assert!(asked <= 1 && written.len() == 6 + asked, "{written:?}");
}

async fn requests_starve_neither_events_nor_time(bed: Bed) {
    let log = bed.open();
    // More than a page, and read from the log.
    append(&log, (0..600).map(|_| new_event("{}")).collect()).await.unwrap();
    // Something is due all the time.
    bed.clock.set(at(3600));
    let ((requests, taken), stop) = (mpsc::channel(Diary::REQUESTS), CancellationToken::new());
    let flood = async {
        while !stop.is_cancelled() {
            let (answer, _) = oneshot::channel();
            tokio::select! {
                () = stop.cancelled() => {}
                sent = requests.send(("more".to_owned(), answer)) => sent.unwrap(),
            }
        }
    };
    let test = async {
        let seen = async {
            written(&log, "event 600").await;
            written(&log, "due 10009").await;
            stop.cancel();
        };
        tokio::join!(flood, seen);
    };
    both(Diary::new(Duration::from_millis(1)).run(&bed, &log, taken, &stop), test).await;

    assert!(lines(&log).iter().any(|line| line == "request more"));
}

async fn requests_that_wait_are_one_commit(bed: Bed) {
    const WAITING: usize = 256;
    let log = bed.open();
    bed.clock.set(at(0));
    let ((requests, taken), stop) = (mpsc::channel(WAITING), CancellationToken::new());
    let answers: Vec<_> = (0..WAITING)
        .map(|number| {
            let (answer, answered) = oneshot::channel();
            requests.try_send((format!("{number}"), answer)).unwrap();
            answered
        })
        .collect();
    let before = bed.metrics.commits.get();
    let test = async {
        for (number, answered) in answers.into_iter().enumerate() {
            let id = answered.await.unwrap();
            assert_eq!(
                log.event(id).unwrap().unwrap().event.data,
                format!("request {number}"),
                "each has its own answer"
            );
        }
        stop.cancel();
    };
    both(Diary::new(Duration::from_secs(10)).run(&bed, &log, taken, &stop), test).await;

    assert_eq!((lines(&log).len(), bed.metrics.commits.get() - before), (WAITING, 1));
}

async fn what_is_refused_for_now_is_stored_later(bed: Bed) {
    let log = bed.open();
    bed.clock.set(at(0));
    let ((requests, taken), stop) = (mpsc::channel(Diary::REQUESTS), CancellationToken::new());
    let diary = Diary::new(Duration::from_secs(10));
    let loads = Arc::clone(&diary.loads);
    let test = async {
        assert!(ask(&requests, "a").await.is_some());
        bed.fail_with(EngineError::Full("no space".to_owned()));
        append(&log, vec![new_event("{}")]).await.unwrap_err();
        let healing = async {
            // It is asked, and refused at once.
            while requests.capacity() < Diary::REQUESTS {
                tokio::task::yield_now().await;
            }
            bed.heal();
        };
        let (answer, ()) = tokio::join!(ask(&requests, "b"), healing);
        assert_eq!(log.event(answer.unwrap()).unwrap().unwrap().event.data, "request b");
        stop.cancel();
    };
    both(diary.run(&bed, &log, taken, &stop), test).await;

    assert_eq!(lines(&log), ["request a", "request b"]);
    assert_eq!(loads.load(Ordering::Relaxed), 1, "nothing is read again");
}

async fn the_end_of_a_delivery_is_kept_until_it_is_heard(bed: Bed) {
    let log = bed.open();
    let event = accept(&log, routed(&["one", "two"])).await;
    let ended = |seq: u64, index: u32, said: Option<&str>| EndedDelivery {
        id: DeliveryId { seq: Seq(seq), index },
        is_accepted: said.is_some(),
        said: said.map(str::to_owned),
    };
    let all =
        [ended(event.seq.0, 0, Some(&"ü".repeat(100))), ended(event.seq.0, 1, None), ended(0x100, 0, Some("handled"))];
    let values = all.iter().rev().map(EndedDelivery::kept).collect();
    log.commit(Batch { values, ..Batch::default() }).await.unwrap();
    let log = bed.reopen(log).await;

    let page = EndedDelivery::unheard(&log, 2).unwrap();
    assert_eq!(page, [ended(event.seq.0, 0, Some(&"ü".repeat(32))), all[1].clone()], "what is too long is cut off");
    let values = page.iter().map(EndedDelivery::heard).collect();
    log.commit(Batch { values, ..Batch::default() }).await.unwrap();
    assert_eq!(EndedDelivery::unheard(&log, 2).unwrap(), all[2..]);

    let damaged = ValueChange { value: Some(Bytes::from_static(&[9])), ..all[2].kept() };
    log.commit(Batch { values: vec![damaged], ..Batch::default() }).await.unwrap();
    let silent = EndedDelivery { said: None, ..all[2].clone() };
    assert_eq!(EndedDelivery::unheard(&log, 2).unwrap(), [silent]);
}
