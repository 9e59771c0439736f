//! What keeps a log healthy besides its use: looking at all of it, copying it, and saving what a damage has left.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

mod backup;

pub use self::backup::{BackupSummary, LostKind, LostRange, Pieces, check as check_backup};
use self::backup::{Source, export, restore_into, values, values_of};
use super::engine::journal::Journal;
use super::engine::sled::{Sled, put_in_place, salvage, set_aside};
use super::engine::{Direction, Disk, Engine, JournalStats};
use super::epoch::Epoch;
use super::layout::key;
use super::layout::meta::{self, CHANNEL, LogState};
use super::layout::reader::Store;
use super::layout::record::{self, Tombstone, corrupt};
use super::layout::states::STATES;
use super::{ChannelCounts, EventLog, EventLogError};
use crate::event::{ChannelName, EventStatus, Seq, Timestamp};

/// Pages of a store that nobody serves from.
const CACHE: u64 = 32 << 20;

/// The figures of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogStats {
    /// The format of what is stored.
    pub format: u8,
    pub epoch: Epoch,
    /// The position of the last event; 0 before the first.
    pub head: Seq,
    /// The first position that is held; the one after `head` when none is.
    pub floor: Seq,
    /// Events that are held.
    pub events: u64,
    /// Events that are no longer held.
    pub removed: u64,
    /// Bytes of the events that are held, with their payloads.
    pub bytes: u64,
    /// When the first event that is held was received.
    pub oldest: Option<Timestamp>,
    /// When the last event was received.
    pub newest: Option<Timestamp>,
    /// What the log takes on the disk.
    pub disk: Option<Disk>,
    /// What its journal takes of that.
    pub journal: Option<JournalStats>,
}

/// How far long work on a log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The position that it is at.
    pub seq: Seq,
    /// The last position.
    pub head: Seq,
}

/// What a look at all of a store has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// What is in it, and what cannot be read.
    #[serde(flatten)]
    pub contents: BackupSummary,
    /// Records that were looked at.
    pub records: u64,
    /// What does not fit together besides.
    pub problems: Vec<String>,
    /// Positions that an earlier repair found lost: first and last.
    pub lost_before: Vec<(Seq, Seq)>,
}

impl Verified {
    /// Whether all of it is as it was written.
    pub fn is_whole(&self) -> bool {
        self.contents.lost.is_empty() && self.problems.is_empty()
    }
}

/// What a repair has saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// What was saved, and what is lost.
    #[serde(flatten)]
    pub contents: BackupSummary,
    /// Where the damaged folder is now.
    pub kept: PathBuf,
}

impl EventLog {
    /// What the log holds. Looks at the folder on the disk.
    pub fn stats(&self) -> LogStats {
        let counts = self.snapshot();
        let events = EventStatus::ALL.iter().map(|status| counts.with_status(*status)).sum();
        LogStats {
            format: meta::FORMAT,
            epoch: counts.epoch,
            head: counts.head,
            floor: counts.floor,
            events,
            removed: counts.head.0 - events,
            bytes: counts.bytes,
            oldest: counts.oldest,
            newest: counts.channels.values().filter_map(|channel| channel.last_event_at).max(),
            disk: self.0.reader.store.engine.disk(),
            journal: self.0.reader.store.engine.journal(),
        }
    }

    /// Gives a backup of everything up to the head as of now to `sink`, while the log goes on. Waits for the disk.
    ///
    /// Deliveries are in it as they are when they are read: at most later than the events.
    ///
    /// # Errors
    /// Those of `sink`. What cannot be read is in the answer and in the backup.
    pub fn backup(
        &self,
        sink: &mut dyn FnMut(Bytes) -> Result<(), EventLogError>,
        progress: &mut dyn FnMut(Covered),
    ) -> Result<BackupSummary, EventLogError> {
        let store = &self.0.reader.store;
        let mut values = values(store);
        let counts = self.snapshot();
        // Unlike other values, what was told must not be older than the events: a state would count as the last one that is
        // not. What is later than they are is left out by whoever reads it.
        values.retain(|value| !matches!(value, Ok((space, _, _)) if space == STATES));
        values.extend(values_of(store, STATES));
        let head = counts.head;
        let source = Source { store, values, head, channels: Some((*counts.channels).clone()) };
        export(source, sink, &mut |seq| progress(Covered { seq, head }))
    }
}

/// Looks at every record of the store in `dir`, which nobody may use meanwhile. `progress` is told of each event.
///
/// # Errors
/// `Corrupt` when it cannot be opened at all, and those of [`EventLog::open`].
pub fn verify(dir: &Path, progress: &mut dyn FnMut(Covered)) -> Result<Verified, EventLogError> {
    let engine: Arc<dyn Engine> = Arc::new(Journal::open(dir, CACHE, 0, 0)?);
    let store = Store::new(Arc::clone(&engine));
    let verified = refuse_later(&store).map(|()| verify_store(&store, progress));
    engine.close();
    verified
}

