//! The machine on the log: it reads notifications, and what it decides becomes durable with its position.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;

use super::machine::{Machine, Step};
use super::notification::{Notification, Status};
use super::settings::Settings;
use super::tally::Tally;
use super::told::Tell;
use crate::event::{ChannelName, Event, Facts, Priority, Recipient, Timestamp};
use crate::eventlog::{Batch, Committed, EventLog, EventLogError, NewEvent, Note, Processor, Space, ValueChange};

/// What is known of alerts.
pub(super) const SPACE: Space = Space::of_module("alerts");
/// The name of the processor's position.
pub(super) const NAME: &str = "alerts";

const _: () = assert!(Machine::MOST_VALUE <= ValueChange::MAX_VALUE, "the log takes what the machine stores");

/// By how much the clock is ahead of the time that has passed if it has jumped.
const JUMP: Duration = Duration::from_secs(60);

/// Where the events of the channel go: the routes.
pub type Recipients = Box<dyn Fn(&Facts<'_>) -> Vec<Recipient> + Send + Sync>;

/// Something that is to change the machine, between two pages of events.
pub(super) type Request = Box<dyn FnOnce(&mut Machine, Timestamp) -> Reply + Send>;

/// What follows from it: further values to change, and what is to be done once it is durable.
pub(super) struct Reply {
    pub(super) values: Vec<ValueChange>,
    pub(super) answer: Box<dyn FnOnce() + Send>,
}

/// The machine, for whoever shows it.
pub(super) type Shared = Arc<Mutex<Machine>>;

pub(super) fn lock(machine: &Shared) -> MutexGuard<'_, Machine> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The processor.
pub(super) struct Alerting {
    machine: Shared,
    recipients: Arc<Recipients>,
    unreadable: Gauge,
    /// Whether the machine is as the log has it.
    is_loaded: bool,
    /// What was counted when the last batch became durable.
    tally: Tally,
    /// What is to be answered when the batch is durable.
    answers: Vec<Box<dyn FnOnce() + Send>>,
    /// When it was last at work, by the clock and by one that does not jump.
    looked_at: (Timestamp, Instant),
}

impl Alerting {
    /// One whose `machine` is as the log has it. It shows how many values it leaves out in `unreadable`.
    pub(super) fn new(machine: Shared, recipients: Arc<Recipients>, unreadable: Gauge) -> Self {
        let tally = lock(&machine).tally().clone();
        let looked_at = (Timestamp::now(), Instant::now());
        Self { machine, recipients, unreadable, is_loaded: true, tally, answers: Vec::new(), looked_at }
    }

    /// The machine, which learns it if the clock has jumped ahead.
    fn at<'m>(&mut self, shared: &'m Shared, now: Timestamp) -> MutexGuard<'m, Machine> {
        let mut machine = lock(shared);
        let (before, since) = std::mem::replace(&mut self.looked_at, (now, Instant::now()));
        if now.since(before) > since.elapsed() + JUMP {
            tracing::warn!("The clock has jumped from {before} to {now}: what counts as overdue is counted from now");
            machine.resume(now);
        }
        machine
    }

    /// The batch of a step.
    fn batch(&self, step: Step, mut values: Vec<ValueChange>, now: Timestamp) -> Batch {
        let Step { told, values: own } = step;
        values.extend(ValueChange::all(&SPACE, own));
        let events = told.into_iter().map(|tell| event(tell, &self.recipients, now)).collect();
        Batch { events, values, ..Batch::default() }
    }
}

impl Processor for Alerting {
    type Request = Request;

    fn name(&self) -> &str {
        NAME
    }

    fn load(&mut self, log: &EventLog) -> Result<(), EventLogError> {
        self.answers.clear();
        // It was read at the start, and takes its time.
        if !std::mem::take(&mut self.is_loaded) {
            restore(&self.machine, log, &self.unreadable)?;
            // What was not stored is decided and counted again.
            lock(&self.machine).keep_tally(self.tally.clone());
        }
        Ok(())
    }

    fn process(&mut self, events: &[Arc<Event>], now: Timestamp) -> Batch {
        let shared = Arc::clone(&self.machine);
        let mut machine = self.at(&shared, now);
        let settings = Arc::clone(machine.settings());
        let (mut notes, mut told, mut values) = (Vec::new(), Vec::new(), BTreeMap::new());
        // What agents are told must not depend on where a page ends, so each notification is a step.
        for notification in events.chunk_by(|one, next| one.request_id == next.request_id) {
            for event in notification.iter().filter(|event| settings.channels.contains(&event.channel)) {
                let text = take(&mut machine, event, &settings, now);
                notes.push(Note { by: NAME.to_owned(), at: now, text }.about(event.seq));
            }
            let step = machine.finish(now);
            told.extend(step.told);
            values.extend(step.values);
        }
        drop(machine);
        self.batch(Step { told, values: values.into_iter().collect() }, notes, now)
    }

    fn due(&self) -> Option<Timestamp> {
        let machine = lock(&self.machine);
        machine.due().filter(|_| machine.settings().is_on())
    }

    fn tick(&mut self, now: Timestamp) -> Batch {
        let shared = Arc::clone(&self.machine);
        let mut machine = self.at(&shared, now);
        machine.tick(now);
        let step = machine.finish(now);
        drop(machine);
        self.batch(step, Vec::new(), now)
    }

