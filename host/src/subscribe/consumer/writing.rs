//! What of a consumer is in the log: it is written together, confirmed afterwards, and removed with the consumer.

use super::record::{CONSUMERS, PARKED, Parked, change, decode, encode, parked_key, parked_prefix};
use super::{Confirmed, Consumer};
use crate::event::{EventId, Seq, Timestamp};
use crate::eventlog::{Batch, EventLogError, Hold};

impl Consumer {
    /// Makes what was settled durable.
    ///
    /// # Errors
    /// Those of a commit. What was to be written stays to be written.
    pub(in crate::subscribe) async fn flush(&self) -> Result<(), EventLogError> {
        let _turn = self.writing.lock().await;
        let (record, changes, acked, turns) = {
            let mut state = self.state();
            if state.deleted {
                return Ok(());
            }
            let record = state.record();
            let acked = std::mem::take(&mut state.acked);
            if state.written.as_ref().is_some_and(|written| written.says(&record))
                && !state.window.has_parking_changes()
            {
                state.confirmed.extend(acked);
                return Ok(());
            }
            (record, state.window.take_parking_changes(), acked, state.turns)
        };
        let now = Timestamp::now();
        let mut values = vec![change(CONSUMERS, self.name.clone(), Some(encode(&record)))];
        values.extend(changes.iter().map(|(seq, parking)| {
            let parked = parking.as_ref().map(|parking| encode(&Parked::new(parking.clone(), now)));
            change(PARKED, parked_key(&self.name, *seq), parked)
        }));
        let committed = self.log.commit(Batch { values, ..Batch::default() }).await;
        let mut state = self.state();
        let is_same_turn = state.turns == turns;
        if let Err(error) = committed {
            state.window.keep_parking_changes(changes);
            if is_same_turn {
                state.acked.splice(0..0, acked);
            }
            return Err(error);
        }
        self.parkings.inc_by(changes.values().flatten().count() as u64);
        if is_same_turn {
            let position = record.position;
            let is_told = |id: &EventId| id.seq() > position || changes.get(&id.seq()) == Some(&None);
            state.confirmed.extend(acked.into_iter().filter(is_told));
        }
        state.written = Some(record);
        Ok(())
    }

    /// Makes what was settled durable if that is possible now; otherwise later.
    pub(in crate::subscribe) async fn flush_or_wait(&self) {
        if let Err(error) = self.flush().await {
            tracing::debug!(consumer = self.name, "Position was not written: {error}");
        }
    }

    /// Makes what was settled durable, and returns what is since the last answer.
    ///
    /// # Errors
    /// Those of [`flush`](Self::flush).
    pub(in crate::subscribe) async fn confirm(&self) -> Result<Confirmed, EventLogError> {
        self.flush().await?;
        let mut state = self.state();
        let position = state.written.as_ref().map_or(Seq(0), |record| record.position);
        Ok(Confirmed { position, ids: std::mem::take(&mut state.confirmed) })
    }

    /// What is parked, as far as it is written, oldest first. Waits for the disk.
    pub(in crate::subscribe) fn parked(&self) -> Result<Vec<Parked>, EventLogError> {
        let values = self.log.values(&PARKED, &parked_prefix(&self.name))?;
        values.iter().map(|(key, value)| decode("subscribe/parked", key, value)).collect()
    }

    /// What it keeps in the log.
    pub(in crate::subscribe) fn hold(&self) -> Option<Hold> {
        let state = self.state();
        let position = state.window.position();
        // A restart goes on from what is written.
        let after = state.written.as_ref().map_or(position, |written| written.position.min(position));
        state.spec.hold().map(|max_age| Hold { after, max_age })
    }

    /// Nobody may hold it any more, and everything that is known of it leaves the log. May be repeated after an error.
    ///
    /// # Errors
    /// Those of the log.
    pub(in crate::subscribe) async fn delete(&self) -> Result<(), EventLogError> {
        /// Values that one commit removes.
        const AT_ONCE: usize = 500;
        self.change(|state| {
            state.deleted = true;
            state.end_turn();
        });
        // From here on nothing is written any more.
        let _turn = self.writing.lock().await;
        if self.state().is_gone {
            // Another one may have its name by now.
            return Ok(());
        }
        let prefix = parked_prefix(&self.name);
        let parked = self.read_log(move |log| log.values(&PARKED, &prefix)).await?;
        let mut values: Vec<_> = parked.into_iter().map(|(key, _)| change(PARKED, key, None)).collect();
        values.push(change(CONSUMERS, self.name.clone(), None));
        for values in values.chunks(AT_ONCE) {
            self.log.commit(Batch { values: values.to_vec(), ..Batch::default() }).await?;
        }
        self.state().is_gone = true;
        Ok(())
    }
}
