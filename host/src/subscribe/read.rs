//! Reading without a connection that stays: a page of events, with or without a consumer.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::consumer::holder::InUse;
use super::consumer::lease::{ConsumerError, Lease};
use super::consumer::{Confirmed, ConsumerEntry};
use super::error::SubscribeError;
use super::form::Form;
use super::grant::Grant;
use super::hub::Subscriptions;
use super::message::{Ack, Nack, ServerMessage};
use super::relay::{Entry, ReadLimits};
use super::shared_event::Repetition;
use super::start::{Gap, Since};
use crate::event::{Seq, Timestamp};
use crate::eventlog::Cursor;

/// How long one request looks for events before it answers how far it has come.
const LOOKING: Duration = Duration::from_secs(5);

/// The most of a page.
#[derive(Clone, Copy, Debug)]
pub struct PageLimits {
    pub events: usize,
    /// Of the payloads together.
    pub bytes: usize,
    /// Of a payload that is sent along; a larger one is referred to.
    pub payload: usize,
}

/// A page of events.
#[derive(Clone, Debug)]
pub struct ReadEvents {
    /// As JSON.
    pub events: Vec<Bytes>,
    /// The next page comes after it.
    pub cursor: Cursor,
    /// Whether there is more right now.
    pub more: bool,
    /// The first gap; the page ends before the next one.
    pub gap: Option<Gap>,
}

/// Events for whoever pulls.
#[derive(Clone, Debug)]
pub struct Pulled {
    pub lease: Lease,
    /// Messages as on a connection: events and gaps.
    pub messages: Vec<Bytes>,
    /// Everything up to it is settled.
    pub cursor: Cursor,
}

/// What a receiver says of events that it has pulled.
#[derive(Clone, Debug)]
pub enum Settling {
    Ack(Ack),
    Nack(Nack),
    Extend,
}

impl Subscriptions {
    /// Reads a page of events after `since`, in a form, and waits at most `wait` for the first.
    ///
    /// # Errors
    /// Those of reads of the log.
    pub async fn read(
        &self,
        grant: Grant,
        since: Since,
        form: Form,
        limits: PageLimits,
        wait: Duration,
    ) -> Result<ReadEvents, SubscribeError> {
        let hub = &self.0;
        let began = Instant::now();
        let start = hub.start(since).await?;
        let settings = hub.settings.load_full();
        let encoding = hub.encoding(&settings, limits.payload);
        let at = |seq| Cursor { epoch: encoding.epoch, seq };
        let mut reader = hub.relay.reader(start.after, grant.filter);
        let mut page = ReadEvents { events: Vec::new(), cursor: at(start.after), more: false, gap: start.gap };
        loop {
            let head = reader.head();
            let found = reader.read(ReadLimits { events: limits.events, bytes: limits.bytes }).await?;
            let is_empty = found.entries.is_empty();
            page.cursor = at(found.upto);
            for entry in found.entries {
                match entry {
                    Entry::Event(shared) => {
                        page.events.push(shared.message(form, &encoding, Repetition::default()));
                    }
                    Entry::Gap(skipped) if page.gap.is_none() => page.gap = Some(Gap::of(encoding.epoch, skipped)),
                    Entry::Gap(skipped) => {
                        page.cursor = at(Seq(skipped.first.0 - 1));
                        page.more = true;
                        return Ok(page);
                    }
                }
            }
            page.more = page.cursor.seq < hub.relay.log().head();
            let is_behind = page.cursor.seq < head;
            if !is_empty || (is_behind && began.elapsed() >= LOOKING) {
                return Ok(page);
            }
            if !is_behind {
                tokio::select! {
                    ready = tokio::time::timeout_at(began + wait, reader.ready()) => match ready {
                        Ok(ready) => ready?,
                        Err(_) => {
                            page.cursor = at(reader.position().max(page.cursor.seq));
                            return Ok(page);
                        }
                    },
                    () = hub.leaving.cancelled() => return Ok(page),
                }
            }
        }
    }

    /// The next events of a consumer, and the lease that proves whose they are.
    ///
    /// # Errors
    /// `UnknownConsumer`; `Active` while it is connected elsewhere; `StaleLease`; those of the log.
    pub async fn pull(
        &self,
        grant: Grant,
        name: &str,
        lease: Option<Lease>,
        limit: usize,
        wait: Duration,
    ) -> Result<Pulled, SubscribeError> {
        let hub = &self.0;
        let until = Instant::now() + wait;
        let consumer = hub.held(&grant, name)?;
        let _use = InUse::of(&consumer);
        let lease = consumer.pull(lease)?;
        let settings = hub.settings.load_full();
        let encoding = hub.encoding(&settings, settings.limits.max_payload);
        let mut reader = consumer.reader(&hub.relay, &grant.filter);
        let pulled = |messages| {
            let cursor = Cursor { epoch: encoding.epoch, seq: consumer.position() };
            Pulled { lease, messages, cursor }
        };
        loop {
            let mut changes = consumer.watch();
            let entries = consumer.next(lease, &mut reader, limit).await?;
            if !entries.is_empty() {
                let message = |entry| match entry {
                    ConsumerEntry::Event(shared, repetition) => shared.message(Form::Gateway, &encoding, repetition),
                    ConsumerEntry::Gap(skipped) => {
                        let gap = ServerMessage::Gap(Gap::of(encoding.epoch, skipped));
                        gap.outgoing(Form::Gateway, Timestamp::now()).json
                    }
                };
                return Ok(pulled(entries.into_iter().map(message).collect()));
            }
            let due = consumer.next_timer().map(Instant::from_std);
            let has_room = consumer.has_room();
            tokio::select! {
                ready = reader.ready(), if has_room => ready?,
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(due.unwrap_or(until)), if due.is_some() => {}
                () = tokio::time::sleep_until(until) => return Ok(pulled(Vec::new())),
                () = hub.leaving.cancelled() => return Ok(pulled(Vec::new())),
            }
        }
    }

    /// Settles events of a consumer. Durable when it returns.
    ///
    /// # Errors
    /// `UnknownConsumer`, `StaleLease`, `BadCursor`, and those of a commit.
    pub async fn settle(
        &self,
        grant: &Grant,
        name: &str,
        lease: Lease,
        settling: &Settling,
    ) -> Result<(Cursor, Confirmed), SubscribeError> {
        let consumer = self.0.held(grant, name)?;
        match settling {
            Settling::Ack(ack) => consumer.ack(lease, ack)?,
            Settling::Nack(nack) => consumer.nack(lease, nack)?,
            Settling::Extend => consumer.extend(lease)?,
        }
        let confirmed = consumer.confirm().await.map_err(ConsumerError::Log)?;
        Ok((Cursor { epoch: self.0.head().epoch, seq: confirmed.position }, confirmed))
    }
}
