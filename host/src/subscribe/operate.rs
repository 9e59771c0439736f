//! What operators do with consumers.

use std::sync::Arc;

use super::consumer::Consumer;
use super::consumer::lease::ConsumerError;
use super::consumer::record::Parked;
use super::consumer::spec::ConsumerSpec;
use super::consumer::status::ConsumerStatus;
use super::error::SubscribeError;
use super::grant::Grant;
use super::hub::Subscriptions;
use super::start::Since;
use crate::event::Seq;
use crate::eventlog::{Cursor, EventLog, EventLogError};

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
            Some(known) if known.is_deleted() => return Err(ConsumerError::Deleted.into()),
            Some(known) => known.set_spec(spec).map_err(EventLogError::Io)?,
            None => {
                let (hub, name) = (Arc::clone(hub), name.to_owned());
                let add = move || hub.consumers.add(hub.relay.log(), &name, &spec);
                let added = tokio::task::spawn_blocking(add).await;
                added.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))?.map_err(EventLogError::Io)?;
            }
        }
        hub.consumers.get(name)?.flush().await?;
        hub.consumers.hold(hub.relay.log());
        Ok(is_new)
    }

    /// Removes a consumer with everything that is known of it. Its connections are closed.
    ///
    /// # Errors
    /// `UnknownConsumer`, and those of the log.
    pub async fn delete_consumer(&self, name: &str) -> Result<(), SubscribeError> {
        let consumer = self.0.consumers.get(name)?;
        Ok(self.0.consumers.delete(&consumer).await?)
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
        self.0.consumers.hold(self.0.relay.log());
        self.consumer_later(name).await
    }

    /// The same for a subscriber who may hold it. Returns where it goes on.
    ///
    /// # Errors
    /// Those of [`seek`](Self::seek), and `NotAllowed`.
    pub async fn seek_own(
        &self,
        grant: &Grant,
        name: &str,
        since: Since,
        force: bool,
    ) -> Result<Cursor, SubscribeError> {
        self.0.held(grant, name)?;
        let position = self.seek(name, since, force).await?.position;
        Ok(Cursor { epoch: self.0.relay.log().snapshot().epoch, seq: position })
    }

    async fn consumer_later(&self, name: &str) -> Result<ConsumerStatus, SubscribeError> {
        let (this, name) = (self.clone(), name.to_owned());
        let status = tokio::task::spawn_blocking(move || this.consumer(&name)).await;
        status.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string()).into()))
    }

    /// What a consumer has parked, oldest first, at most `limit` after `after`.
    ///
    /// # Errors
    /// `UnknownConsumer`, and those of the log.
    pub async fn parked(&self, name: &str, after: Seq, limit: usize) -> Result<Vec<Parked>, SubscribeError> {
        let parked = self.on_consumer(name, |consumer, _| consumer.parked()).await?;
        Ok(parked.into_iter().filter(|parked| parked.seq > after).take(limit).collect())
    }

    /// Sends parked events again: all, or one. Returns how many.
    ///
    /// # Errors
    /// `UnknownConsumer`, and those of the log.
    pub async fn replay_parked(&self, name: &str, only: Option<Seq>) -> Result<usize, SubscribeError> {
        /// As many again are replayed with the next call.
        const AT_ONCE: usize = 1000;
        let replay = move |consumer: &Consumer, log: &EventLog| {
            let parked = consumer.parked()?.into_iter().filter(|parked| only.is_none_or(|seq| seq == parked.seq));
            let mut replayed = 0;
            for parked in parked.take(AT_ONCE) {
                let stored = log.event(parked.seq)?;
                replayed += usize::from(stored.is_some_and(|stored| consumer.replay(&stored.event)));
            }
            Ok(replayed)
        };
        self.on_consumer(name, replay).await
    }

    /// Works on a consumer in a thread that may wait, once everything that can be is written.
    async fn on_consumer<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Consumer, &EventLog) -> Result<T, EventLogError> + Send + 'static,
    ) -> Result<T, SubscribeError> {
        let consumer = self.0.consumers.get(name)?;
        consumer.flush_or_wait().await;
        let log = self.0.relay.log().clone();
        let worked = tokio::task::spawn_blocking(move || work(&consumer, &log)).await;
        Ok(worked.unwrap_or_else(|error| Err(EventLogError::Io(error.to_string())))?)
    }
}
