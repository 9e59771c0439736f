//! The number of the last confirmed write, kept outside of the store.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::event::Seq;

/// What the disk has confirmed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    /// The number of the write.
    pub(crate) writes: u64,
    /// The position of the last event then.
    pub(crate) head: Seq,
}

/// How many writes the disk has confirmed, kept beside the store.
///
/// sled takes a damaged record for the end of its log and forgets everything behind it without a word, and a journal ends
/// with its first damaged record too. So once the disk has confirmed a write its number goes here: a log that ends with a
/// lower one has lost its end. An older program compares it with what sled has in full, which is less while writes wait to
/// be applied. The file needs no sync of its own, because an old number is only a weaker witness, and none never accuses.
#[derive(Debug)]
pub(super) struct HighWater {
    path: PathBuf,
    file: File,
}

impl HighWater {
    const NUMBERS: usize = 16;
    const LENGTH: usize = 20;

    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join("confirmed");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        Ok(Self { path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The last write that it has seen; none when it is new or damaged itself.
    pub(super) fn confirmed(&self) -> Option<Confirmed> {
        let mut record = [0; Self::LENGTH];
        self.file.read_exact_at(&mut record, 0).ok()?;
        let (numbers, sum) = record.split_first_chunk::<{ Self::NUMBERS }>()?;
        let [writes, head] = numbers.as_chunks().0 else { return None };
        let confirmed = Confirmed { writes: u64::from_le_bytes(*writes), head: Seq(u64::from_le_bytes(*head)) };
        (crc32fast::hash(numbers).to_le_bytes() == *sum).then_some(confirmed)
    }

    /// Keeps a write that is on the disk.
    pub(super) fn confirm(&self, Confirmed { writes, head }: Confirmed) {
        let numbers = [writes.to_le_bytes(), head.0.to_le_bytes()].concat();
        let sum = crc32fast::hash(&numbers).to_le_bytes();
        if let Err(error) = self.file.write_all_at(&[&numbers[..], &sum[..]].concat(), 0) {
            warn!(file = %self.path.display(), %error, "The number of the last write cannot be kept");
        }
    }

    /// Makes the last number survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
