//! A disk that is full at any moment of the journal's work: a segment cannot be prepared ahead, nor for a commit that waits for
//! it, nor be emptied into another one, nor can a layer be applied. What was acknowledged is there, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::statvfs;

use super::disk::{Mount, skip};
use super::*;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// Some large values, some small ones, and some removals, all of few keys.
    fn ops(&mut self) -> Vec<Op> {
        let mut ops = Vec::new();
        for _ in 0..=self.below(4) {
            let key = format!("{:02}", self.below(60)).into_bytes();
            let size = match self.below(20) {
                0 => 1000 + self.below(25_000),
                1..12 => 1000 + self.below(1500),
                _ => self.below(40),
            };
            let value = vec![1 + self.below(200) as u8; size as usize];
            ops.push(if self.below(4) == 0 { Op::Remove(key) } else { Op::Put(key, value) });
        }
        ops
    }
}

fn change(map: &mut Map, ops: Vec<Op>) {
    for op in ops {
        match op {
            Op::Put(key, value) => drop(map.insert(key, value)),
            Op::Remove(key) => drop(map.remove(&key)),
        }
    }
}

fn everything(journal: &Journal) -> Map {
    let pairs = journal.scan(&[]..&[u8::MAX], Direction::Up, usize::MAX).unwrap();
    pairs.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Takes what is free on the disk, but for `left` bytes.
fn fill(disk: &Path, left: u64) {
    let found = statvfs(disk).unwrap();
    let free = found.f_bavail * found.f_frsize;
    // A segment may be prepared meanwhile, so that there is less.
    drop(fs::write(disk.join("filler"), vec![1; free.saturating_sub(left) as usize]));
}

/// How often it is filled, at least.
const ROUNDS: u32 = 30;

/// Fills `disk` again and again while `journal` in `dir` works, but for as much as `left` says.
fn is_full_at_any_moment(disk: &Path, dir: &Path, open: impl Fn() -> Journal, left: impl Fn(&mut Random) -> u64) {
    let mut random = Random(7);
    let mut journal = open();
    let mut map = Map::new();
    let mut refused = 0_u32;
    for round in 0.. {
        // How often it is full depends on what the thread that applies has made of it.
        if round >= ROUNDS && refused > 5 {
            break;
        }
        assert!(round < 10 * ROUNDS, "the disk was full {refused} times");
        for _ in 0..random.below(20) {
            let ops = random.ops();
            journal.write(ops.clone(), Seq(1)).unwrap();
            change(&mut map, ops);
        }
        fill(disk, left(&mut random));
        let mut doubtful = None;
        for _ in 0..200 {
            let ops = random.ops();
            match journal.write(ops.clone(), Seq(1)) {
                Ok(()) => change(&mut map, ops),
                Err(error) => {
                    assert!(matches!(error, EngineError::Full(_)), "round {round}: {error}");
                    doubtful = Some(ops);
                    break;
                }
            }
        }
        assert_eq!(everything(&journal), map, "round {round}: it can be read while the disk is full");
        refused += u32::from(doubtful.is_some());
        let ends = doubtful.is_some() && refused.is_multiple_of(3);
        if ends {
            // With what cannot be applied now.
            journal.close();
        }
        fs::remove_file(disk.join("filler")).unwrap();
        let Some(ops) = doubtful else { continue };
        if ends {
            journal = open();
        } else {
            journal.reopen().unwrap();
        }
        // What was refused is there as a whole or not at all.
        let found = everything(&journal);
        if found != map {
            change(&mut map, ops);
            assert_eq!(found, map, "round {round}");
        }
    }
    journal.close();
    let journal = open();
    assert_eq!(everything(&journal), map);
    assert_eq!(journal.problems(), Vec::<String>::new());
    journal.close();
    assert!(fs::read_dir(dir.join("journal")).unwrap().count() > 0);
}

/// The segments have a small disk of their own, so that each of their steps fails as the system lets it fail.
#[test]
fn segments_that_meet_a_full_disk_lose_nothing() {
    let Some(mount) = Mount::tmpfs(2) else { return skip("a full disk needs root, to mount a small tmpfs") };
    let sizes = Sizes { segment: 16 << 10, batch: 2 << 10 };
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    fs::create_dir(mount.path().join("segments")).unwrap();
    symlink(mount.path().join("segments"), dir.join("journal")).unwrap();
    let open = || {
        let mut store = Sled::open(dir, 8 << 20, 0, 0).unwrap();
        store.keep_nothing_free();
        Journal::over(store, dir, sizes).unwrap()
    };

    is_full_at_any_moment(mount.path(), dir, open, |random| random.below(20) * 4096);
}

/// Store and segments share a disk, of which the reserve keeps what the store needs for itself.
#[test]
fn a_journal_that_meets_the_reserve_loses_nothing() {
    let Some(mount) = Mount::tmpfs(64) else { return skip("a full disk needs root, to mount a small tmpfs") };
    let sizes = Sizes { segment: 64 << 10, batch: 16 << 10 };
    let dir = mount.path().join("data");
    let open = || Journal::over(Sled::open(&dir, 8 << 20, 0, 0).unwrap(), &dir, sizes).unwrap();

    is_full_at_any_moment(mount.path(), &dir, open, |random| (4 << 20) + random.below(96 << 10));
}
