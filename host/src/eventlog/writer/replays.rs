//! Replays and redeliveries within a commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::commit::{CommitBuilder, News};
use crate::event::{AgentName, Delivery, DeliveryId, Event, EventId, Recipient, Seq, Timestamp};
use crate::eventlog::engine::{Direction, Op};
use crate::eventlog::layout::meta::OPEN_REPLAYS;
use crate::eventlog::layout::reader::{EventCursor, Store};
use crate::eventlog::layout::record::corrupt;
use crate::eventlog::layout::{key, record};
use crate::eventlog::query::DeliveryFilter;
use crate::eventlog::replay::{NewReplay, Replay, ReplayChange, ReplayId, ReplayState, ReplayStep, replayable};
use crate::eventlog::{EventLogError, NewDelivery};

/// The replays that are kept, and how many of all replayed deliveries are open.
///
/// Both are shown to readers as they are, so they are replaced instead of changed while somebody looks at them.
#[derive(Default)]
pub(crate) struct Replays {
    pub(crate) kept: Arc<BTreeMap<ReplayId, Replay>>,
    pub(crate) open: Arc<BTreeMap<AgentName, u64>>,
    open_changed: bool,
}

impl Replays {
    pub(super) fn load(store: &Store) -> Result<Self, EventLogError> {
        let range = key::all_replays();
        let mut kept = BTreeMap::new();
        for (key, value) in store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX)? {
            let replay: Replay = record::decode(&key, &value)?;
            if key[..] != key::replay(replay.id) {
                return Err(corrupt(&key, format!("replay {} is somewhere else", replay.id)));
            }
            kept.insert(replay.id, replay);
        }
        let open = store.read(&key::meta(OPEN_REPLAYS))?.unwrap_or_default();
        Ok(Self { kept: Arc::new(kept), open: Arc::new(open), open_changed: false })
    }

    /// Notes which deliveries of an event were open replays before and after a change.
    pub(super) fn note(&mut self, before: Vec<AgentName>, after: Vec<AgentName>) {
        if before == after {
            return;
        }
        let open = Arc::make_mut(&mut self.open);
        for agent in after {
            *open.entry(agent).or_default() += 1;
        }
        for agent in before {
            if let Some(count) = open.get_mut(&agent) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&agent);
                }
            }
        }
        self.open_changed = true;
    }

    pub(super) fn write(&mut self, ops: &mut Vec<Op>) {
        if std::mem::take(&mut self.open_changed) {
            let key = key::meta(OPEN_REPLAYS);
            let value = record::encode(&key, &*self.open);
            ops.push(Op::Put(key, value));
        }
    }

    fn keep(&mut self, replay: &Replay, ops: &mut Vec<Op>) {
        let key = key::replay(replay.id);
        let value = record::encode(&key, replay);
        ops.push(Op::Put(key.to_vec(), value));
        Arc::make_mut(&mut self.kept).insert(replay.id, replay.clone());
    }

    /// Forgets the oldest that ended, so that there is a place for one more.
    fn make_place(&mut self, ops: &mut Vec<Op>) {
        while self.kept.len() >= Replay::KEPT {
            let ended = self.kept.values().find(|replay| replay.state != ReplayState::Running);
            let Some(id) = ended.map(|replay| replay.id) else { break };
            Arc::make_mut(&mut self.kept).remove(&id);
            ops.push(Op::Remove(key::replay(id).to_vec()));
        }
    }
}

impl CommitBuilder {
    pub(crate) const fn replays(&self) -> &Replays {
        &self.replays
    }

    /// Adds a change of a replay to the commit.
    pub(crate) fn change_replay(&mut self, change: ReplayChange, now: Timestamp) -> Result<Replay, EventLogError> {
        match change {
            ReplayChange::Begin(new) => Ok(self.begin_replay(new, now)),
            ReplayChange::Step(step) => self.step_replay(step, now),
            ReplayChange::End { id, state, error } => {
                let mut replay = self.replays.kept.get(&id).cloned().ok_or(EventLogError::NotFound)?;
                if replay.state == ReplayState::Running {
                    replay = Replay { state, error, ended_at: Some(now), ..replay };
                    self.replays.keep(&replay, &mut self.commit.ops);
                }
                Ok(replay)
            }
        }
    }

    fn begin_replay(&mut self, new: NewReplay, now: Timestamp) -> Replay {
        let NewReplay { filter, by, rate, total, last } = new;
        let id = ReplayId(self.replays.kept.last_key_value().map_or(0, |(last, _)| last.0) + 1);
        let next = self.state.floor;
        let is_over = next > last;
        let replay = Replay {
            id,
            filter,
            by,
            rate,
            total,
            created_at: now,
            ended_at: is_over.then_some(now),
            next,
            last,
            replayed: 0,
            skipped: 0,
            state: if is_over { ReplayState::Done } else { ReplayState::Running },
            error: None,
        };
        self.replays.make_place(&mut self.commit.ops);
        self.replays.keep(&replay, &mut self.commit.ops);
        replay
    }

