//! Releases within a commit.

use std::collections::HashSet;
use std::sync::Arc;

use super::commit::CommitBuilder;
use crate::event::{Event, EventStatus, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::batch::{Expected, NewEvent, Release, ValueChange};
use crate::eventlog::layout::bucket::Slot;
use crate::eventlog::quarantine::{RELEASES, Released};

impl CommitBuilder {
    /// Whether all of `releases` are of events in quarantine.
    pub(super) fn check_releases(&mut self, releases: &[Release]) -> Result<(), EventLogError> {
        if releases.is_empty() {
            return Ok(());
        }
        // What is added needs it, and must not fail then.
        self.buckets.get(&self.store, self.state.head, self.state.head.next())?;
        let mut released = HashSet::new();
        for Release { seq, .. } in releases {
            let status = self.slot(*seq)?.map(Slot::status).ok_or(EventLogError::NotFound)?;
            if status != EventStatus::Quarantined || !released.insert(*seq) {
                return Err(EventLogError::Conflict(format!("event {seq}, which is {status}")));
            }
        }
        Ok(())
    }

    pub(super) fn release(&mut self, release: Release, now: Timestamp) -> Result<Arc<Event>, EventLogError> {
        let Release { seq, by, event } = release;
        // Neither a duplicate of what is in quarantine, nor late.
        let event = NewEvent { identity: None, statement: None, quarantine: None, ..event };
        let event = self.put_event(event, None, false, now)?;
        let quarantined = &mut self.state.statuses[EventStatus::Quarantined as usize];
        *quarantined = quarantined.saturating_sub(1);
        self.state.statuses[EventStatus::Released as usize] += 1;
        self.buckets.release(seq);
        let released = Released { event: event.id, by, at: now };
        let (key, value) = (Released::key(seq), Some(released.write()));
        self.put_value(ValueChange { space: RELEASES, key, value, expected: Expected::Anything });
        Ok(event)
    }
}
