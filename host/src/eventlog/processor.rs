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
use crate::lifecycle::Backoff;

/// How many requests are one commit at most.
const REQUESTS: usize = 256;
/// A commit of requests with so many bytes takes no further one.
const REQUEST_BYTES: usize = 1 << 20;
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

    /// Reads its state: what its batches have made durable. Called before the first page, and again when what is durable may be
    /// something else than its last batch. Nothing else stays of what it had in memory: a request that waits is told so by being
    /// dropped. May wait for the disk.
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

    /// What follows from a request. One that is not kept until [`Processor::committed`] is not answered. Of requests that wait, what
    /// follows from several may be one commit.
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
    let (_, mut requests) = mpsc::channel(1);
    run_with(log, processor, &mut requests, Timestamp::now, stop).await
}

/// Runs a processor that takes `requests`, and has its time from `clock`, until `stop`, or until the log ends. Events, requests and
/// what is due take turns.
///
/// # Errors
/// Those that no retry can mend: `Corrupt`, `Closed`, `Poisoned`. What the log cannot accept now is tried again as it is. When
/// something else has become durable, it goes on from that.
///
/// # Panics
/// When the processor does.
pub async fn run_with<P: Processor>(
    log: EventLog,
    mut processor: P,
    requests: &mut mpsc::Receiver<P::Request>,
    clock: impl Fn() -> Timestamp + Send + Sync,
    stop: CancellationToken,
) -> Result<(), EventLogError> {
    let mut backoff = Backoff::default();
    loop {
        let consumer;
        (processor, consumer) = load(&log, processor).await;
        let ended = match consumer {
            Ok(consumer) => {
                backoff = Backoff::default();
                follow(&log, consumer, &mut processor, requests, &clock, &stop).await
            }
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => return Ok(()),
            Err(error) if error.is_transient() || matches!(error, EventLogError::Conflict(_)) => {
                tracing::warn!(processor = processor.name(), "Processor goes on from what is durable: {error}");
                if !backoff.wait(&stop).await {
                    return Ok(());
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
    match tokio::task::spawn_blocking(read).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(loaded) => loaded,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The process ends.
        Err(Err(_)) => std::future::pending().await,
    }
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
                Some(request) = requests.recv() => take(processor, request, requests, clock),
                () = until(processor.due(), clock) => processor.tick(clock()),
            };
            let Some(committed) = commit(&mut consumer, seen, batch, processor.name(), stop).await? else {
                return Ok(());
            };
            processor.committed(committed);
        };
        let batch = processor.process(&page.events, clock());
        seen = page.upto;
        let Some(committed) = commit(&mut consumer, seen, batch, processor.name(), stop).await? else { return Ok(()) };
        processor.committed(committed);
    }
}

/// What follows from a request, and from those that wait behind it.
fn take<P: Processor>(
    processor: &mut P,
    first: P::Request,
    requests: &mut mpsc::Receiver<P::Request>,
    clock: &impl Fn() -> Timestamp,
) -> Batch {
    let mut batch = processor.request(first, clock());
    let mut bytes = batch.bytes();
    for _ in 1..REQUESTS {
        if bytes >= REQUEST_BYTES {
            break;
        }
        let Ok(next) = requests.try_recv() else { break };
        let next = processor.request(next, clock());
        bytes += next.bytes();
        batch.append(next);
    }
    batch
}

/// Commits a batch with the position, and tries again as long as the log cannot accept it now; `None` if `stop` came before.
async fn commit(
    consumer: &mut Consumer,
    to: Seq,
    batch: Batch,
    name: &str,
    stop: &CancellationToken,
) -> Result<Option<Committed>, EventLogError> {
    if batch.is_empty() && to.0 < consumer.position().0 + UNRECORDED {
        // Others have their turn on the thread, however much there is that changes nothing.
        tokio::task::yield_now().await;
        return Ok(Some(Committed::default()));
    }
    let mut backoff = Backoff::default();
    loop {
        // If it is durable all the same, the next try conflicts: the position is another one.
        match consumer.advance(to, batch.clone()).await {
            Ok(committed) => return Ok(Some(committed)),
            Err(error) if error.is_transient() => {
                tracing::warn!(processor = name, "What a processor has decided cannot be stored now: {error}");
                if !backoff.wait(stop).await {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
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
