//! One connection of a subscriber, from its acknowledgement to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::close::Close;
use super::connections::Connection;
use super::consumer::ConsumerEntry;
use super::consumer::holder::Holder;
use super::consumer::lease::{ConsumerError, Lease};
use super::form::Form;
use super::hub::Hub;
use super::message::{ClientMessage, ConsumerRole, Outgoing, ServerMessage};
use super::relay::{Entry, ReadLimits, Reader};
use super::settings::Limits;
use super::shared_event::{Encoding, Repetition, SharedEvent};
use super::start::{Gap, Start};
use super::transport::{Gone, Heard, Transport};
use crate::caller::{Bucket, Rate};
use crate::event::{Filter, Seq, Timestamp};
use crate::eventlog::{Cursor, EventLogError, Skipped};
use crate::metrics::ByReason;

/// How often a subscriber is told that it has missed nothing, at most.
const POSITION: Duration = Duration::from_secs(5);
/// How long acknowledgements gather before they are written.
const GATHER: Duration = Duration::from_millis(50);
/// How long to wait before a write is tried again.
const WRITE_AGAIN: Duration = Duration::from_millis(500);
/// How long the other side may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);
/// Events for a consumer that are read at once.
const CONSUMER_PAGE: usize = 64;

/// What to do about a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnGap {
    #[default]
    Continue,
    Close,
}

/// A connection that was let in.
pub struct Session {
    pub(super) place: Place,
    pub(super) reader: Reader,
    pub(super) holder: Option<Holder>,
    pub(super) grant: Filter,
    pub(super) start: Start,
    pub(super) form: Form,
    pub(super) encoding: Encoding,
    pub(super) on_gap: OnGap,
    pub(super) limits: Limits,
    pub(super) leaving: CancellationToken,
}

/// The place of a connection, until it is dropped.
pub(super) struct Place {
    pub(super) hub: Arc<Hub>,
    pub(super) connection: Arc<Connection>,
}

/// Why a session ends.
enum End {
    /// The other side is gone, or does not take anything any more.
    Gone,
    Close(Close),
}

/// What a session waits for.
enum Happened {
    Leaving,
    Ended,
    Heard(Heard),
    Ready(Result<(), EventLogError>),
    Changed,
    Time,
}

/// The changing part of a session.
struct Progress {
    lease: Option<Lease>,
    paused: bool,
    heard: Instant,
    ping_at: Instant,
    position_at: Instant,
    told: Seq,
    flush_at: Option<Instant>,
    ends_at: Option<Instant>,
    messages: Bucket,
    /// Pings, and pongs that answer none.
    controls: Bucket,
    awaits_pong: bool,
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<EventLogError> for End {
    fn from(error: EventLogError) -> Self {
        match error {
            EventLogError::Closed => Self::Close(Close::Shutdown),
            error => {
                tracing::warn!("Events cannot be read for a subscriber: {error}");
                Self::Close(Close::LogUnavailable)
            }
        }
    }
}

impl Session {
    /// Serves the subscriber until one of both sides has enough.
    pub async fn run<T: Transport>(mut self, transport: &mut T) {
        let end = self.serve(transport).await;
        // A standby does not wait for the farewell.
        self.holder = None;
        let End::Close(close) = end else {
            self.place.hub.connections.failed("gone");
            return transport.leave().await;
        };
        let hub = &self.place.hub;
        hub.metrics.closed.get_or_create(&ByReason::new(close.reason())).inc();
        if close != Close::Shutdown {
            hub.connections.failed(close.reason());
        }
        let Connection { id, subscriber, .. } = &*self.place.connection;
        tracing::debug!(subscriber, connection = %id, reason = close.reason(), "Subscription closed");
        let farewell = async {
            let message = ServerMessage::close(close, 200 + u64::from(random()) % 1800);
            if self.say(transport, &message).await.is_ok() && transport.flush().await.is_ok() {
                transport.close(close).await;
                transport.leave().await;
            }
        };
        drop(tokio::time::timeout(FAREWELL, farewell).await);
    }

    async fn serve<T: Transport>(&mut self, transport: &mut T) -> End {
        let now = Instant::now();
        let Limits { ping, messages, max_age, .. } = &self.limits;
        let mut progress = Progress {
            lease: None,
            paused: false,
            heard: now,
            // So that those who come together are not asked together.
            ping_at: now + ping.mul_f64(f64::from(random()) / f64::from(u32::MAX)),
            position_at: now + POSITION,
            told: self.start.after,
            flush_at: None,
            ends_at: max_age.map(|age| now + age.mul_f64(0.9 + 0.2 * f64::from(random()) / f64::from(u32::MAX))),
            messages: Bucket::new(*messages),
            controls: Bucket::new("1/s".parse::<Rate>().expect("it is a rate").with_burst(10)),
            awaits_pong: false,
        };
        if let Err(end) = self.greet(transport, &mut progress).await {
            return end;
        }
        loop {
            let next = match self.happens(transport, &progress).await {
                Happened::Leaving => Err(End::Close(Close::Shutdown)),
                Happened::Ended => Err(End::Close(self.place.connection.why())),
                Happened::Heard(heard) => self.hear(transport, &mut progress, heard).await,
                Happened::Ready(Err(error)) => Err(error.into()),
                Happened::Ready(Ok(())) | Happened::Changed => self.send(transport, &mut progress).await,
                Happened::Time => self.tick(transport, &mut progress).await,
            };
            if let Err(end) = next {
                return end;
            }
        }
    }

