//! What operators do with consumers.

use std::sync::Arc;

use super::consumer::Consumer;
use super::consumer::record::{CONSUMERS, PARKED, Parked, change, decode};
use super::consumer::spec::ConsumerSpec;
use super::consumer::status::ConsumerStatus;
use super::error::SubscribeError;
use super::hub::Subscriptions;
use super::start::Since;
use crate::event::Seq;
use crate::eventlog::{Batch, Cursor, EventLog, EventLogError};

impl Subscriptions {
    /// Every consumer, by name. Waits for the disk.
    ///
    /// # Errors
    /// Those of reads of the log.
    pub fn consumers(&self) -> Result<Vec<ConsumerStatus>, EventLogError> {
        let head = self.0.head();
        self.0.consumers.list().iter().map(|consumer| self.status(consumer, head)).collect()
    }

    /// One consumer. Waits for the disk.
    ///
    /// # Errors
    /// `UnknownConsumer`, and those of reads of the log.
    pub fn consumer(&self, name: &str) -> Result<ConsumerStatus, SubscribeError> {
        let consumer = self.0.consumers.get(name)?;
        Ok(self.status(&consumer, self.0.head())?)
    }

    fn status(&self, consumer: &Consumer, head: Cursor) -> Result<ConsumerStatus, EventLogError> {
        let next = consumer.position().next();
        let oldest = if next > head.seq { None } else { self.0.relay.log().event(next)? };
        Ok(consumer.status(head, oldest.map(|stored| stored.event.time)))
    }

    /// Makes a consumer, or changes its settings. Returns whether it is new. Durable when it returns.
    ///
    /// # Errors
    /// `Spec`, and those of the log.
    pub async fn put_consumer(&self, name: &str, spec: ConsumerSpec) -> Result<bool, SubscribeError> {
        spec.check().map_err(|error| SubscribeError::Spec(Arc::new(error)))?;
        let hub = &self.0;
        let known = hub.consumers.get(name).ok();
        let is_new = known.is_none();
        match known {
            Some(known) => known.set_spec(spec).map_err(EventLogError::Io)?,
            None => {
                let (hub, name) = (Arc::clone(hub), name.to_owned());
                let add = move || hub.consumers.add(hub.relay.log(), &name, &spec);
                let added = tokio::task::spawn_blocking(add).await;
                added.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))?.map_err(EventLogError::Io)?;
            }
        }
        hub.consumers.get(name)?.flush().await?;
        Ok(is_new)
    }

    /// Removes a consumer with everything that is known of it. Its connections are closed.
    ///
    /// # Errors
    /// `UnknownConsumer`, and those of the log.
    pub async fn delete_consumer(&self, name: &str) -> Result<(), SubscribeError> {
        let consumer = self.0.consumers.get(name)?;
        let log = self.0.relay.log();
        consumer.delete();
        self.0.consumers.all().remove(name);
        let prefix = format!("{name}/");
        let parked = blocking(log, move |log| log.values(&PARKED, &prefix)).await?;
        let mut values: Vec<_> = parked.into_iter().map(|(key, _)| change(PARKED, key, None)).collect();
        values.push(change(CONSUMERS, name.to_owned(), None));
        for values in values.chunks(500) {
            log.commit(Batch { values: values.to_vec(), ..Batch::default() }).await?;
        }
        Ok(())
    }

    /// Has a consumer go on somewhere else. Durable when it returns.
    ///
    /// # Errors
    /// `UnknownConsumer`; `Active` while somebody is connected, unless it is forced; those of the log.
    pub async fn seek(&self, name: &str, since: Since, force: bool) -> Result<ConsumerStatus, SubscribeError> {
        let consumer = self.0.consumers.get(name)?;
        let start = self.0.start(since).await?;
        consumer.seek(start.after, force)?;
        consumer.flush().await?;
        self.consumer_later(name).await
    }

    async fn consumer_later(&self, name: &str) -> Result<ConsumerStatus, SubscribeError> {
        let (this, name) = (self.clone(), name.to_owned());
        let status = tokio::task::spawn_blocking(move || this.consumer(&name)).await;
        status.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string()).into()))
    }

    /// What a consumer has parked, oldest first, at most `limit` after `after`. Waits for the disk.
    ///
    /// # Errors
    /// `UnknownConsumer`, and those of the log.
    pub fn parked(&self, name: &str, after: Seq, limit: usize) -> Result<Vec<Parked>, SubscribeError> {
        self.0.consumers.get(name)?;
        let values = self.0.relay.log().values(&PARKED, &format!("{name}/"))?;
        let all = values.iter().map(|(key, value)| decode::<Parked>("subscribe/parked", key, value));
        let parked = all.collect::<Result<Vec<_>, _>>()?;
        Ok(parked.into_iter().filter(|parked| parked.seq > after).take(limit).collect())
    }

    /// Sends parked events again: all, or one. Returns how many. Waits for the disk.
    ///
    /// # Errors
    /// `UnknownConsumer`, and those of the log.
    pub fn replay_parked(&self, name: &str, only: Option<Seq>) -> Result<usize, SubscribeError> {
        /// As many again are replayed with the next call.
        const AT_ONCE: usize = 1000;
        let consumer = self.0.consumers.get(name)?;
        let log = self.0.relay.log();
        let mut replayed = 0;
        for parked in self
            .parked(name, Seq(0), usize::MAX)?
            .into_iter()
            .filter(|parked| only.is_none_or(|seq| seq == parked.seq))
            .take(AT_ONCE)
        {
            if let Some(stored) = log.event(parked.seq)? {
                consumer.replay(&stored.event);
                replayed += 1;
            }
        }
        Ok(replayed)
    }
}

/// Reads in a thread that may wait.
async fn blocking<T: Send + 'static>(
    log: &EventLog,
    read: impl FnOnce(&EventLog) -> Result<T, EventLogError> + Send + 'static,
) -> Result<T, EventLogError> {
    let log = log.clone();
    let read = tokio::task::spawn_blocking(move || read(&log)).await;
    read.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))
}
