//! What events say of things, within a commit: repetitions, news, and what is held, told late or dropped.

use std::sync::Arc;

use tracing::warn;

use super::commit::{CommitBuilder, News};
use super::fate::{Fate, Ruling};
use crate::event::{Delivery, DeliveryId, Event, EventId, EventStatus, Recipient, Seq, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::batch::{NewDelivery, NewEvent};
use crate::eventlog::identity::Identity;
use crate::eventlog::layout::reader::EventCursor;
use crate::eventlog::statement::{Held, Statement, Verdict};

impl CommitBuilder {
    /// What is to become of an event whose identity is not known. What is due of its thing is told before it.
    pub(super) fn judge(&mut self, new: &NewEvent, said: &Statement, stored_at: Timestamp) -> Ruling {
        let (now, window) = (new.time, self.dedup_window);
        // The delivery of a repetition is known too: a later retry of it says nothing new, whatever the state is then.
        let delivery = new.identity.map(|id| Self::delivery(id, said));
        if let Some(Verdict::Repeat(first)) = delivery.and_then(|delivery| self.states.judge(&delivery, now, window)) {
            return Ruling::Duplicate(first);
        }
        if let Some(held) = self.states.tell_if_due(said.thing, now) {
            self.tell_held(&held, stored_at);
        }
        let first = match self.states.judge(said, now, window) {
            None | Some(Verdict::News) => return Ruling::Store,
            Some(Verdict::Late) if self.states.held().len() < self.held_max => return Ruling::Hold,
            Some(Verdict::Late) => {
                self.commit.fates.push((new.channel.clone(), Fate::Crowded));
                return Ruling::Store;
            }
            Some(Verdict::RepeatOfHeld(first)) => first,
            Some(Verdict::Repeat(first)) => {
                let dropped = self.states.confirm(said, now);
                self.drop_held(dropped);
                first
            }
        };
        if let Some(delivery) = delivery {
            self.states.tell(&delivery, first, now);
        }
        // Nobody may be told of what is in quarantine, not even a processor.
        if new.keep_repeat && new.quarantine.is_none() { Ruling::Repeat(first) } else { Ruling::Duplicate(first) }
    }

    /// A delivery as a thing: all that there is to say of it is that it came.
    fn delivery(id: Identity, said: &Statement) -> Statement {
        Statement { thing: id, state: id, peer: None, time: None, ..*said }
    }

    /// Keeps what a stored event says.
    pub(super) fn remember(&mut self, said: &Statement, event: &Arc<Event>, recipients: &[Recipient], is_held: bool) {
        if self.dedup_window.is_zero() {
            return;
        }
        if !is_held {
            let dropped = self.states.tell(said, event.id, event.time);
            return self.drop_held(dropped);
        }
        let Statement { thing, state, peer, time, late_window } = *said;
        let held = Held {
            state,
            event: event.id,
            peer,
            time,
            due: event.time.after(late_window),
            channel: event.channel.clone(),
            is_routed: !recipients.is_empty(),
        };
        self.commit.fates.push((event.channel.clone(), Fate::Held));
        let dropped = self.states.hold(thing, held);
        self.drop_held(dropped);
        self.fresh.insert(event.seq, (Arc::clone(event), recipients.to_vec()));
    }

    fn drop_held(&mut self, held: Option<Box<Held>>) {
        if let Some(held) = held {
            self.end_hold(&held, Fate::Dropped);
            self.retention.settled(held.event.seq());
        }
    }

    /// Counts what is held no longer.
    fn end_hold(&mut self, held: &Held, fate: Fate) {
        let status = if held.is_routed { EventStatus::Dropped } else { EventStatus::Accepted };
        let count = &mut self.state.statuses[EventStatus::Held as usize];
        *count = count.saturating_sub(1);
        self.state.statuses[status as usize] += 1;
        self.commit.fates.push((held.channel.clone(), fate));
    }

    /// Ends the hold of the event at `seq`, because an operator has it delivered.
    pub(super) fn tell_early(&mut self, seq: Seq, now: Timestamp) {
        if let Some(held) = self.states.tell_early(seq, now) {
            self.end_hold(&held, Fate::Told);
        }
    }

    /// Tells everything that is due at `now`.
    pub(super) fn tell_due(&mut self, now: Timestamp) {
        while let Some(held) = self.states.tell_next(now) {
            self.tell_held(&held, now);
        }
        self.fresh.clear();
    }

    /// Gives its deliveries to an event that is held no longer.
    fn tell_held(&mut self, held: &Held, now: Timestamp) {
        self.end_hold(held, Fate::Told);
        if let Err(error) = self.deliver_held(held.event, now) {
            warn!(event = %held.event, %error, "Event cannot be read, nobody is told of it");
        }
    }

    fn deliver_held(&mut self, id: EventId, now: Timestamp) -> Result<(), EventLogError> {
        let seq = id.seq();
        let (event, recipients) = match self.fresh.remove(&seq) {
            Some(fresh) => fresh,
            None => self.read_held(id)?,
        };
        if recipients.is_empty() {
            self.retention.settled(seq);
            return Ok(());
        }
        let mut added = Vec::with_capacity(recipients.len());
        self.change(seq, |deliveries| {
            for recipient in recipients {
                let index = u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
                let Recipient { agent, priority } = recipient.clone();
                deliveries.push(Delivery::new(recipient, now));
                added.push(NewDelivery { id: DeliveryId { seq, index }, agent, priority, replay: false });
            }
        })?;
        self.commit.news.push(News { event, deliveries: added, is_appended: false });
        Ok(())
    }

    fn read_held(&self, id: EventId) -> Result<(Arc<Event>, Vec<Recipient>), EventLogError> {
        let header = EventCursor::new(&self.store).header(id.seq())?.filter(|header| header.event.id == id);
        let header = header.ok_or(EventLogError::NotFound)?;
        let data = self.store.payload(&header)?;
        Ok((Arc::new(Event { data, ..header.event }), header.recipients))
    }

    /// When the next of what is held is to be told.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.states.next_due()
    }
}
