//! The segments that there are: their sizes, up to which write each is needed, and the values in them.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use tracing::warn;

use super::pointer::Pointer;
use super::segment::{self, Segment};

/// All segments of a journal. Readers hold none of them: whoever finds that one is gone asks again where its value is.
pub(super) struct Segments {
    dir: PathBuf,
    known: RwLock<BTreeMap<u64, Known>>,
    /// Files that were read last.
    files: Mutex<VecDeque<(u64, Arc<File>)>>,
}

/// What is known of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) capacity: u64,
    /// The number of its last record; [`Known::IN_USE`] while more may come.
    pub(super) last: u64,
}

impl Known {
    pub(super) const IN_USE: u64 = u64::MAX;
}

/// What a pointer leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bytes(Bytes),
    /// The segment is not there: its value was moved, removed or lost.
    Gone,
    /// The segment ends before it, or cannot be read.
    Damaged,
}

impl Segments {
    /// How many files are kept open to be read.
    const OPEN: usize = 32;

    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, known: RwLock::default(), files: Mutex::default() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Forgets all, and learns those that a start has found.
    pub(super) fn reset(&self, known: BTreeMap<u64, Known>) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Learns one that is new. Its records can be read from now on.
    pub(super) fn add(&self, segment: &Segment) {
        let known = Known { capacity: segment.capacity, last: Known::IN_USE };
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(segment.id, known);
        self.remember(segment.id, &segment.file);
    }

    /// Notes that `last` is the number of the last record of segment `id`.
    pub(super) fn end(&self, id: u64, last: u64) {
        if let Some(known) = self.known.write().unwrap_or_else(PoisonError::into_inner).get_mut(&id) {
            known.last = last;
        }
    }

    /// What `look` finds in the list of all, by their ids. Nothing is added or forgotten meanwhile.
    pub(super) fn look<T>(&self, look: impl FnOnce(&BTreeMap<u64, Known>) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn count(&self) -> u64 {
        self.look(|known| known.len() as u64)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.look(|known| known.values().map(|known| known.capacity).sum())
    }

    /// The value that `pointer` leads to.
    pub(super) fn read(&self, pointer: Pointer) -> Value {
        let Some(known) = self.known(pointer.segment) else { return Value::Gone };
        if pointer.offset.saturating_add(pointer.length.into()) > known.capacity {
            return Value::Damaged;
        }
        let read = self.file(pointer.segment);
        let read = read.and_then(|file| segment::read(&file, pointer.offset, pointer.length as usize));
        // A file is used again only after its segment was forgotten, so bytes of one that is still known are its own.
        if self.known(pointer.segment).is_none() {
            self.let_go(pointer.segment);
            return Value::Gone;
        }
        match read {
            Ok(bytes) => Value::Bytes(bytes),
            Err(error) => {
                warn!(file = %segment::path(&self.dir, pointer.segment).display(), %error, "A value cannot be read");
                Value::Damaged
            }
        }
    }

    /// Forgets segment `id`. Its file is no longer read.
    pub(super) fn forget(&self, id: u64) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.let_go(id);
    }

    /// Keeps no file of segment `id` open: its room is free once it is removed.
    fn let_go(&self, id: u64) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).retain(|(open, _)| *open != id);
    }

    /// Removes the file of a forgotten segment.
    pub(super) fn remove(&self, id: u64) -> io::Result<()> {
        match fs::remove_file(segment::path(&self.dir, id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn known(&self, id: u64) -> Option<Known> {
        self.look(|known| known.get(&id).copied())
    }

    fn file(&self, id: u64) -> io::Result<Arc<File>> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let open = files.iter().find(|(open, _)| *open == id).map(|(_, file)| Arc::clone(file));
        drop(files);
        if let Some(file) = open {
            return Ok(file);
        }
        let file = Arc::new(File::open(segment::path(&self.dir, id))?);
        self.remember(id, &file);
        Ok(file)
    }

    fn remember(&self, id: u64, file: &Arc<File>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.push_back((id, Arc::clone(file)));
        if files.len() > Self::OPEN {
            files.pop_front();
        }
    }
}
