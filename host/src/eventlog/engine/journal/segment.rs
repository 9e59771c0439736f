//! The files of the journal: each has a header, and then records one after the other.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use rustix::io::{Errno, retry_on_intr};

use super::record::{self, Found, HEAD};

/// Where the first record is.
pub(super) const START: u64 = 64;

const MAGIC: [u8; 8] = *b"gwjrnl\x00\x01";
/// Magic, id, random number, checksum.
const HEADER: usize = 28;
/// The end of the name of a segment, and of one that is being prepared.
const NAME: &str = "segment";
const PREPARED: &str = "new";
/// Bytes of zeros that the disk gets at once: the sync of a commit waits for them.
const ZEROS: usize = 1 << 20;

/// An open segment.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) id: u64,
    /// Differs in each life of the file.
    pub(super) salt: u64,
    pub(super) capacity: u64,
    pub(super) file: Arc<File>,
}

impl Segment {
    /// Makes a file with room for `capacity` bytes. It is a segment once its header and its name are on the disk.
    pub(super) fn prepare(dir: &Path, id: u64, capacity: u64) -> io::Result<Self> {
        let new = named(dir, id, PREPARED);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&new)?;
        let prepared = reserve(&file, capacity).and_then(|()| Self::begin(dir, id, capacity, file));
        prepared.inspect_err(|_| abandon(dir, id))
    }

    /// The same with the file of segment `old`, whose records nobody needs any more, and whose room it keeps.
    pub(super) fn prepare_again(dir: &Path, old: u64, id: u64) -> io::Result<Self> {
        let new = named(dir, id, PREPARED);
        fs::rename(path(dir, old), &new)?;
        let again = || {
            // Before the header is another one: a segment with a wrong header is a damaged one.
            sync(dir)?;
            let file = File::options().read(true).write(true).open(&new)?;
            let capacity = file.metadata()?.len();
            Self::begin(dir, id, capacity, file)
        };
        again().inspect_err(|_| abandon(dir, id))
    }

    fn begin(dir: &Path, id: u64, capacity: u64, file: File) -> io::Result<Self> {
        let salt = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
        let mut header = [&MAGIC[..], &id.to_le_bytes(), &salt.to_le_bytes()].concat();
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        file.write_all_at(&header, 0)?;
        file.sync_all()?;
        fs::rename(named(dir, id, PREPARED), path(dir, id))?;
        sync(dir)?;
        Ok(Self { id, salt, capacity, file: Arc::new(file) })
    }

    /// Opens the segment `id`; `None` when its header is damaged. What is read of it comes from the disk.
    pub(super) fn open(dir: &Path, id: u64, write: bool) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(write).open(path(dir, id))?;
        if write {
            file.sync_all()?;
        }
        fadvise(&file, 0, None, Advice::DontNeed)?;
        let capacity = file.metadata()?.len();
        let mut header = [0; HEADER];
        match file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let (start, sum) = header.split_at(HEADER - 4);
        let (magic, numbers) = start.split_at(MAGIC.len());
        let [named, salt] = numbers.as_chunks().0 else { return Ok(None) };
        let whole = sum == crc32fast::hash(start).to_le_bytes() && magic == MAGIC && u64::from_le_bytes(*named) == id;
        Ok(whole.then(|| Self { id, salt: u64::from_le_bytes(*salt), capacity, file: Arc::new(file) }))
    }

    /// Writes a record. It is on the disk after a sync of the file.
    pub(super) fn write(&self, record: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(record, at)
    }

    /// All of its bytes.
    pub(super) fn content(&self) -> io::Result<Bytes> {
        self.bytes(0, usize::try_from(self.file.metadata()?.len()).unwrap_or(usize::MAX))
    }

    /// Its first record, when there is one.
    pub(super) fn first(&self) -> io::Result<Option<Found>> {
        let rest = self.capacity.saturating_sub(START);
        if rest < HEAD as u64 {
            return Ok(None);
        }
        let head = self.bytes(START, HEAD)?;
        let Some(length) = record::length(&head).filter(|length| *length as u64 <= rest) else { return Ok(None) };
        let bytes = self.bytes(START, length)?;
        let within = |found: Found| Found { place: START as usize..START as usize + length, ..found };
        Ok(Found::at(&bytes, 0, self.salt).map(within))
    }

    fn bytes(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        read(&self.file, offset, length)
    }
}

/// `length` bytes of a segment from `offset` on.
pub(super) fn read(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

/// The file of segment `id`.
pub(super) fn path(dir: &Path, id: u64) -> PathBuf {
    named(dir, id, NAME)
}

/// The ids of the segments in `dir` in their order, with the sizes of their files. Removes what a crash has left of one that
/// was being prepared, if `remove` says so: it has no records.
pub(super) fn list(dir: &Path, remove: bool) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((id, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        if kind == PREPARED && remove {
            fs::remove_file(entry.path())?;
        } else if kind == NAME
            && let Ok(id) = u64::from_str_radix(id, 16)
        {
            found.push((id, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes what was prepared in vain; what cannot be removed now is found by the next start, which knows that it is empty.
fn abandon(dir: &Path, id: u64) {
    for kind in [PREPARED, NAME] {
        drop(fs::remove_file(named(dir, id, kind)));
    }
}

/// Makes the names in `dir` survive a power cut.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn named(dir: &Path, id: u64, kind: &str) -> PathBuf {
    dir.join(format!("{id:016x}.{kind}"))
}

/// Takes `bytes` of the disk, so that a record never meets a full one, and writes them once: the sync of a record that changes
/// written bytes has nothing to do for the file system, whose own journal would be a second sync.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    // A signal to the process must not look like a broken disk.
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, bytes)) {
        // Not every file system can: zeros take the room too.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = vec![0; ZEROS];
    let mut at = 0;
    while at < bytes {
        let part = usize::try_from(bytes - at).unwrap_or(zeros.len()).min(zeros.len());
        file.write_all_at(&zeros[..part], at)?;
        file.sync_all()?;
        at += part as u64;
    }
    Ok(())
}
