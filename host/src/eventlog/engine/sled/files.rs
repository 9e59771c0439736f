//! The files of a store: locks, synced directories, and moves that are there as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use rustix::fs::{Advice, fadvise};

use crate::eventlog::engine::EngineError;

/// What may lie in the folder of a log that is empty: nothing of it is an event.
const NO_LOG: [&str; 3] = ["compiled", "lock", "ballast"];

/// Larger segments cost memory, smaller ones do not hold the largest leaf.
pub(super) const SEGMENT: usize = 4 * 1024 * 1024;

/// Makes the entries of `dir`, and its own, survive a power cut.
pub(super) fn sync_directories(dir: &Path) -> io::Result<()> {
    let dir = fs::canonicalize(dir)?;
    File::open(&dir)?.sync_all()?;
    dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

pub(super) fn lock(dir: &Path) -> Result<File, EngineError> {
    let file = File::options().write(true).create(true).truncate(false).open(dir.join("lock"));
    let file = file.map_err(|error| unavailable(dir, &error))?;
    match file.try_lock() {
        Ok(()) => {
            // Who is kept out learns by whom. Without room for it, without a word.
            let _ = file.set_len(0).and_then(|()| (&file).write_all(std::process::id().to_string().as_bytes()));
            Ok(file)
        }
        Err(fs::TryLockError::WouldBlock) => Err(EngineError::Locked(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(unavailable(dir, &error)),
    }
}

/// Puts the whole store `new` in the place of `dir`, which holds no log.
///
/// # Errors
/// `Unavailable` with the name of what lies there, when it is not empty.
pub(crate) fn put_in_place(new: &Path, dir: &Path) -> Result<(), EngineError> {
    let failed = |error: io::Error| unavailable(dir, &error);
    if dir.exists() {
        // Held until the folder is gone, so that no gateway starts in it meanwhile.
        let _lock = lock(dir)?;
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if !NO_LOG.iter().any(|known| name == *known) {
                return Err(EngineError::Unavailable(format!(
                    "`{}` is not empty: it has `{}`",
                    dir.display(),
                    name.to_string_lossy()
                )));
            }
        }
        if dir.join("compiled").exists() {
            fs::rename(dir.join("compiled"), new.join("compiled")).map_err(failed)?;
        }
        fs::remove_dir_all(dir).map_err(failed)?;
    }
    fs::rename(new, dir).map_err(failed)?;
    sync_directories(dir).map_err(failed)
}

/// Puts the whole store `new` in the place of the damaged one in `dir`, which is kept beside it as `old`.
pub(crate) fn set_aside(new: &Path, dir: &Path, old: &Path) -> Result<(), EngineError> {
    let failed = |error: io::Error| unavailable(dir, &error);
    fs::rename(dir, old).map_err(failed)?;
    if let Err(error) = fs::rename(new, dir) {
        fs::rename(old, dir).map_err(failed)?;
        return Err(failed(error));
    }
    sync_directories(dir).map_err(failed)
}

/// Why a file of the store in `dir` cannot be used.
pub(crate) fn unavailable(dir: &Path, error: &io::Error) -> EngineError {
    if is_full(error) {
        return EngineError::Full(error.to_string());
    }
    EngineError::Unavailable(format!("`{}`: {error}", dir.display()))
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Makes the next read of `path` come from the disk: after a failed write-back the cache may hold what the disk does not.
pub(super) fn forget_cached(path: &Path) -> io::Result<()> {
    match File::options().read(true).write(true).open(path) {
        Ok(file) => {
            file.sync_all()?;
            Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Why a write failed, or its sync.
pub(crate) fn write_failure(error: &io::Error) -> EngineError {
    if is_full(error) { EngineError::Full(error.to_string()) } else { EngineError::Failed(error.to_string()) }
}
