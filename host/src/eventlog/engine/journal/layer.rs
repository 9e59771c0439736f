//! What was written and is not in the store of keys yet: layers over it, the newest on top.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::ops::{Bound, Range};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::record::Entry;
use crate::eventlog::engine::Direction;

/// The last of what consecutive writes have left at each key.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) entries: BTreeMap<Bytes, Entry>,
    /// The number of the last of these writes.
    pub(super) last: u64,
    /// What they take in the journal.
    pub(super) bytes: u64,
    began: Option<Instant>,
}

/// The layers: one that grows, and those that are being applied.
#[derive(Debug, Default)]
pub(super) struct Layers {
    active: Layer,
    /// The oldest first.
    frozen: VecDeque<Arc<Layer>>,
    /// Whether what is below can be read.
    pub(super) open: bool,
}

/// What the layers have in a range, up to where a scan of it ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// In the order of the scan.
    pub(super) entries: Vec<(Bytes, Entry)>,
    pub(super) removals: usize,
}

impl Layer {
    /// Takes in the changes of write `number`, which has `bytes` in the journal.
    pub(super) fn add(&mut self, entries: impl Iterator<Item = (Bytes, Entry)>, number: u64, bytes: u64) {
        self.entries.extend(entries);
        self.last = number;
        self.bytes += bytes;
        self.began.get_or_insert_with(Instant::now);
    }

    fn is_empty(&self) -> bool {
        self.began.is_none()
    }

    fn range<'a>(
        &'a self,
        range: &Range<&[u8]>,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = (&'a Bytes, &'a Entry)> + 'a> {
        let found = self.entries.range::<[u8], _>((Bound::Included(range.start), Bound::Excluded(range.end)));
        match direction {
            Direction::Up => Box::new(found),
            Direction::Down => Box::new(found.rev()),
        }
    }
}

impl Layers {
    /// The layers that read as one: the newest first.
    fn newest_first(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.active).chain(self.frozen.iter().rev().map(|layer| &**layer))
    }

    pub(super) fn add(&mut self, entries: impl Iterator<Item = (Bytes, Entry)>, number: u64, bytes: u64) {
        self.active.add(entries, number, bytes);
    }

    /// What the newest layer that knows of `key` has there.
    pub(super) fn get(&self, key: &[u8]) -> Option<Entry> {
        self.newest_first().find_map(|layer| layer.entries.get(key)).cloned()
    }

    /// What the layers have in `range`, up to `limit` keys that are not removed.
    pub(super) fn view(&self, range: &Range<&[u8]>, direction: Direction, limit: usize) -> View {
        let mut layers: Vec<Peekable<_>> = self
            .newest_first()
            .filter(|layer| !layer.entries.is_empty())
            .map(|layer| layer.range(range, direction).peekable())
            .collect();
        let mut view = View::default();
        while view.entries.len() - view.removals < limit {
            let keys = layers.iter_mut().filter_map(|layer| layer.peek().map(|(key, _)| *key));
            let next = match direction {
                Direction::Up => keys.min(),
                Direction::Down => keys.max(),
            };
            let Some(key) = next else { break };
            let mut here = layers.iter_mut().filter_map(|layer| layer.next_if(|(found, _)| *found == key));
            let newest = here.next().map(|(_, entry)| entry.clone());
            // The older ones are hidden by it.
            here.for_each(drop);
            view.removals += usize::from(newest == Some(Entry::Removed));
            view.entries.extend(newest.map(|entry| (key.clone(), entry)));
        }
        view
    }

    /// Begins with what a start has found, which is to be applied. Nobody reads until then.
    pub(super) fn reset(&mut self, found: Layer) {
        *self = Self { active: found, ..Self::default() };
        self.freeze();
    }

    /// Begins a new layer over the one that grows, unless that is empty.
    pub(super) fn freeze(&mut self) {
        if !self.active.is_empty() {
            self.frozen.push_back(Arc::new(std::mem::take(&mut self.active)));
        }
    }

    /// The same unless another one waits to be applied already, so that they do not become many.
    pub(super) fn freeze_if_idle(&mut self) {
        if self.frozen.is_empty() {
            self.freeze();
        }
    }

    /// When the first write came to the layer that grows; none has come without.
    pub(super) fn began(&self) -> Option<Instant> {
        self.active.began
    }

    pub(super) fn frozen(&self) -> usize {
        self.frozen.len()
    }

    /// The layer that is to be applied next.
    pub(super) fn oldest(&self) -> Option<Arc<Layer>> {
        self.frozen.front().map(Arc::clone)
    }

    /// Drops the oldest layer, which the store below has by now.
    pub(super) fn applied(&mut self) {
        self.frozen.pop_front();
    }

    /// What waits to be applied, in bytes of the journal.
    pub(super) fn waiting(&self) -> u64 {
        self.newest_first().map(|layer| layer.bytes).sum()
    }
}

