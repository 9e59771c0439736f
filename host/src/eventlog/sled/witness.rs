use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tracing::warn;

/// How many writes the disk has confirmed, kept beside the store.
///
/// sled takes a damaged record for the end of its log and forgets everything behind it without a word. So each write
/// stores its number, and once the disk has confirmed it the number goes here: a store with a lower one has lost its
/// end. The file needs no sync of its own, because an old number is only a weaker witness, and none never accuses.
#[derive(Debug)]
pub(super) struct Witness {
    path: PathBuf,
    file: File,
}

impl Witness {
    const NUMBER: usize = 8;
    const LENGTH: usize = 12;

    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join("confirmed");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        Ok(Self { path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the last write that it has seen; none when it is new or damaged itself.
    pub(super) fn confirmed(&self) -> Option<u64> {
        let mut record = [0; Self::LENGTH];
        self.file.read_exact_at(&mut record, 0).ok()?;
        let (number, sum) = record.split_first_chunk::<{ Self::NUMBER }>()?;
        (crc32fast::hash(number).to_le_bytes() == *sum).then(|| u64::from_le_bytes(*number))
    }

    /// Keeps the number of a write that is on the disk.
    pub(super) fn confirm(&self, number: u64) {
        let number = number.to_le_bytes();
        let sum = crc32fast::hash(&number).to_le_bytes();
        if let Err(error) = self.file.write_all_at(&[&number[..], &sum[..]].concat(), 0) {
            warn!(file = %self.path.display(), %error, "The number of the last write cannot be kept");
        }
    }

    /// Makes the last number survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
