//! A sorted, immutable set of identities with a filter, written once.

use serde::{Deserialize, Serialize};

use crate::event::{EventId, Seq, Timestamp};
use crate::eventlog::EventLogError;
use crate::eventlog::engine::Op;
use crate::eventlog::identity::Identity;
use crate::eventlog::layout::key;
use crate::eventlog::layout::reader::Store;
use crate::eventlog::layout::record::{self, corrupt};

/// Many identities, written once: sorted in the store, a filter in memory.
pub(super) struct Run {
    pub(super) number: u64,
    /// The latest position that it covers.
    pub(super) last: Seq,
    /// When the latest of its events was received.
    pub(super) latest: Timestamp,
    /// The first identity of each of its records.
    firsts: Vec<Identity>,
    filter: Filter,
}

/// The record before those with the identities.
#[derive(Serialize, Deserialize)]
struct Header {
    last: Seq,
    latest: Timestamp,
    firsts: Vec<Identity>,
    filter_parts: u16,
}

record::plain_records! { Header }

impl Run {
    /// How many identities fit into one record.
    pub(super) const RECORD: usize = 900;

    const FILTER_PART: usize = 24 * 1024;

    /// Makes a run of `entries`, the identities of events up to `last`.
    pub(super) fn write(number: u64, last: Seq, mut entries: Vec<(Identity, EventId)>, ops: &mut Vec<Op>) -> Self {
        entries.sort_unstable_by_key(|(identity, _)| identity.0);
        let mut filter = Filter::for_entries(entries.len());
        entries.iter().for_each(|(identity, _)| filter.add(identity));
        let mut index = 0_u16;
        let mut put = |value: &mut dyn FnMut(&[u8]) -> Vec<u8>| {
            index += 1;
            let key = key::run(number, index);
            ops.push(Op::Put(key.to_vec(), value(&key)));
        };
        let mut firsts = Vec::new();
        for part in entries.chunks(Self::RECORD) {
            firsts.extend(part.first().map(|(identity, _)| *identity));
            put(&mut |key| record::encode_plain(key, part));
        }
        let bytes = filter.to_bytes();
        for part in bytes.chunks(Self::FILTER_PART) {
            put(&mut |key| {
                let mut value = record::draft(part.len());
                value.extend_from_slice(part);
                record::seal(key, record::PLAIN, value)
            });
        }
        let latest = entries.iter().map(|(_, id)| id.received_at()).max().unwrap_or(Timestamp::from_millis(0));
        let run = Self { number, last, latest, firsts, filter };
        let key = key::run(number, 0);
        ops.push(Op::Put(key.to_vec(), record::encode(&key, &run.header())));
        run
    }

    pub(super) fn load(store: &Store, number: u64) -> Result<Self, EventLogError> {
        let missing = |key: &[u8]| corrupt(key, "it is missing".to_owned());
        let key = key::run(number, 0);
        let header: Header = store.read(&key)?.ok_or_else(|| missing(&key))?;
        let mut bytes = Vec::new();
        let first = header.firsts.len();
        for index in (1_u16..).skip(first).take(header.filter_parts.into()) {
            let key = key::run(number, index);
            let value = store.engine.get(&key)?.ok_or_else(|| missing(&key))?;
            bytes.extend_from_slice(&record::open(&key, &value, record::PLAIN)?.1);
        }
        let Header { last, latest, firsts, .. } = header;
        Ok(Self { number, last, latest, firsts, filter: Filter::from_bytes(&bytes) })
    }

    fn header(&self) -> Header {
        let filter_parts = self.filter.to_bytes().len().div_ceil(Self::FILTER_PART);
        Header {
            last: self.last,
            latest: self.latest,
            firsts: self.firsts.clone(),
            filter_parts: u16::try_from(filter_parts).unwrap_or(u16::MAX),
        }
    }

