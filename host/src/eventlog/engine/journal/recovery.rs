//! What a start finds in the segments: the writes that the store of keys does not have, and where the journal ends.
//!
//! Writes are numbered one after the other, also over segments, and one is written only when the one before is on the disk.
//! So only the last can be half written, and the journal ends before the first record that is not whole, if no later one
//! is. A later one anywhere means that those before it were damaged.
//!
//! Segments that are older than the last write in the store are not looked at, save those that are read for their values.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use bytes::Bytes;

use super::batch::Live;
use super::layer::Layer;
use super::record::Found;
use super::segment::{self, START, Segment};
use super::segments::Known;
use crate::eventlog::engine::EngineError;
use crate::eventlog::engine::sled::unavailable;

/// What a start finds.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// What the store does not have.
    pub(super) layer: Layer,
    /// The number of the last write.
    pub(super) last: u64,
    /// The segment that the next write goes to, and where in it; otherwise it begins another one.
    pub(super) tail: Option<(Segment, u64)>,
    /// Segments without records.
    pub(super) spares: VecDeque<Segment>,
    pub(super) known: BTreeMap<u64, Known>,
    /// Whether any write was found.
    pub(super) any: bool,
}

/// What to do about damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Refuse the journal.
    Refused,
    /// Take what is whole, and write nothing.
    Skipped,
}

impl Damage {
    /// What was read in `dir`; nothing if it cannot be read and damage is skipped.
    fn pass<T: Default>(self, read: io::Result<T>, dir: &Path) -> Result<T, EngineError> {
        match read {
            Err(_) if self == Self::Skipped => Ok(T::default()),
            read => read.map_err(|error| unavailable(dir, &error)),
        }
    }
}

/// Reads the segments in `dir` from the write after `applied` on. `live` is what the store points to in them.
pub(super) fn recover(dir: &Path, applied: u64, live: &Live, damage: Damage) -> Result<Recovered, EngineError> {
    let failed = |error: io::Error| unavailable(dir, &error);
    let write = damage == Damage::Refused;
    if write && dir.exists() {
        // A process that was killed may have left names that only the kernel knows of.
        segment::sync(dir).map_err(failed)?;
    }
    let mut recovered = Recovered { last: applied, ..Recovered::default() };
    let (mut used, mut blank) = (VecDeque::new(), VecDeque::new());
    let all = segment::list(dir, write).map_err(failed)?;
    for (id, capacity) in &all {
        recovered.known.insert(*id, Known { capacity: *capacity, last: 0 });
    }
    for (id, _) in all.iter().rev() {
        let Some(segment) = damage.pass(Segment::open(dir, *id, write), dir)? else {
            if damage == Damage::Refused {
                return Err(damaged(dir, *id, "its header is not what was written"));
            }
            continue;
        };
        let first = match damage.pass(segment.first(), dir)? {
            None if damage == Damage::Skipped => {
                let content = damage.pass(segment.content(), dir)?;
                Found::after(&content, START as usize, segment.salt, applied + 1)
            }
            first => first,
        };
        match first.map(|found| found.number) {
            Some(Found::UNNUMBERED) => {}
            Some(first) => {
                used.push_front((segment, first));
                if first <= applied + 1 {
                    break;
                }
            }
            // One before the last write was left by a move of values that did not begin.
            None if used.is_empty() => blank.push_front(segment),
            None => {}
        }
    }
    let mut scanner = Scanner { dir, applied, live, damage, next: None, recovered };
    if let Some((segment, first)) = used.front()
        && *first > applied + 1
    {
        scanner
            .refuse(segment.id, &format!("it begins with write {first}, and the store ends with write {applied}"))?;
    }
    while let Some((segment, _)) = used.pop_front() {
        let follower = used.front().map(|(_, first)| *first);
        scanner.through(segment, follower)?;
    }
    for segment in blank {
        scanner.beyond(segment)?;
    }
    Ok(scanner.recovered)
}

fn damaged(dir: &Path, id: u64, detail: &str) -> EngineError {
    EngineError::Damaged { place: segment::path(dir, id).display().to_string(), detail: detail.to_owned() }
}

