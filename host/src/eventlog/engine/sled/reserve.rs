//! Room that is kept on the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use tracing::{info, warn};

use super::files::SEGMENT;
use crate::eventlog::engine::{EngineError, Purpose};

/// Room on the disk that is kept for later: a free part that new events do not use, and a file that can be freed.
///
/// The store behaves badly when a write hits the end of the disk, so that writes are refused before. The file is
/// for opening it when that happened all the same, because others fill disks too.
#[derive(Debug)]
pub(super) struct Reserve {
    dir: PathBuf,
    ballast: PathBuf,
    ballast_bytes: u64,
    /// How much new events leave free.
    min_free: u64,
    /// How much of that the store needs for itself; deliveries may use half of it, removals three quarters.
    free_bytes: u64,
    amplification: u64,
}

impl Reserve {
    /// Two segments for the store's own moves, and the same again for deliveries of what is stored.
    const FREE: u64 = 4 * SEGMENT as u64;
    /// What the store writes for a byte that it is given: it rewrites pages as they fill.
    const AMPLIFICATION: u64 = 4;

    pub(super) fn new(dir: &Path, ballast_bytes: u64, min_free: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            ballast: dir.join("ballast"),
            ballast_bytes,
            min_free: min_free.max(Self::FREE),
            free_bytes: Self::FREE,
            amplification: Self::AMPLIFICATION,
        }
    }

    #[cfg(test)]
    pub(super) fn keep_nothing_free(&mut self) {
        (self.min_free, self.free_bytes, self.amplification) = (0, 0, 0);
    }

    /// Whether `bytes` can be written and the free part stays.
    pub(super) fn room(&self, bytes: usize, purpose: Purpose) -> Result<(), EngineError> {
        self.room_for_file((bytes as u64).saturating_mul(self.amplification), purpose)
    }

    /// The same for a file of `bytes`.
    pub(super) fn room_for_file(&self, bytes: u64, purpose: Purpose) -> Result<(), EngineError> {
        let reserved = match purpose {
            Purpose::Intake => self.min_free,
            Purpose::Upkeep => self.free_bytes / 2,
            Purpose::Removal => self.free_bytes / 4,
        };
        self.room_for(bytes.saturating_add(reserved))
    }

    fn room_for(&self, needed: u64) -> Result<(), EngineError> {
        let free = self.free_bytes()?;
        if free < needed {
            let dir = self.dir.display();
            return Err(EngineError::Full(format!("{free} bytes are free for `{dir}`, {needed} are needed")));
        }
        Ok(())
    }

    /// Bytes that are free on the file system.
    pub(super) fn free_bytes(&self) -> Result<u64, EngineError> {
        let disk =
            statvfs(&self.dir).map_err(|error| EngineError::Unavailable(format!("no free space known: {error}")))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Gives the ballast up.
    pub(super) fn free(&self) {
        match fs::remove_file(&self.ballast) {
            Ok(()) => info!(file = %self.ballast.display(), "Ballast is freed"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn!(file = %self.ballast.display(), %error, "Ballast cannot be freed"),
        }
    }

    /// Writes the ballast when it is not there, with a quarter of the free part more than intake needs.
    pub(super) fn refill(&self) -> Result<(), EngineError> {
        let length = fs::metadata(&self.ballast).map_or(0, |metadata| metadata.len());
        let missing = self.ballast_bytes.saturating_sub(length);
        self.room_for(missing.saturating_add(self.min_free).saturating_add(self.min_free / 4))?;
        if missing == 0 {
            return Ok(());
        }
        self.write_ballast().map_err(|error| {
            self.free();
            EngineError::Full(format!("cannot write `{}`: {error}", self.ballast.display()))
        })
    }

    // Real zeros: a sparse file would hold nothing.
    fn write_ballast(&self) -> io::Result<()> {
        let zeros = vec![0; 64 * 1024];
        let mut file = File::create(&self.ballast)?;
        let mut left = self.ballast_bytes;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
            file.write_all(&zeros[..part])?;
            left -= part as u64;
        }
        file.sync_all()
    }
}