    fn request(&mut self, request: Request, now: Timestamp) -> Batch {
        let shared = Arc::clone(&self.machine);
        let mut machine = self.at(&shared, now);
        let Reply { values, answer } = request(&mut machine, now);
        let step = machine.finish(now);
        drop(machine);
        self.answers.push(answer);
        self.batch(step, values, now)
    }

    fn committed(&mut self, _committed: Committed) {
        self.tally = lock(&self.machine).tally().clone();
        self.answers.drain(..).for_each(|answer| answer());
    }
}

/// Replaces what is known by what is durable, unless alerts are off. `unreadable` shows how many values are left out. Waits for the
/// disk, and keeps nobody from the machine meanwhile.
///
/// # Errors
/// Those of reads.
pub(super) fn restore(machine: &Shared, log: &EventLog, unreadable: &Gauge) -> Result<(), EventLogError> {
    let (settings, up_since) = {
        let machine = lock(machine);
        (Arc::clone(machine.settings()), machine.up_since())
    };
    let (mut fresh, mut left_out) = (Machine::new(settings, up_since), 0);
    let now = Timestamp::now();
    // Signals are many, so not all at once: their ids are hexadecimal digits.
    let signals = (0..16).map(|digit| format!("signal/{digit:x}"));
    for prefix in ["incident/", "heartbeat/", "silence/", "closing/"].map(str::to_owned).into_iter().chain(signals) {
        for (key, why) in fresh.restore(log.values(&SPACE, &prefix)?, now) {
            tracing::error!(
                "What is stored of alerts at `s/{}/{key}` cannot be read, it is left out: {why}",
                SPACE.as_str()
            );
            left_out += 1;
        }
    }
    unreadable.set(left_out);
    fresh.restored(now);
    let mut known = lock(machine);
    if known.settings().is_on() {
        if !Arc::ptr_eq(known.settings(), fresh.settings()) {
            fresh.replace(Arc::clone(known.settings()), now);
        }
        fresh.keep_tally(known.tally().clone());
        std::mem::swap(&mut *known, &mut fresh);
    }
    drop(known);
    // Much may have to be freed, and nobody waits for that.
    drop(fresh);
    Ok(())
}

/// Has the machine take an event of a channel of alerts; what was decided, for people.
fn take(machine: &mut Machine, event: &Event, settings: &Settings, now: Timestamp) -> String {
    let is_old = now.since(event.time) > settings.stale_after;
    match Notification::read(event, settings) {
        // What is over is over, however late that is read.
        Ok(told) if is_old && told.status == Status::Firing => {
            format!("too old when alerts were looked at: older than {:?}", settings.stale_after)
        }
        Ok(told) => machine.notify(&told),
        Err(why) => why,
    }
}

fn event(tell: Tell, recipients: &Recipients, now: Timestamp) -> NewEvent {
    let Tell { kind, subject, priority, mut attributes, data } = tell;
    if priority != Priority::Normal {
        attributes.push(("priority".to_owned(), priority.as_str().to_owned()));
    }
    let event = NewEvent::of_gateway(ChannelName::ALERTS, kind.as_str(), subject, attributes, &data, recipients);
    NewEvent { time: now, ..event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RequestId, Seq};

    fn alerting() -> Alerting {
        let settings = Settings { channels: ["alertmanager".parse().unwrap()].into(), ..Settings::default() };
        let machine = Arc::new(Mutex::new(Machine::new(Arc::new(settings), Timestamp::now())));
        Alerting::new(machine, Arc::new(Box::new(|_| Vec::new())), Gauge::default())
    }

    /// A notification of one alert, by its status.
    fn notification(seq: u64, status: &str) -> Arc<Event> {
        let attributes = [("fingerprint", "disk"), ("status", status), ("startsat", "2026-03-01T10:00:00Z")];
        Arc::new(Event {
            seq: Seq(seq),
            channel: "alertmanager".parse().unwrap(),
            time: Timestamp::now(),
            request_id: RequestId::new(),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            ..Event::sample("application/json", br#"{"labels": {"alertname": "Disk"}}"#)
        })
    }

    fn kinds(batch: &Batch) -> Vec<&str> {
        batch.events.iter().map(|event| &*event.kind).collect()
    }

    #[test]
    fn what_is_told_does_not_depend_on_pages() {
        let statuses = ["firing", "firing", "resolved", "firing", "resolved"];
        let page: Vec<_> = (1..).zip(statuses).map(|(seq, status)| notification(seq, status)).collect();

        let batch = alerting().process(&page, Timestamp::now());

        assert_eq!(kinds(&batch), ["alerts.opened", "alerts.resolved"]);
        let signals = batch.values.iter().filter(|value| value.space == SPACE && value.key.starts_with("signal/"));
        assert_eq!(signals.count(), 1, "each value once");
    }

    #[test]
    fn a_clock_that_jumps_ahead_makes_nothing_stale() {
        let mut alerting = alerting();
        let now = Timestamp::now();
        alerting.process(&[notification(1, "firing")], now);
        let hour = Duration::from_secs(3600);

        let batch = alerting.tick(now.after(10 * hour));

        assert!(!kinds(&batch).contains(&"alerts.stale"), "{:?}", kinds(&batch));
        let due = alerting.due().unwrap();
        assert!(due > now.after(10 * hour), "{due}");
    }
}