struct Scanner<'a> {
    dir: &'a Path,
    applied: u64,
    live: &'a Live,
    damage: Damage,
    /// The number of the next write, once there was one.
    next: Option<u64>,
    recovered: Recovered,
}

impl Scanner<'_> {
    fn refuse(&self, id: u64, detail: &str) -> Result<(), EngineError> {
        match self.damage {
            Damage::Refused => Err(damaged(self.dir, id, detail)),
            Damage::Skipped => Ok(()),
        }
    }

    /// Reads the records of `segment`, which the one with write `follower` follows.
    fn through(&mut self, segment: Segment, follower: Option<u64>) -> Result<(), EngineError> {
        let content = self.content(&segment)?;
        let mut at = START as usize;
        loop {
            let found = Found::at(&content, at, segment.salt);
            if let Some(found) = found.filter(|found| self.next.is_none_or(|next| next == found.number)) {
                at = found.place.end;
                self.take(&found, &content, segment.id);
                continue;
            }
            let next = self.next.unwrap_or(1);
            // Where one segment ends, the next one has the next write.
            if follower == Some(next) {
                break;
            }
            let Some(later) = Found::after(&content, at, segment.salt, next) else {
                if let Some(follower) = follower {
                    let detail =
                        format!("it ends before write {next}, and the next segment begins with write {follower}");
                    self.refuse(segment.id, &detail)?;
                }
                break;
            };
            let detail = format!("there is write {} behind a damaged record, expected write {next}", later.number);
            self.refuse(segment.id, &detail)?;
            (at, self.next) = (later.place.start, None);
        }
        let last = self.next.map_or(0, |next| next - 1);
        let is_tail = follower.is_none() && last >= self.applied;
        self.learn(&segment, if is_tail { Known::IN_USE } else { last });
        if is_tail {
            self.recovered.tail = Some((segment, at as u64));
        }
        Ok(())
    }

    /// Looks at `segment` behind the end, which does not begin with a record: it must have none at all.
    fn beyond(&mut self, segment: Segment) -> Result<(), EngineError> {
        let content = self.content(&segment)?;
        let next = self.next.unwrap_or(self.applied + 1);
        if let Some(later) = Found::after(&content, START as usize, segment.salt, next) {
            self.refuse(segment.id, &format!("there is write {} behind a damaged record", later.number))?;
        }
        if self.live.of(segment.id) > 0 {
            // Its first record is damaged. What the store points to behind that must not be written over.
            self.learn(&segment, 0);
            return Ok(());
        }
        self.learn(&segment, Known::IN_USE);
        self.recovered.spares.push_back(segment);
        Ok(())
    }

    fn take(&mut self, found: &Found, content: &Bytes, segment: u64) {
        self.next = Some(found.number + 1);
        self.recovered.any = true;
        if found.number > self.applied {
            let bytes = found.place.len() as u64;
            self.recovered.layer.add(found.entries(content, segment), found.number, bytes);
            self.recovered.last = self.recovered.last.max(found.number);
        }
    }

    fn learn(&mut self, segment: &Segment, last: u64) {
        self.recovered.known.insert(segment.id, Known { capacity: segment.capacity, last });
    }

    fn content(&self, segment: &Segment) -> Result<Bytes, EngineError> {
        self.damage.pass(segment.content(), self.dir)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::event::Seq;
    use crate::eventlog::engine::Op;
    use crate::eventlog::engine::journal::record::Draft;

    const CAPACITY: u64 = 4096;

    /// A folder with segments that begin with these writes and have so many, and where each record of each segment is.
    struct Folder {
        dir: tempfile::TempDir,
        places: Vec<Vec<(usize, usize)>>,
    }

    impl Folder {
        fn new(segments: &[(u64, u64)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut places = Vec::new();
            for (index, (first, count)) in segments.iter().enumerate() {
                let segment = Segment::prepare(dir.path(), index as u64 + 1, CAPACITY).unwrap();
                let mut at = START;
                let mut found = Vec::new();
                for number in *first..first + count {
                    let ops = vec![Op::Put(number.to_be_bytes().to_vec(), vec![number as u8; 100])];
                    let mut draft = Draft::new(ops, number, Seq(number));
                    segment.write(draft.seal(segment.salt), at).unwrap();
                    found.push((at as usize, (at + draft.len()) as usize));
                    at += draft.len();
                }
                places.push(found);
            }
            Self { dir, places }
        }

        fn recover(&self, applied: u64) -> Result<Recovered, EngineError> {
            recover(self.dir.path(), applied, &Live::default(), Damage::Refused)
        }

        /// The numbers of the writes that are recovered, and those of the segments that the next one may go to.
        fn found(&self, applied: u64) -> (Vec<u64>, Option<(u64, u64)>, Vec<u64>) {
            let recovered = self.recover(applied).unwrap();
            let numbers = recovered.layer.entries.keys().map(|key| u64::from_be_bytes(key[..].try_into().unwrap()));
            let tail = recovered.tail.map(|(segment, at)| (segment.id, at));
            (numbers.collect(), tail, recovered.spares.iter().map(|spare| spare.id).collect())
        }

        fn edit(&self, segment: u64, edit: impl FnOnce(&mut Vec<u8>)) {
            let path = segment::path(self.dir.path(), segment);
            let mut bytes = fs::read(&path).unwrap();
            edit(&mut bytes);
            fs::write(path, bytes).unwrap();
        }

        fn end(&self, segment: usize) -> Option<(u64, u64)> {
            self.places[segment].last().map(|(_, end)| (segment as u64 + 1, *end as u64))
        }
    }

    fn is_damaged(recovered: &Result<Recovered, EngineError>) -> bool {
        matches!(recovered, Err(EngineError::Damaged { .. }))
    }

    #[test]
    fn the_writes_after_those_that_were_applied_are_found() {
        let folder = Folder::new(&[(5, 3), (8, 2), (10, 3), (0, 0), (0, 0)]);
        let tail = folder.end(2);
        for (applied, expected) in [(4, 5..13), (5, 6..13), (8, 9..13), (9, 10..13), (11, 12..13), (12, 13..13)] {
            assert_eq!(folder.found(applied), (expected.collect(), tail, vec![4, 5]), "{applied}");
        }
        assert_eq!(folder.found(20), (vec![], None, vec![4, 5]), "a store with more begins another segment");
        assert!(is_damaged(&folder.recover(3)), "write 4 is nowhere");
        assert_eq!(Folder::new(&[]).found(7), (vec![], None, vec![]));
    }

    #[test]
    fn half_of_the_last_record_is_no_record_wherever_it_ends() {
        let folder = Folder::new(&[(1, 3), (0, 0)]);
        let (start, end) = folder.places[0][2];
        let path = segment::path(folder.dir.path(), 1);
        let whole = fs::read(&path).unwrap();
        for at in start..end {
            for cut in [true, false] {
                folder.edit(1, |bytes| {
                    bytes.copy_from_slice(&whole);
                    if cut { bytes[at..end].fill(0) } else { bytes[at] ^= 0x41 }
                });
                assert_eq!(folder.found(0), (vec![1, 2], Some((1, start as u64)), vec![2]), "{at}");
            }
        }
        folder.edit(1, |bytes| bytes.copy_from_slice(&whole));
        assert_eq!(folder.found(0).0, [1, 2, 3]);
    }

    #[test]
    fn a_damaged_record_before_the_last_is_no_end_wherever_it_is_damaged() {
        let folder = Folder::new(&[(1, 2), (3, 2), (0, 0)]);
        for (segment, record) in [(1, 0), (1, 1), (2, 0)] {
            let (start, end) = folder.places[segment - 1][record];
            for at in start..end {
                folder.edit(segment as u64, |bytes| bytes[at] ^= 0x41);
                assert!(is_damaged(&folder.recover(0)), "segment {segment}, byte {at}");
                folder.edit(segment as u64, |bytes| bytes[at] ^= 0x41);
            }
        }
        assert_eq!(folder.found(0).0, [1, 2, 3, 4]);
    }

    #[test]
    fn a_segment_with_a_wrong_header_is_damaged_and_one_that_was_being_prepared_is_removed() {
        let folder = Folder::new(&[(1, 2)]);
        let half = folder.dir.path().join("0000000000000002.new");
        fs::write(&half, b"half").unwrap();
        assert_eq!(folder.found(0).0, [1, 2]);
        assert!(!half.exists());
        for at in 0..28 {
            folder.edit(1, |bytes| bytes[at] ^= 0x41);
            assert!(is_damaged(&folder.recover(0)), "byte {at}");
            folder.edit(1, |bytes| bytes[at] ^= 0x41);
        }
        folder.edit(1, |bytes| bytes.truncate(20));
        assert!(is_damaged(&folder.recover(0)));
    }

    #[test]
    fn what_an_earlier_life_of_the_file_has_left_is_not_read() {
        let folder = Folder::new(&[(1, 3), (4, 3)]);
        let again = Segment::prepare_again(folder.dir.path(), 1, 3).unwrap();
        assert_eq!(again.capacity, CAPACITY);

        assert_eq!(folder.found(3), (vec![4, 5, 6], folder.end(1), vec![3]));
    }

    #[test]
    fn an_unfinished_end_is_written_over_and_gone_on_from() {
        let folder = Folder::new(&[(1, 3), (0, 0)]);
        let (start, end) = folder.places[0][2];
        folder.edit(1, |bytes| bytes[end - 1] ^= 1);
        let Recovered { tail, .. } = folder.recover(0).unwrap();
        let (segment, at) = tail.unwrap();
        assert_eq!(at, start as u64);
        let mut shorter = Draft::new(vec![Op::Remove(b"k".to_vec())], 3, Seq(3));
        segment.write(shorter.seal(segment.salt), at).unwrap();

        let again = folder.recover(0).unwrap();

        assert_eq!((again.last, again.tail.map(|(_, at)| at)), (3, Some(at + shorter.len())));
    }

    #[test]
    fn a_repair_goes_on_behind_a_segment_that_cannot_be_read() {
        let folder = Folder::new(&[(1, 3), (4, 3), (7, 2)]);
        let path = segment::path(folder.dir.path(), 2);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(folder.recover(0), Err(EngineError::Unavailable(_))));

        let recovered = recover(folder.dir.path(), 0, &Live::default(), Damage::Skipped).unwrap();

        let numbers = recovered.layer.entries.keys().map(|key| u64::from_be_bytes(key[..].try_into().unwrap()));
        assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3, 7, 8]);
    }

    /// A segment whose first record is damaged looks like one that was not used yet.
    #[test]
    fn a_damaged_segment_with_values_is_not_written_over() {
        let folder = Folder::new(&[(1, 2), (3, 1), (0, 0)]);
        let (start, _) = folder.places[1][0];
        folder.edit(2, |bytes| bytes[start + 40] ^= 1);

        let recovered = recover(folder.dir.path(), 3, &Live::of_segment(2, 100), Damage::Refused).unwrap();

        let spares: Vec<_> = recovered.spares.iter().map(|spare| spare.id).collect();
        assert_eq!((recovered.last, spares, recovered.tail.is_some()), (3, vec![3], false));
        assert_eq!(recovered.known[&2].last, 0);
    }

    #[test]
    fn a_repair_takes_every_record_that_is_whole() {
        let folder = Folder::new(&[(1, 3), (4, 3), (7, 2), (0, 0)]);
        for (segment, record) in [(1, 1), (2, 0), (3, 1)] {
            let (start, _) = folder.places[segment - 1][record];
            folder.edit(segment as u64, |bytes| bytes[start + 30] ^= 1);
        }

        let recovered = recover(folder.dir.path(), 0, &Live::default(), Damage::Skipped).unwrap();

        let numbers = recovered.layer.entries.keys().map(|key| u64::from_be_bytes(key[..].try_into().unwrap()));
        assert_eq!(numbers.collect::<Vec<_>>(), [1, 3, 5, 6, 7]);
    }
}