    fn step_replay(&mut self, step: ReplayStep, now: Timestamp) -> Result<Replay, EventLogError> {
        let mut replay = self.replays.kept.get(&step.id).cloned().ok_or(EventLogError::NotFound)?;
        if replay.state != ReplayState::Running || replay.next != step.from {
            return Ok(replay);
        }
        let found = step.items.len() as u64;
        let added = self.renew_all(step.items, &replay.filter, &replay.by, now)?.len() as u64;
        replay.replayed += added;
        replay.skipped += step.skipped + (found - added);
        match step.next {
            Some(next) => replay.next = next,
            None => {
                replay.next = replay.last.next();
                (replay.state, replay.ended_at) = (ReplayState::Done, Some(now));
            }
        }
        self.replays.keep(&replay, &mut self.commit.ops);
        Ok(replay)
    }

    /// Adds deliveries of a stored event to the commit.
    pub(crate) fn replay(
        &mut self,
        id: EventId,
        recipients: Vec<Recipient>,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, EventLogError> {
        let seq = id.seq();
        let event = self.event(seq)?.filter(|event| event.id == id).ok_or(EventLogError::NotFound)?;
        let mut added = Vec::with_capacity(recipients.len());
        self.change(seq, |deliveries| {
            for recipient in recipients {
                added.push(add_replay(deliveries, seq, recipient, by, now)?);
            }
            Ok(())
        })?;
        let ids = added.iter().map(|new| new.id).collect();
        self.commit.news.push(News { event, deliveries: added });
        Ok(ids)
    }

    /// Adds a delivery to the agent of `id` to the commit, unless `id` cannot be made again.
    pub(crate) fn renew(&mut self, id: DeliveryId, by: &str, now: Timestamp) -> Result<Vec<DeliveryId>, EventLogError> {
        let event = self.event(id.seq)?.ok_or(EventLogError::NotFound)?;
        let slot = self.buckets.get(&self.store, self.state.head, id.seq)?;
        if slot.is_none_or(|slot| slot.deliveries.len() <= id.index as usize) {
            return Err(EventLogError::NotFound);
        }
        self.renew_all(vec![(id, event)], &DeliveryFilter::default(), by, now)
    }

    /// Adds a delivery to the same agent for each of `items` that can be made again, as `filter` has it.
    fn renew_all(
        &mut self,
        items: Vec<(DeliveryId, Arc<Event>)>,
        filter: &DeliveryFilter,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, EventLogError> {
        // After these reads nothing can fail, so that the items are added together.
        let mut renewable = Vec::with_capacity(items.len());
        for (id, event) in items {
            let slot = self.buckets.get(&self.store, self.state.head, id.seq)?.filter(|_| self.state.holds(id.seq));
            let latest =
                slot.and_then(|slot| replayable(&slot.deliveries, filter).find(|(place, _)| *place == id.index));
            if let Some((_, Delivery { agent, priority, .. })) = latest {
                renewable.push((id.seq, event, Recipient { agent: agent.clone(), priority: *priority }));
            }
        }
        let mut ids = Vec::with_capacity(renewable.len());
        for (seq, event, recipient) in renewable {
            let mut added = Vec::with_capacity(1);
            self.change(seq, |deliveries| {
                added.push(add_replay(deliveries, seq, recipient, by, now)?);
                Ok(())
            })?;
            ids.extend(added.iter().map(|new| new.id));
            self.commit.news.push(News { event, deliveries: added });
        }
        Ok(ids)
    }

    /// The event at `seq` with its payload; none when it is not held.
    fn event(&self, seq: Seq) -> Result<Option<Arc<Event>>, EventLogError> {
        if !self.state.holds(seq) {
            return Ok(None);
        }
        let Some(header) = EventCursor::new(&self.store).header(seq)? else { return Ok(None) };
        let data = self.store.payload(&header)?;
        Ok(Some(Arc::new(Event { data, ..header.event })))
    }
}

/// Adds a delivery that `by` asked for to those of the event at `seq`.
fn add_replay(
    deliveries: &mut Vec<Delivery>,
    seq: Seq,
    recipient: Recipient,
    by: &str,
    now: Timestamp,
) -> Result<NewDelivery, EventLogError> {
    let index = u32::try_from(deliveries.len()).map_err(|_| EventLogError::NotFound)?;
    let Recipient { agent, priority } = recipient.clone();
    deliveries.push(Delivery { replayed_by: Some(by.to_owned()), ..Delivery::new(recipient, now) });
    Ok(NewDelivery { id: DeliveryId { seq, index }, agent, priority, replay: true })
}
