//! Random writes with crashes at random moments, compared with a map: what was acknowledged is there, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

use super::*;

const SIZES: Sizes = Sizes { segment: 16 << 10, batch: 700 };

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn key(&mut self) -> Vec<u8> {
        format!("{:02}", self.below(60)).into_bytes()
    }

    fn op(&mut self) -> Op {
        let key = self.key();
        if self.below(4) == 0 {
            return Op::Remove(key);
        }
        let size = match self.below(20) {
            0 => self.below(30_000),
            1..12 => 1000 + self.below(1500),
            _ => self.below(40),
        };
        // Some values look like pointers.
        let first = if self.below(8) == 0 { 0 } else { 1 + self.below(200) as u8 };
        let mut value = vec![self.below(256) as u8; size as usize];
        if let Some(byte) = value.first_mut() {
            *byte = first;
        }
        Op::Put(key, value)
    }

    fn ops(&mut self) -> Vec<Op> {
        (0..1 + self.below(6)).map(|_| self.op()).collect()
    }
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn change(map: &mut Map, ops: &[Op]) {
    for op in ops {
        match op {
            Op::Put(key, value) => drop(map.insert(key.clone(), value.clone())),
            Op::Remove(key) => drop(map.remove(key)),
        }
    }
}

/// A journal whose background work is done step by step.
struct Stepped {
    journal: Journal,
    applier: Applier,
}

impl Stepped {
    fn open(dir: &Path) -> Self {
        let mut store = Sled::open(dir, 1 << 20, 0, 0).unwrap();
        store.keep_nothing_free();
        let shared = Arc::new(Shared::new(store, Segments::new(dir.join(SEGMENTS)), SIZES));
        let journal = Journal { shared, tail: Mutex::default(), applier: Mutex::default() };
        let (applier, tail) = journal.recover(Damage::Refused).unwrap();
        *journal.tail() = Some(tail);
        journal.shared.layers_mut().open = true;
        Self { journal, applier }
    }

    /// Writes, with as many steps as the write waits for.
    fn write(&mut self, ops: Vec<Op>) {
        let journal = &self.journal;
        std::thread::scope(|scope| {
            let write = scope.spawn(move || journal.write(ops, Seq(1)).unwrap());
            while !write.is_finished() {
                self.applier.step().unwrap();
            }
        });
    }

    fn is(&self, map: &Map, random: &mut Random) {
        let everything = self.scan(&[]..&[u8::MAX], Direction::Up, usize::MAX);
        assert!(everything.iter().eq(map.iter()), "{:?}", difference(&everything, map));
        for _ in 0..20 {
            let key = random.key();
            assert_eq!(self.journal.get(&key).unwrap().as_deref(), map.get(&key).map(|value| &value[..]));
            let (from, to, limit) = (random.key(), random.key(), random.below(8) as usize);
            if from < to {
                let range = || map.range(from.clone()..to.clone()).map(|(key, value)| (key.clone(), value.clone()));
                let up: Map = range().take(limit).collect();
                assert_eq!(self.scan(&from..&to, Direction::Up, limit), up);
                let down: Map = range().rev().take(limit).collect();
                assert_eq!(self.scan(&from..&to, Direction::Down, limit), down);
            }
        }
    }

    fn scan(&self, range: Range<&[u8]>, direction: Direction, limit: usize) -> Map {
        let pairs = self.journal.scan(range, direction, limit).unwrap();
        let sorted = |pair: &[Pair]| match direction {
            Direction::Up => pair[0].0 < pair[1].0,
            Direction::Down => pair[0].0 > pair[1].0,
        };
        assert!(pairs.windows(2).all(sorted) && pairs.len() <= limit);
        pairs.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }
}

/// The keys at which they differ.
fn difference(found: &Map, expected: &Map) -> Vec<String> {
    let keys = found.keys().chain(expected.keys());
    let differ = keys.filter(|key| found.get(*key) != expected.get(*key));
    differ.map(|key| String::from_utf8_lossy(key).into_owned()).collect()
}