impl View {
    /// The first `limit` keys of the layers and of the store below, which was asked for `limit` and `removals` more.
    pub(super) fn over(self, below: Vec<(Bytes, Entry)>, direction: Direction, limit: usize) -> Vec<(Bytes, Entry)> {
        let mut below = below.into_iter().peekable();
        let mut merged = Vec::with_capacity(limit.min(self.entries.len() + below.len()));
        let comes_first = |key: &Bytes, other: &Bytes| match direction {
            Direction::Up => key < other,
            Direction::Down => key > other,
        };
        for (key, entry) in self.entries {
            while let Some(older) = below.next_if(|(other, _)| comes_first(other, &key)) {
                merged.push(older);
            }
            below.next_if(|(other, _)| *other == key);
            if entry != Entry::Removed {
                merged.push((key, entry));
            }
        }
        merged.extend(below);
        merged.truncate(limit);
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    /// `a=1 b- c=2` as entries; `b-` is removed.
    fn entries(text: &str) -> Vec<(Bytes, Entry)> {
        let entry = |word: &str| match word.split_once('=') {
            Some((key, value)) => (bytes(key), Entry::Value(bytes(value))),
            None => (bytes(word.trim_end_matches('-')), Entry::Removed),
        };
        text.split_whitespace().map(entry).collect()
    }

    /// The layers, the oldest first.
    fn layers(texts: &[&str]) -> Layers {
        let mut layers = Layers::default();
        for (number, text) in texts.iter().enumerate() {
            layers.freeze();
            layers.add(entries(text).into_iter(), number as u64, 1);
        }
        layers
    }

    #[test]
    fn the_newest_layer_that_knows_a_key_is_right() {
        let layers = layers(&["a=1 b=1 c=1", "b- c=2", "c=3"]);
        let found = ["a", "b", "c", "d"].map(|key| layers.get(key.as_bytes()));
        let value = |text| Some(Entry::Value(bytes(text)));
        assert_eq!(found, [value("1"), Some(Entry::Removed), value("3"), None]);
        assert_eq!((layers.frozen(), layers.waiting()), (2, 3));
    }

    #[test]
    fn a_scan_merges_layers_and_store_and_hides_what_was_removed() {
        let scan = |texts: &[&str], store: &str, direction, limit| {
            let view = layers(texts).view(&(&b"a"[..]..&b"z"[..]), direction, limit);
            let mut below = entries(store);
            if direction == Direction::Down {
                below.reverse();
            }
            below.truncate(limit + view.removals);
            view.over(below, direction, limit)
        };
        use Direction::{Down, Up};
        for (texts, store, direction, limit, expected) in [
            (&["b=2"][..], "a=1 c=3", Up, 9, "a=1 b=2 c=3"),
            (&["b=2"], "a=1 b=1 c=3", Up, 2, "a=1 b=2"),
            (&["b=2"], "a=1 b=1 c=3", Down, 2, "c=3 b=2"),
            (&["a- b- c-"], "a=1 b=1 c=1 d=1 e=1", Up, 1, "d=1"),
            (&["c- d- e-"], "a=1 b=1 c=1 d=1 e=1", Down, 2, "b=1 a=1"),
            // What an upper layer removed must not end the walk through a lower one.
            (&["a=1 b=1 c=1 d=1", "a- b-"], "", Up, 2, "c=1 d=1"),
            (&["a-", "a=2"], "a=1 b=1", Up, 9, "a=2 b=1"),
            (&["x-"], "a=1 b=1", Up, 1, "a=1"),
            (&[], "a=1 b=1", Up, 1, "a=1"),
            (&["a=1"], "", Up, 0, ""),
        ] {
            assert_eq!(scan(texts, store, direction, limit), entries(expected), "{texts:?} {store} {direction:?}");
        }
    }
}
