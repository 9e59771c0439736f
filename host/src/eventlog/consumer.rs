//! Named readers of the log with a durable position, which moves in the commit of what follows from what they read.

use bytes::Bytes;

use super::batch::{Batch, Committed, Expected, Space, ValueChange};
use super::{EventLog, EventLogError};
use crate::event::Seq;

/// The positions of all consumers, by name.
const SPACE: Space = Space::of_module("consumers");
/// The version of a position's record.
const VERSION: u8 = 1;

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

    /// Whether it has no position yet.
    pub const fn is_new(&self) -> bool {
        self.record.is_none()
    }

    pub const fn position(&self) -> Seq {
        self.position
    }

    /// Takes its position away: it is new again.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub async fn forget(self) -> Result<(), EventLogError> {
        if self.is_new() {
            return Ok(());
        }
        let values = vec![self.change(None)];
        self.log.commit(Batch { values, ..Batch::default() }).await.map(drop)
    }

    /// Commits `batch` together with the new position.
    ///
    /// # Errors
    /// `Conflict` when the position has been changed by somebody else, or by a commit of this consumer whose outcome was
    /// unknown: open the consumer again. Those of [`EventLog::commit`].
    pub async fn advance(&mut self, to: Seq, mut batch: Batch) -> Result<Committed, EventLogError> {
        let record = encode(to)?;
        batch.values.push(self.change(Some(record.clone())));
        let committed = self.log.commit(batch).await?;
        (self.position, self.record) = (to, Some(record));
        Ok(committed)
    }

    fn change(&self, value: Option<Bytes>) -> ValueChange {
        let expected = Expected::unchanged(self.record.clone());
        ValueChange { space: SPACE, key: self.name.clone(), value, expected }
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