/// What a crash would leave of the log in `dir`.
fn copy(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for folder in ["", SEGMENTS] {
        fs::create_dir_all(copy.path().join(folder)).unwrap();
        if !dir.join(folder).exists() {
            continue;
        }
        for entry in fs::read_dir(dir.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, copy.path().join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    copy
}

/// Writes and works in turn; between any two steps the log may be left as it is and opened again.
fn survives(seed: u64) {
    let random = &mut Random(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut log = Stepped::open(dir.path());
    let mut map = Map::new();
    for round in 0..250 {
        for _ in 0..random.below(4) {
            let ops = random.ops();
            change(&mut map, &ops);
            log.write(ops);
        }
        if random.below(6) == 0 {
            log.journal.shared.layers_mut().freeze();
        }
        for _ in 0..random.below(6) {
            log.applier.step().unwrap();
        }
        if random.below(12) == 0 {
            log.is(&map, random);
        }
        if random.below(16) == 0 {
            if random.below(2) == 0 {
                log.journal.shared.store.sync().unwrap();
            }
            let copy = copy(dir.path());
            let mut after = Stepped::open(copy.path());
            after.is(&map, random);
            let mut further = map.clone();
            for _ in 0..random.below(12) {
                let ops = random.ops();
                change(&mut further, &ops);
                after.write(ops);
            }
            assert_eq!(after.journal.problems(), Vec::<String>::new(), "seed {seed}, round {round}");
            let again = self::copy(copy.path());
            drop(after);
            Stepped::open(again.path()).is(&further, random);
        }
    }
    log.journal.shared.layers_mut().freeze();
    while log.applier.step().unwrap() == applier::Step::Done {}
    log.is(&map, random);
    let stats = log.journal.shared.stats();
    assert_eq!(stats.waiting, 0);
    let live: usize = map.values().filter(|value| Pointer::is_for(value)).map(Vec::len).sum();
    assert_eq!(stats.live, live as u64);
    let idle = 8 * SIZES.segment + 4 * 32_000;
    assert!(stats.bytes <= 2 * stats.live + idle, "{stats:?}");
}

#[test]
fn what_was_written_survives_a_crash_at_any_moment() {
    for seed in 0..6 {
        survives(seed);
    }
}

/// The older program compares the number in `confirmed` with the one in sled, and refuses a store that has less.
#[test]
fn an_older_program_is_kept_out_while_anything_is_not_applied() {
    let dir = tempfile::tempdir().unwrap();
    let numbers = |log: &Stepped| {
        let store = &log.journal.shared.store;
        (store.applied().unwrap(), store.confirmed().unwrap().writes)
    };
    let mut log = Stepped::open(dir.path());
    log.write(vec![Op::Put(b"format".to_vec(), b"3".to_vec())]);
    assert_eq!(numbers(&log), (1, 1), "the first write is in the store before it is acknowledged");
    log.write(vec![Op::Put(b"event".to_vec(), vec![1; 2000])]);
    assert_eq!(numbers(&log), (1, 2));
    log.journal.shared.layers_mut().freeze();
    while log.applier.step().unwrap() == applier::Step::Done {}
    assert_eq!(numbers(&log), (2, 2));
    let value = log.journal.shared.store.get(b"event").unwrap().unwrap();
    assert!(Pointer::read(&value).is_some(), "no older program takes it for a record: {value:?}");
}

/// The thread that applies ends with its first failure: whoever asks hears of it, and the next write does.
#[test]
fn a_failure_of_the_thread_that_applies_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Sled::open(dir.path(), 1 << 20, 0, 0).unwrap();
    store.keep_nothing_free();
    let journal = Journal::over(store, dir.path(), SIZES).unwrap();
    assert_eq!(journal.failure(), None);
    fs::write(dir.path().join(SEGMENTS), b"no folder").unwrap();

    let error = journal.write(vec![Op::Put(b"key".to_vec(), b"value".to_vec())], Seq(1)).unwrap_err();

    assert!(matches!(error, EngineError::Failed(_)), "{error}");
    assert_eq!(journal.failure(), Some(error.clone()));
    assert_eq!(journal.write(vec![Op::Remove(b"key".to_vec())], Seq(1)), Err(error));
    journal.close();
}

#[test]
fn nobody_waits_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let log = Stepped::open(dir.path());

    let waited = log.journal.shared.wait_for(Duration::ZERO, |_| None::<()>);

    assert!(matches!(waited, Err(EngineError::Unavailable(_))), "{waited:?}");
}

/// A segment that cannot be read does not end the log, nor does it hinder that others are emptied.
#[test]
fn a_segment_that_cannot_be_read_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Stepped::open(dir.path());
    let value = |key: u64| Op::Put(key.to_be_bytes().to_vec(), vec![1; 1500]);
    // Each segment has one value that stays, and some that do not.
    let write = |log: &mut Stepped, stays: u64| log.write([stays].into_iter().chain(1000..1006).map(value).collect());
    write(&mut log, 1);
    write(&mut log, 2);
    let first = segments_of(dir.path())[0].clone();
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();

    (3..60).for_each(|stays| write(&mut log, stays));
    log.journal.shared.layers_mut().freeze();
    while log.applier.step().unwrap() == applier::Step::Done {}

    let stats = log.journal.shared.stats();
    assert!(stats.bytes <= 2 * stats.live + 8 * SIZES.segment, "{stats:?}");
    for stays in 2_u64..60 {
        assert_eq!(log.journal.get(&stays.to_be_bytes()).unwrap().as_deref(), Some(&[1; 1500][..]), "{stays}");
    }
}

/// A few values that stay do not keep the segments of all those that went.
#[test]
fn segments_that_few_values_keep_are_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Stepped::open(dir.path());
    let mut map = Map::new();
    for number in 0..400_u64 {
        let stays = number % 40 == 0;
        let key = format!("{}{number:03}", if stays { "s" } else { "t" }).into_bytes();
        let mut ops = vec![Op::Put(key, vec![1 + number as u8 % 200; 1500])];
        if number >= 20 && (number - 20) % 40 != 0 {
            ops.push(Op::Remove(format!("t{:03}", number - 20).into_bytes()));
        }
        change(&mut map, &ops);
        log.write(ops);
    }
    log.journal.shared.layers_mut().freeze();
    while log.applier.step().unwrap() == applier::Step::Done {}

    let stats = log.journal.shared.stats();
    assert!(stats.bytes <= 2 * stats.live + 8 * SIZES.segment, "{stats:?}");
    log.is(&map, &mut Random(1));
    let copy = copy(dir.path());
    Stepped::open(copy.path()).is(&map, &mut Random(2));
}

/// A reader that has found where a value is, and reads it when the segment is another one, asks again.
#[test]
fn a_value_that_moves_while_it_is_read_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Stepped::open(dir.path());
    log.write(vec![Op::Put(b"key".to_vec(), vec![7; 2000])]);
    let gone = Pointer { segment: 999, offset: 64, length: 2000 };
    let mut seen = BTreeSet::new();

    assert_eq!(log.journal.value(Entry::At(gone), &mut seen), None, "it asks again");
    assert_eq!(log.journal.value(Entry::At(gone), &mut seen), Some(gone.write().into()), "it is lost");
    assert_eq!(log.journal.get(b"key").unwrap().as_deref(), Some(&[7; 2000][..]));
}