    pub(super) fn find(&self, store: &Store, identity: &Identity) -> Result<Option<EventId>, EventLogError> {
        if !self.filter.may_have(identity) {
            return Ok(None);
        }
        let part = self.firsts.partition_point(|first| first.0 <= identity.0);
        let Some(part) = u16::try_from(part).ok().filter(|part| *part > 0) else { return Ok(None) };
        let key = key::run(self.number, part);
        let entries: Vec<(Identity, EventId)> =
            store.read(&key)?.ok_or_else(|| corrupt(&key, "it is missing".to_owned()))?;
        let found = entries.binary_search_by_key(&identity.0, |(identity, _)| identity.0);
        Ok(found.ok().map(|index| entries[index].1))
    }

    /// Gives what is in its records to `found`, and what cannot be read to `failed`.
    pub(super) fn read_all(
        &self,
        store: &Store,
        found: &mut dyn FnMut(Vec<(Identity, EventId)>) -> Result<(), EventLogError>,
        failed: &mut dyn FnMut(EventLogError),
    ) -> Result<(), EventLogError> {
        for part in (1..=u16::MAX).take(self.firsts.len()) {
            let key = key::run(self.number, part);
            match store.read(&key) {
                Ok(Some(entries)) => found(entries)?,
                Ok(None) => failed(corrupt(&key, "it is missing".to_owned())),
                Err(error) => failed(error),
            }
        }
        Ok(())
    }

    pub(super) fn remove(&self, ops: &mut Vec<Op>) {
        let records = self.firsts.len() + usize::from(self.header().filter_parts);
        ops.extend((0..=u16::MAX).take(records + 1).map(|index| Op::Remove(key::run(self.number, index).to_vec())));
    }
}

/// A Bloom filter whose bits for one identity share a cache line: 20 bits for each, about 1 in 1000 wrong, so that a
/// lookup in hundreds of runs reads hardly any record in vain.
struct Filter(Vec<[u64; Filter::WORDS]>);

impl Filter {
    const WORDS: usize = 8;
    const BITS_EACH: usize = 20;
    const PROBES: u32 = 7;

    fn for_entries(entries: usize) -> Self {
        Self(vec![[0; Self::WORDS]; (entries * Self::BITS_EACH).div_ceil(Self::WORDS * 64)])
    }

    fn add(&mut self, identity: &Identity) {
        let (line, bits) = self.place(identity);
        if let Some(line) = self.0.get_mut(line) {
            for (word, bit) in bits {
                line[word] |= bit;
            }
        }
    }

    fn may_have(&self, identity: &Identity) -> bool {
        let (line, mut bits) = self.place(identity);
        self.0.get(line).is_some_and(|line| bits.all(|(word, bit)| line[word] & bit != 0))
    }

    // An identity is a hash: its bits are as good as those of another one.
    fn place(&self, identity: &Identity) -> (usize, impl Iterator<Item = (usize, u64)> + use<>) {
        let number = u128::from_be_bytes(identity.0);
        let line = ((number >> 64) * self.0.len() as u128) >> 64;
        let probes = (0..Self::PROBES).map(move |probe| (number >> (9 * probe)) as usize & 511);
        (line as usize, probes.map(|bit| (bit / 64, 1 << (bit % 64))))
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let words = |line: &[u8; 64]| {
            let mut words = [0; Self::WORDS];
            for (word, bytes) in words.iter_mut().zip(line.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            words
        };
        Self(bytes.as_chunks().0.iter().map(words).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u32) -> Identity {
        Identity::of_key(&"github".parse().unwrap(), &number.to_string())
    }

    #[test]
    fn a_filter_knows_what_it_has_and_little_else() {
        let mut filter = Filter::for_entries(10_000);
        (0..10_000).for_each(|number| filter.add(&identity(number)));
        let filter = Filter::from_bytes(&filter.to_bytes());

        assert!((0..10_000).all(|number| filter.may_have(&identity(number))));
        let wrong = (10_000..20_000).filter(|number| filter.may_have(&identity(*number))).count();
        assert!(wrong < 30, "{wrong}");
        assert!(!Filter::for_entries(0).may_have(&identity(1)));
    }
}
