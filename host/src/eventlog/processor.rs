//! Processors: what they derive from the log, from the time and from what people ask of them becomes durable together with how far they
//! have come.
//!
//! A processor is one task, so that nothing in it happens at the same time as something else.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Committed};
use super::consumer::Consumer;
use super::{EventLog, EventLogError};
use crate::event::{Event, Seq, Timestamp};

/// How long to wait before a write is tried again that the log could not accept.
const RETRY: Duration = Duration::from_secs(1);
/// How many events without consequences are read again at most after a restart: a position costs a commit.
const UNRECORDED: u64 = 4096;
/// How often the clock is looked at while something is due later: it may jump.
const LOOK: Duration = Duration::from_secs(1);

/// Derives state and events from the log, each exactly once.
///
/// Each batch that it returns is committed before it is asked for another one.
pub trait Processor: Send + 'static {
    /// What people ask of it; [`Infallible`](std::convert::Infallible) if they ask nothing.
    type Request: Send;

    /// Names its position.
    fn name(&self) -> &str;

    /// Reads its state: what its batches have made durable. Called before the first page, and again when it is not known whether the
    /// last batch is durable. Nothing else stays of what it had in memory: a request that waits is told so by being dropped. May wait
    /// for the disk.
    ///
    /// # Errors
    /// Those of reads; the processor then stops.
    fn load(&mut self, log: &EventLog) -> Result<(), EventLogError>;

    /// What follows from the next events: changes of values and derived events. A batch that is lost with the process is
    /// asked for again, after [`Processor::load`]; so are events of which nothing followed.
    fn process(&mut self, events: &[Arc<Event>], now: Timestamp) -> Batch;

    /// When it is to be woken. A moment that is over means at once.
    fn due(&self) -> Option<Timestamp> {
        None
    }

    /// What follows from the time, once something is due. Whatever is done with is not due any more afterwards.
    fn tick(&mut self, _now: Timestamp) -> Batch {
        Batch::default()
    }

    /// What follows from a request. One that is not kept until [`Processor::committed`] is not answered.
    fn request(&mut self, _request: Self::Request, _now: Timestamp) -> Batch {
        Batch::default()
    }

    /// The last batch is durable, and came to this. A batch without changes also comes here, and mostly costs no commit.
    fn committed(&mut self, _committed: Committed) {}
}

/// Runs a processor that nobody asks anything, until `stop`, or until the log ends.
///
/// # Errors
/// Those of [`run_with`].
pub async fn run<P: Processor>(log: EventLog, processor: P, stop: CancellationToken) -> Result<(), EventLogError> {
    let (_, requests) = mpsc::channel(1);
    run_with(log, processor, requests, Timestamp::now, stop).await
}

/// Runs a processor that takes `requests`, and has its time from `clock`, until `stop`, or until the log ends. Events, requests and
/// what is due take turns.
///
/// # Errors
/// Those that no retry can mend: `Corrupt`, `Closed`, `Poisoned`. After all others, and when the outcome of a commit is
/// unknown, it goes on from what is durable.
pub async fn run_with<P: Processor>(
    log: EventLog,
    mut processor: P,
    mut requests: mpsc::Receiver<P::Request>,
    clock: impl Fn() -> Timestamp + Send + Sync,
    stop: CancellationToken,
) -> Result<(), EventLogError> {
    loop {
        let consumer;
        (processor, consumer) = load(&log, processor).await;
        let ended = match consumer {
            Ok(consumer) => follow(&log, consumer, &mut processor, &mut requests, &clock, &stop).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => return Ok(()),
            Err(error) if error.is_transient() || matches!(error, EventLogError::Conflict(_)) => {
                tracing::warn!(processor = processor.name(), "Processor goes on from what is durable: {error}");
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Has a processor and its position read what is durable.
async fn load<P: Processor>(log: &EventLog, mut processor: P) -> (P, Result<Consumer, EventLogError>) {
    let log = log.clone();
    let read = move || {
        let consumer = Consumer::open(&log, processor.name());
        let consumer = consumer.and_then(|consumer| processor.load(&log).map(|()| consumer));
        (processor, consumer)
    };
    tokio::task::spawn_blocking(read).await.expect("a processor reads without a panic")
}

async fn follow<P: Processor>(
    log: &EventLog,
    mut consumer: Consumer,
    processor: &mut P,
    requests: &mut mpsc::Receiver<P::Request>,
    clock: &(impl Fn() -> Timestamp + Sync),
    stop: &CancellationToken,
) -> Result<(), EventLogError> {
    let mut seen = consumer.position();
    let mut tail = log.tail(seen).with_repeats();
    loop {
        // A page that is being read is not begun again because something else happens.
        let mut next = pin!(tail.next());
        let page = loop {
            // Of several that are ready, any may be the first: none starves the others.
            let batch = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                page = &mut next => break page?,
                Some(request) = requests.recv() => processor.request(request, clock()),
                () = until(processor.due(), clock) => processor.tick(clock()),
            };
            commit(&mut consumer, processor, seen, batch).await?;
        };
        let batch = processor.process(&page.events, clock());
        seen = page.upto;
        commit(&mut consumer, processor, seen, batch).await?;
    }
}

async fn commit(
    consumer: &mut Consumer,
    processor: &mut impl Processor,
    to: Seq,
    batch: Batch,
) -> Result<(), EventLogError> {
    let committed = if batch.is_empty() && to.0 < consumer.position().0 + UNRECORDED {
        // Others have their turn on the thread, however much there is that changes nothing.
        tokio::task::yield_now().await;
        Committed::default()
    } else {
        consumer.advance(to, batch).await?
    };
    processor.committed(committed);
    Ok(())
}

/// Waits until `clock` says that something is due.
async fn until(due: Option<Timestamp>, clock: &impl Fn() -> Timestamp) {
    let Some(due) = due else { return std::future::pending().await };
    loop {
        let left = due.since(clock());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}