    /// Waits. Cancels nothing that has begun.
    async fn happens<T: Transport>(&mut self, transport: &mut T, progress: &Progress) -> Happened {
        // First, so that it hears of everything that the looks below do not see.
        let mut changes = self.holder.as_ref().map(|holder| holder.consumer.watch());
        let timer = self.next_timer::<T>(progress);
        let Self { reader, holder, leaving, place, .. } = self;
        let may_send = progress.lease.is_some() && !progress.paused;
        let has_changed = holder.as_ref().is_some_and(|holder| {
            !matches!(holder.lease(), Ok(lease) if lease == progress.lease) || (may_send && holder.consumer.is_ready())
        });
        let may_read = !progress.paused && holder.as_ref().is_none_or(|holder| may_send && holder.consumer.has_room());
        let changed = async {
            match &mut changes {
                _ if has_changed => {}
                Some(changes) => drop(changes.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = leaving.cancelled() => Happened::Leaving,
            () = place.connection.ending.cancelled() => Happened::Ended,
            heard = transport.hear() => Happened::Heard(heard),
            () = changed => Happened::Changed,
            ready = reader.ready(), if may_read => Happened::Ready(ready),
            () = tokio::time::sleep_until(timer.into()) => Happened::Time,
        }
    }

    fn next_timer<T: Transport>(&self, progress: &Progress) -> Instant {
        let window = self.holder.as_ref().filter(|_| progress.lease.is_some() && !progress.paused);
        let window = window.and_then(|holder| holder.consumer.next_timer());
        let position = self.holder.is_none().then_some(progress.position_at);
        let silent = T::ANSWERS.then(|| progress.heard + self.limits.timeout);
        let timers = [window, position, silent, progress.flush_at, progress.ends_at];
        timers.into_iter().flatten().fold(progress.ping_at, Instant::min)
    }

    async fn greet<T: Transport>(&mut self, transport: &mut T, progress: &mut Progress) -> Result<(), End> {
        if let Some(holder) = &self.holder {
            progress.lease = holder.lease().map_err(|_| End::Close(Close::ConsumerDeleted))?;
        }
        let snapshot = self.place.hub.relay.log().snapshot();
        let at = |seq| Cursor { epoch: self.encoding.epoch, seq };
        let Connection { id, subscriber, .. } = &*self.place.connection;
        let ack = ServerMessage::ConnectionAck {
            subscriber_id: subscriber.clone(),
            connection_id: *id,
            cursor: at(self.start.after),
            head: at(snapshot.head),
            oldest: at(Seq(snapshot.floor.0.saturating_sub(1))),
            ping_ms: millis(self.limits.ping),
            timeout_ms: millis(self.limits.timeout),
            max_payload: self.limits.max_payload,
            consumer: self.role(progress.lease),
        };
        self.say(transport, &ack).await?;
        if let Some(gap) = self.start.gap.take() {
            self.tell_gap(transport, gap).await?;
        }
        // The first message of MCP says whether there is a gap before the first event.
        let is_behind = self.form == Form::Mcp && self.start.after < snapshot.head;
        if is_behind { self.send_page(transport).await } else { self.flush(transport).await }
    }

    fn role(&self, lease: Option<Lease>) -> Option<ConsumerRole> {
        let holder = self.holder.as_ref()?;
        Some(ConsumerRole {
            name: holder.consumer.name.clone(),
            role: if lease.is_some() { "active" } else { "standby" },
            lease: lease.map(|lease| lease.to_string()),
            window: holder.consumer.spec().window,
        })
    }

    /// Sends what there is.
    async fn send<T: Transport>(&mut self, transport: &mut T, progress: &mut Progress) -> Result<(), End> {
        let is_consumer = self.holder.is_some();
        if is_consumer { self.send_consumer(transport, progress).await } else { self.send_page(transport).await }
    }

    async fn send_page<T: Transport>(&mut self, transport: &mut T) -> Result<(), End> {
        let reading = self.reader.read(ReadLimits::PAGE).await?;
        for entry in reading.entries {
            match entry {
                Entry::Event(shared) => self.tell(transport, &shared, Repetition::default()).await?,
                Entry::Gap(skipped) => self.tell_skipped(transport, skipped).await?,
            }
        }
        self.place.connection.is_at(reading.upto, 0);
        self.flush(transport).await
    }

    async fn send_consumer<T: Transport>(&mut self, transport: &mut T, progress: &mut Progress) -> Result<(), End> {
        let Some(holder) = &self.holder else { return Ok(()) };
        let consumer = Arc::clone(&holder.consumer);
        let lease = holder.lease().map_err(|_| End::Close(Close::ConsumerDeleted))?;
        if lease != progress.lease {
            (progress.lease, progress.told) = (lease, consumer.position());
            self.reader = consumer.reader(&self.place.hub.relay, &self.grant);
            if let Some(role) = self.role(lease) {
                self.say(transport, &ServerMessage::Consumer(role)).await?;
                self.flush(transport).await?;
            }
        }
        let Some(lease) = lease.filter(|_| !progress.paused) else { return Ok(()) };
        let entries = match consumer.next(lease, &mut self.reader, CONSUMER_PAGE).await {
            Ok(entries) => entries,
            // The next turn of the loop sees which one it has.
            Err(ConsumerError::StaleLease) => return Ok(()),
            Err(ConsumerError::Log(error)) => return Err(error.into()),
            Err(_) => return Err(End::Close(Close::ConsumerDeleted)),
        };
        for entry in entries {
            match entry {
                ConsumerEntry::Event(shared, repetition) => self.tell(transport, &shared, repetition).await?,
                ConsumerEntry::Gap(skipped) => self.tell_skipped(transport, skipped).await?,
            }
        }
        self.place.connection.is_at(consumer.position(), consumer.unacked());
        self.flush(transport).await
    }

    async fn tell<T: Transport>(
        &self,
        transport: &mut T,
        shared: &SharedEvent,
        repetition: Repetition,
    ) -> Result<(), End> {
        let event = shared.event();
        let message = Outgoing {
            name: "event",
            cursor: Some(Cursor { epoch: self.encoding.epoch, seq: event.seq }),
            json: shared.message(self.form, &self.encoding, repetition),
        };
        self.in_time(transport.send(&message)).await?;
        let hub = &self.place.hub;
        hub.metrics.sent.inc();
        if shared.is_first_message() {
            hub.metrics.lag.observe(Timestamp::now().since(event.stored_at).as_secs_f64());
        }
        Ok(())
    }

    async fn tell_skipped<T: Transport>(&self, transport: &mut T, skipped: Skipped) -> Result<(), End> {
        self.tell_gap(transport, Gap::of(self.encoding.epoch, skipped)).await
    }

    async fn tell_gap<T: Transport>(&self, transport: &mut T, gap: Gap) -> Result<(), End> {
        let hub = &self.place.hub;
        hub.metrics.gaps.get_or_create(&ByReason::new(gap.reason.as_str())).inc();
        hub.connections.told_gap();
        self.say(transport, &ServerMessage::Gap(gap)).await?;
        if self.on_gap == OnGap::Close {
            return Err(End::Close(Close::GapRefused));
        }
        Ok(())
    }

    async fn hear<T: Transport>(&self, transport: &mut T, progress: &mut Progress, heard: Heard) -> Result<(), End> {
        progress.heard = Instant::now();
        self.place.connection.heard();
        let text = match heard {
            Heard::Gone => return Err(End::Gone),
            Heard::Sign if std::mem::take(&mut progress.awaits_pong) => return Ok(()),
            Heard::Sign | Heard::Ping if progress.controls.take().is_exceeded() => {
                return Err(End::Close(Close::TooFast));
            }
            Heard::Sign => return Ok(()),
            Heard::Ping => return self.flush(transport).await,
            Heard::Message(text) => text,
        };
        if progress.messages.take().is_exceeded() {
            return Err(End::Close(Close::TooFast));
        }
        let (message, reference) = match ClientMessage::read(&text) {
            Ok(read) => read,
            Err(None) => return Err(End::Close(Close::NotJson)),
            Err(Some(unreadable)) => {
                let error = ServerMessage::Error {
                    code: unreadable.code,
                    detail: unreadable.detail,
                    reference: unreadable.reference,
                };
                self.say(transport, &error).await?;
                return self.flush(transport).await;
            }
        };
        let done = match message {
            ClientMessage::Pause => {
                progress.paused = true;
                Ok(())
            }
            ClientMessage::Resume => {
                progress.paused = false;
                Ok(())
            }
            ClientMessage::Ack(ack) => self.settle(progress, |holder, lease| holder.consumer.ack(lease, &ack)),
            ClientMessage::Nack(nack) => self.settle(progress, |holder, lease| holder.consumer.nack(lease, &nack)),
            ClientMessage::Extend => self.settle(progress, |holder, lease| holder.consumer.extend(lease)),
        };
        let Err((code, detail)) = done else { return Ok(()) };
        self.say(transport, &ServerMessage::Error { code, detail, reference }).await?;
        self.flush(transport).await
    }

    /// Does what settles events of the consumer, and has it become durable soon.
    fn settle(
        &self,
        progress: &mut Progress,
        settle: impl Fn(&Holder, Lease) -> Result<(), ConsumerError>,
    ) -> Result<(), (&'static str, String)> {
        let Some(holder) = &self.holder else {
            return Err(("no_consumer", "without a consumer nothing is acknowledged".to_owned()));
        };
        let lease = progress.lease.ok_or(ConsumerError::StaleLease);
        let settled = lease.and_then(|lease| settle(holder, lease));
        settled.map_err(|error| (error.code(), error.to_string()))?;
        let soon = Instant::now() + GATHER;
        progress.flush_at = Some(progress.flush_at.map_or(soon, |at| at.min(soon)));
        Ok(())
    }

    async fn tick<T: Transport>(&mut self, transport: &mut T, progress: &mut Progress) -> Result<(), End> {
        let now = Instant::now();
        if progress.ends_at.is_some_and(|at| at <= now) {
            return Err(End::Close(Close::Aged));
        }
        if progress.flush_at.is_some_and(|at| at <= now) {
            progress.flush_at = None;
            self.confirm(transport, progress).await?;
        }
        if self.holder.is_none() && progress.position_at <= now {
            progress.position_at = now + POSITION;
            self.tell_position(transport, progress).await?;
        }
        if T::ANSWERS && progress.heard + self.limits.timeout <= now {
            // While a message took its time to be sent, nobody has listened.
            return match tokio::time::timeout(Duration::ZERO, transport.hear()).await {
                Ok(heard) => self.hear(transport, progress, heard).await,
                Err(_) => Err(End::Close(Close::Silent)),
            };
        }
        if progress.ping_at <= now {
            progress.ping_at = now + self.limits.ping;
            progress.awaits_pong = true;
            self.in_time(transport.ping()).await?;
        }
        let has_window = progress.lease.is_some() && !progress.paused;
        if has_window
            && self.holder.as_ref().and_then(|holder| holder.consumer.next_timer()).is_some_and(|at| at <= now)
        {
            return self.send(transport, progress).await;
        }
        Ok(())
    }

    /// Makes durable what was acknowledged, and says so.
    async fn confirm<T: Transport>(&self, transport: &mut T, progress: &mut Progress) -> Result<(), End> {
        let Some(holder) = &self.holder else { return Ok(()) };
        match holder.consumer.confirm().await {
            Ok(confirmed) if confirmed.position > progress.told || !confirmed.ids.is_empty() => {
                progress.told = confirmed.position;
                let cursor = Cursor { epoch: self.encoding.epoch, seq: confirmed.position };
                self.place.connection.is_at(confirmed.position, holder.consumer.unacked());
                self.say(transport, &ServerMessage::Acked { cursor, ids: confirmed.ids }).await?;
                self.flush(transport).await
            }
            Ok(_) => Ok(()),
            Err(error) if error.is_transient() => {
                tracing::warn!(consumer = holder.consumer.name, "Acknowledgements cannot be written now: {error}");
                progress.flush_at = Some(Instant::now() + WRITE_AGAIN);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn tell_position<T: Transport>(&self, transport: &mut T, progress: &mut Progress) -> Result<(), End> {
        let position = self.reader.position();
        self.place.connection.is_at(position, 0);
        if position <= progress.told {
            return Ok(());
        }
        progress.told = position;
        let head = self.place.hub.relay.log().head();
        let cursor = Cursor { epoch: self.encoding.epoch, seq: position };
        self.say(transport, &ServerMessage::Position { cursor, lag: head.0.saturating_sub(position.0) }).await?;
        self.flush(transport).await
    }

    async fn say<T: Transport>(&self, transport: &mut T, message: &ServerMessage) -> Result<(), End> {
        let outgoing = message.outgoing(self.form, Timestamp::now());
        self.in_time(transport.send(&outgoing)).await
    }

    async fn flush<T: Transport>(&self, transport: &mut T) -> Result<(), End> {
        self.in_time(transport.flush()).await
    }

    /// Waits for the other side to take something, but not for ever.
    async fn in_time(&self, taken: impl Future<Output = Result<(), Gone>>) -> Result<(), End> {
        match tokio::time::timeout(self.limits.write_timeout, taken).await {
            Ok(taken) => Ok(taken?),
            Err(_) => Err(End::Close(Close::Slow)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.leave(&self.connection);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A number to spread what would happen at once. Without randomness it does.
fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}
