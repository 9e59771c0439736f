//! How events leave the log.
//!
//! A cursor moves up the log behind the events that are due and removes those that are settled. One with an open
//! delivery stays where it is and holds nothing up: it is checked again when it is settled. What a commit removes is
//! part of it, so that there is never half of an event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tracing::warn;

use super::commit::CommitBuilder;
use super::retention::{Reason, Retention};
use crate::event::{EventStatus, Seq, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::engine::{Direction, Op};
use crate::eventlog::layout::block::{Block, EventHeader};
use crate::eventlog::layout::bucket::Slot;
use crate::eventlog::layout::key;
use crate::eventlog::layout::reader::parts;
use crate::eventlog::layout::record::{self, Tombstone};
use crate::eventlog::note::Note;
use crate::eventlog::quarantine::Released;
use crate::eventlog::settings::{Hold, RetentionLimits};

/// What a commit removes so far.
#[derive(Default)]
struct Collected {
    checked: usize,
    /// Blocks that the store still has as they were.
    touched: BTreeSet<Seq>,
    /// Positions without an event or a block any more, first and last.
    gone: BTreeMap<Seq, Seq>,
}

impl CommitBuilder {
    /// Whether more is to be removed right now.
    pub(crate) const fn collection_goes_on(&self) -> bool {
        self.retention.unfinished
    }

    /// Replaces the retention limits, and what readers hold.
    pub(crate) fn limit(&mut self, limits: RetentionLimits, holds: &Arc<Vec<Hold>>) {
        self.retention.replace(limits, self.state.floor);
        self.retention.hold(holds);
    }

    /// Removes settled events whose time is over at `now`, as part of the commit; a bounded number of them.
    pub(crate) fn collect(&mut self, now: Timestamp) {
        if let Err(error) = self.advance_floor().and_then(|()| self.collect_due(now)) {
            warn!(%error, "Events cannot be removed for the moment");
            (self.retention.not_before, self.retention.unfinished) = (Some(now.after(Retention::PAUSE)), false);
        }
    }

    fn collect_due(&mut self, now: Timestamp) -> Result<(), EventLogError> {
        self.retention.unfinished = false;
        if !self.retention.limits.any() || !self.may_be_due(now) {
            return Ok(());
        }
        let limit = Retention::CHECKED + 2 * self.commit.events;
        let mut collected = Collected::default();
        while let Some(seq) = self.retention.settled.pop_first() {
            let Some(block) = self.store.block_at(seq)?.filter(|block| block.last() >= seq) else { continue };
            let (first, last) = (block.first, block.last());
            if !self.collect_block(block, now, &mut collected)? {
                self.retention.cursor = self.retention.cursor.min(first);
            }
            self.retention.settled = self.retention.settled.split_off(&last.next());
            self.retention.unfinished = collected.checked >= limit;
            if self.retention.unfinished {
                break;
            }
        }
        while !self.retention.unfinished {
            let range = key::blocks_from(self.retention.cursor);
            let found = self.store.engine.scan(&range.start..&range.end, Direction::Up, 1)?;
            let Some((key, value)) = found.first() else { break };
            let block = match Block::read(key, value) {
                Ok(block) => block,
                Err(error) => {
                    warn!(%error, "A damaged record stays where it is");
                    self.retention.cursor = key::block_seq(key).unwrap_or(self.retention.cursor).next();
                    continue;
                }
            };
            let last = block.last();
            if collected.touched.contains(&block.first) {
                self.retention.unfinished = true;
                break;
            }
            if !self.collect_block(block, now, &mut collected)? {
                break;
            }
            self.retention.cursor = last.next();
            self.retention.unfinished = collected.checked >= limit;
        }
        self.add_tombstones(collected.gone)
    }

    /// Whether anything can be due at `now`; cheap, because every commit asks.
    fn may_be_due(&self, now: Timestamp) -> bool {
        self.over_limits().is_some()
            || !self.retention.settled.is_empty()
            || self.retention.not_before.is_none_or(|moment| now >= moment)
    }

    fn over_limits(&self) -> Option<Reason> {
        let RetentionLimits { max_events, max_bytes, .. } = self.retention.limits;
        if max_events.is_some_and(|most| self.state.statuses.iter().sum::<u64>() > most) {
            return Some(Reason::Count);
        }
        max_bytes.is_some_and(|most| self.state.bytes > most).then_some(Reason::Size)
    }

    /// Removes what is due in `block`; whether the time of all its events is over.
    fn collect_block(
        &mut self,
        mut block: Block,
        now: Timestamp,
        collected: &mut Collected,
    ) -> Result<bool, EventLogError> {
        let noted = self.noted(&block)?;
        let mut removed = Vec::new();
        let mut all_due = true;
        for seq in block.held().collect::<Vec<_>>() {
            collected.checked += 1;
            let Some(header) = block.header(seq)? else { continue };
            let Some(reason) = self.due(&header, now) else {
                all_due = false;
                break;
            };
            // What is held will have deliveries.
            if self.states.held().contains_key(&seq) {
                continue;
            }
            let slot = self.buckets.get(&self.store, self.state.head, seq)?;
            let Some(status) = slot.filter(|slot| !slot.is_open()).map(Slot::status) else { continue };
            self.state.statuses[status as usize] -= 1;
            self.state.bytes -= block.bytes_of(&header).min(self.state.bytes);
            self.commit.removed[reason as usize] += 1;
            self.buckets.forget(seq);
            if status == EventStatus::Released {
                self.commit.ops.push(Op::Remove(Released::stored_key(seq)));
            }
            if noted.contains(&seq) {
                self.commit.ops.push(Op::Remove(Note::stored_key(seq)));
            }
            let bodies = (0..parts(header.overflow)).map(|part| Op::Remove(key::body(seq, part).to_vec()));
            self.commit.ops.extend(bodies);
            removed.push(seq);
        }
        if removed.is_empty() {
            return Ok(all_due);
        }
        let (first, last) = (block.first, block.last());
        collected.touched.insert(first);
        self.retention.floor_moves |= first <= self.state.floor;
        match block.without(&removed) {
            Some((key, value)) => self.commit.ops.push(Op::Put(key, value)),
            None => {
                self.commit.ops.push(Op::Remove(key::block(first).to_vec()));
                collected.gone.insert(first, last);
            }
        }
        Ok(all_due)
    }

    /// Why the event is to be removed once it is settled; notes when it will be otherwise.
    fn due(&mut self, header: &EventHeader, now: Timestamp) -> Option<Reason> {
        let over = self.over_limits();
        if over.is_some() {
            return over;
        }
        // Of an imported event, when it came into this log.
        let time = header.event.id.received_at();
        let max_age = self.retention.limits.max_age?.max(self.retention.held(header.event.seq));
        // One from a clock that was far ahead must not stay for ever.
        if now.since(time).max(time.since(now)) >= max_age {
            return Some(Reason::Age);
        }
        self.retention.not_before = Some(if time > now { now.after(max_age) } else { time.after(max_age) });
        None
    }

    /// Adds tombstones for the ranges of `gone`: one record for neighbours.
    fn add_tombstones(&mut self, gone: BTreeMap<Seq, Seq>) -> Result<(), EventLogError> {
        let mut ranges = BTreeMap::new();
        let mut known = Vec::new();
        let is_removed = |gone: &Tombstone| !gone.lost;
        for (first, last) in gone {
            let before = self.store.tombstone_at(Seq(first.0 - 1))?.filter(|(_, gone)| is_removed(gone));
            let after = self.store.tombstone_at(last.next())?.filter(|(_, gone)| is_removed(gone));
            for (first, gone) in before.into_iter().chain(after) {
                ranges.insert(first, gone.last);
                known.push(first);
            }
            ranges.insert(first, last);
        }
        let mut merged: Vec<(Seq, Seq)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if end.next() == first => *end = last,
                _ => merged.push((first, last)),
            }
        }
        let is_start = |known: &Seq| merged.iter().any(|(first, _)| first == known);
        let removed =
            known.iter().filter(|known| !is_start(known)).map(|first| Op::Remove(key::tombstone(*first).to_vec()));
        self.commit.ops.extend(removed);
        for (first, last) in merged {
            let key = key::tombstone(first);
            let value = record::encode(&key, &Tombstone { last, lost: false });
            self.commit.ops.push(Op::Put(key.to_vec(), value));
        }
        Ok(())
    }

    /// Moves the floor up to the first event that is held.
    pub(crate) fn advance_floor(&mut self) -> Result<(), EventLogError> {
        while self.retention.floor_moves {
            let floor = self.state.floor;
            let block = self.store.block_at(floor)?.filter(|block| block.last() >= floor);
            let held = block.as_ref().and_then(|block| block.held().find(|seq| *seq >= floor));
            if let (Some(block), Some(seq)) = (&block, held) {
                self.state.floor = seq;
                self.retention.oldest = block.header(seq)?.map(|header| header.event.id.received_at());
                self.retention.floor_moves = false;
            } else if let Some(block) = block {
                self.state.floor = block.last().next();
            } else if let Some((_, gone)) = self.store.tombstone_at(floor)? {
                self.state.floor = gone.last.next();
            } else {
                self.retention.oldest = None;
                self.retention.floor_moves = false;
            }
        }
        self.state.settled = self.state.settled.max(self.state.floor);
        Ok(())
    }
}