/// An error for the log of a later version of the program: there is no telling what in it is damaged.
fn refuse_later(store: &Store) -> Result<(), EventLogError> {
    match meta::format(store) {
        Err(error @ EventLogError::Format { .. }) => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn verify_store(store: &Store, progress: &mut dyn FnMut(Covered)) -> Verified {
    let mut found = Verified::default();
    let problems = &mut found.problems;
    let mut note = |error: EventLogError| problems.push(error.to_string());
    match meta::format(store) {
        Ok(Some(meta::FORMAT)) => drop(meta::epoch(store).map_err(&mut note)),
        Ok(Some(_)) => {}
        Ok(None) => note(corrupt(&key::meta(meta::FORMAT_KEY), "it is missing".to_owned())),
        Err(error) => note(error),
    }
    let state = meta::state(store).map_err(note).ok();
    found.problems.extend(store.engine.problems());
    let damaged = records(store, &mut found);
    let head = state.as_ref().map_or_else(|| last_position(store), |state| state.head);
    let channels = channels(store);
    let source = Source { store, values: values(store), head, channels: None };
    match export(source, &mut |_| Ok(()), &mut |seq| progress(Covered { seq, head })) {
        Ok(contents) => found.contents = contents,
        Err(error) => found.problems.push(error.to_string()),
    }
    // What concerns events was told with their positions.
    let told = |place: &str| found.contents.lost.iter().any(|loss| loss.detail.contains(&format!("`{place}`")));
    let untold = damaged.into_iter().filter(|(place, _)| !told(place));
    let untold: Vec<_> = untold.map(|(place, detail)| format!("record `{place}`: {detail}")).collect();
    found.problems.extend(untold);
    if let (Some(state), true) = (state, found.contents.lost.is_empty()) {
        compare(&state, &channels, &mut found);
    }
    found
}

/// Checks the checksum of every record; the damaged ones with what is wrong.
fn records(store: &Store, found: &mut Verified) -> Vec<(String, String)> {
    const PAGE: usize = 64;
    let mut damaged = Vec::new();
    let mut from = Vec::new();
    loop {
        let page = match store.engine.scan(&from..&[u8::MAX], Direction::Up, PAGE) {
            Ok(page) => page,
            Err(error) => {
                found.problems.push(format!("records from `{}` on: {error}", key::display(&from)));
                break;
            }
        };
        let Some((last, _)) = page.last() else { break };
        from = [&last[..], &[0]].concat();
        for (key, value) in &page {
            found.records += 1;
            match record::checked(key, value) {
                Err(EventLogError::Corrupt { key, detail }) => damaged.push((key, detail)),
                Err(error) => damaged.push((key::display(key), error.to_string())),
                Ok(_) => {
                    if let Some(first) = key::tombstone_seq(key)
                        && let Ok(Tombstone { last, lost: true }) = record::decode(key, value)
                    {
                        found.lost_before.push((first, last));
                    }
                }
            }
        }
    }
    damaged
}

/// Whether the figures are those of what is there.
fn compare(state: &LogState, channels: &BTreeMap<ChannelName, ChannelCounts>, found: &mut Verified) {
    let tally = &found.contents.tally;
    let problems = &mut found.problems;
    for status in EventStatus::ALL {
        let (counted, kept) = (tally.statuses[status as usize], state.statuses[status as usize]);
        if counted != kept {
            problems.push(format!("{counted} events are {status}, the log counts {kept}"));
        }
    }
    if tally.stored != state.bytes {
        problems.push(format!("the events take {} bytes, the log counts {}", tally.stored, state.bytes));
    }
    for (name, counted) in &tally.channels {
        let accepted = channels.get(name).map_or(0, |counts| counts.accepted);
        if *counted > accepted {
            problems.push(format!("{counted} events of channel `{name}` are there, the log counts {accepted}"));
        }
    }
}

/// The figures of the channels, as far as they can be read.
fn channels(store: &Store) -> BTreeMap<ChannelName, ChannelCounts> {
    let prefix = key::meta(CHANNEL);
    let range = key::starting_with(&prefix);
    let found = store.engine.scan(&range.start..&range.end, Direction::Up, usize::MAX).unwrap_or_default();
    let read = |(key, value): &(Bytes, Bytes)| {
        let name = std::str::from_utf8(key.get(prefix.len()..)?).ok()?.parse().ok()?;
        Some((name, record::decode(key, value).ok()?))
    };
    found.iter().filter_map(read).collect()
}

/// The last position that anything is known of.
fn last_position(store: &Store) -> Seq {
    let end = Seq(u64::MAX - 1);
    let block = store.block_at(end).ok().flatten().map(|block| block.last());
    let blocks = key::blocks_to(end);
    let first = store.engine.scan(&blocks.start..&blocks.end, Direction::Down, 1).unwrap_or_default();
    let damaged = first.first().and_then(|(key, _)| key::block_seq(key));
    let range = key::tombstones_to(end);
    let gone = store.engine.scan(&range.start..&range.end, Direction::Down, 1).unwrap_or_default();
    let gone = gone.first().and_then(|(key, value)| record::decode::<Tombstone>(key, value).ok()).map(|gone| gone.last);
    [block, damaged, gone].into_iter().flatten().max().unwrap_or_default()
}

/// Makes a log of the backup in `input` in the folder `dir`, which has none yet; it is there as a whole or not at all.
///
/// # Errors
/// `Backup` when the backup is not whole, `Io` when `dir` has a log, and those of a write.
pub fn restore(input: impl Read, dir: &Path, progress: &mut dyn FnMut(Seq)) -> Result<BackupSummary, EventLogError> {
    let new = beside(dir, "restoring")?;
    let engine: Arc<dyn Engine> = Arc::new(Journal::open(&new, CACHE, 0, 0)?);
    let restored = restore_into(input, &engine, progress);
    let restored = restored.and_then(|contents| written(&engine, contents));
    engine.close();
    let placed = restored.and_then(|contents| put_in_place(&new, dir).map(|()| contents).map_err(Into::into));
    if placed.is_err() {
        // What is left is no log; the next attempt begins anew.
        drop(fs::remove_dir_all(&new));
    }
    placed
}

/// Reads back what was written, before anybody relies on it.
fn written(engine: &Arc<dyn Engine>, contents: BackupSummary) -> Result<BackupSummary, EventLogError> {
    let verified = verify_store(&Store::new(Arc::clone(engine)), &mut |_| {});
    if verified.is_whole() && verified.contents.events == contents.events {
        return Ok(contents);
    }
    let losses = verified.contents.lost.iter().map(ToString::to_string);
    let detail = losses.chain(verified.problems).next().unwrap_or_else(|| "events are missing".to_owned());
    Err(EventLogError::Io(format!("what was written cannot be read back: {detail}")))
}

/// Saves everything that can be read of the store in `dir` into a new one in its place. The old folder is kept beside it.
///
/// # Errors
/// `Corrupt` when nothing of it can be opened; `Locked`, `Full` and `Io`. The store is as it was then.
pub fn repair(dir: &Path, now: Timestamp, progress: &mut dyn FnMut(Covered)) -> Result<Repaired, EventLogError> {
    let lock = Sled::lock_folder(dir)?;
    let work = beside(dir, "repairing")?;
    let saved = save(dir, &work, progress);
    let repaired = saved.and_then(|contents| {
        let stamp: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        let kept = with_suffix(dir, &format!("damaged-{stamp}"));
        set_aside(&work.join("new"), dir, &kept)?;
        Ok(Repaired { contents, kept })
    });
    drop(fs::remove_dir_all(&work));
    drop(lock);
    repaired
}

fn save(dir: &Path, work: &Path, progress: &mut dyn FnMut(Covered)) -> Result<BackupSummary, EventLogError> {
    let (old, confirmed) = salvage(dir, &work.join("old"))?;
    let old: Arc<dyn Engine> = Arc::new(Journal::salvage(old, dir)?);
    let store = Store::new(Arc::clone(&old));
    refuse_later(&store).inspect_err(|_| old.close())?;
    let head = [meta::state(&store).ok().map(|state| state.head), confirmed, Some(last_position(&store))];
    let head = head.into_iter().flatten().max().unwrap_or_default();
    let new: Arc<dyn Engine> = Arc::new(Journal::open(&work.join("new"), CACHE, 0, 0)?);
    let (sender, pieces) = Pieces::channel();
    let saved = std::thread::scope(|scope| {
        let written = scope.spawn(|| restore_into(pieces, &new, &mut |_| {}));
        let source = Source { store: &store, values: values(&store), head, channels: Some(channels(&store)) };
        let gone = |_| EventLogError::Io("the new store takes nothing".to_owned());
        let contents =
            export(source, &mut |bytes| sender.send(bytes).map_err(gone), &mut |seq| progress(Covered { seq, head }));
        drop(sender);
        let written = written.join().unwrap_or_else(|_| Err(EventLogError::Io("a thread panicked".to_owned())));
        written.and(contents)
    });
    old.close();
    let saved = saved.and_then(|contents| written(&new, contents));
    new.close();
    saved
}

/// An empty folder beside `dir`, on the same file system. What an interrupted attempt left in it is removed.
fn beside(dir: &Path, what: &str) -> Result<PathBuf, EventLogError> {
    let path = with_suffix(dir, what);
    let made = match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(&path),
    };
    made.map_err(|error| EventLogError::Io(format!("`{}`: {error}", path.display())))?;
    Ok(path)
}

fn with_suffix(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}"));
    dir.with_file_name(name)
}
