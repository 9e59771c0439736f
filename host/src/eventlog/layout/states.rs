//! What was last told of each thing, and what is held.
//!
//! Things are random, and change with every repetition. So all of them are in memory, and each commit writes those that it
//! changed as one value, or as a few; the last value that has a thing counts. When the values hold more than twice what is
//! known, the oldest goes: what still counts of it moves to the values of the commit. A thing of which nothing was said for
//! the window is forgotten then. When there are too many things, those of the oldest value go early, and a counter says so.
//!
//! The values are in a space of the log itself. An older program leaves them alone.

mod stored;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

pub(crate) use self::stored::{STATES, restored};
use super::reader::Store;
use crate::event::{EventId, Seq, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::engine::Op;
use crate::eventlog::identity::Identity;
use crate::eventlog::statement::{Held, Statement, Thing, Verdict};

/// Everything that is known of things, as the writer sees it; what has changed is in the next commit.
pub(crate) struct States {
    things: HashMap<Identity, Kept>,
    /// Oldest first.
    values: VecDeque<Value>,
    /// The number of the next value.
    end: u64,
    /// How many things are in all values together.
    written: usize,
    /// Those that the commit being built has changed.
    changed: Vec<Identity>,
    due: BTreeSet<(Timestamp, Identity)>,
    /// The events that are held, and until when. Readers get it as it is, so it is replaced while somebody has it.
    held: Arc<BTreeMap<Seq, Timestamp>>,
    /// How many of them somebody is to be told of.
    held_routed: u64,
    max: usize,
    forgotten: Counter,
}

struct Kept {
    thing: Thing,
    /// The number of the value that has it.
    value: u64,
}

/// What is kept in memory of a value.
struct Value {
    number: u64,
    /// When it was written.
    at: Timestamp,
    things: Vec<Identity>,
}

/// The number of a value that is not written yet.
const UNWRITTEN: u64 = u64::MAX;

impl States {
    /// How many things are in one value: less than a record can hold, also if all of them hold something.
    const VALUE: usize = 100;
    /// How many things are moved out of old values with one commit, about.
    const MOVED: usize = 512;
    /// How many things that do not count any more are left alone.
    const SLACK: usize = if cfg!(test) { 50 } else { 4096 };

    /// Reads all values.
    pub(crate) fn load(store: &Store, max: usize, forgotten: Counter) -> Result<Self, EventLogError> {
        let mut states = Self {
            things: HashMap::new(),
            values: VecDeque::new(),
            end: 0,
            written: 0,
            changed: Vec::new(),
            due: BTreeSet::new(),
            held: Arc::default(),
            held_routed: 0,
            max,
            forgotten,
        };
        for (name, content) in store.values(STATES, "", usize::MAX)? {
            let (number, at, things) = stored::read(&name, &content)?;
            let ids = things.iter().map(|(id, _)| *id).collect();
            things.into_iter().for_each(|(id, thing)| states.put(id, thing));
            states.remember(Value { number, at, things: ids });
        }
        states.changed.clear();
        let held = states.things.iter().filter_map(|(id, kept)| Some((*id, kept.thing.held.as_ref()?)));
        states.due = held.clone().map(|(id, held)| (held.due, id)).collect();
        states.held_routed = held.clone().filter(|(_, held)| held.is_routed).count() as u64;
        states.held = Arc::new(held.map(|(_, held)| (held.event.seq(), held.due)).collect());
        Ok(states)
    }

    /// What a statement at `now` is; `None` if nothing is known of its thing.
    pub(crate) fn judge(&self, said: &Statement, now: Timestamp, window: Duration) -> Option<Verdict> {
        let thing = &self.things.get(&said.thing)?.thing;
        (!thing.is_forgotten(now, window)).then(|| thing.judge(said, now))
    }

    /// Notes that `event` told what `said` says. What was held of the thing is returned, and held no longer.
    pub(crate) fn tell(&mut self, said: &Statement, event: EventId, now: Timestamp) -> Option<Box<Held>> {
        let held = self.things.get_mut(&said.thing).and_then(|kept| kept.thing.held.take());
        self.unhold(said.thing, held.as_deref());
        self.put(said.thing, Thing::new(said, event, now));
        held
    }

    /// Notes that the last state was said again. What was held of the thing is returned, and held no longer.
    pub(crate) fn confirm(&mut self, said: &Statement, now: Timestamp) -> Option<Box<Held>> {
        self.end_hold(said.thing, |thing| thing.confirm(said, now))
    }

    /// Holds a state of a thing. What was held of it before is returned, and held no longer.
    pub(crate) fn hold(&mut self, id: Identity, held: Held) -> Option<Box<Held>> {
        let (due, seq) = (held.due, held.event.seq());
        self.held_routed += u64::from(held.is_routed);
        let before = self.end_hold(id, |thing| thing.held.replace(Box::new(held)));
        self.due.insert((due, id));
        Arc::make_mut(&mut self.held).insert(seq, due);
        before
    }

    /// Tells what is held of the thing if it is due at `now`.
    pub(crate) fn tell_if_due(&mut self, id: Identity, now: Timestamp) -> Option<Box<Held>> {
        let is_due = self.things.get(&id).is_some_and(|kept| kept.thing.is_due(now));
        if is_due { self.end_hold(id, |thing| thing.tell(now)) } else { None }
    }

    /// Tells the first of all that is held and due at `now`.
    pub(crate) fn tell_next(&mut self, now: Timestamp) -> Option<Box<Held>> {
        let (_, id) = self.due.first().copied().filter(|(due, _)| *due < now)?;
        self.tell_if_due(id, now)
    }

    /// Tells what is held as the event at `seq`, whenever it is due.
    pub(crate) fn tell_early(&mut self, seq: Seq, now: Timestamp) -> Option<Box<Held>> {
        let due = *self.held.get(&seq)?;
        let event = |id: &Identity| self.things.get(id)?.thing.held.as_ref().map(|held| held.event.seq());
        let (_, id) = self.due.iter().copied().find(|(moment, id)| *moment == due && event(id) == Some(seq))?;
        self.end_hold(id, |thing| thing.tell(now))
    }

    /// When the first of all that is held is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The events that are held, and until when.
    pub(crate) const fn held(&self) -> &Arc<BTreeMap<Seq, Timestamp>> {
        &self.held
    }

    /// How many of them somebody is to be told of.
    pub(crate) const fn held_routed(&self) -> u64 {
        self.held_routed
    }

    /// How many things are known.
    pub(crate) fn len(&self) -> usize {
        self.things.len()
    }

    /// What has to be written with the commit of `now`.
    pub(crate) fn write(&mut self, now: Timestamp, window: Duration, ops: &mut Vec<Op>) {
        if self.changed.is_empty() {
            return;
        }
        self.clean(now, window, ops);
        for part in std::mem::take(&mut self.changed).chunks(Self::VALUE) {
            let known = part.iter().filter_map(|id| Some((*id, &self.things.get(id)?.thing)));
            ops.push(stored::put(self.end, now, known));
            self.remember(Value { number: self.end, at: now, things: part.to_vec() });
        }
    }

    /// Removes old values with what does not count of them any more, and asks for the rest to be written again.
    fn clean(&mut self, now: Timestamp, window: Duration, ops: &mut Vec<Op>) {
        let limit = self.changed.len() + Self::MOVED;
        while self.changed.len() < limit {
            let is_sparse = self.written > 2 * self.things.len() + Self::SLACK;
            let is_crowded = self.things.len() > self.max;
            let is_over = |value: &Value| now.since(value.at).max(value.at.since(now)) >= window;
            let Some(value) = self.values.pop_front_if(|value| is_sparse || is_crowded || is_over(value)) else {
                break;
            };
            ops.push(stored::remove(value.number));
            self.written -= value.things.len();
            for id in value.things {
                let is_crowded = self.things.len() > self.max;
                let Some(kept) = self.things.get_mut(&id).filter(|kept| kept.value == value.number) else { continue };
                let is_forgotten = kept.thing.is_forgotten(now, window);
                if is_forgotten || is_crowded && kept.thing.held.is_none() {
                    self.things.remove(&id);
                    self.forgotten.inc_by(u64::from(!is_forgotten));
                } else {
                    kept.value = UNWRITTEN;
                    self.changed.push(id);
                }
            }
        }
    }

    /// Notes a value that is written.
    fn remember(&mut self, value: Value) {
        for id in &value.things {
            self.things.entry(*id).and_modify(|kept| kept.value = value.number);
        }
        self.end = value.number + 1;
        self.written += value.things.len();
        self.values.push_back(value);
    }

    /// Changes a thing that is known in a way that ends what is held of it.
    fn end_hold(&mut self, id: Identity, change: impl FnOnce(&mut Thing) -> Option<Box<Held>>) -> Option<Box<Held>> {
        let mut thing = self.things.get(&id)?.thing.clone();
        let held = change(&mut thing);
        self.unhold(id, held.as_deref());
        self.put(id, thing);
        held
    }

    fn put(&mut self, id: Identity, thing: Thing) {
        let before = self.things.insert(id, Kept { thing, value: UNWRITTEN });
        if before.is_none_or(|before| before.value != UNWRITTEN) {
            self.changed.push(id);
        }
    }

    fn unhold(&mut self, id: Identity, held: Option<&Held>) {
        if let Some(held) = held {
            self.held_routed -= u64::from(held.is_routed);
            self.due.remove(&(held.due, id));
            Arc::make_mut(&mut self.held).remove(&held.event.seq());
        }
    }
}
