//! Named readers of the log with a durable position, and processors: what they derive from the log and how far they have
//! come become durable together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Committed, Expected, Space, ValueChange};
use super::{EventLog, EventLogError};
use crate::event::{Event, Seq};

/// The positions of all consumers, by name.
const SPACE: Space = Space::of_module("consumers");
/// The version of a position's record.
const VERSION: u8 = 1;
/// How long to wait before a write is tried again that the log could not accept.
const RETRY: Duration = Duration::from_secs(1);

/// A named reader of the log. Everything up to its position is done with.
///
/// Its position changes only if nobody else has changed it since it was read, so that of two consumers of one name one
/// fails with a conflict.
#[derive(Debug)]
pub struct Consumer {
    log: EventLog,
    name: String,
    position: Seq,
    /// The record of the position as it was read or written last.
    record: Option<Bytes>,
}

impl Consumer {
    /// Reads the position of `name`: 0 if it has none yet. Waits for the disk.
    ///
    /// # Errors
    /// `Corrupt` and `Io`, as for every read.
    pub fn open(log: &EventLog, name: &str) -> Result<Self, EventLogError> {
        let record = log.value(&SPACE, name)?;
        let position = record.as_ref().map_or(Ok(Seq(0)), |record| decode(name, record))?;
        Ok(Self { log: log.clone(), name: name.to_owned(), position, record })
    }

    pub const fn position(&self) -> Seq {
        self.position
    }

    /// Commits `batch` together with the new position.
    ///
    /// # Errors
    /// `Conflict` when the position has been changed by somebody else, or by a commit of this consumer whose outcome was
    /// unknown: open the consumer again. Those of [`EventLog::commit`].
    pub async fn advance(&mut self, to: Seq, mut batch: Batch) -> Result<Committed, EventLogError> {
        let record = encode(to)?;
        batch.values.push(ValueChange {
            space: SPACE,
            key: self.name.clone(),
            value: Some(record.clone()),
            expected: Expected::unchanged(self.record.clone()),
        });
        let committed = self.log.commit(batch).await?;
        (self.position, self.record) = (to, Some(record));
        Ok(committed)
    }

    /// The positions of all consumers, by name. Waits for the disk.
    ///
    /// # Errors
    /// `Corrupt` and `Io`, as for every read.
    pub fn positions(log: &EventLog) -> Result<Vec<(String, Seq)>, EventLogError> {
        let records = log.values(&SPACE, "")?;
        records.into_iter().map(|(name, record)| decode(&name, &record).map(|position| (name, position))).collect()
    }
}

fn encode(position: Seq) -> Result<Bytes, EventLogError> {
    let record = postcard::to_extend(&position, vec![VERSION]);
    record.map(Bytes::from).map_err(|error| EventLogError::Io(error.to_string()))
}

fn decode(name: &str, record: &Bytes) -> Result<Seq, EventLogError> {
    let key = || format!("s/consumers/{name}");
    let corrupt = |detail: String| EventLogError::Corrupt { key: key(), detail };
    match record.split_first() {
        Some((&VERSION, position)) => postcard::from_bytes(position).map_err(|error| corrupt(error.to_string())),
        Some((&found, _)) => Err(EventLogError::Version { key: key(), found, expected: VERSION }),
        None => Err(corrupt("it is empty".to_owned())),
    }
}

/// Derives state and events from the log, each exactly once.
pub trait Processor: Send {
    /// Names its position.
    fn name(&self) -> &str;

    /// Reads its state: what the batches of [`Processor::process`] have made durable. Called before the first page, and
    /// again when it is not known whether the last batch is durable.
    ///
    /// # Errors
    /// Those of reads; the processor then stops.
    fn load(&mut self, log: &EventLog) -> Result<(), EventLogError>;

    /// What follows from the next events: changes of values and derived events. A batch that is lost with the process is
    /// asked for again, after [`Processor::load`].
    fn process(&mut self, events: &[Arc<Event>]) -> Batch;
}

/// Runs a processor until `stop`, or until the log ends.
///
/// # Errors
/// Those that no retry can mend: `Corrupt`, `Closed`, `Poisoned`. After all others, and when the outcome of a commit is
/// unknown, it goes on from what is durable.
pub async fn run<P: Processor>(log: EventLog, mut processor: P, stop: CancellationToken) -> Result<(), EventLogError> {
    loop {
        match follow(&log, &mut processor, &stop).await {
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

async fn follow(log: &EventLog, processor: &mut impl Processor, stop: &CancellationToken) -> Result<(), EventLogError> {
    let mut consumer = Consumer::open(log, processor.name())?;
    processor.load(log)?;
    let mut tail = log.tail(consumer.position()).with_repeats();
    loop {
        let page = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            page = tail.next() => page?,
        };
        consumer.advance(page.upto, processor.process(&page.events)).await?;
    }
}
