//! The machine on the log: it reads notifications, and what it decides becomes durable with its position.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::machine::{Machine, Step};
use super::notification::Notification;
use super::settings::Settings;
use super::told::Tell;
use crate::event::{ChannelName, Event, Facts, Priority, Recipient, RequestId, Timestamp};
use crate::eventlog::{Batch, Committed, EventLog, EventLogError, NewEvent, Note, Processor, Space, ValueChange};

/// What is known of alerts.
pub(super) const SPACE: Space = Space::of_module("alerts");
/// The name of the processor's position.
pub(super) const NAME: &str = "alerts";

const _: () = assert!(Machine::MOST_VALUE <= ValueChange::MAX_VALUE, "the log takes what the machine stores");

/// Where the events of the channel go: the routes.
pub type Recipients = Box<dyn Fn(&Facts<'_>) -> Vec<Recipient> + Send + Sync>;

/// Something that is to change the machine, between two pages of events.
pub(super) type Request = Box<dyn FnOnce(&mut Machine, &EventLog, Timestamp) -> Reply + Send>;

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
    pub(super) machine: Shared,
    pub(super) recipients: Recipients,
    pub(super) log: EventLog,
    /// Whether the machine is as the log has it.
    pub(super) is_loaded: bool,
    /// What is to be answered when the batch is durable.
    pub(super) answers: Vec<Box<dyn FnOnce() + Send>>,
}

impl Alerting {
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
        if std::mem::take(&mut self.is_loaded) { Ok(()) } else { restore(&self.machine, log) }
    }

    fn process(&mut self, events: &[Arc<Event>], now: Timestamp) -> Batch {
        let mut machine = lock(&self.machine);
        let settings = Arc::clone(machine.settings());
        let mut notes = Vec::new();
        for event in events.iter().filter(|event| settings.channels.contains(&event.channel)) {
            let text = take(&mut machine, event, &settings, now);
            notes.push(Note { by: NAME.to_owned(), at: now, text }.about(event.seq));
        }
        if notes.is_empty() {
            return Batch::default();
        }
        let step = machine.finish(now);
        drop(machine);
        self.batch(step, notes, now)
    }

    fn due(&self) -> Option<Timestamp> {
        lock(&self.machine).due()
    }

    fn tick(&mut self, now: Timestamp) -> Batch {
        let mut machine = lock(&self.machine);
        machine.tick(now);
        let step = machine.finish(now);
        drop(machine);
        self.batch(step, Vec::new(), now)
    }

    fn request(&mut self, request: Request, now: Timestamp) -> Batch {
        let mut machine = lock(&self.machine);
        let Reply { values, answer } = request(&mut machine, &self.log, now);
        let step = machine.finish(now);
        drop(machine);
        self.answers.push(answer);
        self.batch(step, values, now)
    }

    fn committed(&mut self, _committed: Committed) {
        self.answers.drain(..).for_each(|answer| answer());
    }
}

/// Replaces what is known by what is durable.
pub(super) fn restore(machine: &Shared, log: &EventLog) -> Result<(), EventLogError> {
    let mut machine = lock(machine);
    let mut fresh = Machine::new(Arc::clone(machine.settings()), machine.up_since());
    let corrupt = |(key, detail)| EventLogError::Corrupt { key: format!("s/{}/{key}", SPACE.as_str()), detail };
    let now = Timestamp::now();
    // Signals are many, so not all at once: their ids are hexadecimal digits.
    let signals = (0..16).map(|digit| format!("signal/{digit:x}"));
    for prefix in ["incident/", "heartbeat/", "silence/", "closing/"].map(str::to_owned).into_iter().chain(signals) {
        fresh.restore(log.values(&SPACE, &prefix)?, now).map_err(corrupt)?;
    }
    fresh.restored(now);
    fresh.keep_tally(machine.tally().clone());
    *machine = fresh;
    Ok(())
}

/// Has the machine take an event of a channel of alerts; what was decided, for people.
fn take(machine: &mut Machine, event: &Event, settings: &Settings, now: Timestamp) -> String {
    if now.since(event.time) > settings.stale_after {
        return format!("too old when alerts were looked at: older than {:?}", settings.stale_after);
    }
    match Notification::read(event, settings) {
        Ok(told) => machine.notify(&told),
        Err(why) => why,
    }
}

fn event(tell: Tell, recipients: &Recipients, now: Timestamp) -> NewEvent {
    let Tell { kind, subject, priority, mut attributes, data } = tell;
    let channel: ChannelName = ChannelName::ALERTS.parse().expect("the name of a built-in channel is a name");
    if priority != Priority::Normal {
        attributes.push(("priority".to_owned(), priority.as_str().to_owned()));
    }
    let kind = format!("{channel}.{}", kind.as_str());
    let data = Bytes::from(data.to_string());
    let facts = Facts { channel: &channel, kind: &kind, subject: Some(&subject), attributes: &attributes, data: &data };
    NewEvent {
        plugin: ChannelName::ALERTS.parse().expect("names of channels and plugins follow the same rule"),
        recipients: recipients(&facts),
        channel,
        kind,
        subject: Some(subject),
        time: now,
        verified_at: None,
        content_type: "application/json".to_owned(),
        data,
        attributes,
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
    }
}
