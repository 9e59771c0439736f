//! DUR11: a processor of the event log is killed at any moment, with the process that it runs in.
//!
//! No processor of the gateway runs without its configuration yet, so this one brings its own: a child process with the
//! gateway's event log, a writer, and a processor that counts the events and derives one event from each.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::event::{Event, RequestId, Seq, Timestamp};
use gateway::eventlog::{
    Batch, Consumer, EngineKind, EventLog, EventLogError, NewEvent, Processor, Query, Range, ScanLimits, Settings,
    Space, ValueChange, run_processor,
};
use gateway::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::report::Report;
use crate::suite::Scale;
use crate::trial::random;

use super::Outcome;

/// Names the folder of the log to the child.
const FOLDER: &str = "GATEWAY_FAULTS_PROCESSOR";
const SOURCE: &str = "source";
const DERIVED: &str = "derived";
const SPACE: Space = Space::of_module("counting");
const COUNT: &str = "count";
const NAME: &str = "counter";
/// The longest time between two commits of the processor.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(scale: Scale) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let mut report = Report::new(scale.rounds);
    let mut acknowledged = 0;
    for round in 0..scale.rounds {
        scale.progress(round);
        let began = Instant::now();
        let mut child = start_child(folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The first line says that the log is open; then every acknowledged position has one.
        assert_eq!(lines.next().unwrap().unwrap(), "open");
        report.recoveries.push(began.elapsed());
        tokio::time::sleep(random(Duration::from_millis(250))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        // The last line may be cut off.
        let positions =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("seq ")?.strip_suffix('.')?.parse().ok());
        acknowledged = positions.fold(acknowledged, u64::max);
    }
    let log = open(folder.path());
    let stop = CancellationToken::new();
    let processed = async {
        caught_up(&log).await;
        stop.cancel();
        Ok(())
    };
    tokio::try_join!(run_processor(log.clone(), Counter::default(), stop.clone()), processed).unwrap();

    let found = Found::read(&log);
    report.acknowledged = found.sources.len();
    report.lost = usize::from(log.head().0 < acknowledged);
    report.expect(log.head().0 >= acknowledged, || {
        format!("{acknowledged} was acknowledged, {} is the last", log.head())
    });
    report.expect(found.count == found.sources.len() as u64, || {
        format!("{} events were counted, {} are there", found.count, found.sources.len())
    });
    report.expect(found.derived == found.sources, || {
        let (derived, sources) = (found.derived.len(), found.sources.len());
        format!("{derived} events were derived from {sources}, or in another order")
    });
    report.expect(found.sources.len() > scale.rounds as usize, || "hardly any load".to_owned());
    report.note(format!("{} events counted and derived from exactly once", found.count));
    log.close().await;
    Ok(report)
}

fn start_child(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(FOLDER, folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.spawn().unwrap()
}

/// The folder that this process is to fill, if it is the child of the scenario.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Appends events and runs the processor until the process is killed.
pub(crate) async fn be_child(folder: &Path) {
    let log = open(folder);
    say("open");
    let never = CancellationToken::new();
    let process = run_processor(log.clone(), Counter::default(), never);
    let ended = tokio::select! {
        ended = write(&log) => ended,
        ended = process => ended,
    };
    panic!("the child ended by itself: {ended:?}");
}

/// Tells the parent.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn say(line: &str) {
    println!("{line}");
}

/// Appends events, and reports every acknowledged position.
async fn write(log: &EventLog) -> Result<(), EventLogError> {
    loop {
        let events: Vec<_> = (0..7).map(|_| event(SOURCE, Seq(0))).collect();
        log.commit(events.into()).await?;
        say(&format!("seq {}.", log.head()));
    }
}

fn open(folder: &Path) -> EventLog {
    let engine = EngineKind::Sled { dir: folder.join("data"), cache_bytes: 16 << 20, ballast_bytes: 0, min_free: 0 };
    EventLog::open(&Settings::new(engine), &Metrics::new(), Vec::new()).unwrap()
}

/// Waits until the processor is at the head of the log.
async fn caught_up(log: &EventLog) {
    let mut snapshots = log.watch();
    while Consumer::open(log, NAME).unwrap().position() < log.head() {
        tokio::time::timeout(PATIENCE, snapshots.changed()).await.unwrap().unwrap();
    }
}

/// What the log holds of the scenario.
struct Found {
    /// Positions of the events that were appended.
    sources: Vec<u64>,
    /// The position that each derived event names.
    derived: Vec<u64>,
    count: u64,
}

impl Found {
    fn read(log: &EventLog) -> Self {
        let mut found = Self { sources: Vec::new(), derived: Vec::new(), count: count(log).unwrap() };
        let mut next = Some(Seq(1));
        while let Some(first) = next {
            let page = log.scan(&Query::whole(), Range::up_from(first), ScanLimits::items(10_000)).unwrap();
            for stored in page.items {
                match stored.event.channel.as_str() {
                    SOURCE => found.sources.push(stored.event.seq.0),
                    _ => found.derived.push(std::str::from_utf8(&stored.event.data).unwrap().parse().unwrap()),
                }
            }
            next = page.next;
        }
        found
    }
}

/// Counts source events and derives one event from each.
#[derive(Default)]
struct Counter {
    count: u64,
}

impl Processor for Counter {
    type Request = Infallible;

    fn name(&self) -> &str {
        NAME
    }

    fn load(&mut self, log: &EventLog) -> Result<(), EventLogError> {
        self.count = count(log)?;
        Ok(())
    }

    fn process(&mut self, events: &[Arc<Event>], _: Timestamp) -> Batch {
        let sources = events.iter().filter(|event| event.channel.as_str() == SOURCE);
        let derived: Vec<_> = sources.map(|source| event(DERIVED, source.seq)).collect();
        self.count += derived.len() as u64;
        let values = ValueChange::all(&SPACE, vec![(COUNT.to_owned(), Some(self.count.to_string().into()))]);
        Batch { events: derived, values, ..Batch::default() }
    }
}

fn count(log: &EventLog) -> Result<u64, EventLogError> {
    let count = log.value(&SPACE, COUNT)?;
    Ok(count.map_or(0, |count| std::str::from_utf8(&count).unwrap().parse().unwrap()))
}

fn event(channel: &str, of: Seq) -> NewEvent {
    NewEvent {
        channel: channel.parse().unwrap(),
        plugin: "none".parse().unwrap(),
        kind: format!("{channel}.made"),
        subject: None,
        time: Timestamp::now(),
        verified_at: None,
        content_type: "text/plain".to_owned(),
        data: of.to_string().into(),
        attributes: Vec::new(),
        headers: Vec::new(),
        request_id: RequestId::new(),
        delivery_id: None,
        traceparent: None,
        identity: None,
        statement: None,
        is_imported: false,
        quarantine: None,
        keep_repeat: false,
        repeat_of: None,
        recipients: Vec::new(),
    }
}
