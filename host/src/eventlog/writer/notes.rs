//! Notes within a commit: they are there while their events are.

use std::collections::HashSet;

use super::commit::CommitBuilder;
use crate::event::Seq;
use crate::eventlog::EventLogError;
use crate::eventlog::batch::ValueChange;
use crate::eventlog::layout::block::Block;
use crate::eventlog::layout::reader::EventCursor;
use crate::eventlog::note::{NOTES, Note};

impl CommitBuilder {
    /// Leaves out notes about events that are gone: nothing would remove them.
    pub(super) fn check_notes(&mut self, values: &mut Vec<ValueChange>) -> Result<(), EventLogError> {
        let mut cursor = EventCursor::new(&self.store);
        let mut gone = HashSet::new();
        for note in values.iter().filter(|change| change.space == NOTES) {
            self.has_notes = true;
            match Note::seq_of(&note.key) {
                Some(seq) if self.state.holds(seq) && cursor.header(seq)?.is_some() => {}
                _ => drop(gone.insert(note.key.clone())),
            }
        }
        values.retain(|change| change.space != NOTES || !gone.contains(&change.key));
        Ok(())
    }

    /// The events of a block that have notes, in the store or in this commit.
    pub(super) fn noted(&self, block: &Block) -> Result<HashSet<Seq>, EventLogError> {
        if !self.has_notes {
            return Ok(HashSet::new());
        }
        let mut noted = Note::between(&self.store, block.first, block.last())?;
        let is_new = |seq: &Seq| !self.values.is_empty() && self.values.contains_key(&Note::stored_key(*seq));
        noted.extend(block.held().filter(is_new));
        Ok(noted)
    }
}
